"""`tidings bench start`: how long after the command a device is signed in, with many messages in the data folder.

Each start is a process of its own; the device connects as soon as the server says where it is.
"""

import os
import signal
import statistics
import time
from pathlib import Path

import msgspec

from tidings.cli.benching.load import Load, load
from tidings.cli.benching.process import Process
from tidings.cli.benching.report import Surroundings, say
from tidings.cli.benching.server import launch, settle_in, stop

PAIRS = 200


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: seconds until a device is signed in, and the processor time of the server until then."""

    seconds: float
    """The median of all starts but the first."""
    most_seconds: float
    after_stop: list[float]
    after_kill: list[float]
    first_start: float
    """On a folder that is not there yet: until the server says where it is."""
    cpu_seconds: float
    messages: int
    database_mb: float
    surroundings: Surroundings


def measure(folder: Path, surroundings: Surroundings, *, messages: int, starts: int) -> Start:
    """Measure in an empty folder. Raises BenchFailed."""
    first = _start(folder / "new", None)[0]
    say(f"{messages} messages are sent to people who are not there")
    data = folder / "data"
    pairs = settle_in(data, PAIRS, messages)
    with load(pairs[:1], 1) as devices:
        _start(data, devices)  # which brings the pages of the programs into memory
        say("the server is started again and again")
        after_stop = [_start(data, devices) for _ in range(starts)]
        _start(data, devices, end=signal.SIGKILL)
        after_kill = [_start(data, devices, end=signal.SIGKILL) for _ in range(starts)]
    every = after_stop + after_kill
    return Start(
        seconds=round(statistics.median(took for took, _ in every), 3),
        most_seconds=round(max(took for took, _ in every), 3),
        after_stop=[round(took, 3) for took, _ in after_stop],
        after_kill=[round(took, 3) for took, _ in after_kill],
        first_start=round(first, 3),
        cpu_seconds=round(statistics.median(cpu for _, cpu in every), 2),
        messages=messages,
        database_mb=round((data / "mailboxes.db").stat().st_size / 2**20, 1),
        surroundings=surroundings,
    )


def _start(data: Path, devices: Load | None, end: signal.Signals = signal.SIGTERM) -> tuple[float, float]:
    """Start a server, let a pair sign in, and end it; return the seconds and the processor time that it took."""
    began = time.monotonic()
    process, server = launch(data)
    try:
        if devices is not None:
            devices.sign_in(server.socket_url)
        took, cpu = time.monotonic() - began, Process(process.pid).cpu_seconds()
        if devices is not None:
            devices.leave()
        os.kill(process.pid, end)
    finally:
        stop(process)
    return took, cpu
