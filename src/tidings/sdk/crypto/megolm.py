"""Messages to a conversation: one ciphertext for all devices that were given the session's key."""

import json
from collections.abc import Sequence
from typing import Final

import msgspec
import vodozemac

from tidings.sdk.crypto.account import MEGOLM
from tidings.sdk.crypto.directory import Device
from tidings.sdk.crypto.olm import CannotOpen
from tidings.sdk.crypto.signing import BadSignature, JsonObject, decode, encode, parse
from tidings.sdk.store.database import Database
from tidings.wire.content import EVENT_TYPE, KeyAnswer, Megolm, pack

MOST_MESSAGES: Final = 100
LONGEST_MS: Final = 7 * 86_400_000


class Replayed(CannotOpen):
    """The same encrypted message came under another name: the server repeats it."""


class Decrypted(msgspec.Struct, frozen=True):
    """The content of a message, and where its session comes from."""

    content: JsonObject
    session: str
    index: int


class MegolmSessions:
    """The sessions that this device writes with, and those that it was given.

    `era` names this run of the program: a session of an earlier one is never written with again, since the store
    may have been restored from an older copy in between.
    """

    def __init__(self, database: Database, account: str, device: str, pickle_key: bytes, era: int) -> None:
        self._db = database
        self._account = account
        self._device = device
        self._pickle_key = pickle_key
        self._era = era

    def unshared(self, conversation: str, devices: Sequence[Device], now: int) -> tuple[JsonObject, list[Device]]:
        """Return the key to share of the session to write with, and the devices that do not have it yet.

        The session is a new one if there is none of this era, if it is worn out, or if a device that has it is
        not among `devices` any more.
        """
        session = self._current(conversation, devices, now) or self._new(conversation, now)
        given = {(account, device) for account, device, given in self._entitled(session.session_id) if given}
        key = {
            "algorithm": MEGOLM,
            "room_id": conversation,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }
        unshared = [device for device in devices if (device.account, device.id) not in given]
        rows = [(session.session_id, device.account, device.id, session.message_index) for device in unshared]
        self._db.many("insert or ignore into entitled values (?, ?, ?, ?, 0)", rows)
        return key, unshared

    def give(self, session: str, device: Device) -> None:
        """Note that a device was sent the key of a session."""
        self._db.run(
            "update entitled set given = 1 where session = ? and account = ? and device = ?",
            *(session, device.account, device.id),
        )

    def take_back(self, session: str, account: str, device: str) -> None:
        """Note that a device was not sent the key of a session after all."""
        self._db.run(
            "update entitled set given = 0 where session = ? and account = ? and device = ?", session, account, device
        )

    def encrypt(self, conversation: str, content: str) -> bytes:
        """Return an envelope with the content, which is JSON."""
        session = self._load(conversation)
        plaintext = f'{{"type":"{EVENT_TYPE}","content":{content},"room_id":{json.dumps(conversation)}}}'
        message = session.encrypt(plaintext.encode())
        pickle = session.pickle(self._pickle_key)
        self._db.run("update outbound set pickle = ?, count = count + 1 where conversation = ?", pickle, conversation)
        return pack(Megolm(decode(session.session_id), message.to_bytes()))

    def receive(self, sender: Device, key: JsonObject) -> tuple[str, str] | None:
        """Take a session key that a device sent; return (conversation, session), or None if it is not one."""
        try:
            session = vodozemac.InboundGroupSession(vodozemac.SessionKey(str(key["session_key"])))
            conversation = str(key["room_id"])
            fits = key["algorithm"] == MEGOLM and key["session_id"] == session.session_id
        except (KeyError, ValueError):
            return None
        return (conversation, session.session_id) if fits and self._keep(conversation, session, sender) else None

    def answer(self, conversation: str, session: str, device: Device) -> KeyAnswer | None:
        """Return a session's key for a device that asks, from the index on that it may have; None for any other."""
        row = self._db.row(
            "select position from entitled where session = ? and account = ? and device = ?",
            *(session, device.account, device.id),
        )
        inbound = self._inbound(conversation, session)
        if row is None or inbound is None or inbound[1:] != (self._account, self._device):
            return None
        exported = inbound[0].export_at(max(row[0], inbound[0].first_known_index))
        return KeyAnswer(conversation, session, exported.to_base64()) if exported else None

    def receive_answer(self, sender: Device, answer: KeyAnswer) -> tuple[str, str] | None:
        """Take a key that was asked for; return (conversation, session), or None if it does not fit."""
        try:
            session = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(answer.key))
        except ValueError:
            return None
        if session.session_id != answer.session or not self._keep(answer.conversation, session, sender):
            return None
        return answer.conversation, answer.session

    def decrypt(self, conversation: str, sender: tuple[str, str], msg_id: bytes, envelope: Megolm) -> Decrypted:
        """Return what is inside an envelope. Raises CannotOpen, Replayed.

        `sender` is the account and device that the server names; the session must be theirs.
        """
        name = encode(envelope.session)
        found = self._inbound(conversation, name)
        if found is None:
            raise CannotOpen("the session is not known")
        session, *owner = found
        if tuple(owner) != sender:
            raise CannotOpen("the session of another device")
        try:
            decrypted = session.decrypt(vodozemac.MegolmMessage.from_bytes(envelope.message))
            value = parse(decrypted.plaintext.decode())
        except (ValueError, BadSignature, UnicodeDecodeError) as error:
            raise CannotOpen(str(error)) from None
        if value.get("room_id") != conversation or value.get("type") != EVENT_TYPE:
            raise CannotOpen("meant for another conversation")
        if not isinstance(value.get("content"), dict):
            raise CannotOpen("without content")
        self._use(name, decrypted.message_index, msg_id)
        return Decrypted(value["content"], name, decrypted.message_index)

    def forget_outbound(self, conversation: str | None = None) -> None:
        """Write with another session from now on, in one conversation or in all."""
        if conversation is None:
            self._db.run("delete from outbound")
        else:
            self._db.run("delete from outbound where conversation = ?", conversation)

    def _current(self, conversation: str, devices: Sequence[Device], now: int) -> vodozemac.GroupSession | None:
        row = self._db.row("select id, created, count, era from outbound where conversation = ?", conversation)
        if row is None:
            return None
        session, created, count, era = row
        present = {(device.account, device.id) for device in devices}
        left = any((account, device) not in present for account, device, _ in self._entitled(session))
        if left or era != self._era or count >= MOST_MESSAGES or now - created >= LONGEST_MS:
            return None
        return self._load(conversation)

    def _new(self, conversation: str, now: int) -> vodozemac.GroupSession:
        session = vodozemac.GroupSession()
        row = conversation, session.session_id, session.pickle(self._pickle_key), now, 0, self._era
        self._db.run("insert or replace into outbound values (?, ?, ?, ?, ?, ?)", *row)
        inbound = vodozemac.InboundGroupSession(session.session_key)
        self._save(conversation, inbound, self._account, self._device)
        return session

    def _load(self, conversation: str) -> vodozemac.GroupSession:
        (pickle,) = self._db.row("select pickle from outbound where conversation = ?", conversation)
        return vodozemac.GroupSession.from_pickle(pickle, self._pickle_key)

    def _entitled(self, session: str) -> list[tuple[str, str, int]]:
        return self._db.rows("select account, device, given from entitled where session = ?", session)

    def _inbound(self, conversation: str, session: str) -> tuple[vodozemac.InboundGroupSession, str, str] | None:
        query = "select pickle, account, device from inbound where conversation = ? and id = ?"
        row = self._db.row(query, conversation, session)
        if row is None:
            return None
        return vodozemac.InboundGroupSession.from_pickle(row[0], self._pickle_key), row[1], row[2]

    def _keep(self, conversation: str, session: vodozemac.InboundGroupSession, sender: Device) -> bool:
        """Keep a session unless it is known as somebody else's, or from an earlier index on."""
        known = self._inbound(conversation, session.session_id)
        if known is not None:
            if known[1:] != (sender.account, sender.id):
                return False
            if known[0].first_known_index <= session.first_known_index:
                return True
        self._save(conversation, session, sender.account, sender.id)
        return True

    def _save(self, conversation: str, session: vodozemac.InboundGroupSession, account: str, device: str) -> None:
        row = conversation, session.session_id, account, device, session.pickle(self._pickle_key)
        self._db.run("insert or replace into inbound values (?, ?, ?, ?, ?)", *row)

    def _use(self, session: str, index: int, msg_id: bytes) -> None:
        row = self._db.row("select msg_id from used_index where session = ? and position = ?", session, index)
        if row is None:
            self._db.run("insert into used_index values (?, ?, ?)", session, index, msg_id)
        elif row[0] != msg_id:
            raise Replayed("this message came before under another name")
