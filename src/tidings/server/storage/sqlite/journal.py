"""What happened since the tables were last brought up to date: one row of `journal` for each commit.

A message that is sent, delivered and acked changes a dozen rows in seven tables, and most of it within a moment: the
ciphertext goes again, the mark moves on. So a commit writes one row that says what has changed, and memory holds
it. Every few hundred messages it is settled: what is left of it goes into the tables, and the rows of the journal
go. What a process left behind is settled by the next one before anything else (docs/adr/0022).

Values are absolute, so that settling twice does no harm; whoever writes such values into a table settles first.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from tidings.server.domain.heads import Box, Head
from tidings.server.domain.marks import Interval, Mark
from tidings.server.ports.mailboxes import BoxId
from tidings.server.storage.sqlite.database import Database

SETTLE_AT: Final = 768
"""Messages and acks in the journal above which it is settled: so many keep the loop for about a millisecond."""
SETTLE_BYTES: Final = 1_048_576
CARRIED: Final = 256
"""The youngest letters stay in the journal when it is settled: most are about to be acked. But they are written anew
each time, so that they may take no more than"""
CARRIED_BYTES: Final = SETTLE_BYTES // 4
PLACE_BYTES: Final = 12
"""What a place of a letter takes at most."""

Row = tuple[Any, ...]


class Letter(msgspec.Struct, array_like=True, gc=False):
    """A message on its way that is in no table yet; `pending` mailboxes have not given it out."""

    id: int
    conversation: int
    owner: int
    device: str
    msg_id: bytes
    seq: int
    time: int
    last_sender: int
    run_start: int
    places: list[tuple[BoxId, int]]
    pending: int
    ciphertext: bytes


class Changes(msgspec.Struct, array_like=True):
    """What a commit changed. Rows are in the order of the columns of the statements below."""

    records: list[Row]
    letters: list[Letter]
    heads: list[Row]
    speakers: list[Row]
    tails: list[Row]
    marks: list[Row]
    boxes: list[Row]


class Pending:
    """What is to be written: the newest state of each thing."""

    def __init__(self) -> None:
        self.records: list[Row] = []
        self.letters: list[Letter] = []
        self.heads: dict[int, Head] = {}
        self.speakers: dict[tuple[int, int], int] = {}
        self.tails: dict[tuple[int, BoxId], bytes] = {}
        self.marks: dict[tuple[int, int], Mark] = {}
        self.boxes: dict[BoxId, Box] = {}

    def __bool__(self) -> bool:
        return bool(self.letters) or self.tells_more_than_letters()

    def tells_more_than_letters(self) -> bool:
        """Return whether anything has changed but that letters wait."""
        return bool(self.heads or self.boxes or self.marks)

    def add(self, other: "Pending") -> None:
        """Add what came later."""
        self.records += other.records
        self.letters += other.letters
        self.heads.update(other.heads)
        self.speakers.update(other.speakers)
        self.tails.update(other.tails)
        self.marks.update(other.marks)
        self.boxes.update(other.boxes)

    def changes(self) -> Changes:
        """Return it as rows; letters that nobody waits for any more are left out."""
        return Changes(
            self.records,
            [letter for letter in self.letters if letter.pending],
            [(h.epoch, h.seq, h.last_sender, h.run_start, h.id) for h in self.heads.values()],
            [(spoke, *place) for place, spoke in self.speakers.items()],
            [(*place, msg_id) for place, msg_id in self.tails.items()],
            [
                (m.delivered, m.read, _text(m.above), _text(m.expired), m.changed, *place)
                for place, m in self.marks.items()
            ],
            [(b.acked, b.seen, b.suspended, b.id) for b in self.boxes.values()],
        )


STATEMENTS: Final = {
    "records": "insert into record values (?, ?, ?, ?, ?, ?)",
    "heads": "update conversation set epoch = ?, seq = ?, last_sender = ?, run_start = ? where id = ?",
    "speakers": "update member set spoke = ? where owner = ? and conversation = ?",
    "tails": "insert into tail values (?, ?, ?) on conflict do update set msg_id = excluded.msg_id",
    "marks": (
        "update mark set delivered = ?, read = ?, above = ?, expired = ?, changed = ?"
        " where conversation = ? and owner = ?"
    ),
    "boxes": "update box set acked = ?, seen = ?, suspended = ? where id = ?",
}


class Journal:
    """The changes that are in memory and in `journal` alone."""

    def __init__(self, database: Database, acked: Callable[[BoxId], int | None]) -> None:
        self._database = database
        self._acked = acked
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Changes).decode
        self.now = Pending()
        """What the transaction under way has changed."""
        self._since = Pending()
        """What has changed since the tables were brought up to date."""
        self._size = 0
        self._bytes = 0
        self.known: dict[tuple[BoxId, bytes], Row] = {}
        """The records that are in no table yet, by mailbox and msg_id."""
        self.next_letter = 1

    def forget(self) -> None:
        """Drop what is in memory; the rows of the journal hold what of it is durable."""
        self.now, self._since, self._size, self._bytes = Pending(), Pending(), 0, 0
        self.known.clear()

    def add_message(self, head: Head, box: Box, record: Row) -> None:
        """Add that a device has sent a message: its record (the columns of `record`), and what follows from it."""
        now = self.now
        now.heads[head.id] = head
        now.tails[head.id, box.id] = record[0]
        now.records.append(record)
        self.known[box.id, record[0]] = record[3:]
        if head.speakers:
            now.speakers[head.last_sender, head.id] = head.seq

    def add_letter(self, letter: Letter) -> None:
        """Add a letter; it has the number `next_letter`."""
        self.next_letter += 1
        self.now.letters.append(letter)

    def note(self) -> Sequence[Letter]:
        """Write down what the transaction has changed. Return letters that went into tables (see `settle`)."""
        now = self.now
        if not now:
            return ()
        self._size += len(now.records) + len(now.boxes)
        if self._size >= SETTLE_AT or self._bytes >= SETTLE_BYTES or self._database.full:
            return self.settle(carrying=not self._database.full)
        self._insert(now)
        self._since.add(now)
        self.now = Pending()
        return ()

    def settle(self, *, carrying: bool = False) -> Sequence[Letter]:
        """Bring the tables up to date, but for letters that are carried on. Return the other ones: they are there."""
        since = self._since
        if carrying and not self.now and not since.tells_more_than_letters():
            return ()  # they were carried on before
        since.add(self.now)
        if not since:
            return ()
        letters = [letter for letter in since.letters if letter.pending]
        cut = _first_carried(letters) if carrying else len(letters)
        since.letters = letters[:cut]
        self._write(since.changes(), self._acked)
        self._database.execute("delete from journal", ())
        self.forget()
        if cut < len(letters):
            self._since.letters = letters[cut:]
            self._insert(self._since)
        return since.letters

    def _insert(self, pending: Pending) -> None:
        row = self._encode(pending.changes())
        self._bytes += len(row)
        self._database.execute("insert into journal values (null, ?)", (row,))

    def recall(self) -> None:
        """Bring the tables up to date with what another process, or one that forgot, has left."""
        rows: list[Any] = self._database.execute("select changes from journal order by id", ()).fetchall()
        if rows:
            self._write(_newest([self._decode(row[0]) for row in rows]), self._stored)
            self._database.execute("delete from journal", ())
        last: Any = self._database.execute("select max(id) from letter", ()).fetchone()
        self.next_letter = max(self.next_letter, (last[0] or 0) + 1)

    def _stored(self, box: BoxId) -> int | None:
        found: Any = self._database.execute("select acked from box where id = ?", (box,)).fetchall()
        return found[0][0] if found else None

    def _write(self, changes: Changes, acked: Callable[[BoxId], int | None]) -> None:
        for name, statement in STATEMENTS.items():
            rows = getattr(changes, name)
            if rows:
                self._database.execute_many(statement, rows)
        if changes.letters:
            self._put_down(changes.letters, acked)

    def _put_down(self, letters: Iterable[Letter], acked: Callable[[BoxId], int | None]) -> None:
        """Write letters and their entries: those of mailboxes that are open and have not acked them."""
        rows: list[Row] = []
        entries: list[Row] = []
        for letter in letters:
            waiting = [
                (box, pos, letter.id) for box, pos in letter.places if (got := acked(box)) is not None and pos > got
            ]
            if waiting:
                entries += waiting
                rows.append(
                    (
                        *(letter.id, letter.conversation, letter.owner, letter.device, letter.msg_id, letter.seq),
                        *(letter.time, letter.last_sender, letter.run_start, len(waiting), letter.ciphertext),
                    )
                )
        self._database.execute_many("insert into letter values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        entries.sort()
        self._database.execute_many("insert into entry values (?, ?, 0, ?, null)", entries)


def _first_carried(letters: Sequence[Letter]) -> int:
    """Return from which one on letters are carried on."""
    first, room = len(letters), CARRIED_BYTES
    for letter in letters[: -CARRIED - 1 : -1]:
        room -= len(letter.ciphertext) + PLACE_BYTES * len(letter.places)
        if room < 0:
            break
        first -= 1
    return first


def _newest(commits: Sequence[Changes]) -> Changes:
    """Return what commits changed together: of each thing the last state."""

    def last(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[Row]:
        return list({key(row): row for row in rows}.values())

    return Changes(
        [row for commit in commits for row in commit.records],
        [letter for commit in commits for letter in commit.letters],
        last((row for commit in commits for row in commit.heads), lambda row: row[-1]),
        last((row for commit in commits for row in commit.speakers), lambda row: row[1:]),
        last((row for commit in commits for row in commit.tails), lambda row: row[:2]),
        last((row for commit in commits for row in commit.marks), lambda row: row[-2:]),
        last((row for commit in commits for row in commit.boxes), lambda row: row[-1]),
    )


def _text(intervals: tuple[Interval, ...]) -> str | None:
    return json.dumps(intervals) if intervals else None
