import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.load import LoadFailed, Window, latency, load, merged
from bench.servers import Layout
from bench.tidings_server import TidingsServer

PAIRS = 4
GROUP = 5
WARM_UP, SECONDS = 0.1, 0.4

pytestmark = pytest.mark.skipif(
    not (shutil.which("gcc") and shutil.which("make") and Path("/usr/include/openssl/evp.h").exists()),
    reason="gcc, make or libssl-dev is not installed",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TidingsServer]:
    """A server with four pairs, and a group of the first five of their people."""
    together = [(2 * number, 2 * number + 1) for number in range(PAIRS)]
    server = TidingsServer(tmp_path_factory.mktemp("load"), (0,))
    server.start(Layout(2 * PAIRS, [*together, tuple(range(GROUP))], sign_ins=20))
    yield server
    server.stop()


def run(server: TidingsServer, workload: str, *, processes: int = 1, **options: object) -> dict[str, Any]:
    """Let a workload run in a short window, or to its end; return its report."""
    words = {name.replace("_", "-"): value for name, value in options.items()}
    with load(workload, server.target, server.people, words, processes=processes) as working:
        working.ready()
        working.go(Window.soon(WARM_UP, SECONDS) if workload in ("pairs", "fanout", "day") else None)
        working.begins()
        if workload == "idle":
            working.quiet()
            working.tell("stop")
        assert working.ends() <= time.monotonic()
        return working.report()


def test_pairs_write_as_fast_as_receipts_come_back(server: TidingsServer) -> None:
    report = run(server, "pairs", in_flight=3, both=True, processes=2)
    assert report["connections"] == report["senders"] == 2 * PAIRS
    assert 0 < report["messages"] == report["latency_us"]["count"] <= report["sent_in_all"]
    assert 0 < report["latency_us"]["p50"] <= report["latency_us"]["p99"] <= report["latency_us"]["max"]
    assert report["own_cpu_seconds"] > 0
    assert report["seconds"] > 0  # a busy machine begins late


def test_pairs_write_at_a_rate_whatever_the_server_does(server: TidingsServer) -> None:
    report = run(server, "pairs", rate=100)
    assert report["messages"] == pytest.approx(100 * SECONDS, abs=1)


def test_what_absent_people_were_sent_is_all_there_once(server: TidingsServer) -> None:
    assert run(server, "fill", messages=101, in_flight=5)["messages"] == 101
    report = run(server, "drain", messages=101, processes=2)
    assert (report["messages"], report["missing"], report["twice"]) == (101, 0, 0)


def test_a_storm_brings_all_devices_back_with_what_waited(server: TidingsServer) -> None:
    run(server, "fill", messages=10)
    report = run(server, "storm", messages=10)
    assert (report["connections"], report["messages"], report["missing"]) == (2 * PAIRS, 10, 0)
    assert (report["waited_least"], report["waited_most"]) == (0, 3)
    assert run(server, "storm", known=True)["signed_in_after_us"]["count"] == 2 * PAIRS


def test_every_other_member_gets_what_one_sends_to_a_group(server: TidingsServer) -> None:
    report = run(server, "fanout", in_flight=2)
    assert report["messages"] > 0
    assert report["deliveries"] == pytest.approx(report["messages"] * (GROUP - 1), abs=2 * (GROUP - 1))


def test_idle_devices_exchange_a_message_and_stay(server: TidingsServer) -> None:
    assert run(server, "idle", exchange=True)["messages"] == 2 * PAIRS


def test_a_day_has_messages_in_pairs_and_groups_and_signs_of_life(server: TidingsServer) -> None:
    rates = {"rate": 100, "group_rate": 25, "typing_rate": 50, "presence_rate": 50}
    report = run(server, "day", **rates)
    assert report["messages"] == pytest.approx(100 * SECONDS, abs=1)
    assert report["deliveries"] == report["group_messages"] * (GROUP - 1)
    assert report["typings_seen"] > 0
    assert report["presences"] > 0


def test_a_load_that_cannot_be_made_says_why(server: TidingsServer) -> None:
    with load("pairs", "127.0.0.1:1", server.people) as working, pytest.raises(LoadFailed, match="refused"):
        working.ready()


def test_latencies_of_several_processes_are_put_together() -> None:
    one = {"window_begins": 1.0, "window_ends": 2.0, "messages": 3, "latency_us": latency([(10, 2), (30, 1)])}
    other = {"window_begins": 1.1, "window_ends": 2.1, "messages": 1, "latency_us": latency([(20, 1)])}
    both = merged([one, other])
    assert (both["messages"], both["seconds"]) == (4, pytest.approx(1.1))
    assert [both["latency_us"][name] for name in ("count", "mean", "p50", "p99", "max")] == [4, 17.5, 10, 30, 30]
    assert latency([])["p99"] == 0
