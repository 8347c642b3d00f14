"""The key directory in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from tidings.server.ports.keys import Addressable, NewKeys, NoLeave, StaleList
from tidings.server.storage.sql import tables as t
from tidings.server.storage.sql.accounts import hash_of
from tidings.server.storage.sql.database import SqlDatabase
from tidings.wire.frames import AccountKeys, ClaimedKey, DeviceKeys, NamedKey, SignedList
from tidings.wire.http import Device, Identity
from tidings.wire.ids import Address


class SqlKeys:
    """The port `Keys`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def enrol(self, new: NewKeys, token: str) -> Addressable:
        """See Keys."""

        def work(db: Connection) -> Addressable:
            if db.execute(delete(t.enrolment).where(t.enrolment.c.hash == hash_of(token))).rowcount != 1:
                raise NoLeave
            _next_version(db, new.account, new.version)
            if new.identity is not None:
                _drop_devices(db, new.account)
                db.execute(delete(t.identity).where(t.identity.c.account == new.account))
                db.execute(delete(t.vouched).where(t.vouched.c.signer == new.account))
                db.execute(insert(t.identity).values(identity_values(new, new.identity, settled=0)))
            else:
                values = _list_values(new.device_list, new.version)
                db.execute(update(t.identity).where(t.identity.c.account == new.account).values(values))
            db.execute(insert(t.device).values(device_values(new)))
            address = Address(new.account, new.device)
            _add_keys(db, address, new.one_time, new.fallback)
            return _addressable(db, new.account)

        return await self._database.write(work)

    async def remove(self, account: str, device: str, device_list: SignedList | None, version: int) -> Addressable:
        """See Keys."""

        def work(db: Connection) -> Addressable:
            _next_version(db, account, version)
            _drop_devices(db, account, device)
            values = _list_values(device_list, version) if device_list else {"version": version}
            db.execute(update(t.identity).where(t.identity.c.account == account).values(values))
            return _addressable(db, account)

        return await self._database.write(work)

    async def settled(self, account: str, version: int) -> None:
        """See Keys."""
        c = t.identity.c
        await self._database.execute(
            update(t.identity).where(c.account == account, c.settled < version).values(settled=version)
        )

    async def unsettled(self, account: str | None = None) -> Sequence[Addressable]:
        """See Keys."""
        query = select(t.identity.c.account).where(t.identity.c.settled < t.identity.c.version)
        if account is not None:
            query = query.where(t.identity.c.account == account)
        return await self._database.read(lambda db: [_addressable(db, row.account) for row in db.execute(query).all()])

    async def query(self, asker: str, accounts: Sequence[str]) -> Sequence[AccountKeys]:
        """See Keys."""
        wanted = t.account.c.id.in_(accounts)
        found = select(t.account.c.id, t.account.c.name, *t.identity.c).outerjoin(t.identity).where(wanted)
        devices = select(t.device.c.account, t.device.c.id, t.device.c.object).where(t.device.c.account.in_(accounts))
        vouched = select(t.vouched.c.account, t.vouched.c.master).where(t.vouched.c.signer == asker)

        def work(db: Connection) -> Sequence[AccountKeys]:
            by_account: dict[str, list[DeviceKeys]] = {}
            for row in db.execute(devices.order_by(t.device.c.id)):
                by_account.setdefault(row.account, []).append(DeviceKeys(row.id, row.object))
            signed = {row.account: row.master for row in db.execute(vouched)}
            return [
                _account_keys(row, asker, by_account.get(row.id, []), signed.get(row.id)) for row in db.execute(found)
            ]

        return await self._database.read(work)

    async def claim(self, devices: Sequence[Address]) -> Sequence[ClaimedKey]:
        """See Keys."""

        def work(db: Connection) -> list[ClaimedKey]:
            taken = [(address, _take(db, address)) for address in devices]
            return [ClaimedKey(address.account, address.device, key) for address, key in taken if key is not None]

        return await self._database.write(work)

    async def upload(
        self, device: Address, one_time: Sequence[NamedKey], fallback: NamedKey | None, *, replace: bool
    ) -> tuple[int, bool]:
        """See Keys."""

        def work(db: Connection) -> tuple[int, bool]:
            if replace:
                _drop_keys(db, device.account, device.device)
            _add_keys(db, device, one_time, fallback)
            return _count(db, device)

        return await self._database.write(work)

    async def count(self, device: Address) -> tuple[int, bool]:
        """See Keys."""
        return await self._database.read(lambda db: _count(db, device))

    async def replace_object(self, account: str, key: str, old: str, new: str) -> bool:
        """See Keys."""
        c, d = t.identity.c, t.device.c

        def work(db: Connection) -> bool:
            master = update(t.identity).where(c.account == account, c.master == old).values(master=new)
            device = update(t.device).where(d.account == account, d.id == key, d.object == old).values(object=new)
            return db.execute(device).rowcount + db.execute(master).rowcount > 0

        return await self._database.write(work)

    async def sign_other(self, signer: str, account: str, signed: str) -> None:
        """See Keys."""
        c = t.vouched.c

        def work(db: Connection) -> None:
            db.execute(delete(t.vouched).where(c.signer == signer, c.account == account))
            db.execute(insert(t.vouched).values(signer=signer, account=account, master=signed))

        await self._database.write(work)

    async def devices(self, account: str) -> Sequence[Device]:
        """See Keys."""
        query = select(t.device).where(t.device.c.account == account).order_by(t.device.c.created, t.device.c.id)
        return await self._database.read(
            lambda db: [Device(row.id, row.label, row.created, row.seen, current=False) for row in db.execute(query)]
        )

    async def device(self, address: Address) -> bytes | None:
        """See Keys."""
        c = t.device.c
        query = select(c.ed25519).where(c.account == address.account, c.id == address.device)

        def work(db: Connection) -> bytes | None:
            found = db.scalar(query)
            return None if found is None else bytes(found)

        return await self._database.read(work)

    async def note_seen(self, seen: Mapping[Address, int]) -> None:
        """See Keys."""
        c = t.device.c

        def work(db: Connection) -> None:
            for address, time in seen.items():
                mine = (c.account == address.account) & (c.id == address.device)
                db.execute(update(t.device).where(mine).values(seen=time))

        await self._database.write(work)

    async def low(self, threshold: int) -> Sequence[Address]:
        """See Keys."""
        d, k = t.device.c, t.one_time_key.c
        count = func.count(k.number)
        query = (
            select(d.account, d.id)
            .outerjoin(t.one_time_key, (k.account == d.account) & (k.device == d.id))
            .group_by(d.account, d.id)
            .having(count < threshold)
        )
        return await self._database.read(lambda db: [Address(row.account, row.id) for row in db.execute(query)])


