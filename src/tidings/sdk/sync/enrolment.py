"""Coming in: register or sign in, make the keys of a device in a store, and have the server take them."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tidings.sdk.crypto.account import ONE_TIME_KEYS
from tidings.sdk.crypto.identity import Identity
from tidings.sdk.crypto.machine import Machine
from tidings.sdk.errors import ServerRefused, StoreTaken
from tidings.sdk.store.database import Database
from tidings.sdk.transport.http import Http
from tidings.wire import http
from tidings.wire.ids import new_device_id

CODE: Final = re.compile(r"[\w-]+", re.ASCII)
"""The code of an invite, in any length."""


async def register(web: Http, code: str, name: str, password: str) -> http.Enrolment:
    """Create an account by an invite. Raises ServerRefused, Unreachable."""
    return await web.ask("POST", "/v1/accounts", http.Enrolment, body=http.NewAccount(code, name, password))


async def sign_in(web: Http, name: str, password: str, *, start_again: bool) -> http.Enrolment:
    """Ask for leave to enrol a device. Raises ServerRefused (OTHER_DEVICES without `start_again`), Unreachable."""
    leave = await web.ask("POST", "/v1/sign-in", http.Enrolment, body=http.SignIn(name, password))
    if leave.devices and not start_again:
        raise ServerRefused(409, "OTHER_DEVICES", "Another device is signed in. Starting again removes it.")
    return leave


async def enrol(
    path: Path,
    web: Http,
    leave: http.Enrolment,
    options: dict[str, Any],
    *,
    identity: Identity | None = None,
    others: dict[str, str] | None = None,
) -> Database:
    """Make the keys of a device and enrol it: by a new identity, or by that of `others`, who are listed with it.

    Returns the store, open. One that this account used before keeps its messages. Raises StoreTaken if it was
    another account's, StoreInUse, ServerRefused, Unreachable.
    """
    database = Database(path)
    try:
        new = _prepare(database, web.url, leave, identity, others or {}, options)
        await web.ask("POST", "/v1/devices", http.Device, body=new, token=leave.enrolment)
        with database.transaction():
            Machine(database).published()
            database.set(enrolled=1)
    except BaseException:
        database.close()
        raise
    return database


def split_invite(link: str) -> tuple[str, str]:
    """Return the server's address and the code of an invite link. Raises ValueError."""
    parts = urlsplit(link)
    code = parts.fragment.removeprefix("/join/")
    if parts.scheme not in ("http", "https") or not parts.netloc or not CODE.fullmatch(code) or code == parts.fragment:
        raise ValueError("this is no invite link")
    return f"{parts.scheme}://{parts.netloc}", code


def _prepare(
    database: Database,
    url: str,
    leave: http.Enrolment,
    identity: Identity | None,
    others: dict[str, str],
    options: dict[str, Any],
) -> http.NewDevice:
    owner = database.setting("account")
    if owner not in (None, leave.account):
        raise StoreTaken("this store belongs to another account")
    signer = identity or Identity(leave.account)
    with database.transaction():
        device = new_device_id()
        before = database.setting("device")
        Machine.create(database, leave.account, device)
        if before is not None:
            _forget_device(database, leave.account, before, device)
        name = options.get("display_name") or database.setting("name") or leave.name
        database.set(url=url, server_id=leave.server_id, handle=leave.name, name=name)
        machine = Machine(database)
        machine.set_identity(signer)
        return http.NewDevice(
            device=device,
            label=options.get("label", "Program"),
            keys=machine.signed_device_keys(signer.self_signing),
            one_time=machine.keys_to_publish(0)[:ONE_TIME_KEYS],
            fallback=machine.new_fallback(),
            device_list=signer.sign_list(leave.version + 1, others | {device: machine.account.ed25519}),
            identity=None if identity else signer.public(),
        )


def _forget_device(database: Database, account: str, before: str, device: str) -> None:
    """Drop what was the device's that this store held before. Messages stay; those in the outbox are the new one's."""
    for table in ("olm_session", "outbound", "entitled", "inbound", "sealed", "share", "chain"):
        database.run(f"delete from {table}")  # noqa: S608 - names above
    database.run("delete from account where id = ?", account)
    database.run("update conversation set greeted = 0")
    database.run(
        "update outbox set ciphertext = null, epoch = null, devices = null, prev = null, count = null",
    )
    database.run(
        "update message set device = ? where account = ? and device = ? and state = 'pending'", device, account, before
    )
    database.set(mailbox_id=b"", last_pos=0, marks_since=0, listed=0, restored=0, enrolled=0)
