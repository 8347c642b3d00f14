"""`tidings bench idle`: how much memory a signed-in connection takes on which nothing happens.

It is what the server's memory grew by, with everything that it keeps of these devices and their conversations.
"""

import resource
import time
from pathlib import Path
from typing import Final

import msgspec

from tidings.cli.benching import BenchFailed
from tidings.cli.benching.load import load
from tidings.cli.benching.report import Surroundings, say
from tidings.cli.benching.server import Limits, serving, settle_in

PER_PROCESS: Final = 8_000
"""Connections of one load process at most."""
SPARE_DESCRIPTORS: Final = 200


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    kb_per_connection: float
    """In units of 1,024 bytes."""
    connections: int
    server_mb_before: float
    server_mb_after: float
    sign_ins_per_second: float
    sign_in_cpu_us: float
    load_processes: int
    limits_raised: dict[str, float]
    surroundings: Surroundings


def measure(folder: Path, surroundings: Surroundings, *, connections: int, quiet: float) -> Idle:
    """Measure in an empty folder; memory is read when nothing has happened for `quiet` seconds. Raises BenchFailed."""
    raise_descriptors(connections)
    pairs = -(-connections // 2)
    say(f"making {2 * pairs + 2} people")
    *together, first = settle_in(folder / "data", pairs + 1)
    limits = Limits.for_pairs(together)
    processes = -(-2 * pairs // PER_PROCESS)
    with serving(folder / "data", limits) as server, load(together, processes) as devices:
        # A page is asked for, and one pair comes and goes, so that what the server makes once is there before.
        server.ask_for_a_page()
        with load([first], 1) as visitors:
            visitors.sign_in(server.socket_url)
            visitors.exchange()
            visitors.leave()
        before = server.memory_bytes()
        say(f"{2 * pairs} devices sign in")
        started, cpu = time.monotonic(), server.cpu_seconds()
        devices.sign_in(server.socket_url)
        took, cpu = time.monotonic() - started, server.cpu_seconds() - cpu
        say("each gets a message and acks it")
        devices.exchange()
        say(f"nothing, for {quiet:g} s")
        time.sleep(quiet)
        after = server.memory_bytes()
        devices.leave()
    return Idle(
        kb_per_connection=round((after - before) / (2 * pairs) / 1024, 2),
        connections=2 * pairs,
        server_mb_before=round(before / 2**20, 1),
        server_mb_after=round(after / 2**20, 1),
        sign_ins_per_second=round(2 * pairs / took, 1),
        sign_in_cpu_us=round(cpu / (2 * pairs) * 1e6, 1),
        load_processes=processes,
        limits_raised=limits.raised,
        surroundings=surroundings,
    )


def raise_descriptors(connections: int) -> None:
    """Let this process and its children open as many files as the system lets them. Raises BenchFailed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and connections + SPARE_DESCRIPTORS > most:
        raise BenchFailed(
            f"a process may open {most} files here; ask for at most {most - SPARE_DESCRIPTORS} connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
