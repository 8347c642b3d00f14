"""A conversation as lines of a terminal: bubbles, days, what is new, what is missing."""

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final, Literal

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from tidings.cli.terminal import words
from tidings.sdk import Hole, Kept, Page
from tidings.sdk.events import State

MOST: Final = 66
"""Cells of the widest line of a bubble."""
MARGIN: Final = 1
HOLES: Final = {
    "missing": "Some messages are missing here",
    "lost": "Some messages never came: this device was away for too long",
    "sealed": "A message is here that cannot be opened yet",
    "repeated": "The server brought a message here that had come before: it is shown once",
}


class Look(msgspec.Struct, frozen=True):
    """How wide, in which colours (by the tokens' names), and whether states are told by words instead of signs."""

    width: int
    colours: tuple[tuple[str, str], ...]
    in_words: bool

    def style(self, ink: str, ground: str = "paper", *, bold: bool = False) -> Style:
        """Return a style."""
        return _style(dict(self.colours)[ink], dict(self.colours)[ground], bold=bold)


class Rule(msgspec.Struct, frozen=True):
    """A line between messages."""

    kind: Literal["day", "new", "hole"]
    text: str
    seq: int = 0

    @property
    def key(self) -> object:
        """What stays the same while a conversation grows."""
        return self.kind, self.text


class Bubble(msgspec.Struct, frozen=True):
    """A message. `author` stands above the first of a run, `state` beside one's own."""

    key: tuple[str, str, bytes]
    seq: int
    text: str
    time: str
    own: bool
    author: str
    state: State | None
    doubtful: bool


Block = Rule | Bubble


def arrange(
    page: Page, me: str, name: Callable[[str], str], *, new_after: int | None, doubt: bool, today: date
) -> list[Block]:
    """Return the blocks of a page.

    `new_after` is the place behind which messages of others are new, None to show no such line; `doubt` marks those
    of an identity that was not accepted yet.
    """
    blocks: list[Block] = []
    last_day: date | None = None
    author = ""
    holes = list(page.holes)
    news = sum(1 for kept in page.messages if _is_new(kept, me, new_after))
    for kept in page.messages:
        place = kept.seq if kept.seq is not None else 1 << 62
        for text in _holes_before(kept, place, holes):
            blocks.append(Rule("hole", text, place))
            author = ""
        if kept.body is None:
            continue
        when = max(words.local(kept.time).date(), last_day or date.min)
        if when != last_day:
            blocks.append(Rule("day", words.day(when, today)))
            last_day, author = when, ""
        if news and _is_new(kept, me, new_after):
            blocks.append(Rule("new", words.count(news, "new message", "new messages")))
            news, author = 0, ""
        blocks.append(_bubble(kept, me, name, author, doubt=doubt))
        author = kept.account
    blocks.extend(Rule("hole", HOLES[hole.kind], hole.seq) for hole in holes[:1])
    return blocks


def lay_out(block: Block, look: Look) -> Sequence[Strip]:
    """Return the lines of a block."""
    return _lines(block, look)


def _is_new(kept: Kept, me: str, new_after: int | None) -> bool:
    return (
        new_after is not None
        and kept.account != me
        and kept.body is not None
        and kept.seq is not None
        and kept.seq > new_after
    )


def _holes_before(kept: Kept, place: int, holes: list[Hole]) -> Iterator[str]:
    """Yield what is to be said before a message, each once, and take it from `holes`."""
    said: set[str] = set()
    while holes and holes[0].seq <= place:
        kind = holes.pop(0).kind
        if kind not in said:
            said.add(kind)
            yield HOLES[kind]
    if kept.missing and not said:
        yield HOLES["missing"]


def _bubble(kept: Kept, me: str, name: Callable[[str], str], before: str, *, doubt: bool) -> Bubble:
    own = kept.account == me
    return Bubble(
        key=(kept.account, kept.device, kept.msg_id),
        seq=kept.seq or 0,
        text=words.safe(kept.body or ""),
        time=words.clock(kept.time),
        own=own,
        author="" if kept.account == before else ("You" if own else name(kept.account)),
        state=kept.state if own else None,
        doubtful=doubt and not kept.trusted,
    )


