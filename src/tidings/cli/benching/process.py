"""A process, watched from outside (proc(5))."""

import os
from pathlib import Path
from typing import Final

from tidings.cli.benching import BenchFailed

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Process:
    """A running process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu_seconds(self) -> float:
        """Return the processor time that all its threads have used, in user mode and in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_bytes(self) -> int:
        """Return the proportional set size: its own pages, and its share of those that others map too."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise BenchFailed("this kernel does not tell the memory of a process")
