"""W4: groups of 200 and of 1,000. One member writes, and the next message follows when all others have it."""

from collections.abc import Iterator
from typing import Final

from bench import names as n
from bench.figures import Figure
from bench.servers import Layout, Server, some
from bench.stage import Stage

SIZES: Final = (200, 1_000)
SHORT_SIZES: Final = (200,)
IN_FLIGHT: Final = 4
SECONDS: Final = 5.0


def measure(server: Server, stage: Stage) -> Iterator[Figure]:
    """See the head of the file."""
    sizes = SHORT_SIZES if stage.short else SIZES
    first = [sum(sizes[:number]) for number in range(len(sizes))]
    server.start(Layout(sum(sizes), [range(start, start + size) for start, size in zip(first, sizes, strict=True)]))
    for start, size in zip(first, sizes, strict=True):
        options = {"people": some(server.people, start, size), "in-flight": IN_FLIGHT}
        work = stage.timed("fanout", server, options, stage.of(SECONDS, 2))
        deliveries = work.report["deliveries"]
        yield Figure(n.DELIVERY_CPU.format(f"{size:,}"), work.cpu_us(deliveries), "us")
        yield Figure(n.DELIVERY_RATE.format(f"{size:,}"), deliveries / work.seconds, "1/s")
