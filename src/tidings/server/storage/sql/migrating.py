"""An older database becomes one of today, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from tidings.server.storage.sqlite.opening import Corrupt


def migrate(connection: Connection) -> None:
    """Run the migrations that a database lacks. Raises Corrupt if it is newer than they are."""
    config = Config()
    config.set_main_option("script_location", "tidings.server.storage.sql:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        name = Path(connection.engine.url.database or "").name
        raise Corrupt(f"{name} was made by a newer Tidings, use that one ({error})") from None
