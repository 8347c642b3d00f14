"""The one timer of all connections, against a clock that stands still until it is told."""

from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from tidings.server.gateway.intake import Bounds
from tidings.server.gateway.wheel import SLOTS, TURN_SECONDS, Wheel


class Diary:
    """Something that notes when it was looked at, and says in how many seconds to look again."""

    def __init__(self, *delays: float) -> None:
        self.delays = list(delays)
        self.looks: list[float] = []

    def look(self, now: float) -> float:
        self.looks.append(now)
        return self.delays.pop(0) if self.delays else 0.0


def started(clock: FakeClock) -> Wheel:
    wheel = Wheel(clock)
    wheel.start()
    return wheel


@given(delays=st.lists(st.floats(0.01, 60.0), min_size=1, max_size=10), head_start=st.floats(0.0, 3.0))
def test_everything_is_looked_at_in_time_within_a_turn(delays: list[float], head_start: float) -> None:
    clock = FakeClock()
    wheel = started(clock)
    clock.advance(head_start)
    begun = clock.monotonic()
    diaries = [Diary() for _ in delays]
    for diary, delay in zip(diaries, delays, strict=True):
        wheel.add(diary, delay)
    clock.advance(max(delays) + 2)
    for diary, delay in zip(diaries, delays, strict=True):
        (look,) = diary.looks
        assert abs(look - begun - delay) <= TURN_SECONDS + 0.01


def test_what_asks_for_it_is_looked_at_again(clock: FakeClock) -> None:
    wheel, diary = started(clock), Diary(5.0, 1.0, 0.5)
    begun = clock.monotonic()
    wheel.add(diary, 2.0)
    clock.advance(30)
    assert [look - begun for look in diary.looks] == [2.0, 7.0, 8.0, 9.0]


def test_a_wait_that_is_longer_than_a_turn_of_the_wheel_is_looked_at_in_between(clock: FakeClock) -> None:
    wheel, diary = started(clock), Diary()
    wheel.add(diary, 10 * SLOTS)
    clock.advance(SLOTS)
    assert len(diary.looks) == 1


def test_a_late_turn_is_told_and_the_time_is_right_afterwards(clock: FakeClock) -> None:
    late: list[float] = []
    wheel = Wheel(clock, on_turn=late.append)
    wheel.start()
    clock.advance(3)
    assert late == [0.0, 0.0, 0.0]
    assert wheel.now == clock.monotonic()


def test_a_wheel_that_was_stopped_turns_no_more(clock: FakeClock) -> None:
    wheel, diary = started(clock), Diary()
    wheel.add(diary, 1.0)
    wheel.stop()
    clock.advance(10)
    assert diary.looks == []
    Wheel(clock).stop()


def test_an_address_has_so_many_connections_and_a_listed_proxy_as_many_as_it_likes(clock: FakeClock) -> None:
    bounds = Bounds(Wheel(clock), 2, proxies=["9.9.9.9"])
    assert [bounds.take("1.1.1.1") for _ in range(3)] == [True, True, False]
    assert bounds.take("2.2.2.2")
    assert all(bounds.take("9.9.9.9") for _ in range(10))
    assert len(bounds) == 4
    for _ in range(2):
        bounds.release("1.1.1.1")
    assert bounds.take("1.1.1.1")
    assert not bounds.take("1.1.1.1")
    for address in ("1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2", "9.9.9.9"):
        bounds.release(address)
    assert len(bounds) == 0
