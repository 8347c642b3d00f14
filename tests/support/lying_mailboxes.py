"""The port `Mailboxes` in the hands of a malicious server: what goes in is noted or lost, what comes out is made up."""

import asyncio
from asyncio import Future
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from support.futures import then, to_be_read
from tidings.server.ports.mailboxes import Appended, BoxId, Mailbox, Mailboxes, Notice, Page
from tidings.wire.commands import Ack, Send, ShareKeys
from tidings.wire.content import Megolm, unpack
from tidings.wire.errors import NotAllowed, Refusal, WireError
from tidings.wire.events import Message, Stored
from tidings.wire.frames import Share
from tidings.wire.ids import Address

Script = Callable[[Address, Sequence[Stored]], Sequence[Stored]]

SECONDS: Final = 20.0


def honest(_: Address, entries: Sequence[Stored]) -> Sequence[Stored]:
    """Show what there is."""
    return entries


def megolm_use(envelope: bytes) -> tuple[bytes, int]:
    """Return the session of an envelope and its index there (the protobuf field 1 behind the version byte)."""
    opened = unpack(envelope)
    assert isinstance(opened, Megolm)
    assert opened.message[1] == 0x08
    index = shift = 0
    for byte in opened.message[2:]:
        index |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return opened.session, index


class LyingMailboxes:
    """The port `Mailboxes`: what goes in is noted or lost, what comes out is what `script` makes of it."""

    def __init__(self, real: Mailboxes) -> None:
        self.real = real
        self.script: Script = honest
        self.loses: Callable[[Address, Share], bool] = lambda _sender, _share: False
        self.refuses: Callable[[Address, Send], WireError | None] = lambda _sender, _send: None
        self.refuses_keys: Callable[[Address], bool] = lambda _sender: False
        self.slow: Future[None] | None = None
        """What the answers to key shares wait for; the shares themselves are stored at once."""
        self.behind: Future[None] | None = None
        """What news of devices, which the directory has already, wait for."""
        self.sent: list[tuple[Address, Send]] = []
        """Every envelope that came, repeats and refused ones too."""
        self.shared: list[tuple[Address, Share]] = []
        """Every key share that came, and who sent it."""
        self._addresses: dict[BoxId, Address] = {}
        self._told: dict[BoxId, Told] = {}
        self._news = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def given(self, device: str) -> list[Share]:
        """Return what was shared with a device."""
        return [share for _, share in self.shared if share.device == device]

    async def until_given(self, device: str, count: int) -> None:
        """Wait until so many keys were shared with a device."""
        async with asyncio.timeout(SECONDS):
            while len(self.given(device)) < count:
                self._news.clear()
                await self._news.wait()

    def uses(self, device: str) -> list[tuple[bytes, int]]:
        """Return the session and index of every message of a device, one for each msg_id and ciphertext."""
        bodies = {(send.msg_id, send.ciphertext): None for address, send in self.sent if address.device == device}
        return [megolm_use(ciphertext) for _, ciphertext in bodies]

    def sessions(self, device: str) -> list[bytes]:
        """Return the sessions that a device has written with, in their order."""
        return list(dict.fromkeys(session for session, _ in self.uses(device)))

    def assert_no_index_twice(self, device: str) -> None:
        """Assert that no index of a session encrypted two different envelopes."""
        twice = [use for use, count in Counter(self.uses(device)).items() if count > 1]
        assert twice == []

    def find(self, device: Address) -> "Future[Mailbox | None]":
        """See Mailboxes."""

        def note(found: Mailbox | None) -> Mailbox | None:
            if found is None:
                return None
            self._addresses[found.id] = found.address
            return found._replace(acked=self._told.setdefault(found.id, Told()).acked)

        return then(self.real.find(device), note)

    async def set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> tuple[Sequence[BoxId], Sequence[Notice]]:
        """See Mailboxes."""
        if self.behind is not None:
            await self.behind
        return await self.real.set_devices(account, version, devices)

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        address = self._addresses[sender]
        self.sent.append((address, send))
        refusal = self.refuses(address, send)
        if refusal is None:
            return to_be_read(self.real.append(send, sender))
        refused: Future[Appended] = asyncio.get_running_loop().create_future()
        refused.set_exception(Refusal(refusal))
        return refused

    def share(self, keys: ShareKeys, sender: BoxId) -> "Future[Sequence[BoxId]]":
        """See Mailboxes."""
        address = self._addresses[sender]
        self.shared += [(address, share) for share in keys.shares]
        self._news.set()
        if self.refuses_keys(address):
            refused: Future[Sequence[BoxId]] = asyncio.get_running_loop().create_future()
            refused.set_exception(Refusal(NotAllowed()))
            return refused
        kept = [share for share in keys.shares if not self.loses(address, share)]
        if kept:
            stored = self.real.share(msgspec.structs.replace(keys, shares=kept), sender)
            return stored if self.slow is None else asyncio.ensure_future(_late(stored, self.slow))
        nothing: Future[Sequence[BoxId]] = asyncio.get_running_loop().create_future()
        nothing.set_result([])
        return nothing

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        told = self._told.setdefault(box, Told())
        address = self._addresses[box]
        return then(self.real.read(box, told.top, count), lambda page: told.tell(page, address, self.script, after))

    def ack(self, box: BoxId, ack: Ack) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        return self.real.ack(box, self._told[box].take(ack))


async def _late(stored: "Future[Sequence[BoxId]]", until: "Future[None]") -> Sequence[BoxId]:
    await until
    return await stored


class Told:
    """What one device was told: its positions are as dense as those of an honest mailbox."""

    def __init__(self) -> None:
        self.top = 0
        self.acked = 0
        self._held: list[Stored] = []
        self._shown: list[Stored] = []
        self._real: dict[int, int] = {}
        self._last = 0
        self._gone = 0

    def tell(self, page: Page, address: Address, script: Script, after: int) -> Page:
        """Let a script make something of what is new and of what it held back before."""
        self._held += [entry for entry in page.entries if entry.pos > self.top]
        self.top = max([self.top, *(entry.pos for entry in self._held)])
        made = script(address, self._held)
        used = {entry.pos for entry in made}
        self._held = [entry for entry in self._held if entry.pos not in used]
        for entry in made:
            self._last += 1
            self._real[self._last] = entry.pos
            self._shown.append(msgspec.structs.replace(entry, pos=self._last))
        return Page([entry for entry in self._shown if entry.pos > after], self._last, page.more)

    def take(self, ack: Ack) -> Ack:
        """Return what an ack means to the real mailbox."""
        self.acked = max(self.acked, ack.pos)
        self._gone = max([self._gone, *(self._real[entry.pos] for entry in self._shown if entry.pos <= ack.pos)])
        self._shown = [entry for entry in self._shown if entry.pos > ack.pos]
        failed, recovered = (sorted({self._real[pos] for pos in some} - {0}) for some in (ack.failed, ack.recovered))
        return Ack(self._gone, failed, recovered)


def with_letters(device: str, change: Callable[[list[Message]], Sequence[Stored]]) -> Script:
    """Return a script for the messages to one device; its key shares come before them as they are."""

    def script(address: Address, entries: Sequence[Stored]) -> Sequence[Stored]:
        if address.device != device:
            return entries
        letters = [entry for entry in entries if isinstance(entry, Message)]
        others = [entry for entry in entries if not isinstance(entry, Message)]
        return [*others, *(change(letters) if letters else [])]

    return script
