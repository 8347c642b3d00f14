"""W6: pairs as in W1, while few, many and very many messages wait for others who do not come. Tidings alone."""

import shutil
import time
from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.backlog import FIRST, multiply
from bench.figures import Figure
from bench.servers import Server, pairs, some
from bench.stage import Stage, say
from bench.tidings_server import TidingsServer
from bench.workloads.w1 import IN_FLIGHT, PAIRS
from tidings.cli.benching import BenchFailed

MAILBOXES: Final = 500
ROUNDS: Final = 2
"""Of this workload itself: its folders are made once."""
SECONDS: Final = 5.0


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    if not isinstance(server, TidingsServer):
        raise BenchFailed("W6 knows the store of Tidings alone")
    sizes = n.BACKLOGS[:2] if stage.short else n.BACKLOGS
    active = 2 * PAIRS * ROUNDS
    server.start(pairs(active // 2 + MAILBOXES))
    absent = some(server.people, active, 2 * MAILBOXES)
    stage.whole("fill", server, {"people": absent, "messages": MAILBOXES * FIRST})
    server.stop()
    first = server.data
    for size in sizes:
        started = time.monotonic()
        data = first.with_name(f"{first.name}-{size}")
        shutil.copytree(first, data)
        multiply(data, size)
        say(f"    {size:,} messages wait after {time.monotonic() - started:.0f} s")
    for number in range(ROUNDS):
        # Others each time: a device that has written must know its last message when it writes again.
        people = some(server.people, 2 * PAIRS * number, 2 * PAIRS)
        for size in sizes:
            server.data = first.with_name(f"{first.name}-{size}")
            started = time.monotonic()
            server.start_again()
            yield Figure(n.START_WAITING.format(size), time.monotonic() - started, "s")
            server.until_looked_through()
            options = {"people": people, "in-flight": IN_FLIGHT}
            work = stage.timed("pairs", server, options, stage.of(SECONDS, 2))
            messages = work.report["messages"]
            yield Figure(n.WAITING.format(size), work.cpu_us(messages), "us")
            yield Figure(n.WAITING_RATE.format(size), messages / work.seconds, "1/s")
            server.stop()
