"""Figures: one for each round, put together as a median with its spread."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tidings.cli.benching import BenchFailed

RESULTS: Final = "peers.json"
RAW: Final = "peers-raw.json"


class Figure(msgspec.Struct, frozen=True):
    """What one round of a workload brought."""

    metric: str
    value: float
    unit: str


class Sample(msgspec.Struct, frozen=True):
    """A figure, with the server that it is of and the workload that brought it."""

    server: str
    workload: str
    metric: str
    value: float
    unit: str


class Result(msgspec.Struct, frozen=True):
    """What all rounds brought: the middle one, and from where to where they went."""

    server: str
    workload: str
    metric: str
    median: float
    unit: str
    low: float
    high: float
    rounds: int


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures are worth nothing without."""

    date: str
    machine: str
    system: str
    disk: str
    cores: str
    python: str
    servers: dict[str, str]
    """Name to version."""
    durability: dict[str, str]
    """Name to what the server stores, and when."""
    limits: dict[str, dict[str, float]]
    """Workload to the limits of Tidings that were raised for it."""
    short: bool


class Run(msgspec.Struct, frozen=True):
    """All that a run brought."""

    surroundings: Surroundings
    samples: Sequence[Sample]


def together(samples: Iterable[Sample]) -> list[Result]:
    """Return the result of each metric, in the order in which they were measured first."""
    values: dict[tuple[str, str, str, str], list[float]] = {}
    for one in samples:
        values.setdefault((one.server, one.workload, one.metric, one.unit), []).append(one.value)
    return [
        Result(server, workload, metric, statistics.median(all_), unit, min(all_), max(all_), len(all_))
        for (server, workload, metric, unit), all_ in values.items()
    ]


class Table:
    """Results, found by what they are of."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results
        self._by_name = {(one.server, one.workload, one.metric): one for one in results}

    def find(self, server: str, workload: str, metric: str) -> Result | None:
        """Return a result, if it was measured."""
        return self._by_name.get((server, workload, metric))

    def median(self, server: str, workload: str, metric: str) -> float | None:
        """Return the middle of a figure's rounds, if it was measured."""
        found = self.find(server, workload, metric)
        return None if found is None else found.median

    def servers(self, workload: str, metric: str) -> list[str]:
        """Return who has a figure, in the order in which they were measured."""
        return [one.server for one in self.results if (one.workload, one.metric) == (workload, metric)]


def write(run: Run, folder: Path) -> None:
    """Write the results and the raw figures to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    short = [
        {"server": one.server, "workload": one.workload, "metric": one.metric, "median": one.median, "unit": one.unit}
        for one in together(run.samples)
    ]
    (folder / RESULTS).write_bytes(msgspec.json.format(msgspec.json.encode(short), indent=1) + b"\n")
    (folder / RAW).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def read(folder: Path) -> Run:
    """Return what a run wrote. Raises BenchFailed."""
    try:
        return msgspec.json.decode((folder / RAW).read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchFailed(f"no earlier run can be read: {error}") from None


def told(value: float) -> str:
    """Return a figure as it is read: three digits, more only where they are whole."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