def identity_values(new: NewKeys, identity: Identity, *, settled: int) -> dict[str, Any]:
    """Return the row of a new identity."""
    return {
        "account": new.account,
        "master": identity.master,
        "self_signing": identity.self_signing,
        "user_signing": identity.user_signing,
        "settled": settled,
        **_list_values(new.device_list, new.version),
    }


def device_values(new: NewKeys) -> dict[str, Any]:
    """Return the row of a new device."""
    return {
        "account": new.account,
        "id": new.device,
        "label": new.label,
        "created": new.created,
        "seen": new.created,
        "object": new.keys,
        "ed25519": new.ed25519,
    }


def fallback_values(device: Address, key: NamedKey) -> dict[str, Any]:
    """Return the row of an unused fallback key."""
    return {"account": device.account, "device": device.device, "name": key.name, "key": key.key, "used": False}


def _next_version(db: Connection, account: str, version: int) -> None:
    known = db.scalar(select(t.identity.c.version).where(t.identity.c.account == account))
    if version != (known or 0) + 1:
        raise StaleList


def _list_values(device_list: SignedList, version: int) -> dict[str, Any]:
    return {"list_text": device_list.text, "list_signature": device_list.signature, "version": version}


def _addressable(db: Connection, account: str) -> Addressable:
    version = db.scalar(select(t.identity.c.version).where(t.identity.c.account == account))
    rows = db.execute(select(t.device.c.id, t.device.c.ed25519).where(t.device.c.account == account))
    return Addressable(account, version or 0, {row.id: row.ed25519 for row in rows})


