"""Accounts, invites and enrolments in SQL."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

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

        def work(db: Connection) -> None:
            used = _use(db, invite, account.created)
            made = msgspec.structs.replace(account, admin=used.admin, inviter=used.inviter)
            db.execute(insert(t.account).values(account_values(made, skeleton, password)))

        try:
            await self._database.write(work)
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
        return await self._database.read(lambda db: {row.id: row.name for row in db.execute(query)})

    async def password(self, account: str) -> str:
        """See Accounts."""

        def work(db: Connection) -> str:
            found = db.scalar(select(t.account.c.password).where(t.account.c.id == account))
            return str(found)

        return await self._database.read(work)

    async def set_password(self, account: str, password: str) -> None:
        """See Accounts."""
        await self._database.execute(update(t.account).where(t.account.c.id == account).values(password=password))

    async def has_admin(self) -> bool:
        """See Accounts."""
        return await self._database.read(
            lambda db: bool(db.scalar(select(func.count()).select_from(t.account).where(t.account.c.admin)))
        )

    async def page(self, after: str, count: int) -> Sequence[Account]:
        """See Accounts."""
        query = select(*_COLUMNS).where(t.account.c.name > after).order_by(t.account.c.name).limit(count)
        return await self._database.read(lambda db: [_account(row) for row in db.execute(query)])

    async def remove(self, account: str) -> None:
        """See Accounts."""
        await self._database.execute(delete(t.account).where(t.account.c.id == account))

    async def add_invite(self, invite: Invite) -> None:
        """See Accounts."""
        await self._database.execute(
            insert(t.invite).values(
                hash=hash_of(invite.code),
                inviter=invite.inviter,
                admin=invite.admin,
                expires=invite.expires,
                uses=invite.uses,
            )
        )

    async def invite(self, code: str, now: int) -> Invite | None:
        """See Accounts."""
        return await self._database.read(lambda db: _find(db, code, now))

    async def add_enrolment(self, token: str, account: str, expires: int) -> None:
        """See Accounts."""
        await self._database.execute(insert(t.enrolment).values(hash=hash_of(token), account=account, expires=expires))

    async def enrolment(self, token: str, now: int) -> str | None:
        """See Accounts."""
        c = t.enrolment.c

        def work(db: Connection) -> str | None:
            found = db.scalar(select(c.account).where(c.hash == hash_of(token), c.expires > now))
            return None if found is None else str(found)

        return await self._database.read(work)

    async def _one(self, condition: Any) -> Account | None:

        def work(db: Connection) -> Account | None:
            row = db.execute(select(*_COLUMNS).where(condition)).first()
            return _account(row) if row else None

        return await self._database.read(work)


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


def _find(db: Connection, code: str, now: int) -> Invite | None:
    c = t.invite.c
    row = db.execute(select(t.invite).where(c.hash == hash_of(code), c.expires > now, c.uses > 0)).first()
    return Invite(code, row.inviter, row.admin, row.expires, row.uses) if row else None


def _use(db: Connection, code: str, now: int) -> Invite:
    found = _find(db, code, now)
    c = t.invite.c
    used = db.execute(update(t.invite).where(c.hash == hash_of(code), c.uses > 0).values(uses=c.uses - 1))
    if found is None or used.rowcount == 0:
        raise InviteSpent
    return found


def _account(row: Any) -> Account:
    return Account(row.id, row.name, row.admin, row.created, row.inviter)


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret; it is random and long, so that a plain hash hides it."""
    return hashlib.sha256(secret.encode()).digest()
