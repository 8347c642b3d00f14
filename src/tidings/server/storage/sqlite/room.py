"""Room on the disk that is kept aside for the day when there is none."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 24 * 1024 * 1024
"""Kept aside, and given up when the disk is full, so that acks can still be written: the whole log fits into it."""


class Reserve:
    """A file beside the database that holds nothing but room."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-reserve")

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

    def give_up(self) -> None:
        """Give the room back."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def has_room(self) -> bool:
        """Return whether the disk has room for the reserve and as much again."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize >= 2 * RESERVE_BYTES
