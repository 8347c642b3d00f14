"""The numbers as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tidings.server.telemetry.metrics import Metrics
from tidings.server.telemetry.numbers import Number, Numbers, Spread


class Page(Collector):
    """Turns a server's numbers into those of the library, when they are asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        for name, text, numbers, rising in self._metrics:
            kind = CounterMetricFamily if rising else GaugeMetricFamily
            match numbers:
                case Number(value=value):
                    yield kind(name, text, value=value)
                case Numbers():
                    several = kind(name, text, labels=[numbers.label])
                    for label, number in numbers.numbers.items():
                        several.add_metric([str(label)], number.value)
                    yield several
                case Spread():
                    yield HistogramMetricFamily(name, text, buckets=_buckets(numbers), sum_value=numbers.total)
                case _:
                    spreads = HistogramMetricFamily(name, text, labels=[numbers.label])
                    for label, spread in numbers.spreads.items():
                        spreads.add_metric([label], _buckets(spread), spread.total)
                    yield spreads


def show(metrics: Metrics) -> bytes:
    """Return the page."""
    registry = CollectorRegistry()
    registry.register(Page(metrics))
    return generate_latest(registry)


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Return how many values were not above each bound."""
    found: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip([*map(float, spread.bounds), float("inf")], spread.counts, strict=True):
        below += count
        found.append(("+Inf" if bound == float("inf") else str(bound), below))
    return found
