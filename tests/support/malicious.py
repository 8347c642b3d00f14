"""A malicious server: the real one, with a man in the middle between its services and its stores."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from support.lying_mailboxes import SECONDS, LyingMailboxes, honest
from support.server import LocalInstance, local_server
from tidings.sdk import View
from tidings.sdk.crypto.identity import Identity
from tidings.sdk.crypto.machine import Machine
from tidings.sdk.crypto.olm import CannotOpen
from tidings.sdk.crypto.signing import decode, encode
from tidings.sdk.store.database import Database
from tidings.server.ports.keys import Addressable, Keys
from tidings.server.ports.mailboxes import BoxId, Mailboxes, Notice
from tidings.wire.content import Chain, Content, KeyRequest, Megolm, Text, unpack
from tidings.wire.errors import MemberVersion, StaleEpoch
from tidings.wire.events import ConversationChanged, KeyShare, Message, Stored
from tidings.wire.frames import AccountKeys, ClaimedKey, Conversation, DeviceKeys, Member, Share
from tidings.wire.ids import Address, new_msg_id

Lie = Callable[[AccountKeys], AccountKeys]

FORGED_SEQ: Final = 1_000


class LyingKeys:
    """The port `Keys`: others are told lies about an account; its owner sees the truth, unless told otherwise."""

    def __init__(self, real: Keys) -> None:
        self.real = real
        self.lies: dict[str, Lie] = {}
        self.lies_to_owner: set[str] = set()
        self.versions: dict[str, int] = {}
        self.intruders: dict[str, Intruder] = {}
        self.asked: Counter[str] = Counter()
        """How many questions each account has had answered."""
        self._news = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def query(self, asker: str, accounts: Sequence[str]) -> Sequence[AccountKeys]:
        """See Keys."""
        told = [self._tell(asker, keys) for keys in await self.real.query(asker, accounts)]
        self.asked[asker] += 1
        self._news.set()
        return told

    async def until_asked(self, asker: str, count: int) -> None:
        """Wait until an account has asked so many questions."""
        async with asyncio.timeout(SECONDS):
            while self.asked[asker] < count:
                self._news.clear()
                await self._news.wait()

    async def claim(self, devices: Sequence[Address]) -> Sequence[ClaimedKey]:
        """See Keys."""
        made = [
            self.intruders[address.device].one_time(address) for address in devices if address.device in self.intruders
        ]
        return [*made, *await self.real.claim([address for address in devices if address.device not in self.intruders])]

    def _tell(self, asker: str, keys: AccountKeys) -> AccountKeys:
        version = self.versions.get(keys.account, keys.version)
        keys = msgspec.structs.replace(keys, version=version)
        if asker == keys.account and asker not in self.lies_to_owner:
            return keys
        return self.lies.get(keys.account, _truth)(keys)


class Intruder:
    """A device in the hands of the server, under somebody's account, with an identity that the server made."""

    def __init__(self, folder: Path, account: str, device: str) -> None:
        self._database = Database(folder / f"{device}.db")
        with self._database.transaction():
            Machine.create(self._database, account, device)
            self.machine = Machine(self._database)
        self.account = account
        self.device = device
        self.identity = Identity(account)

    @property
    def ed25519(self) -> str:
        """The public key of the device, in base64."""
        return self.machine.account.ed25519

    @property
    def keys(self) -> DeviceKeys:
        """The device's keys, signed by itself and by the server's own identity."""
        return DeviceKeys(self.device, self.machine.signed_device_keys(self.identity.self_signing))

    def one_time(self, address: Address) -> ClaimedKey:
        """Return a one-time key."""
        with self._database.transaction():
            self.machine.published()
            self.machine.account.make_one_time_keys(1)
            (key,) = self.machine.account.unpublished()
        return ClaimedKey(address.account, address.device, key)

    def pose(self, keys: AccountKeys) -> AccountKeys:
        """Return an account as if it had started again on this device."""
        public = self.identity.public()
        return msgspec.structs.replace(
            keys,
            master=public.master,
            self_signing=public.self_signing,
            device_list=self.identity.sign_list(keys.version, {self.device: self.ed25519}),
            devices=[self.keys],
        )

    def slip_in(self, keys: AccountKeys) -> AccountKeys:
        """Return an account with this device among its own."""
        return msgspec.structs.replace(keys, devices=[*keys.devices, self.keys])

    def close(self) -> None:
        """Close the store."""
        self._database.close()


