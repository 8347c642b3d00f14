"""The key directory in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tidings.server.ports.keys import Addressable, NewKeys, StaleList
from tidings.server.storage.sql import tables as t
from tidings.server.storage.sql.database import SqlDatabase
from tidings.wire.frames import AccountKeys, ClaimedKey, DeviceKeys, NamedKey, SignedList
from tidings.wire.http import Device, Identity
from tidings.wire.ids import Address


class SqlKeys:
    """The port `Keys`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def enrol(self, new: NewKeys) -> Addressable:
        """See Keys."""
        async with self._database.write() as db:
            await _next_version(db, new.account, new.version)
            if new.identity is not None:
                await _drop_devices(db, new.account)
                await db.execute(delete(t.identity).where(t.identity.c.account == new.account))
                await db.execute(delete(t.vouched).where(t.vouched.c.signer == new.account))
                await db.execute(insert(t.identity).values(identity_values(new, new.identity, settled=0)))
            else:
                values = _list_values(new.device_list, new.version)
                await db.execute(update(t.identity).where(t.identity.c.account == new.account).values(values))
            await db.execute(insert(t.device).values(device_values(new)))
            address = Address(new.account, new.device)
            await _add_keys(db, address, new.one_time, new.fallback)
            return await _addressable(db, new.account)

    async def remove(self, account: str, device: str, device_list: SignedList | None, version: int) -> Addressable:
        """See Keys."""
        async with self._database.write() as db:
            await _next_version(db, account, version)
            await _drop_devices(db, account, device)
            values = _list_values(device_list, version) if device_list else {"version": version}
            await db.execute(update(t.identity).where(t.identity.c.account == account).values(values))
            return await _addressable(db, account)

    async def settled(self, account: str, version: int) -> None:
        """See Keys."""
        c = t.identity.c
        async with self._database.write() as db:
            await db.execute(
                update(t.identity).where(c.account == account, c.settled < version).values(settled=version)
            )

    async def unsettled(self) -> Sequence[Addressable]:
        """See Keys."""
        query = select(t.identity.c.account).where(t.identity.c.settled < t.identity.c.version)
        async with self._database.read() as db:
            return [await _addressable(db, row.account) for row in (await db.execute(query)).all()]

    async def query(self, asker: str, accounts: Sequence[str]) -> Sequence[AccountKeys]:
        """See Keys."""
        wanted = t.account.c.id.in_(accounts)
        found = select(t.account.c.id, t.account.c.name, *t.identity.c).outerjoin(t.identity).where(wanted)
        devices = select(t.device.c.account, t.device.c.id, t.device.c.object).where(t.device.c.account.in_(accounts))
        vouched = select(t.vouched.c.account, t.vouched.c.master).where(t.vouched.c.signer == asker)
        async with self._database.read() as db:
            by_account: dict[str, list[DeviceKeys]] = {}
            for row in await db.execute(devices.order_by(t.device.c.id)):
                by_account.setdefault(row.account, []).append(DeviceKeys(row.id, row.object))
            signed = {row.account: row.master for row in await db.execute(vouched)}
            return [
                _account_keys(row, asker, by_account.get(row.id, []), signed.get(row.id))
                for row in await db.execute(found)
            ]

    async def claim(self, devices: Sequence[Address]) -> Sequence[ClaimedKey]:
        """See Keys."""
        claimed: list[ClaimedKey] = []
        async with self._database.write() as db:
            for address in devices:
                key = await _take(db, address)
                if key is not None:
                    claimed.append(ClaimedKey(address.account, address.device, key))
        return claimed

    async def upload(
        self, device: Address, one_time: Sequence[NamedKey], fallback: NamedKey | None, *, replace: bool
    ) -> tuple[int, bool]:
        """See Keys."""
        async with self._database.write() as db:
            if replace:
                await _drop_keys(db, device.account, device.device)
            await _add_keys(db, device, one_time, fallback)
            return await _count(db, device)

    async def count(self, device: Address) -> tuple[int, bool]:
        """See Keys."""
        async with self._database.read() as db:
            return await _count(db, device)

    async def replace_object(self, account: str, key: str, old: str, new: str) -> bool:
        """See Keys."""
        c, d = t.identity.c, t.device.c
        async with self._database.write() as db:
            master = update(t.identity).where(c.account == account, c.master == old).values(master=new)
            device = update(t.device).where(d.account == account, d.id == key, d.object == old).values(object=new)
            return (await db.execute(device)).rowcount + (await db.execute(master)).rowcount > 0

    async def sign_other(self, signer: str, account: str, signed: str) -> None:
        """See Keys."""
        c = t.vouched.c
        async with self._database.write() as db:
            await db.execute(delete(t.vouched).where(c.signer == signer, c.account == account))
            await db.execute(insert(t.vouched).values(signer=signer, account=account, master=signed))

    async def devices(self, account: str) -> Sequence[Device]:
        """See Keys."""
        query = select(t.device).where(t.device.c.account == account).order_by(t.device.c.created, t.device.c.id)
        async with self._database.read() as db:
            return [Device(row.id, row.label, row.created, row.seen, current=False) for row in await db.execute(query)]

    async def device(self, address: Address) -> bytes | None:
        """See Keys."""
        c = t.device.c
        query = select(c.ed25519).where(c.account == address.account, c.id == address.device)
        async with self._database.read() as db:
            found = await db.scalar(query)
            return None if found is None else bytes(found)

    async def note_seen(self, seen: Mapping[Address, int]) -> None:
        """See Keys."""
        c = t.device.c
        async with self._database.write() as db:
            for address, time in seen.items():
                mine = (c.account == address.account) & (c.id == address.device)
                await db.execute(update(t.device).where(mine).values(seen=time))

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
        async with self._database.read() as db:
            return [Address(row.account, row.id) for row in await db.execute(query)]


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


