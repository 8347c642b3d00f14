"""Group commit: who shares a transaction, who waits, who is told what when something fails."""

import asyncio
import contextlib
from asyncio import Future
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from support.clock import FakeClock
from support.gate import SECONDS, Gate
from support.stores import open_store
from tidings.server.ports.mailboxes import StoreFailed, StoreUnavailable
from tidings.server.storage.sqlite.database import Database, Step
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.server.storage.sqlite.memory import NoMemory
from tidings.server.storage.sqlite.opening import Corrupt
from tidings.server.storage.sqlite.room import RESERVE_BYTES
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.events import Message
from tidings.wire.ids import new_msg_id

pytestmark = pytest.mark.anyio

SCHEMA = (
    "create table meta (name text primary key, value any) strict, without rowid",
    "create table note (id integer primary key, body blob not null) strict",
)


class Notes(NoMemory):
    """A database with one table."""

    def __init__(self, path: Path, on_step: Step | None = None) -> None:
        self.resets = 0
        self.database = Database(path, SCHEMA, on_step=on_step)
        self.database.memory = self

    def forget(self) -> None:
        self.resets += 1

    def adding(self, number: int, error: Exception | None = None) -> Callable[[], int]:
        """Return work that adds a note, and then fails if it is told to."""

        def add() -> int:
            self.database.writer.execute("insert into note values (?, ?)", (number, b"note %d" % number))
            if error is not None:
                raise error
            return number

        return add

    def add(self, number: int, error: Exception | None = None) -> "Future[int]":
        return self.database.write(self.adding(number, error))

    async def numbers(self) -> list[int]:
        """Return the notes that a reader sees."""
        rows: list[Any] = await self.database.read(
            lambda: self.database.reader.execute("select id from note order by id").fetchall()
        )
        return [row[0] for row in rows]


@asynccontextmanager
async def open_notes(folder: Path, on_step: Step | None = None) -> AsyncIterator[Notes]:
    notes = Notes(folder / "notes.db", on_step)
    await notes.database.start()
    try:
        yield notes
    finally:
        await notes.database.stop()


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
async def notes(tmp_path: Path, gate: Gate) -> AsyncIterator[Notes]:
    async with open_notes(tmp_path, gate) as opened:
        yield opened


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - a store tells its state by nothing else
            await asyncio.sleep(0.005)


async def test_calls_that_come_while_a_commit_runs_share_the_next_one(notes: Notes, gate: Gate) -> None:
    gate.hold("committing")
    first = notes.add(1)
    await gate.reached.wait()
    others = [notes.add(number) for number in range(2, 30)]
    await asyncio.sleep(0)
    assert notes.database.batches == 0
    gate.let_go()
    assert await asyncio.gather(first, *others) == list(range(1, 30))
    assert (notes.database.batches, notes.database.jobs) == (2, 29)
    assert gate.steps == ["begun", "written", "committing", "committed", "answered"] * 2


async def test_calls_of_one_turn_share_one_commit_and_a_call_that_changes_nothing_needs_none(
    notes: Notes, gate: Gate
) -> None:
    await asyncio.gather(*(notes.add(number) for number in range(10)))
    assert notes.database.batches == 1
    gate.steps.clear()
    assert await notes.database.write(lambda: "nothing") == "nothing"
    assert gate.steps == ["begun", "written"]


async def test_results_come_in_the_order_of_the_calls_whatever_they_are(notes: Notes, gate: Gate) -> None:
    done: list[int] = []
    calls: list[Future[Any]] = []

    def call(number: int, error: Exception | None = None) -> None:
        future = notes.add(number, error) if number % 5 else notes.database.write(lambda: None, grows=False)
        future.add_done_callback(lambda _: done.append(number))
        calls.append(future)

    gate.hold("committing")
    for number in range(7):
        call(number, Refusal(NotAllowed()) if number == 3 else None)
    await gate.reached.wait()
    for number in range(7, 20):
        call(number, RuntimeError("planted") if number == 11 else None)
    gate.let_go()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert done == list(range(20))
    assert {number for number, result in enumerate(results) if isinstance(result, Exception)} == {3, 11}


async def test_nothing_is_visible_and_nobody_is_answered_before_the_commit_has_returned(
    notes: Notes, gate: Gate
) -> None:
    for step, visible in (("committing", []), ("committed", [1, 2])):
        gate.hold(step)
        number = 1 if step == "committing" else 2
        future = notes.add(number)
        await gate.reached.wait()
        assert await notes.numbers() == visible
        assert not future.done()
        gate.let_go()
        assert await future == number
    assert await notes.numbers() == [1, 2]


