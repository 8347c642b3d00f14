"""How database files are opened, and looked through for damage: small ones before use, large ones meanwhile."""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import apsw

LOG = logging.getLogger("tidings.storage")

SMALL: Final = 32 * 1024 * 1024
"""Bytes of a file that is looked through as a whole before it is used: a tenth of a second."""
FIRST_PAGES: Final = 2_000
"""How many of each table in a larger one: with a million messages all of them would take more than a second."""
STEPS: Final = 100_000
"""Pages, or steps of a statement, after which an inspection looks whether it is to stop."""
NICE: Final = 10
"""An inspection gets a tenth of what the server's own thread gets on the same processor."""
MOST_LOG: Final = 67_108_864
"""Bytes of the log at which an inspection lets it be cut, and tries again"""
AGAIN_SECONDS: Final = 60.0
"""after so long."""
PATIENCE_MS: Final = 5_000
"""How long a connection waits for another one."""


class Corrupt(Exception):
    """The database cannot be used as it is; the text says why, and what to do. Nothing was changed."""


def check(path: Path, vfs: str | None = None) -> None:
    """Look through a database file for damage, if there is one; it stays as it is. Raises Corrupt.

    Of a large file it looks at no more than a start can wait for, unless an inspection found damage before.
    """
    if not path.exists():
        return
    suspected = _suspicion(path).exists()
    try:
        with contextlib.closing(open_file(path, vfs)) as connection:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if suspected or _is_small(path):
                _ask(connection, path, "pragma quick_check(1)")
            else:
                _look_at_the_first_pages(connection, path)
    except apsw.Error as error:
        raise _corrupt(path, str(error)) from None
    if suspected:
        _suspicion(path).unlink()


def _look_at_the_first_pages(connection: apsw.Connection, path: Path) -> None:
    """Look through tables that are small, and at the way to the first row of others."""
    connection.set_progress_handler(lambda: True, FIRST_PAGES)
    for table in _tables(connection):
        try:
            _ask(connection, path, f"pragma quick_check({table})")
        except apsw.InterruptError:
            connection.execute(f"select * from {table} limit 1").fetchall()  # noqa: S608 - one of our tables


def _tables(connection: apsw.Connection) -> list[str]:
    """Return the names of all tables, quoted."""
    rows = connection.execute("select name from sqlite_schema where type = 'table'").fetchall()
    return ['"' + str(name).replace('"', '""') + '"' for (name,) in rows]


def _ask(connection: apsw.Connection, path: Path, statement: str) -> None:
    """Let SQLite look through something. Raises Corrupt."""
    answer = str(connection.execute(statement).fetchall()[0][0])
    if answer != "ok":
        raise _corrupt(path, answer)


class Inspection:
    """Looks through a large database while it is used, in a thread that gives way to all others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()

    async def run(self) -> None:
        """Look through it. Raises Corrupt, and then the next check looks through it as a whole."""
        if not _is_small(self._path):
            with ThreadPoolExecutor(1, thread_name_prefix="inspection") as thread:
                await asyncio.get_running_loop().run_in_executor(thread, self._look)

    def stop(self) -> None:
        """Let it end soon."""
        self._stopped.set()

    def _look(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # of this thread alone
        try:
            with contextlib.closing(open_file(self._path, None)) as connection:
                tables = _tables(connection)
                connection.set_progress_handler(self._gives_way, STEPS)
                for table in tables:  # one by one: the log can be cut in between
                    while not self._look_at(table, connection):
                        if self._stopped.wait(AGAIN_SECONDS):
                            return
            LOG.info("a large database was looked through, without damage")
        except (Corrupt, apsw.CorruptError) as error:
            _suspicion(self._path).touch()
            raise error if isinstance(error, Corrupt) else _corrupt(self._path, str(error)) from None
        except apsw.Error as error:
            LOG.warning("a database could not be looked through", extra={"reason": type(error).__name__})

    def _look_at(self, table: str, connection: apsw.Connection) -> bool:
        """Look through a table; return whether it came to its end."""
        try:
            _ask(connection, self._path, f"pragma quick_check({table})")
        except apsw.InterruptError:
            return False
        return True

    def _gives_way(self) -> bool:
        """Return whether to let go of the database: what it reads cannot be cut from the log meanwhile."""
        return self._stopped.is_set() or log_size(self._path) > MOST_LOG


def log_size(path: Path) -> int:
    """Return the bytes of a database's write-ahead log."""
    with contextlib.suppress(FileNotFoundError):
        return path.with_name(path.name + "-wal").stat().st_size
    return 0


def open_file(path: Path, vfs: str | None) -> apsw.Connection:
    """Return a connection. With `vfs`, which knows no shared memory, it is the only one."""
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(PATIENCE_MS)
    # Plans do not depend on values: SQLite would plan a query with a bound LIMIT or range anew each time.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if vfs is not None:
        connection.execute("pragma locking_mode = exclusive")
    return connection


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= SMALL


def _suspicion(path: Path) -> Path:
    """Return the file that says that an inspection has found damage."""
    return path.with_name(path.name + "-damaged")


def _corrupt(path: Path, problem: str) -> Corrupt:
    return Corrupt(f"{path.name} is damaged, restore it from a backup: {' '.join(problem.split())}")