def _drop_devices(db: Connection, account: str, device: str | None = None) -> None:
    for table, column in ((t.device, t.device.c.id), (t.sign_in, t.sign_in.c.device)):
        condition = (table.c.account == account) & (column == device if device else column.is_not(None))
        db.execute(delete(table).where(condition))
    _drop_keys(db, account, device)


def _drop_keys(db: Connection, account: str, device: str | None) -> None:
    for table in (t.one_time_key, t.fallback_key):
        condition = table.c.device == device if device else table.c.device.is_not(None)
        db.execute(delete(table).where(table.c.account == account, condition))


def _add_keys(db: Connection, address: Address, one_time: Sequence[NamedKey], fallback: NamedKey | None) -> None:
    k, f = t.one_time_key.c, t.fallback_key.c
    of_device = {"account": address.account, "device": address.device}
    mine = (k.account == address.account) & (k.device == address.device)
    known = set(db.scalars(select(k.name).where(mine)).all())
    rows = [{**of_device, "name": key.name, "key": key.key} for key in one_time if key.name not in known]
    if rows:
        db.execute(insert(t.one_time_key), rows)
    if fallback is not None:
        db.execute(delete(t.fallback_key).where(f.account == address.account, f.device == address.device))
        db.execute(insert(t.fallback_key).values(fallback_values(address, fallback)))


def _take(db: Connection, address: Address) -> NamedKey | None:
    k, f = t.one_time_key.c, t.fallback_key.c
    mine = (k.account == address.account) & (k.device == address.device)
    row = db.execute(select(t.one_time_key).where(mine).order_by(k.number).limit(1).with_for_update()).first()
    if row is not None:
        db.execute(delete(t.one_time_key).where(k.number == row.number))
        return NamedKey(row.name, row.key)
    last = (f.account == address.account) & (f.device == address.device)
    row = db.execute(select(t.fallback_key).where(last)).first()
    if row is None:
        return None
    db.execute(update(t.fallback_key).where(last).values(used=True))
    return NamedKey(row.name, row.key)


def _count(db: Connection, address: Address) -> tuple[int, bool]:
    k, f = t.one_time_key.c, t.fallback_key.c
    keys = select(func.count()).select_from(t.one_time_key)
    count = db.scalar(keys.where(k.account == address.account, k.device == address.device))
    used = db.scalar(select(f.used).where(f.account == address.account, f.device == address.device))
    return count or 0, used is False


def _account_keys(row: Any, asker: str, devices: list[DeviceKeys], vouched: str | None) -> AccountKeys:
    return AccountKeys(
        account=row.id,
        name=row.name,
        version=row.version or 0,
        master=_with_signatures(row.master, vouched),
        self_signing=row.self_signing,
        user_signing=row.user_signing if row.id == asker else None,
        device_list=SignedList(row.list_text, row.list_signature) if row.list_text else None,
        devices=devices,
    )


def _with_signatures(master: str | None, vouched: str | None) -> str | None:
    """Return a master key with the asker's own signature on it, if it is still the same key."""
    if master is None or vouched is None:
        return master
    key, signed = json.loads(master), json.loads(vouched)
    if key["keys"] != signed["keys"]:
        return master
    for signer, signatures in signed["signatures"].items():
        key.setdefault("signatures", {}).setdefault(signer, {}).update(signatures)
    return json.dumps(key, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
