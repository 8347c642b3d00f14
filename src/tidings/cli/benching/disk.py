"""Where the data lie: a measurement on memory that calls itself a disk would be no measurement."""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from tidings.cli.benching import BenchFailed

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
WRITES: Final = 100
BLOCK: Final = 4096


class Disk(msgspec.Struct, frozen=True):
    """A file system, and how long it takes to keep a write of 4 KiB (milliseconds)."""

    type: str
    mount_point: str
    device: str
    fsync_p50_ms: float
    fsync_p99_ms: float


def prepare(folder: Path) -> Disk:
    """Make a folder if there is none; return what it lies on. Raises BenchFailed, and makes nothing, in memory."""
    kind, mount_point, device = file_system(folder)
    if kind in IN_MEMORY:
        raise BenchFailed(f"{folder} lies in memory ({kind}), where fsync costs nothing; name a disk by --folder")
    folder.mkdir(parents=True, exist_ok=True)
    times = _fsync_times(folder)
    return Disk(
        kind, mount_point, device, round(statistics.median(times), 3), round(times[-(len(times) // 100) - 1], 3)
    )


def file_system(folder: Path) -> tuple[str, str, str]:
    """Return the type, the mount point and the device of the file system that a folder lies on (proc(5), mountinfo)."""
    path = folder.resolve()
    found = ("", "", "")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        mount_point = _plain(fields[4])
        kind, device = fields[fields.index("-") + 1 :][:2]
        # Mounts are listed in their order: the last one on a mount point is the one that is seen.
        if path.is_relative_to(mount_point) and len(mount_point) >= len(found[1]):
            found = (kind, mount_point, _plain(device))
    return found


def _plain(text: str) -> str:
    """Return a field of mountinfo without its octal escapes."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text


def _fsync_times(folder: Path) -> list[float]:
    """Return how long writes took to be kept, sorted, in milliseconds."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(WRITES):
            file.write(os.urandom(BLOCK))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return sorted(times)
