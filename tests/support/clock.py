import heapq
import itertools
from collections.abc import Callable


class FakeTimer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Stands still until it is told to advance."""

    def __init__(self, now: int = 1_790_000_000_000) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._timers: list[tuple[float, int, FakeTimer, Callable[[], object]]] = []
        self._count = itertools.count()

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer()
        heapq.heappush(self._timers, (self._monotonic + delay, next(self._count), timer, callback))
        return timer

    def advance(self, seconds: float) -> None:
        end = self._monotonic + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, timer, callback = heapq.heappop(self._timers)
            self._now += round((at - self._monotonic) * 1000)
            self._monotonic = at
            if not timer.cancelled:
                callback()
        self._now += round((end - self._monotonic) * 1000)
        self._monotonic = end

    def jump(self, milliseconds: int) -> None:
        """Set the wall clock, as people and time servers do; the monotonic time goes on."""
        self._now += milliseconds