async def test_a_job_that_fails_unexpectedly_fails_alone_and_leaves_nothing(notes: Notes) -> None:
    calls = [notes.add(number, RuntimeError("planted") if number in (3, 7) else None) for number in range(1, 11)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    for number, result in enumerate(results, start=1):
        if number in (3, 7):
            assert isinstance(result, StoreUnavailable)
        else:
            assert result == number
    assert await notes.numbers() == [1, 2, 4, 5, 6, 8, 9, 10]
    assert notes.resets == 3, "what was remembered of the first try and of the two that failed is forgotten"
    assert notes.database.ready


async def test_a_job_that_breaks_a_rule_of_the_database_fails_alone(notes: Notes) -> None:
    await notes.add(1)
    results = await asyncio.gather(notes.add(2), notes.add(1), notes.add(3), return_exceptions=True)
    assert [type(result) for result in results] == [int, StoreUnavailable, int]
    assert await notes.numbers() == [1, 2, 3]


async def test_a_refusal_is_told_and_its_batch_is_done_once(notes: Notes) -> None:
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise Refusal(NotAllowed())

    refused, added = notes.database.write(refuse), notes.add(1)
    with pytest.raises(Refusal):
        await refused
    assert await added == 1
    assert (len(tries), notes.resets) == (1, 0)


async def test_a_caller_that_has_gone_holds_nobody_up(notes: Notes, gate: Gate) -> None:
    gate.hold("committing")
    gone, stays = notes.add(1), notes.add(2)
    await gate.reached.wait()
    gone.cancel()
    gate.let_go()
    assert await stays == 2
    assert await notes.numbers() == [1, 2]


@pytest.mark.parametrize(("step", "happened"), [("committing", []), ("committed", [1])])
async def test_fault_04_a_commit_that_fails_is_unknown_to_its_callers_and_undone_to_those_behind(
    notes: Notes, gate: Gate, step: str, happened: list[int]
) -> None:
    gate.hold(step, OSError("planted"))
    unknown = notes.add(1)
    await gate.reached.wait()
    behind = notes.add(2)
    gate.let_go()
    with pytest.raises(StoreFailed):
        await unknown
    with pytest.raises(StoreUnavailable):
        await behind
    assert not notes.database.ready
    with pytest.raises(StoreUnavailable):
        await notes.add(3)
    with pytest.raises(StoreUnavailable):
        await notes.numbers()
    await until(lambda: notes.database.ready)
    assert notes.resets == 1
    assert await notes.numbers() == happened
    assert await notes.add(4) == 4


async def test_fault_03_when_the_file_may_not_grow_what_frees_room_is_done_and_all_keep_their_order(
    notes: Notes,
) -> None:
    await asyncio.gather(*(notes.add(number) for number in range(1, 4)))
    done: list[str] = []

    def call(name: str, work: Callable[[], Any], *, grows: bool) -> "Future[Any]":
        future = notes.database.write(work, grows=grows)
        future.add_done_callback(lambda _: done.append(name))
        return future

    writer = notes.database.writer
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages)
    big = "insert into note values (?, zeroblob(100000))"
    calls = [
        call("small", notes.adding(5), grows=True),
        call("delete", lambda: writer.execute("delete from note where id = 1"), grows=False),
        call("big", lambda: writer.execute(big, (6,)), grows=True),
        call("look", lambda: writer.execute("select count(*) from note").fetchall(), grows=False),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable, apsw.Cursor, StoreUnavailable, list]
    assert results[3] == [(2,)]
    assert done == ["small", "delete", "big", "look"]
    assert notes.database.full
    assert notes.database.ready
    with pytest.raises(StoreUnavailable):
        await notes.add(7)
    await until(lambda: not notes.database.full)
    writer.pragma("max_page_count", 1_000_000)
    assert await notes.add(8) == 8
    assert await notes.numbers() == [2, 3, 8]


