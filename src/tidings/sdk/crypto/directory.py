"""Who is who: identities as they were first met, device lists as their owners signed them.

What the server says is checked here, and nothing is sent on the strength of it alone: a device that the owner did
not sign, a list that is older than a known one and another of the same version are refused, and an identity that
was replaced stops sending until a person accepts it.
"""

import json
from typing import Any

import msgspec

from tidings.sdk.crypto.signing import BadSignature, encode, parse, public_key, verify, verify_object
from tidings.sdk.errors import Distrusted, IdentityChanged
from tidings.sdk.store.database import Database
from tidings.wire.content import SignedDevices
from tidings.wire.frames import AccountKeys

SignedKeys = dict[str, tuple[str, str]]


class Device(msgspec.Struct, frozen=True):
    """A device that its owner signed; keys in base64."""

    account: str
    id: str
    ed25519: str
    curve25519: str


class Directory:
    """The accounts that were met."""

    def __init__(self, database: Database, own_account: str) -> None:
        self._db = database
        self._own = own_account
        self.changes = 0
        """Rises with every change of whom may be sent to what: what was concluded before is to be looked at again."""

    def learn(self, keys: AccountKeys) -> bool:
        """Take in what the server says of an account. Returns whether something new was learned.

        What is wrong about it is kept as the account's problem, and what was known stays.
        """
        self.changes += 1
        before = self._row(keys.account)
        try:
            devices, self_signing, master, listed = _check(keys)
            self._compare(before, keys, master, listed)
        except (BadSignature, Distrusted) as error:
            self._note_problem(keys, before, str(error))
            return True
        pinned = before["master"] if before and before["master"] else master
        for left in self.known_devices(keys.account):
            if left.id not in devices:
                self._db.run("insert or replace into former values (?, ?, ?, ?)", *msgspec.structs.astuple(left))
        self._db.run(
            "insert into account values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null) on conflict do update set"
            " master = excluded.master, now = excluded.now,"  # and the handle is the one that it was met by
            " self_signing = excluded.self_signing, version = excluded.version,"
            " list_version = excluded.list_version, list_text = excluded.list_text,"
            " devices = excluded.devices, problem = null",
            *(keys.account, keys.name, None, pinned, master, self_signing, keys.version, listed.version),
            *(keys.device_list.text if keys.device_list else None, json.dumps(devices)),
        )
        return before is None or (before["now"], before["devices"]) != (master, json.dumps(devices))

    def version(self, account: str) -> int:
        """Return the version of an account's devices as it was checked last; 0 if it is not known."""
        row = self._row(account)
        return int(row["version"]) if row else 0

    def devices(self, account: str) -> list[Device]:
        """Return the devices that an account signed. Raises Distrusted, IdentityChanged."""
        self.check(account)
        return self.known_devices(account)

    def known_devices(self, account: str) -> list[Device]:
        """Return the devices that an account signed, whether or not it may be sent to now."""
        row = self._row(account)
        signed: SignedKeys = json.loads(row["devices"]) if row else {}
        return [Device(account, name, ed25519, curve25519) for name, (ed25519, curve25519) in signed.items()]

    def device(self, account: str, device: str) -> Device | None:
        """Return a device that an account signed."""
        return next((known for known in self.known_devices(account) if known.id == device), None)

    def senders(self, account: str) -> list[Device]:
        """Return the devices that an account signs, and those that it signed once.

        Nothing is sent to the latter, but what they sent may come later than the news of their removal.
        """
        query = "select account, id, ed25519, curve25519 from former where account = ?"
        return [*self.known_devices(account), *(Device(*row) for row in self._db.rows(query, account))]

    def knows(self, account: str, device: str) -> bool:
        """Return whether an account signs a device, or did once."""
        return any(sender.id == device for sender in self.senders(account))

    def check(self, account: str) -> None:
        """Raise Distrusted or IdentityChanged if nothing may be sent to an account."""
        row = self._row(account)
        if row is None:
            raise Distrusted(account, "the account is not known")
        if row["problem"]:
            raise Distrusted(account, row["problem"])
        if row["master"] != row["now"]:
            raise IdentityChanged(account)

    def is_trusted(self, account: str, device: str, curve25519: str) -> bool:
        """Return whether messages of a device with a key are of the identity that was met first, or accepted since.

        Those of a device that was removed are not: it may have been removed for being in wrong hands.
        """
        row, known = self._row(account), self.device(account, device)
        return bool(row) and row["master"] == row["now"] and known is not None and known.curve25519 == curve25519

    def trust(self, account: str) -> None:
        """Accept the identity that an account has now."""
        self.changes += 1
        self._db.run("update account set master = now where id = ?", account)

    def suspect(self, account: str, reason: str) -> None:
        """Note what is wrong with an account; it holds until the server says something sound of it."""
        self.changes += 1
        self._db.run("update account set problem = ? where id = ?", reason, account)

    def handle(self, account: str) -> str:
        """Return an account's handle, or its id while that is all that is known."""
        row = self._row(account)
        return row["handle"] if row else account

    def name(self, account: str) -> str:
        """Return the name that a person gave, or else the handle."""
        row = self._row(account)
        return (row["name"] or f"@{row['handle']}") if row else account

    def is_named(self, account: str) -> bool:
        """Return whether a name came inside a message."""
        row = self._row(account)
        return bool(row) and row["name"] is not None

    def set_name(self, account: str, name: str) -> bool:
        """Note the name that came inside a message. Returns whether it is another one."""
        self._db.run("update account set name = ? where id = ? and name is not ?", name, account, name)
        return self._db.changes() > 0

    def by_handle(self, handle: str) -> str | None:
        """Return the account that was met by a handle. Raises Distrusted if the server gave it to two."""
        found = [account for (account,) in self._db.rows("select id from account where handle = ?", handle)]
        if len(found) > 1:
            raise Distrusted(found[0], f"the server gives the name @{handle} to another account too")
        return found[0] if found else None

    def _compare(self, before: Any, keys: AccountKeys, master: str, listed: SignedDevices) -> None:
        """Raise Distrusted if this is not a later state of what was known before."""
        if keys.account == self._own and before and before["master"] not in (None, master):
            raise Distrusted(keys.account, "the server shows another identity for this account")
        if before is None:
            return
        if listed.version < before["list_version"] or keys.version < before["version"]:
            raise Distrusted(keys.account, "an old device list was shown again")
        text = keys.device_list.text if keys.device_list else None
        if listed.version == before["list_version"] and before["list_text"] not in (None, text):
            raise Distrusted(keys.account, "two different device lists bear the same number")

    def _note_problem(self, keys: AccountKeys, before: Any, reason: str) -> None:
        if before is None:
            self._db.run(
                "insert into account values (?, ?, null, null, null, null, 0, 0, null, '{}', ?)",
                *(keys.account, keys.name, reason),
            )
        else:
            self._db.run("update account set problem = ? where id = ?", reason, keys.account)

    def _row(self, account: str) -> Any:
        names = ("handle", "name", "master", "now", "version", "list_version", "list_text", "devices", "problem")
        row = self._db.row(f"select {', '.join(names)} from account where id = ?", account)  # noqa: S608 - names above
        return dict(zip(names, row, strict=True)) if row else None


