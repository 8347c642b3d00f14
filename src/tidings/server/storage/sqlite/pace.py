"""When the next commit begins: at once, unless so much is coming that it pays to wait for more."""

from typing import Final

PACE: Final = 0.001
"""Seconds that a commit rests behind the one before while much is coming, so that more share it."""
MUCH: Final = 8.0
"""Jobs that come within PACE, on average: a quarter of what the loop can do. With less it rests for nothing."""
LONG: Final = 0.1
"""Seconds: a pause is counted as no longer."""
ENOUGH: Final = 16
"""Jobs that are worth a commit at once: a larger one costs each of them hardly less."""


class Pace:
    """Measures how much is coming. Times are seconds of the loop's clock."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._jobs = 0.0
        self._span = LONG

    def begun(self, jobs: int, now: float) -> None:
        """Note that a transaction with so many jobs begins."""
        passed, self._began = now - self._began, now
        self._jobs += 0.1 * (jobs - self._jobs)
        self._span += 0.1 * (min(passed, LONG) - self._span)

    def ended(self, now: float) -> None:
        """Note that it is durable."""
        self._ended = now

    def rest(self, now: float) -> float:
        """Return for how long the next one had better wait; 0.0 or less if it had better not."""
        return self._ended + PACE - now if self._jobs * PACE >= MUCH * self._span else 0.0
