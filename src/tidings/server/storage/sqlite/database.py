"""One SQLite file with group commit: statements on the loop's thread, COMMIT in a worker thread.

Calls queue up while a COMMIT waits for the disk, and share the next one. Statements never run while a COMMIT
does; reads use a connection of their own and see committed data alone. (Measured beside statements in a
thread: docs/adr/0002.)
"""

import asyncio
import contextlib
import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from tidings.server.ports.mailboxes import StoreFailed, StoreUnavailable
from tidings.server.storage.sqlite.making import cut_log, set_up
from tidings.server.storage.sqlite.memory import Memory, NoMemory
from tidings.server.storage.sqlite.opening import Corrupt, check, log_size, open_file
from tidings.server.storage.sqlite.pace import ENOUGH, Pace
from tidings.server.storage.sqlite.room import Room
from tidings.server.storage.sqlite.worker import Worker
from tidings.server.telemetry.commits import Commits
from tidings.wire.errors import Refusal

T = TypeVar("T")
Step = Callable[[str], None]
Execute = Callable[[str, Sequence[Any]], apsw.Cursor]
ExecuteMany = Callable[[str, Sequence[Sequence[Any]]], apsw.Cursor]

LOG = logging.getLogger("tidings.storage")
RETRY_SECONDS: Final = 1.0


Job = tuple["Future[Any]", bool, Callable[..., Any], tuple[Any, ...]]
"""Who waits for work of the writing connection, whether it makes the database grow, the work, and what it is given."""
Outcome = tuple["Future[Any]", Any, Exception | None]


