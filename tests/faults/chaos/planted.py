"""Faults that are planted into a server on purpose, each once: the oracle must find every one of them."""

import asyncio
import os
import signal
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from support.futures import to_be_read
from tidings.server.ports.mailboxes import Appended, BoxId, Mailboxes, Page
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Send
from tidings.wire.events import Message

PATIENCE: Final = 40
"""How many messages pass before a fault strikes."""
OUT_SECONDS: Final = 0.2
"""How long a tick is given to leave the process."""


class Plant:
    """Stands between the server and its mailboxes; everything else goes through."""

    def __init__(self, real: SqliteMailboxes) -> None:
        self.real = real
        self.count = 0
        self.done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class TickBeforeCommit(Plant):
    """Ticks a message that is only in memory, and is killed before it gets any further."""

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        self.count += 1
        if self.done or self.count < PATIENCE:
            return self.real.append(send, sender)
        self.done = True
        loop = asyncio.get_running_loop()
        head = self.real.book.head(send.conversation)
        assert head is not None
        answer: Future[Appended] = loop.create_future()
        answer.set_result(Appended(head.seq + 1, self.real._clock.now(), ()))
        loop.call_later(OUT_SECONDS, os.kill, os.getpid(), signal.SIGKILL)
        return answer


class AtReading(Plant):
    """A fault of what is read. Nothing is handed over from memory, so that devices read everything."""

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        return to_be_read(self.real.append(send, sender))


class SwappedOrder(AtReading):
    """Gives two messages of a page each other's position."""

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        reading = self.real.read(box, after, count)
        page = reading.result()
        self.count += len(page.entries)
        for at in range(len(page.entries) - 1):
            one, other = page.entries[at : at + 2]
            if self.done or self.count < PATIENCE or not (isinstance(one, Message) and isinstance(other, Message)):
                continue
            if one.sender == other.sender and one.conversation == other.conversation:
                entries = list(page.entries)
                entries[at] = msgspec.structs.replace(other, pos=one.pos)
                entries[at + 1] = msgspec.structs.replace(one, pos=other.pos)
                self.done = True
                return _done(Page(entries, page.top, page.more))
        return reading


class LostEntry(AtReading):
    """Leaves out a message of a page."""

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        reading = self.real.read(box, after, count)
        page = reading.result()
        self.count += len(page.entries)
        first = page.entries[0] if len(page.entries) > 1 else None
        if self.done or self.count < PATIENCE or not isinstance(first, Message):
            return reading
        self.done = True
        return _done(Page(page.entries[1:], page.top, page.more))


class StoredTwice(Plant):
    """Forgets a message's K, and appends the same message again."""

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        self.count += 1
        appended = self.real.append(send, sender)
        if not self.done and self.count >= PATIENCE:
            self.done = True
            appended.add_done_callback(lambda _: self.real.database.write(lambda: self._again(send, sender)))
        return appended

    def _again(self, send: Send, sender: BoxId) -> None:
        book = self.real.book
        head, box = book.head(send.conversation), book.box(sender)
        assert head is not None
        last = book.tail(head, box)
        book.settle()
        book.shelves.by_box[sender].known = b""
        book.db.execute("delete from record where msg_id = ? and box = ?", (send.msg_id, sender))
        self.real._append(msgspec.structs.replace(send, prev=last), sender)
        assert last is not None
        head.tails[box.id] = book.journal.now.tails[head.id, box.id] = last


PLANTS: Final[dict[str, Callable[[SqliteMailboxes], Plant]]] = {
    "tick before commit": TickBeforeCommit,
    "swapped order": SwappedOrder,
    "lost entry": LostEntry,
    "stored twice": StoredTwice,
}


def plant(fault: str, real: Mailboxes) -> Mailboxes:
    """Return mailboxes with a fault in them."""
    assert isinstance(real, SqliteMailboxes)
    return cast("Mailboxes", PLANTS[fault](real))


def _done(page: Page) -> "Future[Page]":
    future: Future[Page] = asyncio.get_running_loop().create_future()
    future.set_result(page)
    return future
