"""Mailboxes in memory: what the durable store is compared with, and what fast tests run on."""

import asyncio
import hashlib
import uuid
from asyncio import Future
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from tidings.server.domain import admission, announce, membership, retention
from tidings.server.domain.heads import NONE, Box, Head, Owner
from tidings.server.domain.marks import needed_before
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Appended, BoxId, Expired, Mailbox, Notice, Page
from tidings.server.storage.memory.heads import Heads
from tidings.wire.commands import Ack, MarkRead, Send, ShareKeys
from tidings.wire.errors import KeyReused, NotAllowed, Refusal
from tidings.wire.events import Gap, KeyShare, Marks, Message, Stored
from tidings.wire.frames import Share
from tidings.wire.ids import Address

T = TypeVar("T")


class Letter(NamedTuple):
    """A message on its way, with what its delivery needs to know."""

    head: Head
    frame: Message
    lower: int
    """The place before it that this mailbox's account needed."""


class Record(NamedTuple):
    """That a message was accepted."""

    seq: int
    time: int
    digest: bytes


class MemoryMailboxes(Heads):
    """The port `Mailboxes`; `MemoryConversations` works on the same object."""

    def __init__(self, clock: Clock, server_id: str, *, retention_ms: int, box_limit: int) -> None:
        super().__init__(clock, server_id)
        self._retention = retention_ms
        self._box_limit = box_limit
        self._boxes: dict[BoxId, Box] = {}
        self._entries: dict[BoxId, dict[int, Stored | Letter]] = {}
        self._failed: dict[BoxId, dict[int, Letter]] = {}
        self._shares: dict[tuple[BoxId, int], int] = {}
        self._records: dict[tuple[BoxId, bytes], Record] = {}
        self._shared: set[tuple[BoxId, bytes]] = set()

    def set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """See Mailboxes."""
        return settled(lambda: self._set_devices(account, version, devices))

    def find(self, device: Address) -> "Future[Mailbox | None]":
        """See Mailboxes."""
        return settled(lambda: self._find(device))

    def note_seen(self, box: BoxId) -> "Future[None]":
        """See Mailboxes."""
        return settled(lambda: self._note_seen(box))

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        return settled(lambda: self.earlier(send, sender) or self.put(send, sender))

    def share(self, keys: ShareKeys, sender: BoxId) -> "Future[Sequence[BoxId]]":
        """See Mailboxes."""
        return settled(lambda: self._share(keys, sender))

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        return settled(lambda: self._read(box, after, count))

    def ack(self, box: BoxId, ack: Ack) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        return settled(lambda: self._ack(box, ack))

    def mark_read(self, box: BoxId, mark: MarkRead) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        return settled(lambda: self._mark_read(box, mark))

    def marks_since(self, box: BoxId, time: int) -> "Future[Sequence[Marks]]":
        """See Mailboxes."""
        return settled(lambda: self._marks_since(box, time))

    def expire(self, now: int, online: Collection[BoxId] = ()) -> "Future[Expired]":
        """See Mailboxes."""
        return settled(lambda: self._expire(now, online))

    def close(self, box: Box) -> list[Notice]:
        """Close a mailbox for good; what no other one of the account holds has expired. Return who is told."""
        held = self._held(box)
        for other in box.account.boxes.values():
            if other is not box:
                for place in self._held(other):
                    held.pop(place, None)
        changed: dict[int, Head] = {}
        for _, letter in sorted(held.items()):
            if self.mark(letter.head, box.account).expire(letter.lower, letter.frame.seq):
                changed[letter.head.id] = letter.head
        del (
            box.account.boxes[box.address.device],
            self._boxes[box.id],
            self._entries[box.id],
            self._failed[box.id],
        )
        return [self.changed_mark(head, box.account) for head in changed.values()]

    def _held(self, box: Box) -> dict[tuple[int, int], Letter]:
        """Return the messages of others that a mailbox holds or could not decrypt, by their places."""
        entries = [*self._entries[box.id].values(), *self._failed[box.id].values()]
        return {
            (entry.head.id, entry.frame.seq): entry
            for entry in entries
            if isinstance(entry, Letter) and entry.frame.sender != box.account.name
        }

    def _set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> tuple[list[BoxId], list[Notice]]:
        owner = self.owner(account)
        if version < owner.version:
            return [], []
        gone = [box for device, box in owner.boxes.items() if devices.get(device) != box.key]
        told = announce.device_list_change(owner, self.shared_with(owner))[1]
        closed = [box.id for box in gone]
        expired = [notice.but(closed) for box in gone for notice in self.close(box)]
        for device, key in devices.items():
            if device not in owner.boxes:
                box = Box(self.number(), owner, Address(account, device), uuid.uuid4().bytes, key)
                box.seen = self.clock.now()
                owner.boxes[device] = self._boxes[box.id] = box
                self._entries[box.id], self._failed[box.id] = {}, {}
        if version == owner.version:
            return closed, expired
        owner.version = version
        for head in self.shared_with(owner):
            head.changed()
        event, now_told = announce.device_list_change(owner, self.shared_with(owner))
        return closed, [Notice(event, sorted({*told, *now_told})), *expired]

    def _find(self, device: Address) -> Mailbox | None:
        owner = self.owners.get(device.account)
        box = owner.boxes.get(device.device) if owner else None
        if box is None:
            return None
        return Mailbox(box.id, box.address, box.mailbox_id, box.key, box.acked)

    def _note_seen(self, box: BoxId) -> None:
        state, now = self.box(box), self.clock.now()
        if state.suspended or state.seen < now - retention.SEEN_EVERY:
            state.suspended, state.seen = False, now

    def earlier(self, send: Send, sender: BoxId) -> Appended | None:
        """Return what was answered when this message was appended before. Raises Refusal if it may not be now."""
        record = self._records.get((sender, send.msg_id))
        if record is None:
            admission.check_age(send.msg_id, self.clock.now(), self._retention)
            return None
        if record.digest != hashlib.sha256(send.ciphertext).digest():
            raise Refusal(KeyReused())
        return Appended(record.seq, record.time, ())

    def put(self, send: Send, sender: BoxId) -> Appended:
        """Append a message that `earlier` knows nothing of."""
        box = self.box(sender)
        now = self.clock.now()
        digest = hashlib.sha256(send.ciphertext).digest()
        head = self.heads.get(send.conversation)
        if head is None:
            raise Refusal(NotAllowed())
        admission.admit(head, box, send, head.tails.get(box.id))
        reached, full = admission.recipients(head, box, self._box_limit)

        notices = self._accept_by_writing(head, box)
        before = head.last_sender, head.run_start
        seq = head.advance(box.account.id)
        head.tails[box.id] = send.msg_id
        self._records[sender, send.msg_id] = Record(seq, now, digest)
        self._put_shares(
            send.shares, [admission.box_of(head, share.account, share.device) for share in send.shares], box
        )
        message = Message(0, seq, head.name, *address(box), send.msg_id, now, send.ciphertext)
        places: list[tuple[BoxId, int]] = []
        for target in reached:
            frame = replace(message, pos=self._next(target))
            lower = needed_before(seq, target.account.id, *before)
            self._entries[target.id][frame.pos] = Letter(head, frame, lower)
            places.append((target.id, frame.pos))
            target.stored += 1
        for target in full:
            if head.id not in target.gaps:
                target.gaps |= {head.id}
                pos = self._next(target)
                self._entries[target.id][pos] = Gap(pos, head.name, seq)
        for member in admission.unreachable(head, box, reached) if full else ():
            lower = needed_before(seq, member.owner.id, *before)
            if self.marks[head.id, member.owner.id].expire(lower, seq):
                notices.append(self.changed_mark(head, member.owner))
        return Appended(seq, now, [target.id for target in (*reached, *full)], notices, message, places)

    def _accept_by_writing(self, head: Head, box: Box) -> list[Notice]:
        notices: list[Notice] = []
        if head.kind == "direct":
            mine, theirs = head.members[box.account.id], admission.other_member(head, box.account.id)
            if mine.stance != "open":
                mine.stance = "open"
                notices = [Notice(*change) for change in announce.conversation_changes(head)]
                notices.append(self.changed_mark(head, box.account))
            if theirs.stance == "asked":
                theirs.strange += 1
        return notices

    def _share(self, keys: ShareKeys, sender: BoxId) -> list[BoxId]:
        box = self.box(sender)
        head = self.heads.get(keys.conversation)
        if head is None or box.account.id not in head.members:
            raise Refusal(NotAllowed())
        if (sender, keys.share_id) in self._shared:
            return []
        targets = [
            membership.share_target(head, box.account, share, partial(self.contact, box.account))
            for share in keys.shares
        ]
        self._shared.add((sender, keys.share_id))
        self._put_shares(keys.shares, targets, box)
        return [target.id for target in targets]

    def _put_shares(self, shares: Sequence[Share], targets: Sequence[Box], sender: Box) -> None:
        for share, target in zip(shares, targets, strict=True):
            pos = self._next(target)
            self._entries[target.id][pos] = KeyShare(pos, *address(sender), share.ciphertext)
            self._shares[target.id, pos] = self.clock.now()

    def _read(self, box: BoxId, after: int, count: int) -> Page:
        state = self.box(box)
        waiting = [(pos, entry) for pos, entry in sorted(self._entries[box].items()) if pos > after]
        entries = [entry.frame if isinstance(entry, Letter) else entry for _, entry in waiting[:count]]
        more = len(waiting) > count
        return Page(entries, entries[-1].pos if more else state.pos, more)

    def _ack(self, box: BoxId, ack: Ack) -> list[Notice]:
        state = self.box(box)
        entries, failed = self._entries[box], self._failed[box]
        changed: dict[int, Head] = {}

        def deliver(letter: Letter) -> None:
            mark = self.mark(letter.head, state.account)
            if letter.frame.sender != state.account.name and mark.deliver(letter.lower, letter.frame.seq):
                changed[letter.head.id] = letter.head

        for pos in sorted(pos for pos in entries if pos <= ack.pos):
            entry = entries.pop(pos)
            if isinstance(entry, Letter):
                state.stored -= 1
                if pos in ack.failed:
                    failed[pos] = entry
                else:
                    deliver(entry)
        for pos in ack.recovered:
            letter = failed.pop(pos, None)
            if letter is not None:
                deliver(letter)
        acked = min(ack.pos, state.pos)
        if acked > state.acked:
            state.acked, state.seen = acked, self.clock.now()
        if state.stored < self._box_limit:
            state.gaps = NONE
        return [self.changed_mark(head, state.account, state) for head in changed.values()]

    def _mark_read(self, box: BoxId, mark: MarkRead) -> list[Notice]:
        state = self.box(box)
        head = self.heads.get(mark.conversation)
        if head is None or state.account.id not in head.members:
            return []
        if not self.marks[head.id, state.account.id].see(mark.seq, head.seq):
            return []
        return [self.changed_mark(head, state.account, state)]

    def _marks_since(self, box: BoxId, time: int) -> list[Marks]:
        me = self.box(box).account
        return [
            announce.marks_event(head, member.owner, self.marks[head.id, number])
            for head in self.shared_with(me)
            for number, member in head.members.items()
            if announce.sees_mark(head, me.id, number) and self.marks[head.id, number].changed >= max(time, 1)
        ]

    def _expire(self, now: int, online: Collection[BoxId]) -> Expired:
        envelopes = shares = suspended = 0
        changed: dict[tuple[int, int], tuple[Head, Owner]] = {}
        for box in self._boxes.values():
            for pos, entry in list(self._old(box, now)):
                self._entries[box.id].pop(pos, None)
                self._failed[box.id].pop(pos, None)
                if not isinstance(entry, Letter):
                    shares += 1
                    continue
                envelopes += 1
                mark = self.mark(entry.head, box.account)
                if entry.frame.sender != box.account.name and mark.expire(entry.lower, entry.frame.seq):
                    changed[entry.head.id, box.account.id] = entry.head, box.account
            stored = sum(isinstance(entry, Letter) for entry in self._entries[box.id].values())
            if stored < box.stored:
                box.stored, box.gaps = stored, NONE
            if box.id in online:
                box.seen = now
            elif not box.suspended and box.seen < now - self._retention:
                box.suspended, box.gaps = True, NONE
                entries = self._entries[box.id]
                for pos in [pos for pos, entry in entries.items() if isinstance(entry, Gap)]:
                    del entries[pos]
                suspended += 1
        old = [k for k, r in self._records.items() if r.time < now - self._retention - retention.RECORDS_LONGER]
        for key in old:
            del self._records[key]
        notices = [self.changed_mark(head, owner) for head, owner in changed.values()]
        return Expired(envelopes, shares, len(old), suspended, notices)

    def _old(self, box: Box, now: int) -> Iterator[tuple[int, Stored | Letter]]:
        letters_before = now - self._retention
        for pos, entry in [*self._entries[box.id].items(), *self._failed[box.id].items()]:
            if isinstance(entry, Letter):
                if entry.frame.time < letters_before:
                    yield pos, entry
            elif self._shares.get((box.id, pos), now) < letters_before - retention.SHARES_LONGER:
                yield pos, entry

    def box(self, box: BoxId) -> Box:
        """Return an open box. Raises Refusal."""
        if box not in self._boxes:
            raise Refusal(NotAllowed())
        return self._boxes[box]

    def _next(self, box: Box) -> int:
        box.pos += 1
        return box.pos


def address(box: Box) -> tuple[str, str]:
    """Return the wire names of a box's device."""
    return box.address.account, box.address.device


def settled(work: "Callable[[], T]") -> "Future[T]":
    """Return a Future that is done: with what `work` returned, or with the error that it raised."""
    future: Future[T] = asyncio.get_running_loop().create_future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller of the Future is told
        future.set_exception(error)
    return future
