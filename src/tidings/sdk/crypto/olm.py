"""Messages from device to device: keys of sessions, and requests for them. Never what people write."""

import json
from typing import Any, Final

import msgspec
import vodozemac

from tidings.sdk.crypto.account import DeviceAccount
from tidings.sdk.crypto.directory import Device, Directory
from tidings.sdk.crypto.signing import BadSignature, JsonObject, decode, encode, parse, verify_object
from tidings.sdk.store.database import Database
from tidings.wire.content import Olm, pack
from tidings.wire.frames import ClaimedKey

MOST_SESSIONS: Final = 5
"""Sessions kept with one device; the least recently used one goes."""


class CannotOpen(Exception):
    """An envelope cannot be opened (yet)."""


class Opened(msgspec.Struct, frozen=True):
    """What a device said to this one."""

    sender: Device
    kind: str
    content: JsonObject


class OlmSessions:
    """The sessions of this device with others."""

    def __init__(self, database: Database, account: DeviceAccount, directory: Directory, pickle_key: bytes) -> None:
        self._db = database
        self._account = account
        self._directory = directory
        self._pickle_key = pickle_key
        self._tick: int = database.row("select coalesce(max(used), 0) from olm_session")[0]

    def has(self, device: Device) -> bool:
        """Return whether there is a session with a device."""
        return self._db.row("select 1 from olm_session where peer = ?", device.curve25519) is not None

    def start(self, device: Device, claimed: ClaimedKey) -> bool:
        """Start a session by a one-time key that the device signed. Returns whether it had."""
        try:
            value = parse(claimed.key.key)
            verify_object(value, device.account, device.id, device.ed25519)
            session = self._account.olm.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(device.curve25519),
                vodozemac.Curve25519PublicKey.from_base64(str(value["key"])),
            )
        except (BadSignature, KeyError, ValueError):
            return False
        self._save(device.curve25519, session)
        return True

    def encrypt(self, device: Device, kind: str, content: JsonObject) -> bytes:
        """Return an envelope for a device with which there is a session."""
        payload = {
            "type": kind,
            "content": content,
            "sender": self._account.account,
            "recipient": device.account,
            "recipient_keys": {"ed25519": device.ed25519},
            "keys": {"ed25519": self._account.ed25519},
            "sender_device_keys": self._account.device_keys(),
        }
        session = self._sessions(device.curve25519)[0]
        number, message = session.encrypt(json.dumps(payload).encode()).to_parts()
        self._save(device.curve25519, session)
        return pack(Olm(number, decode(self._account.curve25519), message))

    def open(self, sender: str, envelope: Olm) -> Opened:
        """Return what is inside an envelope for this device. Raises CannotOpen.

        The sending device must be one that its owner signed: query the directory first.
        """
        peer = encode(envelope.sender_key)
        payload = parse(self._decrypt(peer, envelope).decode())
        try:
            mine = payload["recipient"], payload["recipient_keys"]["ed25519"]
            claimed = payload["sender"], payload["keys"]["ed25519"]
            kind, content = str(payload["type"]), payload["content"]
        except (KeyError, TypeError):
            raise CannotOpen("not an Olm payload") from None
        if mine != (self._account.account, self._account.ed25519) or claimed[0] != sender:
            raise CannotOpen("meant for another device, or from another account")
        for device in self._directory.senders(sender):
            if (device.curve25519, device.ed25519) == (peer, claimed[1]) and isinstance(content, dict):
                return Opened(device, kind, content)
        raise CannotOpen("from a device that its owner did not sign")

    def forget_all(self) -> None:
        """Drop every session: after a store was restored they would repeat what was used before."""
        self._db.run("delete from olm_session")

    def forget(self, device: Device) -> None:
        """Drop the sessions with one device: it could not read what they sent."""
        self._db.run("delete from olm_session where peer = ?", device.curve25519)

    def _decrypt(self, peer: str, envelope: Olm) -> bytes:
        try:
            message = vodozemac.AnyOlmMessage.from_parts(envelope.kind, envelope.message)
            pre_key = message.to_pre_key()
        except ValueError as error:
            raise CannotOpen(str(error)) from None
        for session in self._sessions(peer):
            if pre_key is not None and not session.session_matches(pre_key):
                continue
            try:
                plaintext = session.decrypt(message)
            except ValueError as error:
                if pre_key is not None:
                    raise CannotOpen(str(error)) from None
                continue
            self._save(peer, session)
            return plaintext
        if pre_key is None:
            raise CannotOpen("no session with this device fits")
        return self._accept(peer, pre_key)

    def _accept(self, peer: str, pre_key: Any) -> bytes:
        try:
            key = vodozemac.Curve25519PublicKey.from_base64(peer)
            session, plaintext = self._account.olm.create_inbound_session(key, pre_key)
        except ValueError as error:
            raise CannotOpen(str(error)) from None
        self._save(peer, session)
        return plaintext

    def _sessions(self, peer: str) -> list[vodozemac.Session]:
        """Return the sessions with a device; the one that was used last stands first."""
        rows = self._db.rows("select pickle from olm_session where peer = ? order by used desc", peer)
        return [vodozemac.Session.from_pickle(pickle, self._pickle_key) for (pickle,) in rows]

    def _save(self, peer: str, session: vodozemac.Session) -> None:
        self._tick += 1
        row = peer, session.session_id, session.pickle(self._pickle_key), self._tick
        self._db.run("insert or replace into olm_session values (?, ?, ?, ?)", *row)
        self._db.run(
            "delete from olm_session where peer = ? and id not in"
            " (select id from olm_session where peer = ? order by used desc limit ?)",
            *(peer, peer, MOST_SESSIONS),
        )
