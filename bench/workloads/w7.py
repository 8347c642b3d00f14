"""W7: a mixed day in little. 5,000 devices are there; they write in pairs and in groups, type, come and go.

All servers get the same work, well below what the slowest of them can do: what it costs is what differs.
"""

from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.servers import Layout, Server
from bench.stage import Stage

DEVICES: Final = 5_000
SHORT_DEVICES: Final = 500
GROUPS: Final = ((50, 20), (5, 200))
"""How many, of how many members."""
RATES: Final = {"rate": 400, "group-rate": 20, "typing-rate": 400, "presence-rate": 50}
SECONDS: Final = 10.0


def layout(devices: int) -> Layout:
    """Return pairs, and groups of people of different pairs."""
    conversations: list[list[int]] = [[number, number + 1] for number in range(0, devices, 2)]
    for groups, members in GROUPS:
        step = devices // members
        conversations += [[group % step + step * place for place in range(members)] for group in range(groups)]
    return Layout(devices, conversations)


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    server.start(layout(stage.number(DEVICES, SHORT_DEVICES)))
    options = {**RATES, "poisson": True, "senders": 0}
    work = stage.timed("day", server, options, stage.of(SECONDS, 3), memory=True)
    done = sum(work.report[kind] for kind in ("messages", "deliveries", "typings", "presences"))
    yield Figure(n.DAY_CPU, work.server_cpu / work.seconds, "")
    yield Figure(n.DAY_ACTION_CPU, work.cpu_us(done), "us")
    yield Figure(n.DAY_P50, work.report["latency_us"]["p50"] / 1000, "ms")
    yield Figure(n.DAY_P99, work.report["latency_us"]["p99"] / 1000, "ms")
    yield Figure(n.DAY_MEMORY, work.memory / 2**20, "MB")
