"""Token buckets against a naive one that counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from tidings.server.domain.rates import PER_ADDRESS, RATES, Buckets, Rate
from tidings.server.services.rates import Rates
from tidings.server.settings import Settings
from tidings.wire.errors import RateLimited, Refusal

BURST, EVERY = 3, 2.0


class Naive:
    """A bucket that is filled drop by drop."""

    def __init__(self) -> None:
        self.tokens = float(BURST)
        self.now = 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + (now - self.now) / EVERY)
        self.now = now
        if self.tokens < 1 - 1e-6:
            return False
        self.tokens -= 1
        return True


@given(pauses=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 7.0]), max_size=60))
def test_a_bucket_gives_what_one_gives_that_counts_its_tokens(pauses: list[float]) -> None:
    buckets, naive, now = Buckets({"x": Rate(BURST, EVERY)}), Naive(), 0.0
    for pause in pauses:
        now += pause
        wait = buckets.take("x", "k", now)
        assert (wait == 0.0) == naive.take(now)
        assert 0.0 <= wait <= EVERY
        if wait:
            assert buckets.take("x", "k", now + wait - 0.01) > 0


def test_a_bucket_gives_its_burst_at_once_and_then_one_at_a_time() -> None:
    buckets = Buckets({"x": Rate(BURST, EVERY)})
    assert [buckets.take("x", "k", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, EVERY]
    assert buckets.take("x", "k", 101.0) == EVERY - 1
    assert buckets.take("x", "k", 102.0) == 0.0
    assert buckets.take("x", "k", 102.0) == EVERY


def test_keys_and_rates_have_buckets_of_their_own() -> None:
    buckets = Buckets({"x": Rate(1, 10.0), "y": Rate(1, 10.0)})
    assert buckets.take("x", "k", 0.0) == 0.0
    assert buckets.take("x", "k", 0.0) > 0
    assert buckets.take("x", "other", 0.0) == 0.0
    assert buckets.take("y", "k", 0.0) == 0.0


def test_full_buckets_are_forgotten_and_nothing_is_lost_by_it() -> None:
    buckets = Buckets({"x": Rate(2, 1.0)})
    for key in ("a", "b", "c"):
        buckets.take("x", key, 0.0)
    buckets.take("x", "c", 0.0)
    assert len(buckets) == 3
    buckets.forget_full(1.5)
    assert len(buckets) == 1
    assert [buckets.take("x", "c", 1.5), buckets.take("x", "c", 1.5) > 0] == [0.0, True]


def test_a_refusal_says_in_how_many_milliseconds_to_come_back(clock: FakeClock) -> None:
    rates = Rates(Buckets({"x": Rate(1, 2.0)}), clock)
    rates.take("x", "k")
    with pytest.raises(Refusal) as refused:
        rates.take("x", "k")
    assert refused.value.error == RateLimited(2001)
    assert rates.wait("x", "k") == 2001
    clock.advance(2.001)
    rates.take("x", "k")
    clock.advance(10)
    rates.forget_full()
    assert rates.wait("x", "k") == 0


def test_the_table_names_every_limit_per_address() -> None:
    assert set(RATES) >= PER_ADDRESS
    assert all(rate.burst >= 1 and rate.every > 0 for rate in RATES.values())


def test_limits_per_address_are_the_only_ones_that_a_measurement_raises() -> None:
    raised = Settings(data=__file__, address_rate=100.0).rates  # type: ignore[arg-type] # no folder is opened
    for name, rate in RATES.items():
        factor = 100 if name in PER_ADDRESS else 1
        assert (raised[name].burst, round(raised[name].every * factor, 9)) == (rate.burst * factor, rate.every)


@given(pauses=st.lists(st.sampled_from([0.0, 0.0, 0.5, 2.0, 30.0]), max_size=60))
def test_what_is_charged_beyond_the_burst_is_waited_for(pauses: list[float]) -> None:
    rate, now, full_at, missing = Rate(BURST, EVERY), 0.0, 0.0, -float(BURST)
    for pause in pauses:
        now += pause
        missing = max(missing - pause / EVERY, -BURST) + 1
        full_at = rate.charge(full_at, now)
        wait = rate.wait(full_at, now)
        assert wait == pytest.approx(max(missing, 0.0) * EVERY)
        assert rate.wait(full_at, now + wait) == 0.0


def test_who_keeps_a_bucket_itself_gets_its_limit_from_the_table(clock: FakeClock) -> None:
    assert Rates(Buckets(RATES), clock).rate("frame") == RATES["frame"]
