"""The numbers that are counted, and the page that shows them."""

from tidings.server.telemetry import commits
from tidings.server.telemetry.commits import EVERY, STAGES, Commits
from tidings.server.telemetry.metrics import Metrics
from tidings.server.telemetry.numbers import Spread
from tidings.server.telemetry.page import show


def lines(metrics: Metrics) -> dict[str, float]:
    """Return the samples of the page."""
    found = (line.rpartition(" ") for line in show(metrics).decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def test_a_spread_counts_a_value_at_the_first_bound_that_it_does_not_exceed() -> None:
    spread = Spread((1, 4, 16))
    for value in (0, 1, 1.5, 4, 5, 16, 17, 1_000):
        spread.observe(value)
    assert spread.counts == [2, 2, 2, 2]
    assert spread.total == 1_044.5


def test_the_page_tells_of_everything_that_is_counted_with_its_kind_and_what_it_means() -> None:
    metrics = Metrics()
    page = show(metrics).decode()
    for metric in metrics:
        name = metric.name + "_total" * metric.rising
        kind = "counter" if metric.rising else "histogram" if metric.name.endswith(("_seconds", "_size")) else "gauge"
        assert f"# HELP {name} {metric.help}\n# TYPE {name} {kind}\n" in page


def test_numbers_rise_and_fall_and_are_told_apart_by_their_labels() -> None:
    metrics = Metrics()
    metrics.connections.inc()
    metrics.connections.inc(3)
    metrics.connections.dec()
    metrics.log_bytes.set(77)
    for code in ("4001", "4200", "4001"):
        metrics.closed.labels(code).inc()
    told = lines(metrics)
    assert told["tidings_connections"] == 3
    assert told["tidings_log_bytes"] == 77
    assert told['tidings_closed_total{code="4001"}'] == 2
    assert told['tidings_closed_total{code="4200"}'] == 1


def test_buckets_hold_all_that_is_below_them() -> None:
    metrics = Metrics()
    for size in (1, 2, 3, 5_000):
        metrics.commits.begun(size)
    told = lines(metrics)
    assert [told[f'tidings_commit_size_bucket{{le="{bound}"}}'] for bound in ("1.0", "2.0", "4.0", "1024.0")] == [
        *(1, 2, 3, 3)
    ]
    assert told['tidings_commit_size_bucket{le="+Inf"}'] == told["tidings_commit_size_count"] == 4
    assert told["tidings_commit_size_sum"] == 5_006


def test_one_commit_of_some_is_timed_through_all_of_its_stages() -> None:
    noted = Commits()
    asked = 0
    for _ in range(2 * EVERY + 1):
        noted.queued()
        noted.begun(1)
        noted.executed()
        if noted.committed():
            asked += 1
            noted.written()
    assert asked == 3
    assert {stage: sum(spread.counts) for stage, spread in noted.stages.spreads.items()} == dict.fromkeys(STAGES, 3)
    assert sum(noted.sizes.counts) == 2 * EVERY + 1


def test_a_commit_that_was_never_queued_or_never_ends_spoils_no_stage() -> None:
    noted = Commits()
    for _ in range(commits.EVERY):
        noted.begun(1)
    noted.queued()
    noted.begun(1)
    assert noted.committed()
    noted.written()
    assert {stage: sum(spread.counts) for stage, spread in noted.stages.spreads.items()} == {
        "wait": 1,
        "statements": 0,
        "commit": 1,
        "write": 1,
    }
