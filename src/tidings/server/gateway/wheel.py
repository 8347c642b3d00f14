"""One timer for all connections: each is looked at when it may be due, not when something happens on it."""

from collections.abc import Callable
from typing import Final, Protocol

from tidings.server.ports.clock import Clock, Timer

TURN_SECONDS: Final = 1.0
SLOTS: Final = 64
"""Seconds that the wheel takes to turn once; a longer wait is looked at in between."""


class Watched(Protocol):
    """Something that has deadlines."""

    def look(self, now: float) -> float:
        """Do what is due at `now` (monotonic seconds). Return in how many seconds to look again; 0: never."""


class Wheel:
    """Looks at things in time, within a second. `on_turn` is told how late each turn was (seconds)."""

    def __init__(self, clock: Clock, on_turn: Callable[[float], object] = lambda _: None) -> None:
        self._clock = clock
        self._on_turn = on_turn
        self._slots: list[list[Watched]] = [[] for _ in range(SLOTS)]
        self._hand = 0
        self._timer: Timer | None = None
        self.now = clock.monotonic()
        """The time of the last turn: near enough for deadlines, and free to read."""

    def start(self) -> None:
        """Begin to turn."""
        self.now = self._clock.monotonic()
        self._timer = self._clock.call_later(TURN_SECONDS, self._turn)

    def stop(self) -> None:
        """Stop turning."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, thing: Watched, delay: float) -> None:
        """Look at something in `delay` seconds."""
        steps = min(max(1, int(delay + 0.999)), SLOTS - 1)
        self._slots[(self._hand + steps) % SLOTS].append(thing)

    def _turn(self) -> None:
        late = self._clock.monotonic() - self.now - TURN_SECONDS
        self._timer = self._clock.call_later(TURN_SECONDS, self._turn)
        self.now += TURN_SECONDS + late
        self._on_turn(max(late, 0.0))
        self._hand = (self._hand + 1) % SLOTS
        due, self._slots[self._hand] = self._slots[self._hand], []
        for thing in due:
            delay = thing.look(self.now)
            if delay > 0:
                self.add(thing, delay)
