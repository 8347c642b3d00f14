"""W5: the server is killed and started again, and 10,000 devices come back at once; for half of them messages wait."""

from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.servers import Server, pairs
from bench.stage import Stage

DEVICES: Final = 10_000
SHORT_DEVICES: Final = 500
EACH: Final = 4
"""Messages that wait for each of that half."""
PATIENCE_SECONDS: Final = 5
COMINGS: Final = 3
"""How often a device connects; some connections of a crowd are lost, and tried again."""


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    devices = stage.number(DEVICES, SHORT_DEVICES)
    messages = devices // 2 * EACH
    server.start(pairs(devices // 2, COMINGS))
    stage.whole("fill", server, {"messages": messages})
    server.kill()
    server.start_again()
    storm = stage.whole("storm", server, {"messages": messages, "patience": PATIENCE_SECONDS})
    yield Figure(n.BACK, storm.report["connections"], "")
    yield Figure(n.ALL_BACK, storm.report["until_last_seconds"], "s")
    yield Figure(n.LOST, storm.report["missing"], "")
    yield Figure(n.STORM_CPU, storm.cpu_us(devices), "us")
