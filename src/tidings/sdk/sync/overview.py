"""What a person looks at: conversations with their last messages, stretches of one, how much of it is unread."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tidings.sdk.store.database import Database
from tidings.sdk.sync.contacts import View
from tidings.sdk.sync.timeline import Kept, Timeline

_COLUMNS = "account, device, msg_id, conversation, seq, time, body, state, missing, trusted, number"
_SHOWN = "(body is not null or missing)"


class Summary(msgspec.Struct, frozen=True):
    """A conversation as it stands in a list. `read` is the place up to which the person has read it.

    `waiting` counts messages of one's own in the outbox.
    """

    view: View
    last: Kept | None
    unread: int
    read: int
    waiting: int


class Hole(msgspec.Struct, frozen=True):
    """A place of a conversation of which nothing can be shown.

    `lost`: messages from here on never came, the mailbox was full. `sealed`: the key to a message is not here yet.
    `repeated`: the server brought a message here that had come before.
    """

    seq: int
    kind: Literal["lost", "sealed", "repeated"]


class Page(msgspec.Struct, frozen=True):
    """A stretch of a conversation, the oldest message first; `more` if there are older ones.

    The state of one's own messages is how far they got. A message without a body says nothing itself,
    but those before it are missing.
    """

    messages: Sequence[Kept]
    holes: Sequence[Hole]
    more: bool


class Overview:
    """Reads, and changes nothing."""

    def __init__(self, database: Database, timeline: Timeline, account: str) -> None:
        self._db = database
        self._timeline = timeline
        self._account = account

    def summary(self, view: View) -> Summary:
        """Return a conversation as it stands in a list."""
        read = self.read_up_to(view.id)
        messages = [kept for kept in self.page(view.id, None, 1).messages if kept.body is not None]
        return Summary(
            view,
            messages[-1] if messages else None,
            unread=self._count(
                "message where conversation = ? and seq > ? and account != ? and body is not null",
                *(view.id, read, self._account),
            ),
            read=read,
            waiting=self._count(
                "message where conversation = ? and seq is null and state = 'pending' and body is not null", view.id
            ),
        )

    def read_up_to(self, conversation: str) -> int:
        """Return the place up to which the person has read, on this device or on another of one's own."""
        (here,) = self._db.row("select coalesce(max(seq), 0) from reading where conversation = ?", conversation)
        query = "select coalesce(max(read), 0) from mark where conversation = ? and account = ?"
        (elsewhere,) = self._db.row(query, conversation, self._account)
        return max(int(here), int(elsewhere))

    def page(self, conversation: str, before: int | None, count: int) -> Page:
        """Return the last `count` messages before a place; without one, the newest, and those in the outbox too."""
        query = (
            f"select {_COLUMNS} from message where conversation = ? and seq < ? and {_SHOWN}"  # noqa: S608 - names above
            " order by seq desc limit ?"
        )
        top = before if before is not None else 1 << 62
        rows = self._db.rows(query, conversation, top, count + 1)
        more = len(rows) > count
        rows = rows[:count]
        return self._assemble(conversation, rows, rows[-1][4] if more else 0, before, more=more)

    def stretch(self, conversation: str, first: int) -> Page:
        """Return everything from the place `first` on, those in the outbox too."""
        query = (
            f"select {_COLUMNS} from message where conversation = ? and seq >= ? and {_SHOWN}"  # noqa: S608 - names above
            " order by seq desc"
        )
        rows = self._db.rows(query, conversation, first)
        older = f"message where conversation = ? and seq < ? and {_SHOWN}"
        return self._assemble(conversation, rows, first, None, more=self._count(older, conversation, first) > 0)

    def _assemble(self, conversation: str, rows: list[Any], first: int, before: int | None, *, more: bool) -> Page:
        """Put messages that have a place, those that have none, and holes together. `rows` are the newest first."""
        placed: list[tuple[int, int, int, Kept]] = [(row[4], 0, row[10], _kept(row)) for row in rows]
        top = before if before is not None else 1 << 62
        query = (
            f"select {_COLUMNS}, (select coalesce(max(b.seq), 0) from message b"  # noqa: S608 - names above
            " where b.conversation = a.conversation and b.number < a.number)"
            " from message a where conversation = ? and seq is null and body is not null"
        )
        for row in self._db.rows(query, conversation):
            kept = _kept(row)
            # What waits stands behind everything, and what failed where it was written.
            place = (1 << 62) - 1 if kept.state == "pending" else row[11]
            if first <= place < top:
                placed.append((place, 1, row[10], kept))
        placed.sort(key=lambda entry: entry[:3])
        marks = self._timeline.marks(conversation)
        messages = [
            msgspec.structs.replace(kept, state=self._timeline.reached(kept, marks))
            if kept.account == self._account
            else kept
            for _, _, _, kept in placed
        ]
        holes = self._db.rows(
            "select seq, kind from hole where conversation = ? and seq >= ? and seq < ?"
            " union select seq, 'sealed' from sealed where conversation = ? and seq >= ? and seq < ? order by 1",
            *(conversation, first, top, conversation, first, top),
        )
        return Page(messages, [Hole(*row) for row in holes], more)

    def _count(self, what: str, *values: Any) -> int:
        (count,) = self._db.row(f"select count(*) from {what}", *values)  # noqa: S608 - the callers' own words
        return int(count)


def _kept(row: Any) -> Kept:
    account, device, msg_id, conversation, seq, time, body, state, missing, trusted = row[:10]
    return Kept(account, device, msg_id, conversation, seq, time, body, state, bool(missing), bool(trusted))
