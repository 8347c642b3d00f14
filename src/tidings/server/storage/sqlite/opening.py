"""How a database file is opened, and looked through for damage before it is used."""

import contextlib
from pathlib import Path

import apsw


class Corrupt(Exception):
    """The database cannot be used as it is; the text says why, and what to do. Nothing was changed."""


def check(path: Path, vfs: str | None = None) -> None:
    """Look through a database file for damage, if there is one; it stays as it is. Raises Corrupt."""
    if not path.exists():
        return
    try:
        with contextlib.closing(open_file(path, vfs)) as connection:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            problems = [str(row[0]) for row in connection.execute("pragma quick_check(1)")]
    except apsw.Error as error:
        problems = [str(error)]
    if problems != ["ok"]:
        raise Corrupt(f"{path.name} is damaged, restore it from a backup: {' '.join(problems[0].split())}")


def open_file(path: Path, vfs: str | None) -> apsw.Connection:
    """Return a connection. With `vfs`, which knows no shared memory, it is the only one."""
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(5_000)
    # Plans do not depend on values: SQLite would plan a query with a bound LIMIT or range anew each time.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if vfs is not None:
        connection.execute("pragma locking_mode = exclusive")
    return connection
