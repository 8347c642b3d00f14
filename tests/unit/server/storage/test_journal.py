"""The journal of the mailbox store: what is in memory and in one row for each commit, until it is settled."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.stores import Store, marks, open_store
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Ack
from tidings.wire.events import Message
from tidings.wire.frames import Conversation

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
    copied = tmp_path / "as a kill leaves it"
    copied.mkdir()
    for name in ("mailboxes.db", "mailboxes.db-wal"):
        shutil.copy(tmp_path / name, copied)
    async with open_store("sqlite", copied, clock) as store:
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
