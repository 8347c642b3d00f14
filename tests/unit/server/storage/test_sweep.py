"""The sweep of the store in SQLite: step by step where much is old, and whatever the clock once said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.stores import DAY, Store, account, open_store
from tidings.server.gateway.registry import Registry
from tidings.server.jobs.expiry import Expiry
from tidings.server.storage.sqlite import expiry
from tidings.server.storage.sqlite.expiry import SWEPT
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.events import Marks
from tidings.wire.frames import Share

pytestmark = pytest.mark.anyio

SECONDS = 86_400
"""of a day"""


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    async with open_store("sqlite", tmp_path, clock) as opened:
        yield opened


async def test_where_much_is_old_it_goes_step_by_step_and_nothing_stays(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for number in range(SWEPT):
        share = Share(account("bob"), "BOB-PHONE", b"key")
        await store.share(ada, number.to_bytes(16, "big"), talk, share)
        await store.send(ada, talk)
    failed = [entry.pos for entry in (await store.read(bob))[1:200:2]]
    await store.ack(bob, failed[-1], failed=failed)
    store.clock.advance(50 * SECONDS)
    await store.box("bob", "BOB-PHONE")
    envelopes, shares, records, marks = [], [], [], []
    more = True
    while more:
        swept = await store.mailboxes.expire(store.clock.now())
        envelopes.append(swept.envelopes)
        shares.append(swept.shares)
        records.append(swept.records)
        marks += [notice.event for notice in swept.notices]
        more = swept.more
    assert (sum(envelopes), sum(shares), sum(records)) == (2 * SWEPT, SWEPT - 100, SWEPT)
    assert max(envelopes) <= 2 * SWEPT
    assert len(envelopes) > 1
    last = marks[-1]
    assert isinstance(last, Marks)
    assert (last.delivered, last.expired) == (SWEPT, [(1, SWEPT)])
    assert isinstance(store.mailboxes, SqliteMailboxes)
    reader = store.mailboxes.database.reader
    for table in ("letter", "share", "entry", "failed", "record", "shared"):
        assert reader.execute(f"select count(*) from {table}").fetchall() == [(0,)]
    assert await store.read(bob) == []


async def test_a_letter_from_a_time_when_the_clock_was_ahead_holds_no_other_one_back(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    store.clock.jump(DAY)
    await store.send(ada, talk, b"from tomorrow")
    store.clock.jump(-DAY)
    await store.send(ada, talk, b"now")
    store.clock.advance(30 * SECONDS + 1)
    await store.box("bob", "BOB-PHONE")
    assert (await store.mailboxes.expire(store.clock.now())).envelopes == 1
    (left,) = await store.read(bob)
    assert left.pos == 1


@pytest.mark.parametrize("query", [expiry.OLD_LETTERS, expiry.OLD_SHARES, expiry.OLD_FAILED, expiry.FORGET_SHARED])
async def test_what_is_old_is_found_without_a_look_at_what_is_not(store: Store, query: str) -> None:
    assert isinstance(store.mailboxes, SqliteMailboxes)
    plan = store.mailboxes.database.reader.execute("explain query plan " + query, (0, 1)).fetchall()
    steps = [str(row[3]) for row in plan]
    assert not [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step], steps


async def test_the_job_goes_on_until_nothing_old_is_left(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for _ in range(2 * SWEPT + 1):
        await store.send(ada, talk)
    store.clock.advance(31 * SECONDS)
    await store.box("bob", "BOB-PHONE")
    await Expiry(store.mailboxes, Registry(), store.clock)()
    assert await store.read(bob) == []
    assert (await store.mailboxes.expire(store.clock.now())).envelopes == 0