async def _next_version(db: AsyncConnection, account: str, version: int) -> None:
    known = await db.scalar(select(t.identity.c.version).where(t.identity.c.account == account))
    if version != (known or 0) + 1:
        raise StaleList


def _list_values(device_list: SignedList, version: int) -> dict[str, Any]:
    return {"list_text": device_list.text, "list_signature": device_list.signature, "version": version}


async def _addressable(db: AsyncConnection, account: str) -> Addressable:
    version = await db.scalar(select(t.identity.c.version).where(t.identity.c.account == account))
    rows = await db.execute(select(t.device.c.id, t.device.c.ed25519).where(t.device.c.account == account))
    return Addressable(account, version or 0, {row.id: row.ed25519 for row in rows})


async def _drop_devices(db: AsyncConnection, account: str, device: str | None = None) -> None:
    for table, column in ((t.device, t.device.c.id), (t.sign_in, t.sign_in.c.device)):
        condition = (table.c.account == account) & (column == device if device else column.is_not(None))
        await db.execute(delete(table).where(condition))
    await _drop_keys(db, account, device)


async def _drop_keys(db: AsyncConnection, account: str, device: str | None) -> None:
    for table in (t.one_time_key, t.fallback_key):
        condition = table.c.device == device if device else table.c.device.is_not(None)
        await db.execute(delete(table).where(table.c.account == account, condition))


async def _add_keys(
    db: AsyncConnection, address: Address, one_time: Sequence[NamedKey], fallback: NamedKey | None
) -> None:
    k, f = t.one_time_key.c, t.fallback_key.c
    of_device = {"account": address.account, "device": address.device}
    mine = (k.account == address.account) & (k.device == address.device)
    known = set((await db.scalars(select(k.name).where(mine))).all())
    rows = [{**of_device, "name": key.name, "key": key.key} for key in one_time if key.name not in known]
    if rows:
        await db.execute(insert(t.one_time_key), rows)
    if fallback is not None:
        await db.execute(delete(t.fallback_key).where(f.account == address.account, f.device == address.device))
        await db.execute(insert(t.fallback_key).values(fallback_values(address, fallback)))


async def _take(db: AsyncConnection, address: Address) -> NamedKey | None:
    k, f = t.one_time_key.c, t.fallback_key.c
    mine = (k.account == address.account) & (k.device == address.device)
    row = (await db.execute(select(t.one_time_key).where(mine).order_by(k.number).limit(1).with_for_update())).first()
    if row is not None:
        await db.execute(delete(t.one_time_key).where(k.number == row.number))
        return NamedKey(row.name, row.key)
    last = (f.account == address.account) & (f.device == address.device)
    row = (await db.execute(select(t.fallback_key).where(last))).first()
    if row is None:
        return None
    await db.execute(update(t.fallback_key).where(last).values(used=True))
    return NamedKey(row.name, row.key)


async def _count(db: AsyncConnection, address: Address) -> tuple[int, bool]:
    k, f = t.one_time_key.c, t.fallback_key.c
    keys = select(func.count()).select_from(t.one_time_key)
    count = await db.scalar(keys.where(k.account == address.account, k.device == address.device))
    used = await db.scalar(select(f.used).where(f.account == address.account, f.device == address.device))
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
