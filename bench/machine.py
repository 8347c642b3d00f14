"""The machine: which core works for whom, and what the figures are worth nothing without."""

import os
import socket
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tidings.cli.benching import BenchFailed
from tidings.cli.benching.disk import Disk, prepare
from tidings.cli.benching.report import this_machine

FSYNC_TIMES: Final = 5
"""How often the times of fsync are taken, of which the middle one counts."""


class Cores(NamedTuple):
    """The cores of the servers and of the load generator; the same ones where the machine has but one."""

    server: int
    load: int
    all: tuple[int, ...]

    @classmethod
    def found(cls) -> "Cores":
        """Return how the cores are shared out that this process may use."""
        cores = tuple(sorted(os.sched_getaffinity(0)))
        return cls(cores[0], cores[-1], cores)

    def told(self) -> str:
        """Return a sentence about it."""
        if self.server == self.load:
            return "one core, which the server and the load generator share: the rates are too low for both"
        return f"the server has core {self.server}, the load generator core {self.load}, of {len(self.all)}"


def pinned(command: Sequence[str], cores: Sequence[int]) -> list[str]:
    """Return a command that runs on some cores alone."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def fsync_times(folder: Path) -> Disk:
    """Return what a folder lies on, and its times in the middle of several tries. Raises BenchFailed in memory."""
    return sorted((prepare(folder) for _ in range(FSYNC_TIMES)), key=lambda disk: disk.fsync_p50_ms)[FSYNC_TIMES // 2]


def machine_told() -> tuple[str, str, str]:
    """Return what machine, system and Python this is."""
    machine = this_machine()
    return (
        f"{machine.processor}, {machine.processors} processors, {machine.memory_gb} GB",
        machine.system,
        machine.python,
    )


def today() -> str:
    """Return the date."""
    return f"{datetime.now(UTC):%-d %B %Y}"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def commit_told(root: Path) -> str:
    """Return which commit the tree is of, as short as git writes it; nothing outside a repository."""
    command = ["git", "-C", str(root), "describe", "--tags", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def need_taskset() -> None:
    """Raise BenchFailed where cores cannot be given."""
    if not Path("/usr/bin/taskset").exists():
        raise BenchFailed("taskset is missing; it is in Debian's util-linux")
