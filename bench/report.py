"""The page: tables of all figures and the list of aims, put between two marks; the prose around stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench import names as n
from bench.checklist import checklist
from bench.figures import Result, Run, Table, together, told

BEGIN: Final = "<!-- figures: written by make bench-peers -->"
END: Final = "<!-- /figures -->"

PICTURE: Final = """<picture>
  <source media="(prefers-color-scheme: dark)" srcset="benchmarks-dark.svg">
  <img src="benchmarks-light.svg" width="960" alt="Bars for each thing that was measured: Tidings beside other servers">
</picture>"""

TITLES: Final = {
    "w1": "W1: pairs with receipts",
    "w2": "W2: messages for the absent, and a killed server",
    "w3": "W3: idle connections",
    "w4": "W4: groups",
    "w5": "W5: everybody comes back at once",
    "w6": "W6: growth",
    "w7": "W7: a mixed day",
}


def write_page(run: Run, page: Path) -> None:
    """Put the figures of a run into a page. Raises ValueError if the marks are not there."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no place for figures")
    page.write_text(f"{before}{BEGIN}\n\n{figures(run)}\n{END}{after}")


def figures(run: Run) -> str:
    """Return all figures of a run, as Markdown."""
    table = Table(together(run.samples))
    parts = [PICTURE, "\n".join(_surroundings(run, table)), "### Aims\n\n" + "\n".join(_aims(table))]
    for workload, title in TITLES.items():
        some = [one for one in table.results if one.workload == workload]
        if some:
            parts.append(f"### {title}\n\n" + "\n".join(_growth(table) if workload == "w6" else _rows(some)))
    return "\n\n".join(parts) + "\n"


def as_text(run: Run) -> str:
    """Return all figures of a run for a terminal, with the list of aims at the end."""
    table = Table(together(run.samples))
    lines: list[str] = []
    for one in table.results:
        spread = f"  ({told(one.low)} to {told(one.high)})" if one.rounds > 1 else ""
        lines.append(f"{one.workload}  {one.server:<22} {one.metric:<48} {told(one.median):>10} {one.unit}{spread}")
    return "\n".join([*lines, "", *(str(line) for line in checklist(table))])


def _surroundings(run: Run, table: Table) -> Iterator[str]:
    about = run.surroundings
    fsync = [table.median(n.MACHINE, n.FSYNC, name) for name in (n.P50, n.P99)]
    yield f"{about.date}. {about.machine}; {about.system}; Python {about.python}; {about.cores}."
    times = " ms (of a hundred the slowest one: ".join(_ms(time) for time in fsync)
    yield f"Disk: {about.disk}; writing 4 KiB with fsync took {times} ms)."
    if about.short:
        yield "A short run: the figures show that everything works, and no more."
    yield ""
    yield "| server | version | what it stores |"
    yield "|---|---|---|"
    for server, version in about.servers.items():
        yield f"| {server} | {version} | {about.durability[server]} |"
    raised = [
        f"{workload.upper()}: " + ", ".join(f"`{name}` {value:g}" for name, value in limits.items())
        for workload, limits in about.limits.items()
        if limits
    ]
    if raised:
        yield ""
        yield f"Limits of Tidings that were raised, those per address alone: {'; '.join(raised)}."


def _aims(table: Table) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for line in checklist(table):
        yield f"| {line.text} | {'not measured' if line.reached is None else '**yes**' if line.reached else '**no**'} |"


def _rows(results: list[Result]) -> Iterator[str]:
    """Yield a table: a row for each server, a column for each metric."""
    metrics = list(dict.fromkeys((one.metric, one.unit) for one in results))
    found = {(one.server, one.metric): one for one in results}
    yield "| server | " + " | ".join(f"{metric} ({unit})" if unit else metric for metric, unit in metrics) + " |"
    yield "|---" * (len(metrics) + 1) + "|"
    for server in dict.fromkeys(one.server for one in results):
        cells = [found.get((server, metric)) for metric, _ in metrics]
        yield f"| {server} | " + " | ".join("" if one is None else _cell(one) for one in cells) + " |"


def _growth(table: Table) -> Iterator[str]:
    """Yield the table of W6: a row for each number of messages that wait."""
    yield "| messages waiting | CPU per message (us) | messages a second | start (s) |"
    yield "|---" * 4 + "|"
    for size in n.BACKLOGS:
        metrics = (n.WAITING, n.WAITING_RATE, n.START_WAITING)
        cells = [table.find(n.TIDINGS, "w6", metric.format(size)) for metric in metrics]
        if any(cells):
            yield f"| {size:,} | " + " | ".join("" if one is None else _cell(one) for one in cells) + " |"


def _cell(one: Result) -> str:
    if one.low == one.high:
        return told(one.median)
    return f"{told(one.median)} <sub>{told(one.low)} to {told(one.high)}</sub>"


def _ms(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"
