"""Mailboxes in SQLite: the fourth step of a message's way (docs/architecture.md)."""

import hashlib
from asyncio import Future
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from tidings.server.domain import admission, announce, membership, retention
from tidings.server.domain.heads import NONE, Box, Head
from tidings.server.domain.marks import needed_before
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Appended, BoxId, Expired, Mailbox, Notice, Page
from tidings.server.storage.sqlite.book import Book
from tidings.server.storage.sqlite.database import Database, Step
from tidings.server.storage.sqlite.expiry import sweep
from tidings.server.storage.sqlite.journal import Letter
from tidings.server.storage.sqlite.reading import read_beside, read_within
from tidings.server.storage.sqlite.schema import GAP, LETTER, SCHEMA, SHARE
from tidings.server.storage.sqlite.shelves import Shelf
from tidings.wire.commands import Ack, MarkRead, Send, ShareKeys
from tidings.wire.errors import KeyReused, NotAllowed, Refusal
from tidings.wire.events import Marks, Message
from tidings.wire.frames import Share
from tidings.wire.ids import Address

ACKED = """
select e.pos, e.kind, e.ref, l.conversation, l.owner, l.seq, l.time, l.last_sender, l.run_start
from entry e left join letter l on e.kind = 0 and l.id = e.ref
where e.box = ? and e.pos <= ? order by e.pos
"""


