"""What Tidings aims at beside the others, and whether a run shows it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from bench import names as n
from bench.figures import Table, told

EJABBERD: Final = "ejabberd-tcp"
ARCHIVE: Final = "ejabberd-mnesia"
"""The faster one of its archives."""
FLOOR_US: Final = 50.0
"""Processor time of a message in a broker written in C that keeps nothing."""
WAIT_MS: Final = 2.0
"""What a message may take besides fsyncs at half load."""


class Line(NamedTuple):
    """An aim: what it is, what was found, and whether that is enough. None: it was not measured."""

    text: str
    reached: bool | None

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.text}: {'not measured' if self.reached is None else 'yes' if self.reached else 'no'}"


def checklist(table: Table) -> list[Line]:
    """Return all aims, in order."""
    return [
        line for part in (_relay, _half, _groups, _idle, _offline, _storm, _growth, _workers) for line in part(table)
    ]


def _most(title: str, mine: float | None, other: float | None, unit: str, share: float, whose: str) -> Line:
    """Aim at no more than a share of another server's figure."""
    if mine is None or other is None:
        return Line(f"{title}, aim: at most {share:.3g} of {whose}", None)
    ratio = mine / other
    text = f"{title}: {_with(mine, unit)}, {whose} {_with(other, unit)}, ratio {ratio:.3f}, aim: at most {share:.3g}"
    return Line(text, ratio <= share)


def _least(title: str, mine: float | None, other: float | None, unit: str, times: float, whose: str) -> Line:
    """Aim at so many times another figure, or more."""
    if mine is None or other is None:
        return Line(f"{title}, aim: at least {times:g} times {whose}", None)
    ratio = mine / other
    text = f"{title}: {_with(mine, unit)}, {whose} {_with(other, unit)}, {ratio:.2f} times, aim: at least {times:g}"
    return Line(text, ratio >= times)


def _bound(title: str, value: float | None, unit: str, most: float | None, why: str = "") -> Line:
    """Aim at no more than that."""
    if value is None or most is None:
        return Line(f"{title}, aim: at most {why if most is None else _with(most, unit)}", None)
    return Line(f"{title}: {_with(value, unit)}, aim: at most {told(most)}{why and f' ({why})'}", value <= most)


def _relay(table: Table) -> Iterator[Line]:
    mine = table.median(n.TIDINGS, "w1", n.CPU)
    for whose, share in ((EJABBERD, 1 / 4), (ARCHIVE, 1 / 12)):
        yield _most("W1 CPU per message", mine, table.median(whose, "w1", n.CPU), "us", share, whose)
    yield _bound("W1 CPU per message", mine, "us", FLOOR_US, "a broker in C that stores nothing")
    rates = [table.median(who, "w1", n.RATE) for who in (n.TIDINGS, EJABBERD)]
    yield _least("W1 messages on one core", rates[0], rates[1], "a second", 4, EJABBERD)


def _half(table: Table) -> Iterator[Line]:
    for name, metric, fsyncs in (("p50", n.P50_HALF, 1), ("p99", n.P99_HALF, 3)):
        fsync = table.median(n.MACHINE, n.FSYNC, n.P50)
        most = None if fsync is None else fsyncs * fsync + WAIT_MS
        why = f"{'one fsync' if fsyncs == 1 else 'three fsyncs'} plus {WAIT_MS:g} ms"
        yield _bound(f"W1 {name} at half load", table.median(n.TIDINGS, "w1", metric), "ms", most, why)
    half, full = (table.median(n.TIDINGS, "w1", metric) for metric in (n.CPU_HALF, n.CPU))
    yield _most("W1 CPU per message at half load", half, full, "us", 2, "at maximum")


def _groups(table: Table) -> Iterator[Line]:
    for members in ("200", "1,000"):
        metric = n.DELIVERY_CPU.format(members)
        mine, other = (table.median(who, "w4", metric) for who in (n.TIDINGS, EJABBERD))
        yield _most(f"W4 {metric}", mine, other, "us", 1 / 4, EJABBERD)


def _idle(table: Table) -> Iterator[Line]:
    yield _bound("W3 memory per idle connection", table.median(n.TIDINGS, "w3", n.PER_CONNECTION), "KB", 9)
    held = [one.median for one in table.results if (one.workload, one.metric) == ("w3", n.MANY)]
    text = f"W3 connections held: {max(held):,.0f}" if held else "W3 connections held"
    yield Line(f"{text}, aim: at least 70,000", max(held) >= 70_000 if held else None)
    mine, other = (table.median(who, "w3", n.SIGN_IN_CPU) for who in (n.TIDINGS, EJABBERD))
    yield _most("W3 CPU of a known device's sign-in", mine, other, "us", 1, EJABBERD)


def _offline(table: Table) -> Iterator[Line]:
    sent, kept = (table.find(n.TIDINGS, "w2", metric) for metric in (n.SENT, n.KEPT))
    if sent is None or kept is None:
        yield Line("W2 messages kept after kill -9, aim: all of 20,000", None)
    else:
        yield Line(
            f"W2 messages kept after kill -9: {kept.low:,.0f} of {sent.low:,.0f}, aim: all", kept.low >= sent.high
        )
    for metric, times in ((n.STORED_RATE, 5), (n.DRAINED_RATE, 2)):
        mine, other = (table.median(who, "w2", metric) for who in (n.TIDINGS, EJABBERD))
        yield _least(f"W2 {metric}", mine, other, "", times, EJABBERD)


def _storm(table: Table) -> Iterator[Line]:
    yield _bound("W5 10,000 devices back and caught up", table.median(n.TIDINGS, "w5", n.ALL_BACK), "s", 20)
    lost = table.find(n.TIDINGS, "w5", n.LOST)
    yield _bound("W5 messages lost", None if lost is None else lost.high, "", 0)


def _growth(table: Table) -> Iterator[Line]:
    least, most = n.BACKLOGS[0], n.BACKLOGS[-1]
    few, many = (table.median(n.TIDINGS, "w6", n.WAITING.format(size)) for size in (least, most))
    yield _most(f"W6 CPU per message, {most:,} waiting", many, few, "us", 1.2, f"{least:,} waiting")


def _workers(table: Table) -> Iterator[Line]:
    one = table.median(n.TIDINGS, "w1", n.RATE)
    two = table.median(n.WORKERS.format(2), "w1", n.RATE_ALONE)
    yield _least("W1 two workers, without the generator's share", two, one, "a second", 1.7, "one worker")


def _with(value: float, unit: str) -> str:
    return f"{told(value)} {unit}".rstrip()
