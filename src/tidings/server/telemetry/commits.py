"""How large commits are, and how long the stages of a message take that pass in one."""

from time import perf_counter
from typing import Final

from tidings.server.telemetry.numbers import Spread, Spreads

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
STAGES: Final = ("wait", "statements", "commit", "write")
"""Until a commit takes a message up; its statements; the way to the disk; to the sockets of those it is for."""
EVERY: Final = 8
"""One commit of so many is timed."""


class Commits:
    """What is noted of commits. All messages of one pass the stages together, so it is noted for the first of them."""

    __slots__ = ("_began", "_count", "_is_timed", "_spreads", "sizes", "stages")

    def __init__(self) -> None:
        self.sizes = Spread(SIZES)
        self.stages = Spreads("stage", STAGES, SECONDS)
        self._spreads = self.stages.spreads
        self._count = 0
        self._began = 0.0
        self._is_timed = False

    def queued(self) -> None:
        """Note that the first call of a commit to come has been made."""
        if self._count % EVERY == 0:
            self._began = perf_counter()

    def begun(self, size: int) -> None:
        """Note that a commit of so many calls begins."""
        self.sizes.observe(size)
        self._is_timed = self._count % EVERY == 0
        self._count += 1
        if not self._is_timed:
            return
        if self._began:
            self._end_stage("wait")
        else:
            self._began = perf_counter()

    def executed(self) -> None:
        """Note that its statements have run."""
        if self._is_timed:
            self._end_stage("statements")

    def committed(self) -> bool:
        """Note that it is durable. Returns whether `written` is to be called when all of it has been answered."""
        if self._is_timed:
            self._end_stage("commit")
        return self._is_timed

    def written(self) -> None:
        """Note that all of it has been written to sockets."""
        self._end_stage("write")
        self._began = 0.0

    def _end_stage(self, stage: str) -> None:
        now = perf_counter()
        self._spreads[stage].observe(now - self._began)
        self._began = now