class MaliciousServer(LocalInstance):
    """A server in the test's own loop that lies as it is told to."""

    keys: LyingKeys
    mailboxes: LyingMailboxes

    async def truth(self, account: str) -> AccountKeys:
        """Return what the directory really holds of an account, under the version that others are shown."""
        (keys,) = await self.keys.real.query(account, [account])
        return msgspec.structs.replace(keys, version=self.keys.versions.get(account, keys.version))

    async def stir(self, account: str, *ghosts: Intruder) -> None:
        """Say that the devices of an account changed, so that all ask anew; `ghosts` get mailboxes there."""
        keys = await self.truth(account)
        devices = {device.device: _ed25519(device) for device in keys.devices}
        devices |= {ghost.device: decode(ghost.ed25519) for ghost in ghosts}
        self.keys.versions[account] = keys.version + 1
        self.keys.intruders |= {ghost.device: ghost for ghost in ghosts}
        await self.server.devices._follow(Addressable(account, keys.version + 1, devices))

    async def device_of(self, name: str) -> Address:
        """Return the one device of somebody."""
        account = await self.server.accounts.by_name(name)
        assert account is not None
        (device,) = await self.keys.real.devices(account.id)
        return Address(account.id, device.device)

    async def box(self, account: str, device: str) -> BoxId:
        """Return the number of a device's mailbox."""
        found = await self.mailboxes.find(Address(account, device))
        assert found is not None
        return found.id

    async def release(self, device: Address) -> None:
        """Let a device have what a script held back."""
        self.mailboxes.script = honest
        self.server.registry.wake([await self.box(device.account, device.device)])

    async def show_members(self, device: Address, view: View, members: dict[str, int]) -> None:
        """Tell a device that others are in a conversation."""
        shown = [Member(account, version, 0, "member") for account, version in members.items()]
        changed = Conversation(view.id, view.kind, view.standing, view.epoch + 1, sum(members.values()), 99, shown)
        box = await self.box(device.account, device.device)
        self.server.registry.tell([Notice(ConversationChanged(changed), [box])])


@asynccontextmanager
async def malicious_server(path: Path) -> AsyncIterator[MaliciousServer]:
    """Run a server that can be told to lie."""
    keys: list[LyingKeys] = []
    mailboxes: list[LyingMailboxes] = []

    def around_keys(real: Keys) -> Keys:
        keys.append(LyingKeys(real))
        return cast("Keys", keys[-1])

    def around_mailboxes(real: Mailboxes) -> Mailboxes:
        mailboxes.append(LyingMailboxes(real))
        return cast("Mailboxes", mailboxes[-1])

    async with local_server(path, around_keys=around_keys, around_mailboxes=around_mailboxes) as local:
        instance = MaliciousServer(local.server, local.folder)
        instance.keys, instance.mailboxes = keys[0], mailboxes[0]
        yield instance


def stale(view: View, members: dict[str, int]) -> StaleEpoch:
    """Return the refusal that tells of other members of a conversation."""
    told = [MemberVersion(account, version) for account, version in members.items()]
    return StaleEpoch(view.epoch + 1, sum(members.values()), told)


# Forgeries


async def forge(
    server: MaliciousServer, author: Machine, device: Address, conversation: str, text: str
) -> list[Stored]:
    """Return what a device makes for another, and would be believed if it came from whom it should come from.

    That is the key share of a session, and a message by that session.
    """
    truth = await server.truth(device.account)
    now = server.server.clock.now()
    with author._db.transaction():
        author.directory.learn(truth)
        target = author.directory.device(device.account, device.device)
        assert target is not None
        if not author.olm.has(target):
            author.start_sessions(await server.keys.real.claim([device]))
        (share,) = author.share_key(conversation, [target], now)
        content = Content(Chain(1, None), now, Text(text))
        ciphertext = author.megolm.encrypt(conversation, msgspec.json.encode(content).decode())
    who = author.account
    return [
        KeyShare(0, who.account, who.device, share.ciphertext),
        Message(0, FORGED_SEQ, conversation, who.account, who.device, new_msg_id(now), now, ciphertext),
    ]


async def pry(server: MaliciousServer, thief: Machine, device: Address, conversation: str, envelope: bytes) -> KeyShare:
    """Return a device's request to another for the key to an envelope."""
    truth = await server.truth(device.account)
    opened = unpack(envelope)
    assert isinstance(opened, Megolm)
    with thief._db.transaction():
        thief.directory.learn(truth)
        target = thief.directory.device(device.account, device.device)
        assert target is not None
        thief.start_sessions(await server.keys.real.claim([device]))
        share = thief.request_key(target, KeyRequest(conversation, encode(opened.session)))
    return KeyShare(0, thief.account.account, thief.account.device, share.ciphertext)


def readable(
    thief: Machine, shares: Sequence[Share], sender: Address, conversation: str, envelopes: Sequence[bytes]
) -> list[bool]:
    """Return which of a device's envelopes another can read with what was given to it."""

    def reads(envelope: bytes) -> bool:
        try:
            thief.decrypt(conversation, (sender.account, sender.device), sha256(envelope).digest()[:16], envelope)
        except CannotOpen:
            return False
        return True

    with thief._db.transaction():
        for share in shares:
            arrived = thief.open_share(sender.account, share.ciphertext)
            if arrived.answer is not None:
                thief.take_answer(*arrived.answer)
        return [reads(envelope) for envelope in envelopes]


def _truth(keys: AccountKeys) -> AccountKeys:
    return keys


def _ed25519(device: DeviceKeys) -> bytes:
    keys = msgspec.json.decode(device.keys)["keys"]
    return decode(keys[f"ed25519:{device.device}"])