def _check(keys: AccountKeys) -> tuple[SignedKeys, str, str, SignedDevices]:
    """Return the signed devices, the self-signing key, the master key and the list. Raises BadSignature."""
    if keys.master is None or keys.self_signing is None or keys.device_list is None:
        raise BadSignature("the account has no identity")
    master_object, self_signing_object = parse(keys.master), parse(keys.self_signing)
    master, self_signing = public_key(master_object), public_key(self_signing_object)
    if {master_object.get("user_id"), self_signing_object.get("user_id")} != {keys.account}:
        raise BadSignature("the identity of another account")
    if (master_object.get("usage"), self_signing_object.get("usage")) != (["master"], ["self_signing"]):
        raise BadSignature("keys for another use")
    verify_object(self_signing_object, keys.account, master, master)
    listed = _check_list(keys, master)
    devices: SignedKeys = {}
    for entry in keys.devices:
        if entry.device not in listed.devices:
            raise BadSignature("the server shows a device that its owner did not sign")
        signed = _check_device(entry.keys, keys.account, entry.device, self_signing)
        if signed is not None and listed.devices[entry.device] == signed[0]:
            devices[entry.device] = signed
    missing = set(listed.devices) - set(devices)
    if missing and keys.version == listed.version:
        raise BadSignature("the server hides a device")
    return devices, self_signing, master, listed


def _check_list(keys: AccountKeys, master: str) -> SignedDevices:
    assert keys.device_list is not None
    text, signature = keys.device_list.text, keys.device_list.signature
    verify(master, text.encode(), encode(signature))
    try:
        listed = msgspec.json.decode(text, type=SignedDevices)
    except msgspec.MsgspecError as error:
        raise BadSignature(str(error)) from None
    if (listed.account, listed.master) != (keys.account, master) or listed.version > keys.version:
        raise BadSignature("the device list of another account or of the future")
    return listed


def _check_device(text: str, account: str, device: str, self_signing: str) -> tuple[str, str] | None:
    """Return a device's keys, or None for one that its owner did not sign: it is as if it were not there."""
    try:
        value = parse(text)
        ed25519, curve25519 = value["keys"][f"ed25519:{device}"], value["keys"][f"curve25519:{device}"]
        if (value["user_id"], value["device_id"]) != (account, device):
            return None
        verify_object(value, account, device, ed25519)
        verify_object(value, account, self_signing, self_signing)
    except (BadSignature, KeyError, TypeError):
        return None
    return str(ed25519), str(curve25519)
