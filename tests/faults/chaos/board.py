"""A board that several processes see: the server's step, and how many ticks each bot has had.

It is a file in shared memory. What a process wrote last stands there after it was killed, so that the step at which
a kill found the server is known exactly. Memory tells nobody that it changed: who waits looks again. Nothing is judged
by the board but where the kills fell.
"""

import mmap
import struct
from pathlib import Path
from typing import Final, Self

STEPS: Final = ("away", "begun", "written", "committing", "committed", "answered")
"""The steps of a commit, as `on_step` names them; a server that has not made one yet is away."""
INSIDE: Final = ("begun", "committing", "committed")
"""Inside a commit: its transaction is open, or it is durable and nobody was told.

`written` is left out, although it lies between the two: what only reads has no COMMIT and stays there.
"""
SIZE: Final = 4096
COUNT: Final = struct.Struct("<Q")


class Board:
    """An open board."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make an empty board."""
        path.write_bytes(bytes(SIZE))
        return cls(path)

    def note(self, step: str) -> None:
        """Write down the server's step: one byte, so that nobody sees half of it."""
        self._map[0] = STEPS.index(step)

    @property
    def step(self) -> str:
        """The server's last step."""
        return STEPS[self._map[0]]

    def tick(self, slot: int) -> None:
        """Count a tick of a bot; nobody else writes into its slot."""
        place = COUNT.size * (slot + 1)
        COUNT.pack_into(self._map, place, COUNT.unpack_from(self._map, place)[0] + 1)

    @property
    def ticks(self) -> int:
        """All ticks of all bots."""
        return sum(COUNT.unpack_from(self._map, place)[0] for place in range(COUNT.size, SIZE, COUNT.size))
