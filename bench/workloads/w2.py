"""W2: 20,000 messages to 200 absent accounts, who then come and take them: how fast in, how fast out.

Then as many again, kill -9 as soon as the last one is answered, and restart. What was answered is what was promised;
what does not come is lost. (The way out is measured where nothing was lost: a few messages say nothing about a rate.)
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
    fill = {"messages": messages, "in-flight": IN_FLIGHT}
    drain = {"messages": messages, "at-once": ABSENT, "patience": PATIENCE_SECONDS}
    server.start(pairs(ABSENT, sign_ins=2))
    into = stage.whole("fill", server, fill)
    yield Figure(n.STORED_RATE, into.report["messages"] / into.seconds, "1/s")
    yield Figure(n.STORED_CPU, into.cpu_us(into.report["messages"]), "us")
    out = stage.whole("drain", server, drain)
    yield Figure(n.DRAINED_RATE, out.report["messages"] / out.report["until_last_seconds"], "1/s")
    yield Figure(n.DRAINED_CPU, out.cpu_us(out.report["messages"]), "us")

    stored = stage.whole("fill", server, fill).report["messages"]
    server.kill()
    killed = time.monotonic()
    server.start_again()
    yield Figure(n.START, time.monotonic() - killed, "s")
    yield Figure(n.SENT, stored, "")
    yield Figure(n.KEPT, stage.whole("drain", server, drain).report["messages"], "")
