"""The SDK's store: what is committed stays, what is not was never there; it grows without losing anything."""

from pathlib import Path

import apsw
import pytest

from tidings.sdk.errors import StoreInUse
from tidings.sdk.store.database import SCHEMA, Database


def test_a_transaction_that_fails_leaves_nothing_even_of_those_inside_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    with database.transaction():
        database.set(kept=1)

    def fail() -> None:
        with database.transaction():
            database.set(kept=2)
            with database.transaction():
                database.set(inner=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (database.setting("kept"), database.setting("inner")) == (1, None)
    with database.transaction():
        database.set(kept=3)
    database.close()
    again = Database(tmp_path / "a.db")
    assert again.setting("kept") == 3
    again.close()


def test_a_store_is_for_one_process_and_for_nobody_elses_eyes(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.db"
    database = Database(path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreInUse):
        Database(path)
    database.close()
    Database(path).close()


def test_what_is_written_is_synced_to_the_disk_before_anything_is_sent(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    assert database.row("pragma synchronous") == (2,)
    assert database.row("pragma journal_mode") == ("wal",)
    assert database.row("pragma secure_delete") == (1,)
    database.close()


@pytest.mark.parametrize("version", range(1, len(SCHEMA)))
def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_what_is_in_it(tmp_path: Path, version: int) -> None:
    old = apsw.Connection(str(tmp_path / "a.db"))
    for script in SCHEMA[:version]:
        old.execute(script)
    old.execute(f"pragma user_version = {version}")
    old.execute("insert into setting values ('kept', 'yes')")
    if version > 1:
        old.execute("insert into hole (conversation, seq) values ('!a', 3)")
    old.close()
    database = Database(tmp_path / "a.db")
    assert database.setting("kept") == "yes"
    holes = database.rows("select conversation, seq, kind from hole")
    assert holes == ([("!a", 3, "lost")] if version > 1 else [])
    database.close()
