"""The journal of the mailbox store: what is in memory and in one row for each commit, until it is settled."""

import asyncio
import shutil
from asyncio import Future
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.gate import Gate
from support.stores import Store, account, marks, open_store
from tidings.server.ports.mailboxes import StoreUnavailable
from tidings.server.storage.sqlite.journal import SETTLE_BYTES
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Ack, Send, ShareKeys
from tidings.wire.events import Message
from tidings.wire.frames import Conversation, Share
from tidings.wire.ids import new_msg_id
from tidings.wire.limits import MAX_CIPHERTEXT

pytestmark = pytest.mark.anyio


class Pair:
    """Ada, who writes to Bob."""

    def __init__(self, store: Store, talk: Conversation, ada: int, bob: int) -> None:
        assert isinstance(store.mailboxes, SqliteMailboxes)
        self.store, self.mailboxes = store, store.mailboxes
        self.talk, self.ada, self.bob = talk, ada, bob

    async def send(self, *bodies: bytes) -> None:
        for body in bodies:
            await self.store.send(self.ada, self.talk, body)

    async def settle(self) -> None:
        await self.mailboxes.database.write(self.mailboxes.book.settle)

    async def settle_marks(self) -> None:
        await self.mailboxes.database.write(self.mailboxes.book.settle_marks)

    async def bodies(self) -> list[bytes]:
        return [entry.ciphertext for entry in await self.store.read(self.bob) if isinstance(entry, Message)]

    def rows(self, table: str) -> int:
        found: Any = self.mailboxes.database.reader.execute(f"select count(*) from {table}").fetchall()
        count: int = found[0][0]
        return count


