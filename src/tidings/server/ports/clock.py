"""Time."""

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that was planned."""

    def cancel(self) -> None:
        """Forget it."""


class Clock(Protocol):
    """The two times: one to show and to keep, one to measure with."""

    def now(self) -> int:
        """Return milliseconds since 1970. May jump; nothing is ordered by it."""

    def monotonic(self) -> float:
        """Return seconds that only rise."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in `delay` seconds of the monotonic time."""
