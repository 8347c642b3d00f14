"""Many accounts at once in SQL: a statement for each table instead of dozens for each account."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from tidings.server.ports.accounts import NameTaken
from tidings.server.ports.crowd import Settler
from tidings.server.storage.sql import tables as t
from tidings.server.storage.sql.accounts import account_values
from tidings.server.storage.sql.database import SqlDatabase
from tidings.server.storage.sql.keys import device_values, fallback_values, identity_values
from tidings.wire.ids import Address

Row = dict[str, Any]

NO_PASSWORD = "none"  # noqa: S105 - no hash is like it, so that nobody signs in by a password
"""What stands in the place of a password's hash."""


class SqlCrowd:
    """The port `Crowd`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def move_in(self, settlers: Sequence[Settler]) -> None:
        """See Crowd."""

        def work(db: Connection) -> None:
            for table, row in (
                (t.account, _account),
                (t.identity, _identity),
                (t.device, _device),
                (t.fallback_key, _key),
            ):
                db.execute(insert(table), [row(settler) for settler in settlers])

        try:
            await self._database.write(work)
        except IntegrityError:
            raise NameTaken from None


def _account(settler: Settler) -> Row:
    return account_values(settler.account, settler.skeleton, NO_PASSWORD)


def _identity(settler: Settler) -> Row:
    return identity_values(settler.keys, settler.identity, settled=settler.keys.version)


def _device(settler: Settler) -> Row:
    return device_values(settler.keys)


def _key(settler: Settler) -> Row:
    return fallback_values(Address(settler.account.id, settler.keys.device), settler.keys.fallback)
