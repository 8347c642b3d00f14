"""The sign-ins of browsers, and when people were last online, in SQL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tidings.server.ports.accounts import SignIn
from tidings.server.storage.sql import tables as t
from tidings.server.storage.sql.database import SqlDatabase
from tidings.wire.http import Audience


class SqlSignIns:
    """The port `SignIns`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def add(self, sign_in: SignIn) -> None:
        """See SignIns."""
        c = t.sign_in.c

        def work(db: Connection) -> None:
            db.execute(delete(t.sign_in).where(c.account == sign_in.account, c.device == sign_in.device))
            db.execute(
                insert(t.sign_in).values(
                    id=sign_in.id,
                    account=sign_in.account,
                    device=sign_in.device,
                    secret=sign_in.secret,
                    previous=sign_in.previous,
                    renewed=sign_in.renewed,
                )
            )

        await self._database.write(work)

    async def find(self, sign_in: str) -> SignIn | None:
        """See SignIns."""
        return await self._one(t.sign_in.c.id == sign_in)

    async def of_device(self, account: str, device: str) -> SignIn | None:
        """See SignIns."""
        return await self._one((t.sign_in.c.account == account) & (t.sign_in.c.device == device))

    async def renew(self, sign_in: str, secret: bytes, previous: bytes, now: int) -> None:
        """See SignIns."""
        values = {"secret": secret, "previous": previous, "renewed": now}
        await self._database.execute(update(t.sign_in).where(t.sign_in.c.id == sign_in).values(values))

    async def end(self, sign_in: str) -> None:
        """See SignIns."""
        await self._database.execute(delete(t.sign_in).where(t.sign_in.c.id == sign_in))

    async def _one(self, condition: Any) -> SignIn | None:

        def work(db: Connection) -> SignIn | None:
            row = db.execute(select(t.sign_in).where(condition)).first()
            return _sign_in(row) if row else None

        return await self._database.read(work)


class SqlLastSeen:
    """The port `LastSeen`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def note(self, seen: Mapping[str, int]) -> None:
        """See LastSeen."""

        def work(db: Connection) -> None:
            for account, time in seen.items():
                db.execute(update(t.account).where(t.account.c.id == account).values(last_seen=time))

        await self._database.write(work)

    async def last_seen(self, account: str) -> tuple[int, Audience]:
        """See LastSeen."""
        query = select(t.account.c.last_seen, t.account.c.audience).where(t.account.c.id == account)

        def work(db: Connection) -> tuple[int, Audience]:
            row = db.execute(query).first()
            return (row.last_seen, row.audience) if row else (0, "nobody")

        return await self._database.read(work)

    async def set_audience(self, account: str, audience: Audience) -> None:
        """See LastSeen."""
        await self._database.execute(update(t.account).where(t.account.c.id == account).values(audience=audience))


def _sign_in(row: Any) -> SignIn:
    return SignIn(row.id, row.account, row.device, row.secret, row.previous, row.renewed)