class Database:
    """A writer with group commit, a reader, and what happens when the disk fails.

    `on_step` is told each step of a commit (fault tests kill there). With `vfs`, which knows no shared memory,
    reads share the writing connection.
    """

    def __init__(
        self,
        path: Path,
        schema: Sequence[str],
        *,
        on_step: Step | None = None,
        vfs: str | None = None,
    ) -> None:
        self._path = path
        self._schema = schema
        self.memory: Memory = NoMemory()
        self._step = on_step or (lambda _: None)
        self._vfs = vfs
        self._thread = Worker("commit")
        self._room = Room(path)
        self._loop: AbstractEventLoop
        self.writer: apsw.Connection
        self.execute: Execute
        self.execute_many: ExecuteMany
        self.reader: apsw.Connection
        self._waiting: list[Job] = []
        self.commits = Commits()
        self._busy = False
        self._reading = False
        self._planned = False
        self._pace = Pace()
        self._again = False
        self._stopped = False
        self.ready = False
        self.batches = 0
        self.jobs = 0

    async def start(self, on_recovered: Callable[[], object] = lambda: None) -> None:
        """Open the file, or make it. Raises Corrupt. For `on_recovered` see SqliteMailboxes."""
        self._loop, self._on_recovered = asyncio.get_running_loop(), on_recovered
        self._thread.start(self._loop)
        self._room.enter(self._loop)
        await self._thread.run(lambda: check(self._path, self._vfs))
        try:
            self._connect()
        except apsw.Error as error:
            raise Corrupt(f"{self._path.name} cannot be opened: {error}") from None
        self.ready = True
        if not self._room.make():
            self._room.run_out()

    async def stop(self) -> None:
        """Finish what was begun, and close."""
        with contextlib.suppress(StoreUnavailable, StoreFailed):
            await self.write(self.memory.settle, grows=False)
        self.ready = False
        self._stopped = True
        self._room.leave()
        self._end_reading()
        await self._thread.run(self._disconnect)
        self._thread.stop()

    def write(self, work: Callable[..., T], *values: Any, grows: bool = True) -> "Future[T]":
        """Run `work(*values)` in the next transaction; the Future is done when it is durable.

        `work` uses `writer` and decides before it writes: when it raises Refusal it has changed nothing.
        Work that does not make the database grow is done even while the disk is full.
        """
        future: Future[T] = self._loop.create_future()
        if not self.ready:
            future.set_exception(StoreUnavailable())
            return future
        if not self._waiting:
            self.commits.queued()
        self._waiting.append((future, grows, work, values))
        if not self._busy and (not self._planned or len(self._waiting) == ENOUGH):
            self._plan()
        return future

    def read(self, work: Callable[..., T], *values: Any) -> "Future[T]":
        """Run `work(*values)`, which uses `snapshot`, on committed data."""
        if self._vfs is not None and self.ready:
            return self.write(work, *values, grows=False)
        future: Future[T] = self._loop.create_future()
        if not self.ready:
            future.set_exception(StoreUnavailable())
            return future
        try:
            future.set_result(work(*values))
        except Refusal as refusal:
            future.set_exception(refusal)
        except apsw.Error as error:
            LOG.exception("read failed")
            future.set_exception(StoreFailed(str(error)))
        return future

    def checkpoint(self) -> "Future[None]":
        """Copy the log into the file and cut it to nothing: deleted bytes are then gone from the disk.

        Does nothing while the store is in use or read for long; call it again.
        """
        future: Future[None] = self._loop.create_future()
        if self._busy or self._waiting or not self.ready:
            future.set_result(None)
            return future
        self.write(self.memory.settle, grows=False).add_done_callback(lambda _: self._cut(future))
        return future

    def _cut(self, future: "Future[None]") -> None:
        if self._busy or self._waiting or not self.ready:
            future.set_result(None)
            return
        self._busy = True

        def cut(error: BaseException | None) -> None:
            self._checkpointed(error)
            future.set_result(None)

        self._end_reading()
        self._thread.do(lambda: cut_log(self.writer), cut)

    def snapshot(self) -> apsw.Connection:
        """Return the connection that sees what is committed. All reads of one turn of the loop see the same."""
        if not self._reading and self._vfs is None:
            self._reading = True
            self._loop.call_soon(self._end_reading)
            self.reader.execute("begin")
        return self.reader

    @property
    def shared(self) -> bool:
        """Whether reads share the writing connection."""
        return self._vfs is not None

    @property
    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        return log_size(self._path)

    @property
    def waiting(self) -> int:
        """Calls that wait for the next transaction."""
        return len(self._waiting)

    def _end_reading(self) -> None:
        """Let go of the snapshot that the reads of one turn of the loop share: each of its own would cost as much."""
        if self._reading:
            self._reading = False
            with contextlib.suppress(apsw.Error):
                self.reader.execute("commit")

    def _plan(self) -> None:
        """Let the next transaction begin: at once, or when the time is up for which it rests while much is coming."""
        if self._busy:
            return
        self._planned = True
        rest = self._pace.rest(self._loop.time())
        if rest > 0 and len(self._waiting) < ENOUGH:
            self._loop.call_later(rest, self._run)
        else:
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._planned = False
        if self._busy or not self._waiting:
            return
        jobs, self._waiting = self._waiting, []
        self._busy = True
        self.commits.begun(len(jobs))
        self._pace.begun(len(jobs), self._loop.time())
        before = self.writer.total_changes()
        try:
            self.writer.execute("begin immediate")
            self._step("begun")
            outcomes = self._do(jobs)
        except apsw.Error as error:
            self._abandon(jobs, error)
            return
        self._step("written")
        self.commits.executed()
        if self.writer.total_changes() == before:
            try:
                self.writer.execute("commit")
            except apsw.Error as error:
                self._abandon(jobs, error)
            else:
                self._committed(outcomes)
            return
        self._thread.do(self._commit, lambda error: self._after_commit(jobs, outcomes, error))

    def _do(self, jobs: list[Job]) -> list[Outcome]:
        try:
            self.memory.begin()
            outcomes = [self._attempt(job) for job in jobs] if self._room.full else self._attempt_all(jobs)
            self.memory.write_down()
        except apsw.FullError:
            raise
        except Exception:
            LOG.exception("a job failed; its batch is done again, job by job")
        else:
            return outcomes
        self.writer.execute("rollback")
        self.memory.forget()
        self.writer.execute("begin immediate")
        return [self._attempt_alone(job) for job in jobs]

    def _attempt_all(self, jobs: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        add = outcomes.append
        for future, _, work, values in jobs:
            try:
                add((future, work(*values), None))
            except Refusal as refusal:
                add((future, None, refusal))
        return outcomes

    def _attempt(self, job: Job) -> Outcome:
        future, grows, work, values = job
        if grows and self._room.full:
            return future, None, StoreUnavailable()
        try:
            return future, work(*values), None
        except Refusal as refusal:
            return future, None, refusal

    def _attempt_alone(self, job: Job) -> Outcome:
        self.writer.execute("savepoint job")
        try:
            self.memory.begin()
            outcome = self._attempt(job)
            self.memory.write_down()
        except apsw.FullError:
            raise
        except Exception as error:  # noqa: BLE001 - the others of the batch go on
            self.writer.execute("rollback to job")
            self.memory.forget()
            outcome = job[0], None, StoreUnavailable(str(error))
        self.writer.execute("release job")
        return outcome

    def _commit(self) -> None:
        self._step("committing")
        self.writer.execute("commit")
        self._step("committed")

    def _after_commit(self, jobs: list[Job], outcomes: list[Outcome], error: BaseException | None) -> None:
        if error is not None:
            self._abandon(jobs, error)
        else:
            self._committed(outcomes)
            self._step("answered")

    def _committed(self, outcomes: list[Outcome]) -> None:
        self._end_reading()  # whoever is told of this commit reads what is in it
        self.memory.committed()
        self._busy = self._again = False
        self._pace.ended(self._loop.time())
        self.batches += 1
        self.jobs += len(outcomes)
        for future, result, error in outcomes:
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if self.commits.committed():
            # Behind what these Futures call, and behind the writes at the end of its turn.
            self._loop.call_soon(self._loop.call_soon, self.commits.written)
        if self._waiting:
            self._plan()

    def _abandon(self, jobs: list[Job], error: BaseException) -> None:
        """Nothing of a batch may have happened, or all of it: say so, and begin anew from the disk."""
        LOG.error("commit failed", extra={"reason": type(error).__name__})
        self._end_reading()
        self.memory.forget()
        if isinstance(error, apsw.FullError):
            self._make_room(jobs)
            return
        for job in jobs:
            _fail(job, StoreFailed(str(error)))
        for job in self._waiting:
            _fail(job, StoreUnavailable())
        self._waiting = []
        self.ready = False
        self._recover()

    def _make_room(self, jobs: list[Job]) -> None:
        """Nothing of a batch has happened: do it again, once, without what makes the database grow."""
        with contextlib.suppress(apsw.Error):
            self.writer.execute("rollback")
        self._room.run_out()
        jobs, self._waiting = [*jobs, *self._waiting], []
        if self._again:
            for job in jobs:
                _fail(job, StoreUnavailable())
        else:
            self._waiting = jobs
        self._again = not self._again
        # The log goes into the file, with the help of the reserve if need be, and is cut: acks can use its place.
        self._thread.do(self._truncate_log, self._checkpointed)

    def _recover(self) -> None:
        if not self._stopped:
            self._thread.do(self._reopen, self._recovered)

    def _recovered(self, error: BaseException | None) -> None:
        if isinstance(error, apsw.FullError):
            self._room.run_out()
        if error is not None:
            self._loop.call_later(RETRY_SECONDS, self._recover)
            return
        self._busy, self.ready = False, not self._stopped
        LOG.warning("the database works again")
        self._on_recovered()

    def _reopen(self) -> None:
        with contextlib.suppress(apsw.Error):
            self._disconnect()
        self._connect()
        # What the failed fsync left in the log may never have reached the disk: write it into the file anew.
        self._truncate_log()
        self.writer.execute("insert into meta values('recovered', 1) on conflict do update set value = value + 1")

    @property
    def full(self) -> bool:
        """Whether the disk has no room: nothing new is taken, but reads and acks go on."""
        return self._room.full

    def _truncate_log(self) -> None:
        self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _checkpointed(self, error: BaseException | None) -> None:
        self._busy = False
        if error is not None:
            LOG.error("checkpoint failed", extra={"reason": type(error).__name__})
        if self._waiting:
            self._plan()

    def _connect(self) -> None:
        self.writer = open_file(self._path, self._vfs)
        set_up(self.writer, self._path.name, self._schema)
        cursor = self.writer.cursor()  # one cursor for all: a new one costs as much as a small statement
        self.execute, self.execute_many = cursor.execute, cursor.executemany
        self.reader = open_file(self._path, None) if self._vfs is None else self.writer

    def _disconnect(self) -> None:
        self.reader.close()
        self.writer.close()


def _fail(job: Job, error: Exception) -> None:
    if not job[0].done():
        job[0].set_exception(error)