@functools.lru_cache(maxsize=256)
def _style(ink: str, ground: str, *, bold: bool) -> Style:
    return Style(color=ink, bgcolor=ground, bold=bold)


@functools.lru_cache(maxsize=8192)
def _lines(block: Block, look: Look) -> Sequence[Strip]:
    return _rule_lines(block, look) if isinstance(block, Rule) else _bubble_lines(block, look)


def _rule_lines(rule: Rule, look: Look) -> list[Strip]:
    paper = look.style("ink-2")
    lines = [_strip([], look)]
    for part in Content(rule.text).wrap(max(look.width - 4, 8)):
        text = f" {part.plain.strip()} "
        if rule.kind == "new":
            side = (look.width - cell_len(text)) // 2
            line = look.style("accent-line")
            rest = look.width - side - cell_len(text)
            lines.append(
                _strip(
                    [
                        Segment("─" * side, line),
                        Segment(text, look.style("accent", bold=True)),
                        Segment("─" * rest, line),
                    ],
                    look,
                )
            )
            continue
        style = look.style("ink-2", "sunken") if rule.kind == "day" else look.style("danger")
        lines.append(_strip([Segment(" " * ((look.width - cell_len(text)) // 2), paper), Segment(text, style)], look))
    return lines


def _bubble_lines(bubble: Bubble, look: Look) -> list[Strip]:
    room = max(min(look.width - 8, MOST) if look.width > 30 else look.width - 4, 6)
    ground = "accent-soft" if bubble.own else "sunken"
    ink = look.style("ink", ground)
    body = [part.plain.rstrip() for part in Content(bubble.text).wrap(room)] or [""]
    meta = _meta(bubble, look, ground)
    meta_width = sum(cell_len(segment.text) for segment in meta)
    fits = cell_len(body[-1]) + 2 + meta_width <= room
    last = cell_len(body[-1]) + 2 + meta_width if fits else meta_width
    width = max(*(cell_len(line) for line in body), last)
    left = look.width - width - 2 - MARGIN if bubble.own else MARGIN
    rows: list[list[Segment]] = [[Segment(line, ink)] for line in body]
    if not fits:
        rows.append([])
    gap = width - sum(cell_len(segment.text) for segment in rows[-1]) - meta_width
    rows[-1] += [Segment(" " * gap, ink), *meta]
    return [*_heading(bubble, look, left, width), *(_boxed(row, left, width, ink, look) for row in rows)]


def _heading(bubble: Bubble, look: Look, left: int, width: int) -> list[Strip]:
    """Return the lines above a bubble: air before a run, and whose run it is."""
    if not bubble.author:
        return []
    if bubble.own and not look.in_words:
        return [_strip([], look)]
    shown = _cut(bubble.author, look.width - 2 * MARGIN)
    indent = left + width + 2 - cell_len(shown) if bubble.own else MARGIN
    return [
        _strip([], look),
        _strip(
            [Segment(" " * max(indent, 0), look.style("ink")), Segment(shown, look.style("accent", bold=True))], look
        ),
    ]


def _meta(bubble: Bubble, look: Look, ground: str) -> list[Segment]:
    """Return the time, and for one's own how far it got."""
    plain = look.style("ink-3", ground)
    parts = [Segment(bubble.time, plain)]
    if bubble.doubtful:
        parts.insert(0, Segment("not accepted  ", look.style("danger", ground)))
    if bubble.state is not None:
        sign = (words.TICK_WORDS if look.in_words else words.TICKS)[bubble.state]
        inks = {"read": "read", "failed": "danger", "expired": "danger"}
        ink = inks.get(bubble.state, "ink-3")
        parts.append(Segment(f" {sign}", look.style(ink, ground, bold=bubble.state == "read")))
    return parts


def _boxed(row: list[Segment], left: int, width: int, ink: Style, look: Look) -> Strip:
    rest = width - sum(cell_len(segment.text) for segment in row)
    paper = look.style("ink")
    return _strip([Segment(" " * left, paper), Segment(" ", ink), *row, Segment(" " * (rest + 1), ink)], look)


def _strip(segments: list[Segment], look: Look) -> Strip:
    return Strip(segments).adjust_cell_length(look.width, look.style("ink"))


def _cut(text: str, width: int) -> str:
    return Content(text).truncate(max(width, 1), ellipsis=True).plain
