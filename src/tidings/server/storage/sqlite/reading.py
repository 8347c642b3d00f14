"""Pages of what waits in a mailbox: from memory what came a moment ago, from the tables the rest."""

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import itemgetter
from typing import Any

import apsw

from tidings.server.ports.mailboxes import BoxId, Page
from tidings.server.storage.sqlite.book import Book
from tidings.server.storage.sqlite.database import Database
from tidings.server.storage.sqlite.schema import LETTER, SHARE
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.events import Gap, KeyShare, Message, Stored
from tidings.wire.ids import SAFE_INTEGER
from tidings.wire.limits import PAGE_BYTES

ENTRIES = """
select e.pos, e.kind, e.seq, c.name,
       l.seq, o.name, l.device, l.msg_id, l.time, l.ciphertext,
       so.name, s.device, s.ciphertext
from entry e
left join letter l on e.kind = 0 and l.id = e.ref
left join owner o on o.id = l.owner
left join share s on e.kind = 1 and s.id = e.ref
left join owner so on so.id = s.owner
left join conversation c on c.id = iif(e.kind = 2, e.ref, l.conversation)
where e.box = ? and e.pos > ? order by e.pos limit ?
"""


def read_beside(book: Book, database: Database, box: BoxId, after: int, count: int) -> Page:
    """Return what is durable of what waits above a position, whether or not a transaction is under way."""
    hidden = book.shelves.hidden_from(box)
    got, rest = book.reading(box) or (None, 0)
    if got is None or rest > after:
        return _read_tables(book, database.snapshot(), box, after, count, hidden)
    return _page(_letters(book, box, after), count, got, hidden)


def read_within(book: Book, connection: apsw.Connection, box: BoxId, after: int, count: int) -> Page:
    """Return what waits above a position, within a transaction of the connection."""
    return _read_tables(book, connection, box, after, count, SAFE_INTEGER)


def _read_tables(book: Book, connection: apsw.Connection, box: BoxId, after: int, count: int, hidden: int) -> Page:
    state: Any = book.reading(box)
    if state is None:
        state = connection.execute("select max(acked, top) from box where id = ?", (box,)).fetchone()
    if state is None:
        raise Refusal(NotAllowed())
    lying = ((row[0], _entry(row)) for row in connection.execute(ENTRIES, (box, after, count + 1)))
    return _page(merge(lying, _letters(book, box, after), key=itemgetter(0)), count, state[0], hidden)


def _letters(book: Book, box: BoxId, after: int) -> Iterator[tuple[int, Message]]:
    for pos, letter in book.shelves.waiting_above(box, after):
        conversation, sender = book.names(letter.conversation, letter.owner)
        yield (
            pos,
            Message(
                pos, letter.seq, conversation, sender, letter.device, letter.msg_id, letter.time, letter.ciphertext
            ),
        )


def _page(waiting: Iterable[tuple[int, Stored]], count: int, got: int, hidden: int) -> Page:
    """Return a page of what waits below `hidden`, which is read no further than it is long.

    `got` is how far the mailbox got.
    """
    entries: list[Stored] = []
    size = top = 0
    for pos, entry in waiting:
        if pos == top:
            continue  # the same one, in memory and in a table
        if pos >= hidden:
            break
        if len(entries) == count or size >= PAGE_BYTES:
            return Page(entries, top, more=True)
        entries.append(entry)
        top = pos
        size += 0 if isinstance(entry, Gap) else len(entry.ciphertext)
    return Page(entries, min(max(got, top), hidden - 1), more=False)


def _entry(row: Any) -> Stored:
    """Return the frame of a row of ENTRIES."""
    pos, kind, gap_seq, conversation, seq, sender, device, msg_id, time, ciphertext, *share = row
    if kind == LETTER:
        return Message(pos, seq, conversation, sender, device, msg_id, time, ciphertext)
    if kind == SHARE:
        return KeyShare(pos, *share)
    return Gap(pos, conversation, gap_seq)
