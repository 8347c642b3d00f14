"""The inbox: what waits in the mailbox becomes messages, each once, and is acknowledged when it is kept."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tidings.sdk.crypto.directory import Device
from tidings.sdk.crypto.megolm import Replayed
from tidings.sdk.crypto.olm import CannotOpen
from tidings.sdk.crypto.signing import encode
from tidings.sdk.errors import Distrusted
from tidings.sdk.events import AnyEvent, ConversationUpdate, Missing
from tidings.sdk.sync.contacts import Contacts
from tidings.sdk.sync.requests import KeyRequests
from tidings.sdk.sync.state import State
from tidings.sdk.sync.timeline import Timeline
from tidings.sdk.transport.link import Disconnected
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.content import Content, KeyAnswer, KeyRequest, Megolm, Members, NoEnvelope, unpack
from tidings.wire.limits import MAX_FAILED

BATCH: Final = 200
"""Entries that are kept in one transaction and acknowledged together."""

Session = tuple[str, str]


class Batch:
    """What one transaction brings about outside of the store."""

    def __init__(self) -> None:
        self.failed: list[int] = []
        self.recovered: list[int] = []
        self.events: list[AnyEvent] = []
        self.requests: list[tuple[Device, KeyRequest]] = []
        self.groups: set[str] = set()


class Inbox:
    """Takes in entries."""

    def __init__(self, state: State, contacts: Contacts, timeline: Timeline, requests: KeyRequests) -> None:
        self._state = state
        self._db = state.db
        self._contacts = contacts
        self._timeline = timeline
        self._requests = requests

    async def take(self, entries: Sequence[e.Stored]) -> None:
        """Keep entries, acknowledge them, and tell of them. Raises Disconnected before anything is kept."""
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            await self._meet(part)
            batch = Batch()
            with self._db.transaction():
                for entry in part:
                    self._keep(entry, batch)
                last = part[-1].pos
                self._db.set(last_pos=last)
                self._db.many(
                    "insert or replace into recovered values (?, ?)", [(pos, last) for pos in batch.recovered]
                )
            with contextlib.suppress(Disconnected):  # what is kept is told of all the same; `unheard` repeats the acks
                for ack in [c.Ack(last, batch.failed), *_recovered(last, batch.recovered)]:
                    self._state.link.tell(ack)
            for event in batch.events:
                self._state.emit(event)
            for device, request in batch.requests:
                self._requests.answer(device, request)
            if batch.failed:
                self._requests.wake()
            if batch.groups:
                await self._contacts.settle(batch.groups)

    def unheard(self, heard: int) -> Iterator[c.Ack]:
        """Yield what was acknowledged above `heard`, the highest position whose ack came through, once more.

        What was recovered is forgotten when an ack of a higher position came through: the line keeps them in order, and
        each line is told of it before that.
        """
        self._db.run("delete from recovered where told < ?", heard)
        yield from _recovered(heard, [pos for (pos,) in self._db.rows("select pos from recovered order by pos")])
        last: int = self._db.setting("last_pos", 0)
        if heard < last:
            rows = self._db.rows("select pos from sealed where pos > ? order by pos", heard)
            for failed in _parts([pos for (pos,) in rows]):
                yield c.Ack(failed[-1], failed)
            yield c.Ack(last)

    async def _meet(self, entries: Sequence[e.Stored]) -> None:
        """Learn of the devices and conversations that entries are from, as far as they are not known."""
        directory = self._state.machine.directory
        senders = {(entry.sender, entry.device) for entry in entries if not isinstance(entry, e.Gap)}
        unknown = {account for account, device in senders if not directory.knows(account, device)}
        if unknown:
            await self._contacts.learn(unknown)
        named = {entry.conversation for entry in entries if not isinstance(entry, e.KeyShare)}
        missing = {name for name in named if self._contacts.view(name) is None}
        messages = (entry for entry in entries if isinstance(entry, e.Message) and entry.conversation not in missing)
        spoken = {(entry.conversation, entry.sender) for entry in messages}
        missing |= {name for name, sender in spoken if not self._contacts.may_speak(name, sender)}
        if missing:
            await self._contacts.fetch(missing)

    def _keep(self, entry: e.Stored, batch: Batch) -> None:
        match entry:
            case e.Message():
                if not self._timeline.has(entry.sender, entry.device, entry.msg_id):
                    self._keep_message(entry, batch)
            case e.KeyShare():
                self._keep_share(entry, batch)
            case e.Gap():
                self._note_hole(entry.conversation, entry.first_seq, "lost")
                batch.events.append(Missing(entry.conversation, None, "full"))

    def _keep_share(self, share: e.KeyShare, batch: Batch) -> None:
        try:
            arrived = self._state.machine.open_share(share.sender, share.ciphertext)
        except CannotOpen:
            return  # a repeat, or a session that is lost: whoever misses the key asks for it
        if arrived.request is not None:
            batch.requests.append(arrived.request)
        session = arrived.session or (self._take_answer(*arrived.answer) if arrived.answer else None)
        if session is not None:
            self._open_sealed(session, batch)

    def _take_answer(self, device: Device, answer: KeyAnswer) -> Session | None:
        """Take a key, but only one that is missing for what the same device sent: anybody can make up an answer."""
        query = "select 1 from sealed where conversation = ? and session = ? and account = ? and device = ?"
        if self._db.row(query, answer.conversation, answer.session, device.account, device.id) is None:
            return None
        return self._state.machine.take_answer(device, answer)

    def _keep_message(self, message: e.Message, batch: Batch) -> None:
        try:
            self._open(message, batch)
        except Replayed:
            self._note_repeat(message, batch)
        except CannotOpen:
            self._seal(message)
            batch.failed.append(message.pos)

    def _open(self, message: e.Message, batch: Batch, *, was_sealed: bool = False) -> None:
        sender = message.sender, message.device
        if not self._contacts.may_speak(message.conversation, message.sender):
            raise CannotOpen("from somebody who is not in the conversation")
        decrypted = self._state.machine.decrypt(message.conversation, sender, message.msg_id, message.ciphertext)
        try:
            content = msgspec.convert(decrypted.content, Content)
        except msgspec.ValidationError as error:
            raise CannotOpen(f"content of another version: {error}") from None
        missing = not was_sealed and not self._timeline.follows(message.conversation, sender, content.chain)
        if not was_sealed:
            self._timeline.follow(message.conversation, sender, message.msg_id, message.ciphertext, content.chain.count)
        directory = self._state.machine.directory
        vouched = self._contacts.is_vouched_for(message.conversation, message.sender)
        trusted = vouched and directory.is_trusted(*sender, decrypted.sender_key)
        may_name = trusted or not directory.is_named(message.sender)  # nobody takes another's name unaccepted
        if content.name is not None and may_name and directory.set_name(message.sender, content.name):
            batch.events.append(ConversationUpdate(message.conversation))
        if isinstance(content.body, Members):
            self._hear(message, content.body, batch)
        incoming = self._timeline.add(message, content, missing=missing, trusted=trusted)
        if missing:
            batch.events.append(Missing(message.conversation, message.sender, "gap"))
        if incoming is not None:
            name = directory.name(message.sender)
            batch.events.append(msgspec.structs.replace(incoming, sender_name=name))

    def _hear(self, message: e.Message, members: Members, batch: Batch) -> None:
        """Take in what a member says of who is in a group, and open what those said who are known by that."""
        group, contacts = message.conversation, self._contacts
        new = [account for account in members.changed if not contacts.may_speak(group, account)]
        contacts.rosters.claim(group, message.sender, members)
        batch.groups.add(group)
        view = contacts.view(group)
        if view is not None:
            with contextlib.suppress(Distrusted):  # it is told of behind the batch, when the newest list is known
                if contacts.rosters.settle(group, view.epoch, view.roles):  # what comes next is said by known members
                    batch.events.append(ConversationUpdate(group))
        query = "select distinct session from sealed where conversation = ? and account = ?"
        for account in new:
            for (session,) in self._db.rows(query, group, account):
                self._open_sealed((group, session), batch)

    def _note_repeat(self, message: e.Message, batch: Batch) -> None:
        """Note that the server brought a message once more under another name; it is not shown again."""
        self._note_hole(message.conversation, message.seq, "repeated")
        batch.events.append(Missing(message.conversation, message.sender, "repeated"))

    def _note_hole(self, conversation: str, seq: int, kind: str) -> None:
        self._db.run("insert or ignore into hole values (?, ?, ?)", conversation, seq, kind)

    def _seal(self, message: e.Message) -> None:
        """Keep an envelope as it is until its key comes."""
        try:
            envelope = unpack(message.ciphertext)
            session = encode(envelope.session) if isinstance(envelope, Megolm) else ""
        except NoEnvelope:
            session = ""
        self._timeline.follow_sealed(message)
        self._db.run(
            "insert or replace into sealed values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(message.pos, message.sender, message.device, message.msg_id, message.conversation),
            *(message.seq, message.time, message.ciphertext, session),
        )

    def _open_sealed(self, session: Session, batch: Batch) -> None:
        """Open what waited for a key."""
        query = (
            "select pos, seq, conversation, account, device, msg_id, time, ciphertext"
            " from sealed where conversation = ? and session = ? order by pos"
        )
        for row in self._db.rows(query, *session):
            message = e.Message(*row)
            if not self._timeline.has(message.sender, message.device, message.msg_id):
                try:
                    self._open(message, batch, was_sealed=True)
                except Replayed:
                    self._note_repeat(message, batch)
                except CannotOpen:
                    continue
            self._db.run("delete from sealed where pos = ?", message.pos)
            batch.recovered.append(message.pos)


def _recovered(kept: int, positions: Sequence[int]) -> Iterator[c.Ack]:
    """Return acks that name what was recovered, and say that everything up to `kept` is kept."""
    return (c.Ack(kept, recovered=part) for part in _parts(positions))


def _parts(positions: Sequence[int]) -> Iterator[list[int]]:
    """Return positions in parts that an ack may name."""
    return (list(positions[start : start + MAX_FAILED]) for start in range(0, len(positions), MAX_FAILED))
