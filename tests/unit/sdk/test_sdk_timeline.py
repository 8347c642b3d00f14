"""How far a message of one's own got, and whether a message of somebody else follows on the one before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidings.sdk.store.database import Database
from tidings.sdk.sync.timeline import Kept, Timeline
from tidings.wire.content import Chain
from tidings.wire.events import Marks, Message

ME, BOB, DEVICE, TALK = "@me:here", "@bob:here", "MYDEVICE01", "!talk:here"


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    database = Database(tmp_path / "a.db")
    yield Timeline(database, ME, DEVICE)
    database.close()


def sent(timeline: Timeline, seq: int) -> Kept:
    msg_id = seq.to_bytes(16, "big")
    timeline.add_own(TALK, msg_id, "hi", 1)
    timeline.sent(msg_id, seq)
    kept = timeline.find(ME, DEVICE, msg_id)
    assert kept is not None
    return kept


def mark(delivered: int, read: int, account: str = BOB, expired: list[tuple[int, int]] | None = None) -> Marks:
    return Marks(TALK, account, 0, delivered, read, expired or [], 1)


def test_states_rise_with_the_marks_of_the_others(timeline: Timeline) -> None:
    kept = sent(timeline, 5)
    assert timeline.state(kept) == "sent"
    for told, state in ((mark(4, 4), "sent"), (mark(5, 4), "delivered"), (mark(5, 5), "read"), (mark(4, 4), "read")):
        timeline.raise_mark(told)
        assert timeline.state(kept) == state


def test_ones_own_mark_says_nothing_of_the_others(timeline: Timeline) -> None:
    kept = sent(timeline, 5)
    timeline.raise_mark(mark(9, 9, ME))
    assert timeline.state(kept) == "sent"


def test_what_was_looked_at_but_not_opened_is_neither_delivered_nor_read(timeline: Timeline) -> None:
    kept = sent(timeline, 5)
    timeline.raise_mark(mark(4, 7))
    assert timeline.state(kept) == "sent"
    timeline.raise_mark(mark(7, 7))
    assert timeline.state(kept) == "read"


def test_what_no_device_ever_got_is_expired(timeline: Timeline) -> None:
    first, second = sent(timeline, 5), sent(timeline, 6)
    timeline.raise_mark(mark(6, 6, expired=[(5, 5)]))
    assert (timeline.state(first), timeline.state(second)) == ("expired", "read")


def test_fault_22_a_message_follows_if_count_and_hash_do(timeline: Timeline) -> None:
    sender = (BOB, "PHONE00001")
    assert timeline.follows(TALK, sender, Chain(7, bytes(32)))  # the first that this device has
    timeline.follow(TALK, sender, bytes(16), b"ciphertext", 7)
    digest = bytes.fromhex("b0c4a8a3cc6eba1f9a4a7d5a2bbd8a3c0de8e8a2e1d8a84a4b1e0d2ab0b3f5c1")
    assert not timeline.follows(TALK, sender, Chain(8, digest))
    own = timeline._chain(TALK, sender)[1]
    assert timeline.follows(TALK, sender, Chain(8, own))
    for count in (7, 9):
        assert not timeline.follows(TALK, sender, Chain(count, own))
    assert not timeline.follows(TALK, sender, Chain(8, None))
    assert timeline.follows("!other:here", sender, Chain(3, None))
    assert timeline.follows(TALK, (BOB, "LAPTOP0001"), Chain(3, None))


def test_fault_22_a_message_that_waits_for_its_key_keeps_its_place_in_the_chain(timeline: Timeline) -> None:
    sender = (BOB, "PHONE00001")
    timeline.follow(TALK, sender, bytes(16), b"one", 1)
    timeline.follow_sealed(Message(1, 2, TALK, *sender, b"2" * 16, 1, b"two"))
    hash_of_two = timeline._chain(TALK, sender)[1]
    assert timeline.follows(TALK, sender, Chain(3, hash_of_two))
