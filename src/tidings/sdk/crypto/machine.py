"""The encryption of one device, as the rest of the SDK sees it."""

import json
import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import vodozemac

from tidings.sdk.crypto.account import ONE_TIME_KEYS, DeviceAccount
from tidings.sdk.crypto.directory import Device, Directory
from tidings.sdk.crypto.identity import Identity
from tidings.sdk.crypto.megolm import Decrypted, MegolmSessions
from tidings.sdk.crypto.olm import CannotOpen, OlmSessions
from tidings.sdk.crypto.signing import BadSignature, SigningKey
from tidings.sdk.errors import Distrusted
from tidings.sdk.store.database import Database
from tidings.wire.content import KEY_ANSWER, KEY_REQUEST, KeyAnswer, KeyRequest, Megolm, NoEnvelope, Olm, unpack
from tidings.wire.frames import ClaimedKey, NamedKey, Share

ROOM_KEY: Final = "m.room_key"


class Arrived(msgspec.Struct, frozen=True):
    """What a key share brought: the key of a session, a request for one, or the answer to a request."""

    session: tuple[str, str] | None = None
    request: tuple[Device, KeyRequest] | None = None
    answer: tuple[Device, KeyAnswer] | None = None


class Machine:
    """All keys and sessions. Every call that changes them runs within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._pickle_key: bytes = database.setting("pickle_key")
        account, device = database.setting("account"), database.setting("device")
        olm = vodozemac.Account.from_pickle(database.setting("olm_account"), self._pickle_key)
        self.account = DeviceAccount(account, device, olm)
        self.directory = Directory(database, account)
        self.olm = OlmSessions(database, self.account, self.directory, self._pickle_key)
        era = database.setting("era", 0) + 1
        database.set(era=era)
        own = Device(account, device, self.account.ed25519, self.account.curve25519)
        self.megolm = MegolmSessions(database, own, self._pickle_key, era)

    @staticmethod
    def create(database: Database, account: str, device: str) -> None:
        """Make the keys of a new device, and keep them."""
        pickle_key = os.urandom(32)
        olm = vodozemac.Account()
        database.set(account=account, device=device, pickle_key=pickle_key, olm_account=olm.pickle(pickle_key))

    # Keys of this device

    @property
    def identity(self) -> Identity | None:
        """The secret keys of the account's identity, if this device holds them."""
        seeds: bytes | None = self._db.setting("identity")
        if seeds is None:
            return None
        return Identity(self.account.account, (seeds[:32], seeds[32:64], seeds[64:]))

    def set_identity(self, identity: Identity) -> None:
        """Keep the secret keys of the account's identity."""
        self._db.set(identity=b"".join(identity.seeds))

    def signed_device_keys(self, self_signing: SigningKey) -> str:
        """Return this device's keys, signed by itself and by the identity."""
        keys = self.account.device_keys()
        self_signing.sign_object(keys, self.account.account)
        return json.dumps(keys)

    def keys_to_publish(self, left: int) -> list[NamedKey]:
        """Make one-time keys for a server that has `left`, and return those to hand to it."""
        self.account.make_one_time_keys(ONE_TIME_KEYS - left - len(self.account.unpublished()))
        self._save_account()
        return self.account.unpublished()

    def published(self) -> None:
        """Note that the server has the keys."""
        self.account.olm.mark_keys_as_published()
        self._save_account()

    def new_fallback(self) -> NamedKey:
        """Make another fallback key."""
        key = self.account.new_fallback()
        self._save_account()
        return key

    # Sessions

    def without_session(self, devices: Sequence[Device]) -> list[Device]:
        """Return the devices with which no session was started yet."""
        return [device for device in devices if not self.olm.has(device)]

    def start_sessions(self, claimed: Sequence[ClaimedKey]) -> None:
        """Start sessions by keys that the server handed out."""
        for key in claimed:
            device = self.directory.device(key.account, key.device)
            if device is not None:
                self.olm.start(device, key)

    def share_key(self, conversation: str, devices: Sequence[Device], now: int) -> list[Share]:
        """Return the key shares that must be stored before the next message of a conversation is sent."""
        key, unshared = self.megolm.unshared(conversation, devices, now)
        shares: list[Share] = []
        for device in unshared:
            if self.olm.has(device):
                shares.append(Share(device.account, device.id, self.olm.encrypt(device, ROOM_KEY, key)))
                self.megolm.give(key["session_id"], device)
        return shares

    def without_key(self, conversation: str, devices: Sequence[Device]) -> list[Device]:
        """Return the devices that could be given the key to the next message of a conversation, and were not."""
        return [device for device in self.megolm.without(conversation, devices) if self.olm.has(device)]

    def request_key(self, device: Device, request: KeyRequest) -> Share:
        """Return a request for a session's key to the device that sent with it."""
        content: dict[str, Any] = msgspec.to_builtins(request)
        return Share(device.account, device.id, self.olm.encrypt(device, KEY_REQUEST, content))

    def answer_request(self, device: Device, request: KeyRequest) -> Share | None:
        """Return the answer to a device that was given the key before; None for any other.

        It is asked now whether its owner still signs it, and is who they were: the request may have waited.
        """
        try:
            if device not in self.directory.devices(device.account):
                return None
        except Distrusted:
            return None
        answer = self.megolm.answer(request.conversation, request.session, device)
        if answer is None or not self.olm.has(device):
            return None
        content: dict[str, Any] = msgspec.to_builtins(answer)
        return Share(device.account, device.id, self.olm.encrypt(device, KEY_ANSWER, content))

    def take_answer(self, device: Device, answer: KeyAnswer) -> tuple[str, str] | None:
        """Take a key that was asked for from the device that has it; return (conversation, session) if it fits."""
        return self.megolm.receive_answer(device, answer)

    def open_share(self, sender: str, ciphertext: bytes) -> Arrived:
        """Take what a device sent to this one. Raises CannotOpen."""
        try:
            envelope = unpack(ciphertext)
        except NoEnvelope as error:
            raise CannotOpen(str(error)) from None
        if not isinstance(envelope, Olm):
            raise CannotOpen("not meant for a device")
        try:
            opened = self.olm.open(sender, envelope)
        except BadSignature as error:
            raise CannotOpen(str(error)) from None
        finally:
            if envelope.kind == 0:
                self._save_account()  # a one-time key may have been used up, whatever came of it
        try:
            if opened.kind == ROOM_KEY:
                return Arrived(session=self.megolm.receive(opened.sender, opened.content))
            if opened.kind == KEY_REQUEST:
                return Arrived(request=(opened.sender, msgspec.convert(opened.content, KeyRequest)))
            if opened.kind == KEY_ANSWER:
                return Arrived(answer=(opened.sender, msgspec.convert(opened.content, KeyAnswer)))
            return Arrived()
        except msgspec.ValidationError as error:
            raise CannotOpen(str(error)) from None

    def decrypt(self, conversation: str, sender: tuple[str, str], msg_id: bytes, ciphertext: bytes) -> Decrypted:
        """Open the envelope of a message. Raises CannotOpen."""
        try:
            envelope = unpack(ciphertext)
        except NoEnvelope as error:
            raise CannotOpen(str(error)) from None
        if not isinstance(envelope, Megolm):
            raise CannotOpen("not meant for a conversation")
        return self.megolm.decrypt(conversation, sender, msg_id, envelope)

    def was_restored(self) -> None:
        """Drop everything that an older copy of the store would use a second time."""
        self.megolm.forget_outbound()
        self.olm.forget_all()

    def _save_account(self) -> None:
        self._db.set(olm_account=self.account.olm.pickle(self._pickle_key))
