"""Accounts, invites and enrolments in SQL."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tidings.server.ports.accounts import Account, Invite, InviteSpent, NameTaken
from tidings.server.storage.sql import tables as t
from tidings.server.storage.sql.database import SqlDatabase

_COLUMNS = (t.account.c.id, t.account.c.name, t.account.c.admin, t.account.c.created, t.account.c.inviter)


class SqlAccounts:
    """The port `Accounts`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def register(self, account: Account, skeleton: str, password: str, invite: str) -> None:
        """See Accounts."""
        try:
            async with self._database.write() as db:
                used = await _use(db, invite, account.created)
                made = msgspec.structs.replace(account, admin=used.admin, inviter=used.inviter)
                await db.execute(insert(t.account).values(account_values(made, skeleton, password)))
        except IntegrityError:
            raise NameTaken from None

    async def by_id(self, account: str) -> Account | None:
        """See Accounts."""
        return await self._one(t.account.c.id == account)

    async def by_name(self, name: str) -> Account | None:
        """See Accounts."""
        return await self._one(t.account.c.name == name)

    async def names(self, accounts: Sequence[str]) -> dict[str, str]:
        """See Accounts."""
        query = select(t.account.c.id, t.account.c.name).where(t.account.c.id.in_(accounts))
        async with self._database.read() as db:
            return {row.id: row.name for row in await db.execute(query)}

    async def password(self, account: str) -> str:
        """See Accounts."""
        async with self._database.read() as db:
            found = await db.scalar(select(t.account.c.password).where(t.account.c.id == account))
            return str(found)

    async def set_password(self, account: str, password: str) -> None:
        """See Accounts."""
        async with self._database.write() as db:
            await db.execute(update(t.account).where(t.account.c.id == account).values(password=password))

    async def has_admin(self) -> bool:
        """See Accounts."""
        async with self._database.read() as db:
            return bool(await db.scalar(select(func.count()).select_from(t.account).where(t.account.c.admin)))

    async def page(self, after: str, count: int) -> Sequence[Account]:
        """See Accounts."""
        query = select(*_COLUMNS).where(t.account.c.name > after).order_by(t.account.c.name).limit(count)
        async with self._database.read() as db:
            return [_account(row) for row in await db.execute(query)]

    async def remove(self, account: str) -> None:
        """See Accounts."""
        async with self._database.write() as db:
            await db.execute(delete(t.account).where(t.account.c.id == account))

    async def add_invite(self, invite: Invite) -> None:
        """See Accounts."""
        async with self._database.write() as db:
            await db.execute(
                insert(t.invite).values(
                    hash=_hash(invite.code),
                    inviter=invite.inviter,
                    admin=invite.admin,
                    expires=invite.expires,
                    uses=invite.uses,
                )
            )

    async def invite(self, code: str, now: int) -> Invite | None:
        """See Accounts."""
        async with self._database.read() as db:
            return await _find(db, code, now)

    async def add_enrolment(self, token: str, account: str, expires: int) -> None:
        """See Accounts."""
        async with self._database.write() as db:
            await db.execute(insert(t.enrolment).values(hash=_hash(token), account=account, expires=expires))

    async def enrolment(self, token: str, now: int) -> str | None:
        """See Accounts."""
        c = t.enrolment.c
        async with self._database.read() as db:
            found = await db.scalar(select(c.account).where(c.hash == _hash(token), c.expires > now))
            return None if found is None else str(found)

    async def end_enrolment(self, token: str) -> bool:
        """See Accounts."""
        async with self._database.write() as db:
            done = await db.execute(delete(t.enrolment).where(t.enrolment.c.hash == _hash(token)))
            return done.rowcount == 1

    async def _one(self, condition: Any) -> Account | None:
        async with self._database.read() as db:
            row = (await db.execute(select(*_COLUMNS).where(condition))).first()
            return _account(row) if row else None


def account_values(account: Account, skeleton: str, password: str) -> dict[str, Any]:
    """Return the row of a new account."""
    return {
        "id": account.id,
        "name": account.name,
        "skeleton": skeleton,
        "password": password,
        "admin": account.admin,
        "inviter": account.inviter,
        "created": account.created,
        "last_seen": 0,
        "audience": "contacts",
    }


async def _find(db: AsyncConnection, code: str, now: int) -> Invite | None:
    c = t.invite.c
    row = (await db.execute(select(t.invite).where(c.hash == _hash(code), c.expires > now, c.uses > 0))).first()
    return Invite(code, row.inviter, row.admin, row.expires, row.uses) if row else None


async def _use(db: AsyncConnection, code: str, now: int) -> Invite:
    found = await _find(db, code, now)
    c = t.invite.c
    used = await db.execute(update(t.invite).where(c.hash == _hash(code), c.uses > 0).values(uses=c.uses - 1))
    if found is None or used.rowcount == 0:
        raise InviteSpent
    return found


def _account(row: Any) -> Account:
    return Account(row.id, row.name, row.admin, row.created, row.inviter)


def _hash(secret: str) -> bytes:
    """Return what is kept of a secret; it is random and long, so that a plain hash hides it."""
    return hashlib.sha256(secret.encode()).digest()
