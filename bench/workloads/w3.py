"""W3: devices sign in, each gets a message, then nothing happens, and what a connection takes is read.

One process of a server holds as many as it may open files here; several workers hold 70,000, more than one address has
ports. The memory is what the server grew by, after a few had come and gone.
"""

import time
from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.load import processes_for
from bench.servers import Server, pairs, some
from bench.stage import Stage, Work, say
from bench.tidings_server import TidingsServer

CONNECTIONS: Final = 18_000
MANY: Final = 70_000
SHORT: Final = 1_000
VISITORS: Final = 20
QUIET_SECONDS: Final = 5.0
AT_ONCE: Final = 64


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    several = isinstance(server, TidingsServer) and server.workers > 1
    connections = stage.number(MANY if several else CONNECTIONS, SHORT)
    server.start(pairs((connections + VISITORS) // 2))
    stage.whole("idle", server, {"people": some(server.people, connections, VISITORS), "exchange": True}, stop=True)
    before = server.memory_bytes()
    cpu, started = server.cpu_seconds(), time.monotonic()
    options = {"people": some(server.people, 0, connections), "at-once": AT_ONCE, "exchange": True}
    with stage.load("idle", server, options, processes=processes_for(connections)) as working:
        held = sum(ready["connections"] for ready in working.ready())
        signed_in = Work({}, time.monotonic() - started, server.cpu_seconds() - cpu, 0.0)
        say(f"    {held:,} are signed in after {signed_in.seconds:.0f} s")
        working.go()
        working.quiet()
        time.sleep(stage.of(QUIET_SECONDS, 1))
        each = (server.memory_bytes() - before) / held / 1024
        working.tell("stop")
        working.report()
    if several:
        yield Figure(n.MANY, held, "")
        yield Figure(n.MANY_MEMORY, each, "KB")
    else:
        yield Figure(n.CONNECTIONS, held, "")
        yield Figure(n.PER_CONNECTION, each, "KB")
    yield Figure(n.SIGN_IN_CPU, signed_in.cpu_us(held), "us")
    yield Figure(n.SIGN_IN_RATE, held / signed_in.seconds, "1/s")