async def test_fault_03_what_needs_room_although_it_should_not_is_refused_and_not_tried_for_ever(
    notes: Notes,
) -> None:
    writer = notes.database.writer
    writer.pragma("max_page_count", writer.pragma("page_count"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await notes.database.write(
                lambda: writer.execute("insert into note values (1, zeroblob(100000))"), grows=False
            )
    assert await notes.numbers() == []
    writer.pragma("max_page_count", 1_000_000)


async def test_a_reserve_is_kept_aside_and_made_again_if_it_is_too_small(tmp_path: Path) -> None:
    reserve = tmp_path / "notes.db-reserve"
    async with open_notes(tmp_path):
        assert reserve.stat().st_size == RESERVE_BYTES
    reserve.write_bytes(b"")
    async with open_notes(tmp_path) as notes:
        assert reserve.stat().st_size == RESERVE_BYTES
        assert not notes.database.full


async def test_the_log_is_cut_when_nothing_happens_and_left_alone_when_something_does(notes: Notes, gate: Gate) -> None:
    await notes.add(1)
    assert notes.database.log_size > 0
    gate.hold("committing")
    running = notes.add(2)
    await gate.reached.wait()
    await notes.database.checkpoint()
    assert notes.database.log_size > 0
    gate.let_go()
    await running
    cut = notes.database.checkpoint()
    during = notes.add(3)
    await cut
    assert notes.database.log_size == 0
    assert await during == 3
    assert await notes.numbers() == [1, 2, 3]


async def test_the_log_is_cut_later_while_somebody_reads_for_long_and_nobody_waits_for_that(
    notes: Notes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await notes.add(1)
    with contextlib.closing(apsw.Connection(str(tmp_path / "notes.db"))) as long:
        long.execute("begin")
        assert long.execute("select id from note").fetchall() == [(1,)]
        await notes.add(2)
        cut, during = notes.database.checkpoint(), notes.add(3)
        await cut
        assert await during == 3
        await notes.database.checkpoint()
        assert notes.database.log_size > 0
        assert long.execute("select id from note").fetchall() == [(1,)]
    assert not caplog.records, "that is no failure"
    await notes.database.checkpoint()
    assert notes.database.log_size == 0
    assert notes.database.writer.pragma("busy_timeout") > 0, "for a commit, whoever is in its way is waited for"


async def test_stopping_finishes_what_was_begun_and_then_nothing_is_taken(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.db")
    await notes.database.start()
    begun = notes.add(1)
    await notes.database.stop()
    assert begun.result() == 1
    for late in (notes.add(2), notes.database.read(lambda: 0)):
        with pytest.raises(StoreUnavailable):
            await late
    async with open_notes(tmp_path) as again:
        assert await again.numbers() == [1]


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    async with open_notes(tmp_path):
        pass
    with contextlib.closing(apsw.Connection(str(tmp_path / "notes.db"))) as connection:
        connection.pragma("user_version", 7)
    with pytest.raises(Corrupt, match=r"notes\.db was made by a newer Tidings"):
        await Notes(tmp_path / "notes.db").database.start()


async def test_fault_05_a_database_whose_tables_do_not_fit_its_version_is_not_used(tmp_path: Path) -> None:
    async with open_notes(tmp_path):
        pass
    with contextlib.closing(apsw.Connection(str(tmp_path / "notes.db"))) as connection:
        connection.pragma("user_version", 0)
    with pytest.raises(Corrupt, match=r"notes\.db cannot be opened"):
        await Notes(tmp_path / "notes.db").database.start()


async def test_d4_a_repeat_in_the_running_batch_waits_for_it_and_is_answered_alike(
    tmp_path: Path, clock: FakeClock, gate: Gate
) -> None:
    async with open_store("sqlite", tmp_path, clock, on_step=gate) as store:
        talk = await store.talk("ada", "bob")
        ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
        msg_id = new_msg_id(clock.now())
        gate.hold("committing")
        sending = [asyncio.create_task(store.send(ada, talk, b"one", msg_id=msg_id, prev=None)) for _ in range(2)]
        await gate.reached.wait()
        clock.advance(5)
        sending.append(asyncio.create_task(store.send(ada, talk, b"one", msg_id=msg_id, prev=None)))
        await asyncio.sleep(0)
        assert not any(task.done() for task in sending)
        assert await store.read(bob) == []
        gate.let_go()
        first, *repeats = await asyncio.gather(*sending)
        assert {(repeat.seq, repeat.time) for repeat in repeats} == {(first.seq, first.time)}
        assert [list(appended.boxes) for appended in (first, *repeats)] == [[bob], [], []]
        assert len(await store.read(bob)) == 1


@pytest.mark.parametrize("step", ["committing", "committed"])
async def test_fault_04_d4_a_message_whose_commit_failed_is_there_once_when_it_is_repeated(
    tmp_path: Path, clock: FakeClock, gate: Gate, step: str
) -> None:
    async with open_store("sqlite", tmp_path, clock, on_step=gate) as store:
        assert isinstance(store.mailboxes, SqliteMailboxes)
        database = store.mailboxes.database
        talk = await store.talk("ada", "bob")
        ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
        await store.send(ada, talk, b"before")
        msg_id = new_msg_id(clock.now())
        gate.hold(step, OSError("planted"))
        sending = asyncio.create_task(store.send(ada, talk, b"one", msg_id=msg_id))
        await gate.reached.wait()
        gate.let_go()
        with pytest.raises(StoreFailed):
            await sending
        await until(lambda: database.ready)
        again = await store.send(ada, talk, b"one", msg_id=msg_id)
        assert again.seq == 2
        assert list(again.boxes) == ([bob] if step == "committing" else [])
        entries = await store.read(bob)
        assert [entry.seq for entry in entries if isinstance(entry, Message)] == [1, 2]
        assert (await store.send(ada, talk, b"two")).seq == 3
