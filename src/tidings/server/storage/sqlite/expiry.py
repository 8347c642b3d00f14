"""The sweep of the mailbox store: what is older than the retention goes, and senders are told."""

from collections.abc import Collection
from typing import Final

from tidings.server.domain import retention
from tidings.server.domain.heads import NONE, Box, Head, Owner
from tidings.server.domain.marks import needed_before
from tidings.server.ports.mailboxes import BoxId, Expired
from tidings.server.storage.sqlite.book import Book
from tidings.server.storage.sqlite.schema import GAP, LETTER, SHARE

SWEPT: Final = 256
"""Of each kind, what one transaction sweeps at most: it keeps the loop for some milliseconds."""

OLD_LETTERS = """
select e.box, e.pos, e.ref, l.conversation, l.owner, l.seq, l.last_sender, l.run_start
from letter l cross join entry e on e.ref = l.id and e.kind = 0 where l.time < ? order by l.time limit ?
"""
OLD_SHARES = """
select e.box, e.pos, e.ref
from share s cross join entry e on e.ref = s.id and e.kind = 1 where s.time < ? order by s.time limit ?
"""
OLD_FAILED = "select box, pos, conversation, lower, seq from failed where time < ? order by time limit ?"
FORGET_RECORDS = """
delete from record where (msg_id, box) in (select msg_id, box from record where msg_id < ? and time < ? limit ?)
"""
FORGET_SHARED = """
delete from shared where (share_id, box) in (select share_id, box from shared where time < ? order by time limit ?)
"""


def sweep(book: Book, now: int, keep: int, online: Collection[BoxId]) -> Expired:
    """Delete what is older than `keep` milliseconds at `now`, or some of it. Runs within a transaction."""
    book.settle()
    changed: dict[tuple[int, int], tuple[Head, Owner]] = {}
    letters, failed = _letters(book, now - keep, changed), _failed(book, now - keep, changed)
    shares = _shares(book, now - keep - retention.SHARES_LONGER)
    records_before = now - keep - retention.RECORDS_LONGER
    book.execute(FORGET_RECORDS, (_first_id(records_before), records_before, SWEPT))
    records = book.db.changes()
    book.execute(FORGET_SHARED, (records_before, SWEPT))
    shared = book.db.changes()
    here, suspended = _suspend(book, now, keep, online)
    notices = [book.changed_mark(head, owner) for head, owner in changed.values()]
    more = SWEPT in (letters, failed, shares, records, shared, here, suspended)
    return Expired(letters + failed, shares, records, suspended, notices, more)


def _letters(book: Book, before: int, changed: dict[tuple[int, int], tuple[Head, Owner]]) -> int:
    rows = book.rows(OLD_LETTERS, (before, SWEPT))
    for number, pos, ref, conversation, sender, seq, *run in rows:
        box = book.box(number)
        _drop(book, box, pos)
        box.stored -= 1
        box.gaps = NONE
        book.release(LETTER, ref)
        if sender != box.account.id:
            _expire(book, box, conversation, needed_before(seq, box.account.id, *run), seq, changed)
    return len(rows)


def _failed(book: Book, before: int, changed: dict[tuple[int, int], tuple[Head, Owner]]) -> int:
    rows = book.rows(OLD_FAILED, (before, SWEPT))
    for number, pos, conversation, lower, seq in rows:
        book.execute("delete from failed where box = ? and pos = ?", (number, pos))
        _expire(book, book.box(number), conversation, lower, seq, changed)
    return len(rows)


def _shares(book: Book, before: int) -> int:
    rows = book.rows(OLD_SHARES, (before, SWEPT))
    for number, pos, ref in rows:
        _drop(book, book.box(number), pos)
        book.release(SHARE, ref)
    return len(rows)


def _expire(
    book: Book,
    box: Box,
    conversation: int,
    lower: int,
    seq: int,
    changed: dict[tuple[int, int], tuple[Head, Owner]],
) -> None:
    head = book.head_by_id(conversation)
    if book.mark(head, box.account).expire(lower, seq):
        changed[conversation, box.account.id] = head, box.account


def _drop(book: Book, box: Box, pos: int) -> None:
    """Take an entry out of a box; its position must never be given out again."""
    book.execute("delete from entry where box = ? and pos = ?", (box.id, pos))
    if pos == box.pos:
        book.execute("update box set top = ? where id = ?", (pos, box.id))
        book.shelves.by_box[box.id].given_up = pos


def _suspend(book: Book, now: int, keep: int, online: Collection[BoxId]) -> tuple[int, int]:
    """Note, once a day, that who is connected is there: a connection need not say anything. Suspend who is gone."""
    rows = book.rows("select id, seen from box where suspended = 0 and seen < ?", (now - retention.DAY,))
    here = [number for number, _ in rows if number in online][:SWEPT]
    gone = [number for number, seen in rows if seen < now - keep and number not in online][:SWEPT]
    for number in here:
        book.box(number).seen = now
    book.db.executemany("update box set seen = ? where id = ?", [(now, number) for number in here])
    book.db.executemany("update box set suspended = 1 where id = ?", [(number,) for number in gone])
    for number in gone:
        box = book.box(number)
        box.suspended, box.gaps = True, NONE
        for (pos,) in book.rows("select pos from entry where box = ? and kind = ?", (number, GAP)):
            _drop(book, box, pos)
    return len(here), len(gone)


def _first_id(time: int) -> bytes:
    """Return a msg_id that sorts behind all that were made up to `time` milliseconds."""
    return (time + 1 + retention.AHEAD).to_bytes(6, "big") + bytes(10)
