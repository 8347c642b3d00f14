"""How the writing connection is set, and its tables made."""

import contextlib
from collections.abc import Sequence
from typing import Final

import apsw

from tidings.server.storage.sqlite.opening import PATIENCE_MS, Corrupt

LOG_PAGES: Final = 4000
"""Pages of 4 KiB in the log above which a commit copies it into the file."""
CACHE_KIB: Final = 8_192
"""The writing connection's cache; pages beyond it are a copy away, in the system's."""


def set_up(writer: apsw.Connection, name: str, schema: Sequence[str]) -> None:
    """Set a connection to the file called `name`, and take the steps of the schema that it has not. Raises Corrupt."""
    for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on", f"cache_size = -{CACHE_KIB}",
                   f"wal_autocheckpoint = {LOG_PAGES}", "temp_store = memory"):  # fmt: skip
        writer.execute(f"pragma {pragma}").fetchall()
    settings = {setting: writer.pragma(setting) for setting in ("journal_mode", "synchronous", "secure_delete")}
    if settings != {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}:
        raise Corrupt(f"{name} is in the hands of an SQLite that does not keep its promises: {settings}")
    known = writer.pragma("user_version")
    if known > len(schema):
        raise Corrupt(f"{name} was made by a newer Tidings (schema {known}), use that one")
    for number, script in enumerate(schema[known:], start=known + 1):
        with writer:
            writer.execute(script)
            writer.execute(f"pragma user_version = {number}")


def cut_log(writer: apsw.Connection) -> None:
    """Copy the log into the file and cut it to nothing, unless somebody reads what is in it: all writes would wait."""
    writer.set_busy_timeout(0)
    try:
        with contextlib.suppress(apsw.BusyError):
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        writer.set_busy_timeout(PATIENCE_MS)
