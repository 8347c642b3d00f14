"""What a person looks at: conversations as they stand, stretches of one, what is unread, what is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.sdk.store.database import Database
from tidings.sdk.sync.contacts import View
from tidings.sdk.sync.overview import Hole, Overview, Page
from tidings.sdk.sync.timeline import Timeline
from tidings.wire.content import Chain, Content, Profile, Text
from tidings.wire.events import Marks, Message

ME, BOB, HERE, PHONE, TALK = "@me:here", "@bob:here", "MYDEVICE01", "BOBSPHONE1", "!talk:here"
VIEW = View(TALK, "direct", "open", 1, {ME: 1, BOB: 1})


class Store:
    """A store, and what happens to it."""

    def __init__(self, path: Path) -> None:
        self.db = Database(path)
        self.timeline = Timeline(self.db, ME, HERE)
        self.overview = Overview(self.db, self.timeline, ME)

    def arrive(self, seq: int, text: str | None, *, sender: str = BOB, missing: bool = False) -> None:
        """Keep a message that came; without a text it is a profile."""
        device = PHONE if sender == BOB else "MYOTHER001"
        message = Message(seq, seq, TALK, sender, device, seq.to_bytes(16, "big"), 1_000 + seq, b"")
        body = Profile() if text is None else Text(text)
        self.timeline.add(message, Content(Chain(1, None), 1_000 + seq, body, None), missing=missing, trusted=True)

    def write(self, text: str, *, seq: int | None = None, failed: bool = False) -> bytes:
        """Put a message into the outbox; with `seq` the server has it, or else it may have failed."""
        msg_id = bytes(8) + (1_000 + self.timeline._number).to_bytes(8, "big")
        self.timeline.add_own(TALK, msg_id, text, 2_000)
        if seq is not None:
            self.timeline.sent(msg_id, seq)
        elif failed:
            self.timeline.failed(msg_id)
        return msg_id

    def read(self, seq: int) -> None:
        """Note on this device that everything up to a place was read."""
        self.db.run("insert or replace into reading values (?, ?, 0)", TALK, seq)

    def mark(self, account: str, delivered: int, read: int) -> None:
        """Take in how far an account got."""
        self.timeline.raise_mark(Marks(TALK, account, 0, delivered, read, [], 1))

    def hole(self, seq: int) -> None:
        """Note that messages from a place on were lost."""
        self.db.run("insert into hole (conversation, seq) values (?, ?)", TALK, seq)

    def seal(self, seq: int) -> None:
        """Keep an envelope whose key is not here."""
        values: tuple[Any, ...] = (seq, BOB, PHONE, seq.to_bytes(16, "big"), TALK, seq, 1, b"", "session")
        self.db.run("insert into sealed values (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "a.db")
    yield made
    made.db.close()


def texts(page: Page) -> list[str | None]:
    return [kept.body for kept in page.messages]


# A conversation in the list


def test_an_empty_conversation_stands_for_itself(store: Store) -> None:
    summary = store.overview.summary(VIEW)
    assert (summary.view, summary.last, summary.unread, summary.read, summary.waiting) == (VIEW, None, 0, 0, 0)


def test_texts_of_others_above_the_place_are_unread(store: Store) -> None:
    store.arrive(1, "one")
    store.arrive(2, None)
    store.arrive(3, "two", sender=ME)
    store.write("three", seq=4)
    store.arrive(5, "four")
    assert store.overview.summary(VIEW).unread == 2
    store.read(1)
    assert store.overview.summary(VIEW).unread == 1
    store.read(5)
    assert store.overview.summary(VIEW).unread == 0


def test_what_was_read_on_another_device_of_ones_own_is_read_here(store: Store) -> None:
    store.arrive(1, "one")
    store.arrive(2, "two")
    store.mark(BOB, 2, 2)
    assert store.overview.summary(VIEW).unread == 2
    store.mark(ME, 2, 1)
    summary = store.overview.summary(VIEW)
    assert (summary.read, summary.unread) == (1, 1)
    store.read(2)
    assert store.overview.summary(VIEW).read == 2


def test_the_last_message_is_the_last_text_with_its_state_and_what_waits_is_counted(store: Store) -> None:
    store.write("one", seq=1)
    store.arrive(2, None)
    store.mark(BOB, 2, 2)
    last = store.overview.summary(VIEW).last
    assert last is not None
    assert (last.body, last.state) == ("one", "read")
    store.write("two")
    store.write("three")
    summary = store.overview.summary(VIEW)
    assert summary.last is not None
    assert (summary.last.body, summary.last.state, summary.waiting) == ("three", "pending", 2)


# Pages


def test_a_page_ends_with_what_waits_and_says_whether_there_is_more_before(store: Store) -> None:
    for seq in range(1, 6):
        store.arrive(seq, str(seq))
    store.write("waits")
    page = store.overview.page(TALK, None, 3)
    assert (texts(page), page.more) == (["3", "4", "5", "waits"], True)
    older = store.overview.page(TALK, 3, 3)
    assert (texts(older), older.more) == (["1", "2"], False)
    exact = store.overview.page(TALK, None, 5)
    assert (len(exact.messages), exact.more) == (6, False)


def test_what_failed_stays_where_it_was_written_and_what_waits_is_behind_everything(store: Store) -> None:
    store.arrive(1, "one")
    store.write("failed", failed=True)
    store.write("waits")
    store.arrive(2, "two")
    page = store.overview.page(TALK, None, 10)
    assert texts(page) == ["one", "failed", "two", "waits"]
    assert [kept.state for kept in page.messages] == ["sent", "failed", "sent", "pending"]
    later = store.overview.page(TALK, None, 1)
    assert texts(later) == ["two", "waits"]
    before = store.overview.page(TALK, 2, 5)
    assert texts(before) == ["one", "failed"]


def test_profiles_are_not_shown_unless_something_is_missing_before_them(store: Store) -> None:
    store.arrive(1, None)
    store.arrive(2, "two")
    store.arrive(3, None, missing=True)
    page = store.overview.page(TALK, None, 10)
    assert [(kept.body, kept.missing) for kept in page.messages] == [("two", False), (None, True)]


def test_holes_stand_in_the_page_of_their_place(store: Store) -> None:
    for seq in (1, 2, 5, 6):
        store.arrive(seq, str(seq))
    store.seal(3)
    store.hole(4)
    assert store.overview.page(TALK, None, 10).holes == [Hole(3, "sealed"), Hole(4, "lost")]
    assert store.overview.page(TALK, None, 2).holes == []
    assert store.overview.page(TALK, 5, 2).holes == [Hole(3, "sealed"), Hole(4, "lost")]
    assert store.overview.stretch(TALK, 4).holes == [Hole(4, "lost")]


def test_other_conversations_are_not_mixed_in(store: Store) -> None:
    store.arrive(1, "one")
    store.write("waits")
    other = store.overview.page("!other:here", None, 10)
    assert (other.messages, other.holes, other.more) == ([], [], False)


def test_a_stretch_reaches_from_a_place_to_the_end(store: Store) -> None:
    for seq in range(1, 6):
        store.arrive(seq, str(seq))
    store.write("waits")
    stretch = store.overview.stretch(TALK, 4)
    assert (texts(stretch), stretch.more) == (["4", "5", "waits"], True)
    assert store.overview.stretch(TALK, 0).more is False


@given(st.lists(st.sampled_from(["came", "own", "waits", "failed", "profile"]), max_size=30), st.integers(1, 7))
def test_pages_put_together_are_the_whole_conversation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], size: int
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "a.db")
    try:
        for seq, step in enumerate(steps, start=1):
            match step:
                case "came":
                    store.arrive(seq, f"{seq}")
                case "profile":
                    store.arrive(seq, None)
                case _:
                    store.write(f"{seq}", seq=seq if step == "own" else None, failed=step == "failed")
        whole = store.overview.stretch(TALK, 0)
        parts: list[str | None] = []
        before: int | None = None
        more = True
        while more:
            page = store.overview.page(TALK, before, size)
            placed = [kept.seq for kept in page.messages if kept.seq is not None]
            parts = texts(page) + parts
            more, before = page.more, placed[0] if placed else 0
            if more:
                assert texts(store.overview.stretch(TALK, before)) == parts
        assert parts == texts(whole)
    finally:
        store.db.close()