class SqliteMailboxes:
    """The port `Mailboxes`; `SqliteConversations` works on the same object."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        server_id: str,
        *,
        retention_ms: int,
        box_limit: int,
        on_step: Step | None = None,
        vfs: str | None = None,
    ) -> None:
        self._clock = clock
        self._server_id = server_id
        self._retention = retention_ms
        self._box_limit = box_limit
        self.database = Database(path, SCHEMA, on_step=on_step, vfs=vfs)
        self.database.memory = self.book = Book(self.database, clock, server_id)

    async def start(self, on_recovered: Callable[[], object] = lambda: None) -> None:
        """Open the store. Raises Corrupt.

        `on_recovered` is called when it works again after a failure: mailboxes may hold what nobody was told of.
        """
        await self.database.start(on_recovered)

    async def stop(self) -> None:
        """Finish what was begun, and close."""
        await self.database.stop()

    def set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """See Mailboxes."""
        return self.database.write(self._set_devices, account, version, devices)

    def find(self, device: Address) -> "Future[Mailbox | None]":
        """See Mailboxes."""
        return self.database.write(self._find, device, grows=False)

    def note_seen(self, box: BoxId) -> "Future[None]":
        """See Mailboxes."""
        return self.database.write(self._note_seen, box, grows=False)

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        return self.database.write(self._append, send, sender)

    def share(self, keys: ShareKeys, sender: BoxId) -> "Future[Sequence[BoxId]]":
        """See Mailboxes."""
        return self.database.write(self._share, keys, sender)

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        if self.book.stale or self.database.shared:
            return self.database.write(read_within, self.book, self.database.writer, box, after, count, grows=False)
        return self.database.read(read_beside, self.book, self.database, box, after, count)

    def ack(self, box: BoxId, ack: Ack) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        return self.database.write(self._ack, box, ack, grows=False)

    def mark_read(self, box: BoxId, mark: MarkRead) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        return self.database.write(self._mark_read, box, mark, grows=False)

    def marks_since(self, box: BoxId, time: int) -> "Future[Sequence[Marks]]":
        """See Mailboxes."""
        return self.database.write(self._marks_since, box, time, grows=False)

    def expire(self, now: int, online: Collection[BoxId] = ()) -> "Future[Expired]":
        """See Mailboxes."""
        return self.database.write(sweep, self.book, now, self._retention, online, grows=False)

    def _set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> tuple[list[BoxId], list[Notice]]:
        owner = self.book.owner(account)
        if version < owner.version:
            return [], []
        shared = self.book.heads_of(owner)
        told = announce.device_list_change(owner, shared)[1]
        gone = [box for device, box in owner.boxes.items() if devices.get(device) != box.key]
        closed = [box.id for box in gone]
        expired = [notice.but(closed) for box in gone for notice in self.book.close_box(box)]
        for device, key in devices.items():
            if device not in owner.boxes:
                self.book.new_box(owner, device, key)
        if version == owner.version:
            return closed, expired
        owner.version = version
        for head in shared:
            head.changed()
        self.book.execute("update owner set version = ? where id = ?", (version, owner.id))
        event, now_told = announce.device_list_change(owner, shared)
        return closed, [Notice(event, sorted({*told, *now_told})), *expired]

    def _find(self, device: Address) -> Mailbox | None:
        owner = self.book.known_owner(device.account)
        box = owner.boxes.get(device.device) if owner else None
        if box is None:
            return None
        return Mailbox(box.id, box.address, box.mailbox_id, box.key, box.acked)

    def _note_seen(self, box: BoxId) -> None:
        state, now = self.book.box(box), self._clock.now()
        if state.suspended or state.seen < now - retention.SEEN_EVERY:
            state.suspended, state.seen = False, now
            self.book.journal.now.boxes[box] = state

    def _append(self, send: Send, sender: BoxId) -> Appended:
        self.book.trim()
        return self.put(send, sender)

    def put(self, send: Send, sender: BoxId) -> Appended:
        """Append a message within the transaction that is under way."""
        book = self.book
        box, shelf = book.box(sender), book.shelves.by_box[sender]
        msg_id, ciphertext, now = send.msg_id, send.ciphertext, book.now
        digest = hashlib.sha256(ciphertext).digest()
        if msg_id <= shelf.known:
            known = self._earlier(msg_id, sender, digest)
            if known is not None:
                return known
        admission.check_age(msg_id, now, self._retention)
        head = book.head(send.conversation)
        if head is None:
            raise Refusal(NotAllowed())
        admission.admit(head, box, send, book.tail(head, box))
        reached, full = admission.recipients(head, box, self._box_limit)

        notices = self._accept_by_writing(head, box) if head.kind == "direct" else []
        owner, journal = box.account, book.journal
        last_sender, run_start = before = head.last_sender, head.run_start
        seq = head.advance(owner.id)
        head.tails[sender] = msg_id
        shelf.known = max(shelf.known, msg_id)
        journal.add_message(head, box, (msg_id, sender, head.id, seq, now, digest))
        if send.shares:
            self._put_shares(
                send.shares, [admission.box_of(head, share.account, share.device) for share in send.shares], box
            )
        device = box.address.device
        places: list[tuple[BoxId, int]] = []
        if reached:
            letter = Letter(
                journal.next_letter, head.id, owner.id, device, msg_id, seq, now, last_sender, run_start,
                places, len(reached), ciphertext,
            )  # fmt: skip
            self._lay_down(letter, reached)
        for target in full:
            if head.id not in target.gaps:
                target.gaps |= {head.id}
                self._put(target, GAP, head.id, seq)
        for member in admission.unreachable(head, box, reached) if full else ():
            lower = needed_before(seq, member.owner.id, *before)
            if book.mark(head, member.owner).expire(lower, seq):
                notices.append(book.changed_mark(head, member.owner))
        boxes = [number for number, _ in places]
        if full:
            boxes += [target.id for target in full]
        message = Message(0, seq, head.name, owner.name, device, msg_id, now, ciphertext)
        return Appended(seq, now, boxes, notices, message, places)

    def _lay_down(self, letter: Letter, reached: Sequence[Box]) -> None:
        """Put a letter into mailboxes, and note its places."""
        self.book.journal.add_letter(letter)
        shelves, places = self.book.shelves.by_box, letter.places
        for target in reached:
            target.stored += 1
            target.pos = pos = target.pos + 1
            number = target.id
            shelves[number].letters[pos] = letter
            places.append((number, pos))

    def earlier(self, send: Send, sender: BoxId) -> Appended | None:
        """Return what was answered when this message was appended before. Raises Refusal if it may not be now."""
        known = self._earlier(send.msg_id, sender, hashlib.sha256(send.ciphertext).digest())
        if known is None:
            admission.check_age(send.msg_id, self.book.now, self._retention)
        return known

    def _earlier(self, msg_id: bytes, sender: BoxId, digest: bytes) -> Appended | None:
        record = self.book.journal.known.get((sender, msg_id))
        if record is None:
            query = "select seq, time, digest from record where msg_id = ? and box = ?"
            record = self.book.row(query, (msg_id, sender))
        if record is None:
            return None
        if record[2] != digest:
            raise Refusal(KeyReused())
        return Appended(record[0], record[1], ())

    def _accept_by_writing(self, head: Head, box: Box) -> list[Notice]:
        notices: list[Notice] = []
        mine, theirs = head.members[box.account.id], admission.other_member(head, box.account.id)
        if mine.stance == theirs.stance == "open":
            return notices
        if mine.stance != "open":
            mine.stance = "open"
            self.book.save_member(head, mine)
            notices = [Notice(*change) for change in announce.conversation_changes(head)]
            notices.append(self.book.changed_mark(head, box.account))
        if theirs.stance == "asked":
            theirs.strange += 1
            self.book.save_member(head, theirs)
        return notices

    def _put(self, target: Box, kind: int, ref: int, seq: int | None = None) -> None:
        target.pos += 1
        self.book.shelves.by_box[target.id].rest = target.pos
        self.book.execute("insert into entry values (?, ?, ?, ?, ?)", (target.id, target.pos, kind, ref, seq))

    def _share(self, keys: ShareKeys, sender: BoxId) -> list[BoxId]:
        box = self.book.box(sender)
        head = self.book.head_of(box.account, keys.conversation)
        if self.book.row("select 1 from shared where share_id = ? and box = ?", (keys.share_id, sender)):
            return []
        contact = partial(self.book.contact, box.account)
        targets = [membership.share_target(head, box.account, share, contact) for share in keys.shares]
        self.book.execute("insert into shared values (?, ?, ?)", (keys.share_id, sender, self._clock.now()))
        self._put_shares(keys.shares, targets, box)
        return [target.id for target in targets]

    def _put_shares(self, shares: Sequence[Share], targets: Sequence[Box], sender: Box) -> None:
        for share, target in zip(shares, targets, strict=True):
            self.book.execute(
                "insert into share values (null, ?, ?, ?, ?)",
                (sender.account.id, sender.address.device, self._clock.now(), share.ciphertext),
            )
            row = self.book.db.last_insert_rowid()
            self._put(target, SHARE, row)

    def _ack(self, box: BoxId, ack: Ack) -> list[Notice]:
        book = self.book
        state, shelf = book.box(box), book.shelves.by_box[box]
        changed: dict[int, Head] = {}
        failed = frozenset(ack.failed) if ack.failed else ()
        if state.acked < shelf.rest:
            self._ack_tables(state, ack.pos, failed, changed)
        if shelf.letters:
            self._ack_letters(state, shelf, ack.pos, failed, changed)
        for pos in ack.recovered:
            query = "delete from failed where box = ? and pos = ? returning conversation, lower, seq"
            for conversation, lower, seq in book.rows(query, (box, pos)):
                self._deliver(state, conversation, lower, seq, changed)
        acked = min(ack.pos, state.pos)
        if acked > state.acked:
            state.acked, state.seen = acked, book.now
            book.journal.now.boxes[box] = state
        if state.gaps and state.stored < self._box_limit:
            state.gaps = NONE
        if not changed:
            return []
        notices: list[Notice] = []
        for head in changed.values():
            book.tell(notices, head, state)
        return notices

    def _ack_tables(self, state: Box, upto: int, failed: Collection[int], changed: dict[int, Head]) -> None:
        """Ack what lies in tables."""
        book = self.book
        rows = book.rows(ACKED, (state.id, upto))
        for pos, kind, ref, conversation, owner, seq, time, *before in rows:
            book.release(kind, ref)
            if kind == LETTER:
                state.stored -= 1
                self._take(state, pos, failed, (conversation, owner, seq, time, *before), changed)
        if rows:
            book.execute("delete from entry where box = ? and pos <= ?", (state.id, upto))

    def _ack_letters(
        self, state: Box, shelf: Shelf, upto: int, failed: Collection[int], changed: dict[int, Head]
    ) -> None:
        """Ack letters that are in memory."""
        book, account = self.book, state.account
        taken: list[int] = []
        for pos, letter in shelf.letters.items():
            if pos > upto:
                break
            taken.append(pos)
            letter.pending -= 1
            before = letter.last_sender, letter.run_start
            if failed:
                about = (letter.conversation, letter.owner, letter.seq, letter.time, *before)
                self._take(state, pos, failed, about, changed)
            elif letter.owner != account.id:
                head = book.head_by_id(letter.conversation)
                if book.mark(head, account).deliver(needed_before(letter.seq, account.id, *before), letter.seq):
                    changed[head.id] = head
        state.stored -= len(taken)
        for pos in taken:
            del shelf.letters[pos]

    def _take(
        self,
        state: Box,
        pos: int,
        failed: Collection[int],
        about: tuple[int, int, int, int, int, int],
        changed: dict[int, Head],
    ) -> None:
        """Note that a device has a message, or could not decrypt it."""
        conversation, owner, seq, time, last_sender, run_start = about
        account = state.account.id
        if owner == account:
            return
        lower = needed_before(seq, account, last_sender, run_start)
        if pos in failed:
            row = (state.id, pos, conversation, lower, seq, time)
            self.book.execute("insert or ignore into failed values (?, ?, ?, ?, ?, ?)", row)
        else:
            self._deliver(state, conversation, lower, seq, changed)

    def _deliver(self, state: Box, conversation: int, lower: int, seq: int, changed: dict[int, Head]) -> None:
        head = self.book.head_by_id(conversation)
        if self.book.mark(head, state.account).deliver(lower, seq):
            changed[conversation] = head

    def _mark_read(self, box: BoxId, mark: MarkRead) -> list[Notice]:
        state = self.book.box(box)
        head = self.book.head(mark.conversation)
        if head is None or state.account.id not in head.members:
            return []
        if not self.book.mark(head, state.account).see(mark.seq, head.seq):
            return []
        notices: list[Notice] = []
        self.book.tell(notices, head, state)
        return notices

    def _marks_since(self, box: BoxId, time: int) -> list[Marks]:
        me = self.book.box(box).account
        self.book.settle_marks()
        query = """
            select m.conversation, m.owner from member mine join mark m on m.conversation = mine.conversation
            where mine.owner = ? and m.changed >= ? and (m.owner = mine.owner or ifnull(mine.spoke > m.since, 1))
        """
        rows = self.book.rows(query, (me.id, max(time, 1)))
        changed = [(self.book.head_by_id(conversation), self.book.owner_by_id(owner)) for conversation, owner in rows]
        return [
            announce.marks_event(head, owner, self.book.mark(head, owner))
            for head, owner in changed
            if announce.sees_mark(head, me.id, owner.id)
        ]
