"""The accounts' tables: what the code knows, what the migrations make and what a new database has is the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, select

from tidings.server.storage.sql.database import SqlDatabase
from tidings.server.storage.sql.migrating import migrate
from tidings.server.storage.sql.tables import CURRENT, VERSION, account, metadata
from tidings.server.storage.sqlite.opening import Corrupt

pytestmark = pytest.mark.anyio

MIGRATIONS = "tidings.server.storage.sql:migrations"


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Connection]:
    """A database that the migrations have made, from the first to the last."""
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
        yield connection
    engine.dispose()


def parts(connection: Connection) -> dict[str, object]:
    """Return all that makes up the tables of a database."""
    found = inspect(connection)
    return {
        name: (
            [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
            found.get_pk_constraint(name),
            sorted(found.get_foreign_keys(name), key=str),
            sorted(found.get_unique_constraints(name), key=str),
            sorted(found.get_indexes(name), key=str),
        )
        for name in found.get_table_names()
    }


async def started(path: Path) -> None:
    database = SqlDatabase.at(path)
    await database.start()
    await database.stop()


def test_the_migrations_make_the_tables_that_the_code_knows(migrated: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(migrated), metadata) == []
    (head,) = ScriptDirectory(
        str(Path(__file__).parents[4] / "src" / MIGRATIONS.replace(".", "/").replace(":", "/"))
    ).get_heads()
    assert head == CURRENT


async def test_a_new_database_is_like_one_that_was_migrated(migrated: Connection, tmp_path: Path) -> None:
    await started(tmp_path / "new.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as connection:
        assert parts(connection) == parts(migrated)
        assert connection.execute(select(VERSION.c.version_num)).scalars().all() == [CURRENT]
    engine.dispose()


async def test_a_first_start_that_was_cut_off_is_made_good(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'half.db'}")
    with engine.begin() as connection:
        VERSION.create(connection)
        account.create(connection)
    await started(tmp_path / "half.db")
    with engine.connect() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
        assert connection.execute(select(VERSION.c.version_num)).scalars().all() == [CURRENT]
    engine.dispose()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    await started(tmp_path / "newer.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'newer.db'}")
    with engine.begin() as connection:
        connection.execute(VERSION.update().values(version_num="9999"))
    engine.dispose()
    with pytest.raises(Corrupt, match="newer"):
        await started(tmp_path / "newer.db")
