"""Figures become results, tables, a picture, and a list of aims."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench import names as n
from bench.__main__ import joined
from bench.checklist import EJABBERD, checklist
from bench.figures import Run, Sample, Surroundings, Table, read, together, write
from bench.picture import PALETTES, panels, picture, write_pictures
from bench.report import BEGIN, END, as_text, write_page
from tidings.cli.benching import BenchFailed

ABOUT = Surroundings(
    date="1 January 2030",
    machine="a machine, 2 processors, 4.0 GB",
    system="Linux",
    disk="ext4 on /dev/disk",
    cores="the server has core 0, the load generator core 1, of 2",
    python="3.11",
    servers={n.TIDINGS: "Tidings 1", EJABBERD: "ejabberd 23"},
    durability={n.TIDINGS: "everything", EJABBERD: "nothing"},
    limits={"w1": {}, "w3": {"connections_per_address": 4500.0}},
    short=False,
)
SAMPLES = [
    *(Sample(n.MACHINE, n.FSYNC, name, value, "ms") for name, value in ((n.P50, 0.2), (n.P99, 0.5))),
    *(Sample(n.TIDINGS, "w1", n.CPU, value, "us") for value in (31.0, 29.0, 30.0)),
    *(Sample(EJABBERD, "w1", n.CPU, value, "us") for value in (270.0, 280.0)),
    Sample(n.TIDINGS, "w1", n.RATE, 22_000.0, "1/s"),
    Sample(EJABBERD, "w1", n.RATE, 8_000.0, "1/s"),
    Sample(n.TIDINGS, "w1", n.P50_HALF, 2.3, "ms"),
    Sample(n.TIDINGS, "w2", n.SENT, 20_000.0, ""),
    Sample(n.TIDINGS, "w2", n.KEPT, 20_000.0, ""),
    Sample(n.TIDINGS, "w2", n.SENT, 20_000.0, ""),
    Sample(n.TIDINGS, "w2", n.KEPT, 19_999.0, ""),
    Sample(n.TIDINGS, "w6", n.WAITING.format(1_000), 30.0, "us"),
    Sample(n.TIDINGS, "w6", n.WAITING.format(10_000_000), 36.0, "us"),
]
RUN = Run(ABOUT, SAMPLES)
TABLE = Table(together(SAMPLES))


def test_of_several_rounds_the_middle_one_counts_and_the_spread_is_kept() -> None:
    found = TABLE.find(n.TIDINGS, "w1", n.CPU)
    assert found is not None
    assert (found.median, found.low, found.high, found.rounds, found.unit) == (30.0, 29.0, 31.0, 3, "us")
    assert TABLE.median(EJABBERD, "w1", n.CPU) == 275.0
    assert TABLE.median("nobody", "w1", n.CPU) is None


def test_results_are_a_list_of_what_everybody_may_rely_on(tmp_path: Path) -> None:
    write(RUN, tmp_path)
    results = json.loads((tmp_path / "peers.json").read_text())
    assert {tuple(sorted(one)) for one in results} == {("median", "metric", "server", "unit", "workload")}
    assert {"server": n.TIDINGS, "workload": "w1", "metric": n.CPU, "median": 30.0, "unit": "us"} in results
    assert read(tmp_path) == RUN


def aim(start: str) -> tuple[str, bool | None]:
    (line,) = [line for line in checklist(TABLE) if line.text.startswith(start)]
    return line.text, line.reached


def test_aims_are_judged_by_ratios() -> None:
    text, reached = aim("W1 CPU per message: 30 us, ejabberd-tcp 275 us")
    assert (reached, "ratio 0.109, aim: at most 0.25" in text) == (True, True)
    text, reached = aim("W1 messages on one core")
    assert (reached, "2.75 times, aim: at least 4" in text) == (False, True)
    assert aim("W1 p50 at half load: 2.30 ms, aim: at most 2.20 ")[1] is False
    assert aim("W6 CPU per message, 10,000,000 waiting: 36 us")[1] is True


def test_without_an_earlier_run_there_is_nothing_to_put_together(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="no earlier run"):
        read(tmp_path)


def test_one_message_lost_in_one_round_is_a_message_lost() -> None:
    assert aim("W2 messages kept after kill -9") == (
        "W2 messages kept after kill -9: 19,999 of 20,000, aim: all",
        False,
    )


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert aim("W5 messages lost")[1] is None
    assert "W5 messages lost, aim: at most 0: not measured" in as_text(RUN)
    assert not any(line.reached is not None for line in checklist(Table([])))


def test_the_page_keeps_its_prose(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n")
    for _ in range(2):
        write_page(RUN, page)
        text = page.read_text()
        assert text.startswith(f"before\n{BEGIN}\n")
        assert text.endswith(f"{END}\nafter\n")
        assert "old figures" not in text
        assert text.count("### W1") == 1
        assert "| tidings | 30 <sub>29 to 31</sub> | 22,000 | 2.30 |" in text
        assert "| 10,000,000 | 36 |  |  |" in text
        assert "W3: `connections_per_address` 4500" in text
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place for figures"):
        write_page(RUN, page)


def test_the_picture_has_a_bar_for_each_server(tmp_path: Path) -> None:
    write_pictures(TABLE, tmp_path / "page.md")
    assert {file.name for file in tmp_path.iterdir()} == {"page-light.svg", "page-dark.svg"}
    drawn = ET.fromstring((tmp_path / "page-dark.svg").read_text())
    texts = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {n.TIDINGS, EJABBERD, "30", "275", "22,000", "10,000,000 waiting"} <= texts
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    assert len(bars) == sum(len(panel.bars) for panel in panels(TABLE))
    assert all(0 < float(bar.attrib["width"]) < 500 for bar in bars)
    assert picture(panels(TABLE), PALETTES["light"]) != picture(panels(TABLE), PALETTES["dark"])


def test_a_later_run_of_a_part_replaces_that_part_and_keeps_the_others() -> None:
    about = msgspec.structs.replace(ABOUT, date="2 January 2030", servers={"prosody": "Prosody 1"}, limits={})
    again = [Sample("prosody", "w1", n.CPU, 400.0, "us"), Sample(EJABBERD, "w1", n.CPU, 290.0, "us")]
    later = joined(RUN, Run(about, [*again, Sample(n.MACHINE, n.FSYNC, n.P50, 0.2, "ms")]))
    table = Table(together(later.samples))
    assert {server: table.median(server, "w1", n.CPU) for server in table.servers("w1", n.CPU)} == {
        n.TIDINGS: 30.0,
        "prosody": 400.0,
        EJABBERD: 290.0,
    }
    assert table.median(EJABBERD, "w1", n.RATE) is None
    assert table.median(n.TIDINGS, "w2", n.SENT) == 20_000.0
    assert table.median(n.MACHINE, n.FSYNC, n.P50) == 0.2
    assert set(later.surroundings.servers) == {n.TIDINGS, EJABBERD, "prosody"}
    assert later.surroundings.date == "2 January 2030"
