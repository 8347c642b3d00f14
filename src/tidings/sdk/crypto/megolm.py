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
    """The content of a message, and the encryption key of the device that its session comes from."""

    content: JsonObject
    sender_key: str


class MegolmSessions:
    """The sessions that this device writes with, and those that it was given.

    `era` names this run of the program: a session of an earlier one is never written with again, since the store
    may have been restored from an older copy in between.
    """

    def __init__(self, database: Database, own: Device, pickle_key: bytes, era: int) -> None:
        self._db = database
        self._own = own
        self._pickle_key = pickle_key
        self._era = era

    def unshared(self, conversation: str, devices: Sequence[Device], now: int) -> tuple[JsonObject, list[Device]]:
        """Return the key to share of the session to write with, and the devices that do not have it yet.

        The session is a new one if there is none of this era, if it is worn out, or if a device that has it is
        not among `devices` any more.
        """
        session = self._current(conversation, devices, now) or self._new(conversation, now)
        given = self._given(session.session_id)
        key = {
            "algorithm": MEGOLM,
            "room_id": conversation,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }
        unshared = [device for device in devices if _holder(device) not in given]
        rows = [(session.session_id, *_holder(device), session.message_index) for device in unshared]
        self._db.many("insert or ignore into entitled values (?, ?, ?, ?, ?, 0)", rows)
        return key, unshared

    def without(self, conversation: str, devices: Sequence[Device]) -> list[Device]:
        """Return the devices that were not given the key of the session to write with."""
        row = self._db.row("select id from outbound where conversation = ?", conversation)
        given = self._given(row[0]) if row else set()
        return [device for device in devices if _holder(device) not in given]

    def give(self, session: str, device: Device) -> None:
        """Note that a device was sent the key of a session."""
        self._db.run(
            "update entitled set given = 1 where session = ? and account = ? and device = ? and curve25519 = ?",
            *(session, *_holder(device)),
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
        if not fits:
            return None
        self._keep(conversation, session, sender)
        return conversation, session.session_id

    def answer(self, conversation: str, session: str, device: Device) -> KeyAnswer | None:
        """Return a session's key for a device that asks, from the index on that it may have; None for any other."""
        row = self._db.row(
            "select position from entitled where session = ? and account = ? and device = ? and curve25519 = ?",
            *(session, *_holder(device)),
        )
        inbound = self._inbound(conversation, session, self._own)
        if row is None or inbound is None:
            return None
        exported = inbound.export_at(max(row[0], inbound.first_known_index))
        return KeyAnswer(conversation, session, exported.to_base64()) if exported else None

    def receive_answer(self, sender: Device, answer: KeyAnswer) -> tuple[str, str] | None:
        """Take a key that was asked for; return (conversation, session), or None if it does not fit."""
        try:
            session = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(answer.key))
        except ValueError:
            return None
        if session.session_id != answer.session:
            return None
        self._keep(answer.conversation, session, sender)
        return answer.conversation, answer.session

    def decrypt(self, conversation: str, sender: tuple[str, str], msg_id: bytes, envelope: Megolm) -> Decrypted:
        """Return what is inside an envelope. Raises CannotOpen, Replayed.

        `sender` is the account and device that the server names; the session must be theirs.
        """
        name = encode(envelope.session)
        value, index, sender_key = self._open(conversation, name, sender, envelope.message)
        if value.get("room_id") != conversation or value.get("type") != EVENT_TYPE:
            raise CannotOpen("meant for another conversation")
        if not isinstance(value.get("content"), dict):
            raise CannotOpen("without content")
        self._use((name, *sender, index), msg_id)
        return Decrypted(value["content"], sender_key)

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
        query = "select account, device, curve25519 from entitled where session = ?"
        left = not set(self._db.rows(query, session)) <= {_holder(device) for device in devices}
        if left or era != self._era or count >= MOST_MESSAGES or now - created >= LONGEST_MS:
            return None
        return self._load(conversation)

    def _new(self, conversation: str, now: int) -> vodozemac.GroupSession:
        session = vodozemac.GroupSession()
        row = conversation, session.session_id, session.pickle(self._pickle_key), now, 0, self._era
        self._db.run("insert or replace into outbound values (?, ?, ?, ?, ?, ?)", *row)
        inbound = vodozemac.InboundGroupSession(session.session_key)
        self._save(conversation, inbound, self._own)
        return session

    def _load(self, conversation: str) -> vodozemac.GroupSession:
        (pickle,) = self._db.row("select pickle from outbound where conversation = ?", conversation)
        return vodozemac.GroupSession.from_pickle(pickle, self._pickle_key)

    def _given(self, session: str) -> set[tuple[str, str, str]]:
        query = "select account, device, curve25519 from entitled where session = ? and given = 1"
        return set(self._db.rows(query, session))

    def _inbound(self, conversation: str, session: str, sender: Device) -> vodozemac.InboundGroupSession | None:
        query = (
            "select pickle from inbound"
            " where conversation = ? and id = ? and account = ? and device = ? and curve25519 = ?"
        )
        row = self._db.row(query, conversation, session, *_holder(sender))
        return vodozemac.InboundGroupSession.from_pickle(row[0], self._pickle_key) if row else None

    def _open(
        self, conversation: str, session: str, sender: tuple[str, str], message: bytes
    ) -> tuple[JsonObject, int, str]:
        """Return what is inside a message, its index, and the key of the device whose session opened it."""
        query = (
            "select pickle, curve25519 from inbound where conversation = ? and id = ? and account = ? and device = ?"
        )
        problem = "the session is not known, or is another device's"
        for pickle, sender_key in self._db.rows(query, conversation, session, *sender):
            known = vodozemac.InboundGroupSession.from_pickle(pickle, self._pickle_key)
            try:
                decrypted = known.decrypt(vodozemac.MegolmMessage.from_bytes(message))
                return parse(decrypted.plaintext.decode()), decrypted.message_index, sender_key
            except (ValueError, BadSignature, UnicodeDecodeError) as error:
                problem = str(error)
        raise CannotOpen(problem)

    def _keep(self, conversation: str, session: vodozemac.InboundGroupSession, sender: Device) -> None:
        """Keep a session as one of its sender's, unless it is known from as early an index on."""
        known = self._inbound(conversation, session.session_id, sender)
        if known is None or known.first_known_index > session.first_known_index:
            self._save(conversation, session, sender)

    def _save(self, conversation: str, session: vodozemac.InboundGroupSession, sender: Device) -> None:
        row = conversation, session.session_id, *_holder(sender), session.pickle(self._pickle_key)
        self._db.run("insert or replace into inbound values (?, ?, ?, ?, ?, ?)", *row)

    def _use(self, place: tuple[str, str, str, int], msg_id: bytes) -> None:
        """Note which message of a device used an index of a session."""
        query = "select msg_id from used_index where session = ? and account = ? and device = ? and position = ?"
        row = self._db.row(query, *place)
        if row is None:
            self._db.run("insert into used_index values (?, ?, ?, ?, ?)", *place, msg_id)
        elif row[0] != msg_id:
            raise Replayed("this message came before under another name")


def _holder(device: Device) -> tuple[str, str, str]:
    """Return what a device is known by here: its id alone is the server's word."""
    return device.account, device.id, device.curve25519
