"""The accounts' database, brought up to date at the start."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, create_engine, event, insert, inspect, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from tidings.server.storage.sql.tables import CURRENT, VERSION, metadata
from tidings.server.storage.sqlite.opening import Corrupt, check

T = TypeVar("T")


class SqlDatabase:
    """An engine, used in one thread: each call is a whole piece of work there, and one comes after the other.

    (SQLAlchemy's own asyncio goes to a thread and back for each statement, and brings all of its ORM along, which
    a start would wait for.)
    """

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="accounts")
        if self._is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)

    @classmethod
    def at(cls, path: Path) -> "SqlDatabase":
        """Return a database in an SQLite file."""
        return cls(f"sqlite:///{path}")

    async def start(self) -> None:
        """Bring the tables up to date. Raises Corrupt."""
        try:
            await self._run(self._check_and_bring_up_to_date if self._is_sqlite else self._bring_up_to_date)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what was begun, and close all connections."""
        await self._run(self.engine.dispose)
        self._thread.shutdown()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads."""

        def run() -> T:
            with self.engine.connect() as connection:
                return work(connection)

        return await self._run(run)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, which is durable when this returns, and has changed nothing if it raises."""

        def run() -> T:
            if not self._is_sqlite:
                with self.engine.begin() as connection:
                    return work(connection)
            with self.engine.connect() as connection:  # which rolls back what is not committed
                connection.exec_driver_sql("begin immediate")
                result = work(connection)
                connection.commit()
                return result

        return await self._run(run)

    async def execute(self, statement: Executable) -> int:
        """Carry out one statement in a transaction of its own; return how many rows it has changed."""
        return await self.write(lambda connection: connection.execute(statement).rowcount)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _check_and_bring_up_to_date(self) -> None:
        file = Path(self.engine.url.database or "")
        check(file)
        try:
            self._bring_up_to_date()
        except (DBAPIError, sqlite3.Error) as error:
            raise Corrupt(f"{file.name} cannot be opened: {getattr(error, 'orig', error)}") from None

    def _bring_up_to_date(self) -> None:
        with self.engine.begin() as connection:
            _upgrade(connection)


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set what every connection needs; transactions are begun by hand."""
    raw: Any = connection
    raw.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on", "secure_delete = on"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()


def _upgrade(connection: Connection) -> None:
    known: str | None = None
    if inspect(connection).has_table(VERSION.name):
        known = connection.execute(select(VERSION.c.version_num)).scalar()
    if known is None:
        _make_new(connection)
    elif known != CURRENT:
        # Alembic takes longer to import than all else that a start does.
        from tidings.server.storage.sql.migrating import migrate  # noqa: PLC0415

        migrate(connection)


def _make_new(connection: Connection) -> None:
    """Make the tables as they are now, all or none."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin immediate")
    metadata.create_all(connection)
    VERSION.create(connection, checkfirst=True)
    connection.execute(insert(VERSION).values(version_num=CURRENT))