@pytest.fixture
async def pair(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Pair]:
    async with open_store("sqlite", tmp_path, clock) as store:
        talk = await store.talk("ada", "bob")
        yield Pair(store, talk, await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE"))


def journal_bytes(mailboxes: SqliteMailboxes) -> int:
    found: Any = mailboxes.database.reader.execute("select sum(length(changes)) from journal").fetchall()
    size: int = found[0][0]
    return size


def killed(folder: Path) -> Path:
    """Return a copy of a store's folder as a kill would leave it now."""
    copied = folder / "as a kill leaves it"
    copied.mkdir()
    for name in ("mailboxes.db", "mailboxes.db-wal"):
        shutil.copy(folder / name, copied)
    return copied


async def test_a_letter_that_is_acked_at_once_never_comes_into_its_table(pair: Pair) -> None:
    await pair.send(b"one", b"two")
    assert (pair.rows("letter"), pair.rows("entry"), pair.rows("record")) == (0, 0, 0)
    assert await pair.bodies() == [b"one", b"two"]
    await pair.store.ack(pair.bob, 1)
    await pair.settle()
    assert (pair.rows("letter"), pair.rows("entry"), pair.rows("record")) == (1, 1, 2)
    assert pair.rows("journal") == 0
    assert await pair.bodies() == [b"two"]
    await pair.store.ack(pair.bob, 2)
    assert (pair.rows("letter"), pair.rows("entry")) == (0, 0)


async def test_what_a_process_left_in_the_journal_is_there_for_the_next_one(
    pair: Pair, tmp_path: Path, clock: FakeClock
) -> None:
    await pair.send(b"one", b"two", b"three")
    await pair.store.ack(pair.bob, 1)
    assert pair.rows("journal") > 0
    async with open_store("sqlite", killed(tmp_path), clock) as store:
        store.versions.update(pair.store.versions)
        store.last.update(pair.store.last)
        left = Pair(store, pair.talk, pair.ada, pair.bob)
        assert await left.bodies() == [b"two", b"three"]
        assert left.rows("journal") == 0
        await left.send(b"four")
        assert [entry.pos for entry in await store.read(left.bob)] == [2, 3, 4]
        (mark,) = await store.ack(left.bob, 4)
        assert (mark.delivered, left.rows("letter")) == (4, 0)


async def test_whoever_reads_while_letters_move_into_a_table_sees_each_once(pair: Pair) -> None:
    await pair.send(b"one", b"two")
    settling = pair.mailboxes.database.write(pair.mailboxes.book.settle)
    seen: list[list[bytes]] = []
    while not settling.done():
        seen.append(await pair.bodies())
        await asyncio.sleep(0)
    await settling
    assert seen
    assert all(bodies == [b"one", b"two"] for bodies in [*seen, await pair.bodies()])


async def test_acks_of_one_device_in_one_commit_tell_of_a_mark_once(pair: Pair) -> None:
    await pair.send(b"one", b"two", b"three")
    told = await asyncio.gather(*(pair.mailboxes.ack(pair.bob, Ack(pos)) for pos in (1, 2, 3)))
    assert [[mark.delivered for mark in marks(notices)] for notices in told] == [[], [], [3]]


def fail() -> None:
    raise RuntimeError("planted")


async def test_a_job_that_fails_takes_no_ticked_message_with_it(pair: Pair, tmp_path: Path, clock: FakeClock) -> None:
    ids = [new_msg_id(clock.now()) for _ in range(2)]
    for msg_id in ids:
        await pair.store.send(pair.ada, pair.talk, msg_id, msg_id=msg_id)
    with pytest.raises(StoreUnavailable):
        await pair.mailboxes.database.write(fail)
    assert await pair.bodies() == ids
    repeated = [await pair.store.send(pair.ada, pair.talk, msg_id, msg_id=msg_id) for msg_id in ids]
    assert [(again.seq, list(again.places)) for again in repeated] == [(1, []), (2, [])]
    third = await pair.store.send(pair.ada, pair.talk, b"three")
    assert (third.seq, list(third.places)) == (3, [(pair.bob, 3)])
    await pair.settle()
    assert await pair.bodies() == [*ids, b"three"]
    async with open_store("sqlite", killed(tmp_path), clock) as store:
        assert await Pair(store, pair.talk, pair.ada, pair.bob).bodies() == [*ids, b"three"]


@pytest.mark.parametrize("failing", range(4))
async def test_what_shares_a_batch_with_a_job_that_fails_is_kept_once_wherever_that_stands(
    pair: Pair, clock: FakeClock, failing: int
) -> None:
    await pair.send(b"before")
    view = await pair.store.view("ada", pair.talk.conversation)
    prev = pair.store.last[pair.ada, pair.talk.conversation]
    jobs: list[Future[Any]] = []
    bodies: list[bytes] = []
    for number in range(4):
        if number == failing:
            jobs.append(pair.mailboxes.database.write(fail))
            continue
        msg_id = new_msg_id(clock.now())
        send = Send(1, msg_id, view.conversation, view.epoch, view.devices, prev, msg_id)
        prev = msg_id
        jobs.append(pair.mailboxes.append(send, pair.ada))
        bodies.append(msg_id)
    results: list[Any] = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(results.pop(failing), StoreUnavailable)
    assert [(result.seq, list(result.places)) for result in results] == [
        (seq, [(pair.bob, seq)]) for seq in range(2, 5)
    ]
    assert await pair.bodies() == [b"before", *bodies]
    pair.store.last[pair.ada, pair.talk.conversation] = prev
    await pair.send(b"behind")
    await pair.settle()
    assert await pair.bodies() == [b"before", *bodies, b"behind"]
    (mark,) = await pair.store.ack(pair.bob, 5)
    await pair.settle()
    assert (mark.delivered, pair.rows("letter"), pair.rows("entry"), pair.rows("record")) == (5, 0, 0, 5)


@pytest.mark.parametrize("also", ["key", "gap"])
async def test_whoever_reads_between_a_commit_and_its_answer_sees_nothing_behind_a_letter_that_is_not_shown_yet(
    tmp_path: Path, clock: FakeClock, also: str
) -> None:
    gate = Gate()
    async with open_store("sqlite", tmp_path, clock, on_step=gate, box_limit=2) as store:
        talk = await store.talk("ada", "bob")
        await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
        ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
        tablet = await store.box("bob", "BOB-TABLET")
        await store.send(ada, talk, b"one")
        await store.ack(tablet, 1)
        view = await store.view("ada", talk.conversation)
        ids = [store.last[ada, talk.conversation], *(new_msg_id(clock.now()) for _ in range(2))]
        two, three = (
            Send(1, msg_id, view.conversation, view.epoch, view.devices, prev, msg_id) for prev, msg_id in pairwise(ids)
        )
        gate.hold("committed")
        jobs: list[Future[Any]] = [store.mailboxes.append(two, ada)]
        if also == "gap":
            jobs.append(store.mailboxes.append(three, ada))
        else:
            share = Share(account("bob"), "BOB-PHONE", b"key")
            jobs.append(store.mailboxes.share(ShareKeys(1, bytes(16), talk.conversation, [share]), ada))
        await gate.reached.wait()
        page = await store.mailboxes.read(bob, 0, 100)
        assert ([entry.pos for entry in page.entries], page.top, page.more) == ([1], 1, False)
        assert await store.read(bob, 1) == []
        gate.let_go()
        assert bob in (await asyncio.gather(*jobs))[0].boxes
        page = await store.mailboxes.read(bob, 1, 100)
        assert [entry.pos for entry in page.entries] == [2, 3]


async def test_large_letters_are_written_down_once_and_not_carried_from_one_commit_to_the_next(pair: Pair) -> None:
    await pair.send(*[bytes(MAX_CIPHERTEXT)] * 12)
    await pair.settle_marks()
    writer = pair.mailboxes.database.writer
    for _ in range(3):
        before = writer.total_changes()
        await pair.send(b"small")
        assert writer.total_changes() == before + 1, "a row of the journal, and nothing else"
    assert journal_bytes(pair.mailboxes) < SETTLE_BYTES // 2
    assert [entry.pos for entry in await pair.store.read(pair.bob, 12)] == [13, 14, 15]


async def test_letters_in_many_mailboxes_are_not_carried_either_when_their_places_are_long(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with open_store("sqlite", tmp_path, clock) as store:
        assert isinstance(store.mailboxes, SqliteMailboxes)
        talk = await store.talk("ada", "bob")
        await store.devices("bob", 2, *(f"BOB-{number}" for number in range(1000)))
        ada = await store.box("ada", "ADA-PHONE")
        for _ in range(40):
            await store.send(ada, talk)
        await store.mailboxes.database.write(store.mailboxes.book.settle_marks)
        assert journal_bytes(store.mailboxes) < SETTLE_BYTES // 2


async def test_a_device_that_comes_back_writes_nothing_anew_when_all_but_letters_is_settled(pair: Pair) -> None:
    await pair.send(b"one", b"two")
    await pair.mailboxes.marks_since(pair.bob, 0)
    assert (pair.rows("journal"), pair.rows("letter"), pair.rows("record")) == (1, 0, 2)
    before = pair.mailboxes.database.writer.total_changes()
    await pair.mailboxes.marks_since(pair.bob, 0)
    assert pair.mailboxes.database.writer.total_changes() == before
    assert await pair.bodies() == [b"one", b"two"]
    (mark,) = await pair.store.ack(pair.bob, 2)
    await pair.settle()
    assert (mark.delivered, pair.rows("journal"), pair.rows("letter")) == (2, 0, 0)
