"""The machine: which core works for whom, and what the figures are worth nothing without."""

import os
import random
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tidings.cli.benching.disk import Disk, prepare
from tidings.cli.benching.report import this_machine

FSYNC_TIMES: Final = 5
"""How often the times of fsync are taken, of which the middle one counts."""
PORTS: Final = random.SystemRandom()
"""Other programs choose their ports at the same time, which no seed may make the same."""


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
    """Return a port of the loopback that nobody has now.

    It is none of those that the system gives to connections that go out (from 32768 on): one of them could take it
    before a server does, or while a server is down that comes back.
    """
    while True:
        port = PORTS.randrange(11_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
