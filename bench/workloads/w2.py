"""W2: 20,000 messages to 200 absent accounts, kill -9 as soon as the last one is answered, restart, and all come.

What was answered is what was promised; what does not come is lost.
"""

import time
from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.servers import Server, pairs
from bench.stage import Stage

ABSENT: Final = 200
MESSAGES: Final = 20_000
SHORT_MESSAGES: Final = 2_000
IN_FLIGHT: Final = 4
"""Messages under way of each of the 200 who write."""
PATIENCE_SECONDS: Final = 3


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    messages = stage.number(MESSAGES, SHORT_MESSAGES)
    server.start(pairs(ABSENT))
    fill = stage.whole("fill", server, {"messages": messages, "in-flight": IN_FLIGHT})
    server.kill()
    stored = fill.report["messages"]
    yield Figure(n.STORED_RATE, stored / fill.seconds, "1/s")
    yield Figure(n.STORED_CPU, fill.cpu_us(stored), "us")
    killed = time.monotonic()
    server.start_again()
    yield Figure(n.START, time.monotonic() - killed, "s")
    options = {"messages": messages, "at-once": ABSENT, "patience": PATIENCE_SECONDS}
    drain = stage.whole("drain", server, options)
    kept = drain.report["messages"]
    yield Figure(n.SENT, stored, "")
    yield Figure(n.KEPT, kept, "")
    yield Figure(n.DRAINED_RATE, kept / drain.report["until_last_seconds"], "1/s")
    yield Figure(n.DRAINED_CPU, drain.cpu_us(kept), "us")
