"""The picture: a bar chart for each thing that was measured, as SVG, once for light pages and once for dark ones."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from bench import names as n
from bench.figures import Result, Table, told

WIDTH: Final = 960
COLUMNS: Final = 2
MARGIN: Final = 24
LABELS: Final = 168
"""How much of a panel the names of the servers take."""
VALUES: Final = 72
"""And the figures behind the bars."""
BAR: Final = 16
ROW: Final = 24
HEAD: Final = 52


class Palette(NamedTuple):
    """Colours; those of the bars are told apart with any kind of colour vision, and by their names anyway."""

    page: str
    text: str
    faint: str
    ours: str
    others: str


PALETTES: Final = {
    "light": Palette("#ffffff", "#1f2328", "#59636e", "#0b6bcb", "#b6bec8"),
    "dark": Palette("#0d1117", "#f0f6fc", "#9198a1", "#58a6ff", "#545d68"),
}


class Bar(NamedTuple):
    """A bar, with the spread of its rounds."""

    label: str
    low: float
    median: float
    high: float
    ours: bool


class Panel(NamedTuple):
    """A chart: what it shows, and which way is better."""

    title: str
    better: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """How high it is."""
        return HEAD + ROW * len(self.bars)


LEGEND: Final = (
    "Tidings has every message on the disk before anybody hears of it."
    " Of the others only ejabberd with its archive in SQLite waits for the disk."
)
LESS: Final = "less is better"
MORE: Final = "more is better"


def panels(table: Table) -> list[Panel]:
    """Return the charts of everything that was measured."""
    wanted: list[tuple[str, str, str, str]] = [
        ("Processor time of a message (µs)", LESS, "w1", n.CPU),
        ("Messages a second on one core", MORE, "w1", n.RATE),
        ("A message at half load, 99 of 100 within (ms)", LESS, "w1", n.P99_HALF),
        ("Memory of an idle connection (KB)", LESS, "w3", n.PER_CONNECTION),
        ("Processor time of a sign-in (µs)", LESS, "w3", n.SIGN_IN_CPU),
        ("Group of 200: processor time of a delivery (µs)", LESS, "w4", n.DELIVERY_CPU.format("200")),
        ("Group of 1,000: processor time of a delivery (µs)", LESS, "w4", n.DELIVERY_CPU.format("1,000")),
        ("Messages for the absent: taken in a second", MORE, "w2", n.STORED_RATE),
        ("Messages for the absent: handed out a second", MORE, "w2", n.DRAINED_RATE),
        ("Messages for the absent: kept after kill -9", MORE, "w2", n.KEPT),
        ("10,000 devices come back at once (s)", LESS, "w5", n.ALL_BACK),
        ("A mixed day, 5,000 devices: cores used", LESS, "w7", n.DAY_CPU),
    ]
    found = [
        Panel(title, better, [_bar(one, one.server) for one in _of(table, workload, metric)])
        for title, better, workload, metric in wanted
    ]
    growth = [
        _bar(one, f"{size:,} waiting")
        for size in n.BACKLOGS
        if (one := table.find(n.TIDINGS, "w6", n.WAITING.format(size))) is not None
    ]
    found.append(Panel("Processor time of a message as the store grows (µs)", "should stay the same", growth))
    one, two = table.find(n.TIDINGS, "w1", n.RATE), table.find(n.WORKERS.format(2), "w1", n.RATE_ALONE)
    if one is not None and two is not None:
        cores = [_bar(one, "one worker"), _bar(two, "two workers")]
        found.append(Panel("Messages a second on two cores", "without what the load generator took", cores))
    return [panel for panel in found if panel.bars]


def write_pictures(table: Table, page: Path) -> None:
    """Write the pictures beside a page."""
    for theme, palette in PALETTES.items():
        page.with_name(f"{page.stem}-{theme}.svg").write_text(picture(panels(table), palette))


def picture(charts: Sequence[Panel], palette: Palette) -> str:
    """Return the charts, two beside each other, as SVG."""
    width = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS
    parts: list[str] = []
    top = 2 * MARGIN
    for start in range(0, len(charts), COLUMNS):
        row = charts[start : start + COLUMNS]
        for column, panel in enumerate(row):
            left = MARGIN + column * (width + MARGIN)
            parts += _panel(panel, left, top, width, palette)
        top += max(panel.height for panel in row) + MARGIN
    style = f"text{{font:13px system-ui,sans-serif;fill:{palette.text}}}.t{{font-weight:600}}.f{{fill:{palette.faint}}}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">',
            "<title>Tidings beside other servers</title>",
            f"<style>{style}</style>",
            f'<rect width="{WIDTH}" height="{top}" fill="{palette.page}"/>',
            f'<text class="f" x="{MARGIN}" y="{MARGIN}">{escape(LEGEND)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(panel: Panel, left: float, top: float, width: float, palette: Palette) -> Iterator[str]:
    room = width - LABELS - VALUES
    most = max(bar.high for bar in panel.bars) or 1.0
    across: Callable[[float], float] = lambda value: max(1.0, value / most * room)  # noqa: E731 - the scale
    yield f'<text class="t" x="{left:.1f}" y="{top + 14:.1f}">{escape(panel.title)}</text>'
    yield f'<text class="f" x="{left:.1f}" y="{top + 32:.1f}">{escape(panel.better)}</text>'
    for number, bar in enumerate(panel.bars):
        y = top + HEAD - 8 + number * ROW
        start, middle = left + LABELS, y + BAR / 2
        colour = palette.ours if bar.ours else palette.others
        end = start + across(bar.median)
        name = ' class="t"' if bar.ours else ""
        yield f'<text{name} x="{start - 8:.1f}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>'
        yield f'<rect x="{start:.1f}" y="{y:.1f}" width="{end - start:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
        if bar.high > bar.low:
            low, high = (start + across(value) for value in (bar.low, bar.high))
            yield f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="{palette.text}" stroke-width="1.5"/>'
            end = max(end, high)
        yield f'<text x="{end + 8:.1f}" y="{middle + 4:.1f}">{told(bar.median)}</text>'


def _bar(one: Result, label: str) -> Bar:
    return Bar(label, one.low, one.median, one.high, one.server.startswith(n.TIDINGS))


def _of(table: Table, workload: str, metric: str) -> Iterator[Result]:
    """Yield who has a figure; what several workers do on all cores is a chart of its own."""
    for server in table.servers(workload, metric):
        found = table.find(server, workload, metric)
        if found is not None and not server.endswith("workers"):
            yield found
