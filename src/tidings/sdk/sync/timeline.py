"""Messages as they are kept: in the order of their conversation, each once, with how far they got."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidings.sdk.events import Incoming, Receipt, State
from tidings.sdk.store.database import Database
from tidings.wire import events as e
from tidings.wire.content import Chain, Content, Text

ORDER: Final = ("sent", "delivered", "read")
_ROW = "account, device, msg_id, conversation, seq, time, body, state, missing, trusted"


class Kept(msgspec.Struct, frozen=True):
    """A message as it is kept. `seq` is None while it waits in the outbox."""

    account: str
    device: str
    msg_id: bytes
    conversation: str
    seq: int | None
    time: int
    body: str | None
    state: State
    missing: bool
    trusted: bool


class Mark(msgspec.Struct, frozen=True):
    """How far an account got above `since`, where it came in. `expired` are first and last places that it never got."""

    account: str
    since: int
    delivered: int
    read: int
    expired: list[tuple[int, int]]

    def state(self, seq: int) -> State:
        """Return how far a message got with this account."""
        if any(low <= seq <= high for low, high in self.expired):
            return "expired"
        if self.delivered < seq:
            return "sent"  # also where it was looked at but could not be opened
        return "read" if self.read >= seq else "delivered"


class Timeline:
    """The messages of all conversations."""

    def __init__(self, database: Database, account: str, device: str) -> None:
        self._db = database
        self._account = account
        self._device = device
        self._number: int = database.row("select coalesce(max(number), 0) from message")[0]

    def has(self, account: str, device: str, msg_id: bytes) -> bool:
        """Return whether a message is known (K)."""
        query = "select 1 from message where account = ? and device = ? and msg_id = ?"
        return self._db.row(query, account, device, msg_id) is not None

    def add(self, message: e.Message, content: Content, *, missing: bool, trusted: bool) -> Incoming | None:
        """Keep a message; return what a program is told, or None if it says nothing to a person."""
        text = content.body.text if isinstance(content.body, Text) else None
        self._number += 1
        time = min(content.time, message.time)
        self._db.run(
            "insert into message values (?, ?, ?, ?, ?, ?, ?, 'sent', ?, ?, ?, ?)",
            *(message.sender, message.device, message.msg_id, message.conversation, message.seq, time, text),
            *(missing, trusted, text is None or message.sender == self._account, self._number),
        )
        if text is None:
            return None
        return Incoming(
            account=message.sender,
            device=message.device,
            msg_id=message.msg_id,
            conversation=message.conversation,
            seq=message.seq,
            time=time,
            sender_name="",
            text=text,
            missing=missing,
            trusted=trusted,
            own=message.sender == self._account,
        )

    def add_own(self, conversation: str, msg_id: bytes, text: str | None, time: int) -> None:
        """Keep a message that is about to be sent."""
        self._number += 1
        self._db.run(
            "insert into message values (?, ?, ?, ?, null, ?, ?, 'pending', 0, 1, 1, ?)",
            *(self._account, self._device, msg_id, conversation, time, text, self._number),
        )

    def sent(self, msg_id: bytes, seq: int) -> None:
        """Note the one tick."""
        self._set(msg_id, "sent", seq)

    def failed(self, msg_id: bytes) -> None:
        """Note that a message will never be sent."""
        self._set(msg_id, "failed", None)

    def forget(self, msg_id: bytes) -> None:
        """Drop a message of this device that failed."""
        query = "delete from message where account = ? and device = ? and msg_id = ? and state = 'failed'"
        self._db.run(query, self._account, self._device, msg_id)

    def incoming(self, kept: Kept, name: str) -> Incoming:
        """Return what a program is told of a message; `name` is that of its sender."""
        assert kept.seq is not None
        return Incoming(
            *(kept.account, kept.device, kept.msg_id, kept.conversation, kept.seq, kept.time),
            sender_name=name,
            text=kept.body or "",
            missing=kept.missing,
            trusted=kept.trusted,
            own=kept.account == self._account,
        )

    def untaken(self, count: int) -> list[tuple[int, Kept]]:
        """Return messages of others that no program has taken yet, with their numbers."""
        query = f"select number, {_ROW} from message where taken = 0 order by number limit ?"  # noqa: S608 - names above
        return [(row[0], _kept(row[1:])) for row in self._db.rows(query, count)]

    def take(self, number: int) -> None:
        """Note that a program is done with a message."""
        with self._db.transaction():
            self._db.run("update message set taken = 1 where number = ?", number)

    def find(self, account: str, device: str, msg_id: bytes) -> Kept | None:
        """Return a message."""
        query = f"select {_ROW} from message where account = ? and device = ? and msg_id = ?"  # noqa: S608 - names above
        row = self._db.row(query, account, device, msg_id)
        return _kept(row) if row else None

    def latest(self, conversation: str, count: int) -> list[Kept]:
        """Return the last messages of a conversation, the newest last; those in the outbox stand behind all others."""
        query = (
            f"select {_ROW} from message where conversation = ? and body is not null"  # noqa: S608 - names above
            " order by seq is not null, seq desc, number desc limit ?"
        )
        return [_kept(row) for row in self._db.rows(query, conversation, count)][::-1]

    def state(self, kept: Kept) -> State:
        """Return how far a message of one's own got: its own state, or what the marks of the others say."""
        return self.reached(kept, self.marks(kept.conversation))

    def reached(self, kept: Kept, everyone: Sequence[Mark]) -> State:
        """Return how far a message of one's own got by the marks of its conversation."""
        if kept.state != "sent":
            return kept.state
        states = set(self.receipts(kept, everyone).values())
        if not states:
            return "sent"
        states.discard("expired")  # whom it will never reach is waited for no longer
        return min(states, key=ORDER.index, default="expired")

    def receipts(self, kept: Kept, everyone: Sequence[Mark]) -> dict[str, State]:
        """Return how far a message of one's own got with each of the others whom it was for, by account."""
        seq = kept.seq
        others = [mark for mark in everyone if mark.account != self._account]
        return {mark.account: mark.state(seq) for mark in others if mark.since < seq} if seq is not None else {}

    def marks(self, conversation: str) -> list[Mark]:
        """Return how far each account got; in a group, each that is a member now, whether or not it was heard of."""
        query = "select account, since, delivered, read, expired from mark where conversation = ?"
        found = {
            account: Mark(account, since, delivered, read, json.loads(expired))
            for account, since, delivered, read, expired in self._db.rows(query, conversation)
        }
        row = self._db.row("select since from conversation where id = ? and kind = 'group'", conversation)
        if row is None:
            return list(found.values())
        members: dict[str, int] = json.loads(row[0])
        nothing = Mark("", 0, 0, 0, [])
        return [
            msgspec.structs.replace(found.get(account, nothing), account=account, since=place)
            for account, place in members.items()
        ]

    def raise_mark(self, mark: e.Marks) -> Receipt:
        """Take in how far an account got; numbers only rise."""
        self._db.run(
            "insert into mark values (?, ?, ?, ?, ?, ?) on conflict do update set"
            " delivered = max(delivered, excluded.delivered), read = max(read, excluded.read),"
            " expired = excluded.expired",
            *(mark.conversation, mark.account, mark.since, mark.delivered, mark.read, json.dumps(mark.expired)),
        )
        return Receipt(mark.conversation, mark.account, mark.delivered, mark.read, mark.expired)

    # The chain of each sender

    def follows(self, conversation: str, sender: tuple[str, str], chain: Chain) -> bool:
        """Return whether a message follows on the last one of its sender here. The first one always does."""
        last = self._chain(conversation, sender)
        return last is None or (chain.count, chain.prev) == (last[0] + 1, last[1])

    def follow(self, conversation: str, sender: tuple[str, str], msg_id: bytes, ciphertext: bytes, count: int) -> None:
        """Note the last message of a sender."""
        digest = hashlib.sha256(ciphertext).digest()
        row = conversation, *sender, count, digest, msg_id
        self._db.run("insert or replace into chain values (?, ?, ?, ?, ?, ?)", *row)

    def follow_sealed(self, message: e.Message) -> None:
        """Note a message that could not be opened: the next one will tell if it belonged here."""
        sender = message.sender, message.device
        last = self._chain(message.conversation, sender)
        if last is not None:
            self.follow(message.conversation, sender, message.msg_id, message.ciphertext, last[0] + 1)

    def own_tail(self, conversation: str) -> tuple[Chain, bytes | None]:
        """Return the chain of the next message of this device, and the message before it."""
        last = self._chain(conversation, (self._account, self._device))
        return (Chain(last[0] + 1, last[1]), last[2]) if last else (Chain(1, None), None)

    def rebase(self, conversation: str, msg_id: bytes | None) -> None:
        """Take the server's word for the last message that it accepted of this device."""
        where = conversation, self._account, self._device
        if msg_id is None:
            self._db.run("delete from chain where conversation = ? and account = ? and device = ?", *where)
            return
        self._db.run("insert or ignore into chain values (?, ?, ?, 0, zeroblob(32), zeroblob(16))", *where)
        self._db.run(
            "update chain set msg_id = ? where conversation = ? and account = ? and device = ?", msg_id, *where
        )

    def _chain(self, conversation: str, sender: tuple[str, str]) -> Any:
        query = "select count, hash, msg_id from chain where conversation = ? and account = ? and device = ?"
        return self._db.row(query, conversation, *sender)

    def _set(self, msg_id: bytes, state: State, seq: int | None) -> None:
        self._db.run(
            "update message set state = ?, seq = ? where account = ? and device = ? and msg_id = ?",
            *(state, seq, self._account, self._device, msg_id),
        )


def _kept(row: Any) -> Kept:
    account, device, msg_id, conversation, seq, time, body, state, missing, trusted = row
    return Kept(account, device, msg_id, conversation, seq, time, body, state, bool(missing), bool(trusted))
