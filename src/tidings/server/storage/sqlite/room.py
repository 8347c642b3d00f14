"""Room on the disk that is kept aside for the day when there is none."""

import contextlib
import errno
import logging
import os
from asyncio import AbstractEventLoop
from pathlib import Path
from typing import Final

LOG = logging.getLogger("tidings.storage")

RESERVE_BYTES: Final = 24 * 1024 * 1024
"""Kept aside, and given up when the disk is full, so that acks can still be written: the whole log fits into it."""
LOOK_SECONDS: Final = 1.0


class Room:
    """Whether the disk is full; and a file beside the database that holds nothing but room."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-reserve")
        self._loop: AbstractEventLoop | None = None
        self.full = False

    def enter(self, loop: AbstractEventLoop) -> None:
        """Look for room on this loop when there is none."""
        self._loop = loop

    def leave(self) -> None:
        """Look for room no more."""
        self._loop = None

    def run_out(self) -> None:
        """Note that the disk is full: the reserve is given up, until there is room for it again."""
        if not self.full:
            LOG.error("the disk is full: reads and acks go on, nothing new is taken")
            self.full = True
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._look_later()

    def _look_later(self) -> None:
        if self._loop is not None:
            self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._loop is None:
            return
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 2 * RESERVE_BYTES or not self.make():
            self._look_later()
            return
        self.full = False
        LOG.warning("there is room again")

    def make(self) -> bool:
        """Return whether the disk had room for the reserve, or is one where room cannot be set aside."""
        if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
            return True
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            return error.errno not in (errno.ENOSPC, errno.EDQUOT)
        return True
