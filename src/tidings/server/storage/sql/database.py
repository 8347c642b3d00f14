"""A connection to the accounts' database, brought up to date at the start."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, insert, inspect, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from tidings.server.storage.sql.tables import CURRENT, VERSION, metadata
from tidings.server.storage.sqlite.opening import Corrupt, check


class SqlDatabase:
    """An engine, and one writer at a time where the database knows no better (SQLite)."""

    def __init__(self, url: str) -> None:
        self.engine: AsyncEngine = create_async_engine(url)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._turn = asyncio.Lock()
        if self._is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)

    @classmethod
    def at(cls, path: Path) -> "SqlDatabase":
        """Return a database in an SQLite file."""
        return cls(f"sqlite+aiosqlite:///{path}")

    async def start(self) -> None:
        """Bring the tables up to date. Raises Corrupt."""
        if not self._is_sqlite:
            await self._bring_up_to_date()
            return
        file = Path(self.engine.url.database or "")
        await asyncio.to_thread(check, file)
        try:
            await self._bring_up_to_date()
        except (DBAPIError, sqlite3.Error) as error:
            raise Corrupt(f"{file.name} cannot be opened: {getattr(error, 'orig', error)}") from None

    async def stop(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    async def _bring_up_to_date(self) -> None:
        try:
            async with self.engine.begin() as connection:
                await connection.run_sync(_upgrade)
        except BaseException:
            await self.engine.dispose()
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection to read from."""
        async with self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection in a transaction, which is durable when the block ends well."""
        if not self._is_sqlite:
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._turn, self.engine.connect() as connection:
            await connection.exec_driver_sql("begin immediate")
            try:
                yield connection
            except BaseException:
                await connection.rollback()
                raise
            await connection.commit()


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
