"""A disk that loses its power: files as programs see them, and what of them was on the disk at that moment.

What was synced is on the disk. Of the rest a random half got there, in any order, some of it torn. (SQLite is told
that a write spoils nothing beside itself, SQLITE_IOCAP_POWERSAFE_OVERWRITE, as it assumes of every disk.)
"""

import itertools
import random
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

SECTOR: Final = 512
"""Bytes that get to the disk together, or not at all; a torn write may end within one, too."""

_numbers = itertools.count()


class Write(NamedTuple):
    """Bytes for a place in a file."""

    data: bytes
    offset: int

    def apply(self, image: bytearray) -> None:
        end = self.offset + len(self.data)
        if len(image) < end:
            image.extend(bytes(end - len(image)))
        image[self.offset : end] = self.data

    def torn(self, source: random.Random) -> "list[Write]":
        """Return what is left of it: a beginning, or sectors at random."""
        if source.random() < 0.5:
            return [Write(self.data[: source.randrange(len(self.data))], self.offset)]
        starts = range(0, len(self.data), SECTOR)
        kept = [start for start in starts if source.random() < 0.5]
        return [Write(self.data[start : start + SECTOR], self.offset + start) for start in kept]


class Truncate(NamedTuple):
    """An end for a file."""

    size: int

    def apply(self, image: bytearray) -> None:
        del image[self.size :]
        image.extend(bytes(self.size - len(image)))


class DiskFile:
    """One file: `seen` by programs, `kept` by the disk, and what lies between the two."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.kept = bytearray()
        self.unsynced: list[Write | Truncate] = []

    def change(self, change: Write | Truncate) -> None:
        change.apply(self.seen)
        self.unsynced.append(change)

    def sync(self) -> None:
        for change in self.unsynced:
            change.apply(self.kept)
        self.unsynced.clear()

    def left(self, source: random.Random) -> bytes:
        """Return what is on the disk if the power goes now."""
        image = bytearray(self.kept)
        for change in self.unsynced:
            if source.random() < 0.5:
                continue
            torn = isinstance(change, Write) and source.random() < 0.25
            for part in change.torn(source) if torn and isinstance(change, Write) else [change]:
                part.apply(image)
        return bytes(image)


class OpenFile:
    """What SQLite does with a file. (It need not derive from apsw.VFSFile, which would open a real one.)"""

    def __init__(self, disk: "PowerCutDisk", file: DiskFile) -> None:
        self._disk = disk
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name, as are those that follow
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        self._disk.tick()
        self._file.change(Write(bytes(data), offset))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.tick()
        self._file.change(Truncate(size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.tick()
        if not self._disk.lies:
            self._file.sync()

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.seen)

    def xLock(self, level: int) -> None:  # noqa: N802
        """One connection at a time uses a file here."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """See xLock."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:  # noqa: N802
        """The disk keeps the file."""


class PowerCutDisk(apsw.VFS):
    """Files in memory, under a name that SQLite knows as long as this object lives.

    The power goes before the change or sync with the number `cut_at`: `left` then holds what was on the disk, when
    so many changes were `unsynced`, and programs go on without noticing. `lies`: the disk says that it has synced,
    and has not.
    """

    def __init__(self, source: random.Random, *, cut_at: int | None = None, lies: bool = False) -> None:
        self.name = f"power-cut-{next(_numbers)}"
        super().__init__(self.name, "")
        self._source = source
        self._cut_at = cut_at
        self.lies = lies
        self.changes = 0
        self.files: dict[str, DiskFile] = {}
        self.left: dict[str, bytes] | None = None
        self.unsynced = 0

    def tick(self) -> None:
        """Count a change."""
        if self.changes == self._cut_at:
            self.cut()
        self.changes += 1

    def cut(self) -> None:
        """Cut the power now."""
        self.unsynced = sum(len(file.unsynced) for file in self.files.values())
        self.left = {name: file.left(self._source) for name, file in self.files.items()}

    def put_into(self, folder: Path) -> None:
        """Write what the power cut has left into real files."""
        assert self.left is not None
        for name, data in self.left.items():
            (folder / Path(name).name).write_bytes(data)

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return OpenFile(self, self.files.setdefault(path, DiskFile()))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.tick()
        self.files.pop(filename, None)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name
