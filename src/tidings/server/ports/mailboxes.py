"""The mailbox store: it owns everything that a send needs, and the accounts store is never asked in a send.

A result that is a Future is done, and what it tells is durable, when the future is. Futures of one caller
complete in the order of its calls. Nothing is visible to anybody before it is durable.
"""

from asyncio import Future
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from tidings.wire.commands import Ack, MarkRead, Send, ShareKeys
from tidings.wire.events import Event, Marks, Message, Stored
from tidings.wire.ids import Address, Millis, Pos, Seq

BoxId = int
"""A mailbox's number inside one server; it never leaves it and is never given to another mailbox."""


class StoreFailed(Exception):
    """The store failed while it did it. Whether it is done is unknown; repeating the same call is safe."""


class StoreUnavailable(Exception):
    """The store has no room, or recovers from a failure. Nothing was done."""


class Mailbox(NamedTuple):
    """The open mailbox of one addressable device. `key` is the device's Ed25519 key (32 bytes)."""

    id: BoxId
    address: Address
    mailbox_id: bytes
    key: bytes
    acked: Pos


class Notice(NamedTuple):
    """An event, and the mailboxes whose devices see it if they are connected."""

    event: Event
    to: Sequence[BoxId]

    def but(self, closed: Collection[BoxId]) -> "Notice":
        """Return it without mailboxes that are about to close."""
        return Notice(self.event, [box for box in self.to if box not in closed])


class Appended(NamedTuple):
    """A message has its place. `boxes` have something new; empty if it had been appended before.

    `places` names those of them that hold the message, and where: the entry of each is `message` with that
    position. The message's own `pos` is 0; there is none if it had been appended before.
    """

    seq: Seq
    time: Millis
    boxes: Sequence[BoxId]
    notices: Sequence[Notice] = ()
    message: Message | None = None
    places: Sequence[tuple[BoxId, Pos]] = ()


class Page(NamedTuple):
    """Entries in the order of their positions; `top` is the last position, or of the whole box if that was all."""

    entries: Sequence[Stored]
    top: Pos
    more: bool


class Expired(NamedTuple):
    """What was swept: envelopes, key shares, records of messages; devices that were suspended; if more is to be."""

    envelopes: int
    shares: int
    records: int
    suspended: int
    notices: Sequence[Notice]
    more: bool = False


class Mailboxes(Protocol):
    """Mailboxes, the order of conversations, and marks."""

    def set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """Make exactly `devices` (id to Ed25519 key) addressable for an account.

        Opens and closes mailboxes, all at once; idempotent; a lower `version` than the known one does nothing.
        Returns the boxes that were closed and whom to tell of the change. A closed box stays closed: the same
        device id gets another box. Its entries are gone when this is done.
        """

    def find(self, device: Address) -> "Future[Mailbox | None]":
        """Return the open mailbox of a device. Anybody may look for it: that does not mean that it is there."""

    def note_seen(self, box: BoxId) -> "Future[None]":
        """Note that a device is there, to within an hour. Ends its suspension."""

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """Give the message its place and put it into every addressed mailbox, all or nothing.

        Idempotent by (device, msg_id). Raises Refusal (StaleEpoch, OutOfOrder, KeyReused, TooOld, NotAllowed,
        MailboxFull), StoreUnavailable or StoreFailed; but for StoreFailed nothing was stored then.
        """

    def share(self, keys: ShareKeys, sender: BoxId) -> "Future[Sequence[BoxId]]":
        """Put key shares into mailboxes, all or nothing; idempotent by (device, share_id). Returns the boxes."""

    def read(self, box: BoxId, after: Pos, count: int) -> "Future[Page]":
        """Return up to `count` entries above `after`. What appears later stands above everything given out."""

    def ack(self, box: BoxId, ack: Ack) -> "Future[Sequence[Notice]]":
        """Delete everything up to `ack.pos` and note what that delivers. Returns whom to tell."""

    def mark_read(self, box: BoxId, mark: MarkRead) -> "Future[Sequence[Notice]]":
        """Note how far the person has read. Returns whom to tell; nobody if that is no news or not allowed."""

    def marks_since(self, box: BoxId, time: Millis) -> "Future[Sequence[Marks]]":
        """Return the marks that the device may see and that changed at or after `time`."""

    def expire(self, now: Millis, online: Collection[BoxId] = ()) -> "Future[Expired]":
        """Delete what is older than the retention; undelivered messages become expired for their senders.

        Devices that were not there for as long are suspended. Those of the boxes `online` are there, to within a day.
        Where much is old, one call does some of it: repeat it while there is more.
        """
