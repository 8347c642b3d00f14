"""A conversation as lines of a terminal: nothing is wider than it, and everything is said once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tidings.cli.terminal.bubbles import HOLES, Block, Bubble, Look, Rule, arrange, lay_out
from tidings.cli.terminal.theme import DARK
from tidings.sdk import Hole, Kept, Page
from tidings.sdk.events import State

ME, BOB, TALK = "@me:here", "@bob:here", "!talk:here"
NOON = datetime(2026, 11, 22, 12, 0).astimezone()
TODAY = NOON.date()
NAMES = {ME: "Me", BOB: "Bob"}


def kept(
    seq: int | None,
    body: str | None,
    *,
    account: str = BOB,
    state: State = "sent",
    missing: bool = False,
    trusted: bool = True,
    ago: timedelta = timedelta(),
) -> Kept:
    time = int((NOON - ago).astimezone(UTC).timestamp() * 1000)
    return Kept(account, "D", bytes([seq or 255]) * 16, TALK, seq, time, body, state, missing, trusted)


def blocks(
    *messages: Kept, holes: tuple[Hole, ...] = (), new_after: int | None = None, doubt: bool = False
) -> list[Block]:
    page = Page(messages, holes, more=False)
    return arrange(page, ME, NAMES.__getitem__, new_after=new_after, doubt=doubt, today=TODAY)


def shown(arranged: list[Block]) -> list[str]:
    return [block.text for block in arranged]


def look(width: int = 60, *, in_words: bool = False) -> Look:
    return Look(width, tuple(DARK.items()), in_words)


def lines(block: Block, width: int = 60, *, in_words: bool = False) -> list[str]:
    return [strip.text.rstrip() for strip in lay_out(block, look(width, in_words=in_words))]


def test_each_day_is_named_once_and_a_clock_that_went_back_opens_no_day_twice() -> None:
    arranged = blocks(
        kept(1, "one", ago=timedelta(days=2)),
        kept(2, "two", ago=timedelta(days=1)),
        kept(3, "three", ago=timedelta(days=2)),
        kept(4, "four"),
    )
    assert shown(arranged) == ["Friday, 20 November", "one", "Yesterday", "two", "three", "Today", "four"]


def test_who_writes_is_named_at_the_head_of_a_run() -> None:
    arranged = blocks(kept(1, "a"), kept(2, "b"), kept(3, "c", account=ME), kept(4, "d"))
    assert [block.author for block in arranged if isinstance(block, Bubble)] == ["Bob", "", "You", "Bob"]


def test_the_line_above_what_is_new_counts_the_texts_of_others() -> None:
    arranged = blocks(kept(1, "a"), kept(2, "b", account=ME), kept(3, "c"), kept(4, None), kept(5, "d"), new_after=1)
    assert shown(arranged) == ["Today", "a", "b", "2 new messages", "c", "d"]
    assert "new" not in [block.kind for block in blocks(kept(1, "a"), new_after=1) if isinstance(block, Rule)]


def test_what_is_missing_is_said_where_it_is_and_once() -> None:
    arranged = blocks(
        kept(1, "a"),
        kept(4, "b", missing=True),
        kept(5, None, missing=True),
        kept(8, "c", missing=True),
        holes=(Hole(6, "lost"), Hole(7, "lost"), Hole(9, "sealed")),
    )
    said = [block.text for block in arranged]
    assert said == ["Today", "a", HOLES["missing"], "b", HOLES["missing"], HOLES["lost"], "c", HOLES["sealed"]]


def test_only_ones_own_messages_have_a_state_and_only_others_are_doubted() -> None:
    theirs, mine = blocks(kept(1, "a", trusted=False), kept(2, "b", account=ME, state="read"), doubt=True)[1:]
    assert isinstance(theirs, Bubble)
    assert isinstance(mine, Bubble)
    assert (theirs.state, theirs.doubtful) == (None, True)
    assert (mine.state, mine.doubtful) == ("read", False)
    assert "not accepted" in lines(theirs)[-1]


def test_states_are_signs_or_words() -> None:
    for state, sign, word in (("pending", "◷", "waiting"), ("sent", "✓", "sent"), ("read", "✓✓", "read")):
        (_, mine) = blocks(kept(1, "b", account=ME, state=state))  # type: ignore[arg-type]
        assert lines(mine)[-1].endswith(f"12:00 {sign}")
        assert lines(mine, in_words=True)[-1].endswith(f"12:00 {word}")


def test_ones_own_stand_right_and_those_of_others_left() -> None:
    (_, theirs, mine) = blocks(kept(1, "left"), kept(2, "right", account=ME))
    assert lines(theirs)[-1].startswith("  left")
    assert lay_out(mine, look())[-1].cell_length == 60
    assert lines(mine)[-1].index("right") > 30


@given(st.text(max_size=300), st.integers(12, 140), st.booleans(), st.booleans())
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(
    text: str, width: int, own: bool, in_words: bool
) -> None:
    (_, bubble) = blocks(kept(1, text, account=ME if own else BOB, state="delivered"))
    assert isinstance(bubble, Bubble)
    strips = lay_out(bubble, look(width, in_words=in_words))
    assert {strip.cell_length for strip in strips} == {width}
    assert all(cell_len(segment.text) <= width for strip in strips for segment in strip)
    drawn = "".join(strip.text for strip in strips).split()
    assert "".join(bubble.text.split()) in "".join(drawn)


def test_days_before_this_year_say_which() -> None:
    arranged = blocks(kept(1, "old", ago=timedelta(days=400)))
    assert shown(arranged)[0].endswith(" 2025")
