"""W1: 200 accounts in pairs. A message is done when its receipt is back at the sender.

First as much as goes, with so many messages under way in each pair; then half of that rate, at even distances.
"""

from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.servers import Server, pairs, some
from bench.stage import Stage

PAIRS: Final = 100
IN_FLIGHT: Final = 4
SECONDS: Final = 5.0
SHORT_SECONDS: Final = 2.0


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    # Others for each of the two: a device that has written must know its last message when it writes again.
    server.start(pairs(2 * PAIRS))
    first, second = (some(server.people, start, 2 * PAIRS) for start in (0, 2 * PAIRS))
    seconds = stage.of(SECONDS, SHORT_SECONDS)
    most = stage.timed("pairs", server, {"people": first, "in-flight": IN_FLIGHT}, seconds)
    rate = most.report["messages"] / most.seconds
    yield Figure(n.RATE, rate, "1/s")
    yield Figure(n.CPU, most.cpu_us(most.report["messages"]), "us")
    yield Figure(n.SERVER_CORES, most.server_cpu / most.seconds, "")
    yield Figure(n.LOAD_CORES, most.load_cpu / most.seconds, "")
    if len(stage.load_cores) > 1:  # the load generator took from the cores of the server
        cores = len(stage.load_cores)
        yield Figure(n.RATE_ALONE, rate * cores / (cores - most.load_cpu / most.seconds), "1/s")
    half = stage.timed("pairs", server, {"people": second, "rate": rate / 2}, seconds)
    yield Figure(n.P50_HALF, half.report["latency_us"]["p50"] / 1000, "ms")
    yield Figure(n.P99_HALF, half.report["latency_us"]["p99"] / 1000, "ms")
    yield Figure(n.CPU_HALF, half.cpu_us(half.report["messages"]), "us")
