"""Messages that wait in mailboxes whose devices never come, millions of them, put into a data folder within minutes.

Through the server they would take hours. So the server itself takes two messages for each mailbox, and SQL then makes
as many more as are wanted: the second message again and again, with the next places, other times, keys and bytes.
Columns that this module does not know stay as they are in that message.
"""

import contextlib
import shutil
import time
from pathlib import Path
from typing import Final

import apsw

from tidings.cli.benching import BenchFailed

FIRST: Final = 2
"""Messages of each mailbox that the server took itself."""
SPAN_MS: Final = 86_400_000
"""The others came within this time before."""
CACHE_KIB: Final = 1_000_000
BYTES_OF_DISK: Final = 1_000
"""What a message takes on the disk at most, with its record and its entry."""

PLACE: Final = "(s.k - 1) * :boxes + f.i"
"""The place of a message among all that are made; its time and its key (a UUIDv7) follow from it."""
MOMENT: Final = f":now - :span + ({PLACE}) * :span / (:more * :boxes)"
KEY: Final = f"unhex(printf('%012x7%03x8%015x', {MOMENT}, s.k & 4095, f.i))"

LETTER: Final = {
    "id": f":top + 1 + {PLACE}",
    "msg_id": KEY,
    "seq": "f.seq + s.k",
    "time": MOMENT,
    "ciphertext": "randomblob(length(f.ciphertext))",
}
RECORD: Final = {"msg_id": KEY, "seq": "f.seq + s.k", "time": MOMENT, "digest": "randomblob(32)"}
ENTRY: Final = {"pos": "f.pos + s.k", "ref": f":top + 1 + {PLACE}"}


def multiply(data: Path, messages: int) -> None:
    """Let so many messages wait in all, the same number in each mailbox where FIRST wait, in a folder without a server.

    Raises BenchFailed.
    """
    if shutil.disk_usage(data).free < messages * BYTES_OF_DISK:
        raise BenchFailed(f"{messages:,} waiting messages need {messages * BYTES_OF_DISK / 1e9:.0f} GB on the disk")
    with contextlib.closing(apsw.Connection(str(data / "mailboxes.db"))) as database:
        # Whoever kills this run throws the folder away: no log, no fsync, one transaction.
        for pragma in ("journal_mode = off", "synchronous = off", "locking_mode = exclusive", "temp_store = memory",
                       f"cache_size = -{CACHE_KIB}"):  # fmt: skip
            database.execute(f"pragma {pragma}").fetchall()
        boxes, before = _numbers(database)
        more, rest = divmod(messages - before, boxes)
        if before != boxes * FIRST or rest or more < 0:
            raise BenchFailed(f"{before} messages in {boxes} mailboxes cannot become {messages}")
        if more:
            with database:
                _multiply(database, boxes, more)
        database.execute("pragma journal_mode = wal").fetchall()
        found = _numbers(database)
    if found != (boxes, messages):
        raise BenchFailed(f"{found[1]:,} messages wait instead of {messages:,}")


def _numbers(database: apsw.Connection) -> tuple[int, int]:
    """Return how many mailboxes hold something, and how many messages there are."""
    boxes, messages = database.execute("select count(distinct box), count(*) from entry where kind = 0").fetchone() or (
        0,
        0,
    )
    return int(boxes), int(messages)


def _multiply(database: apsw.Connection, boxes: int, more: int) -> None:
    (top,) = database.execute("select max(id) from letter").fetchone() or (0,)
    values = {"boxes": boxes, "more": more, "top": top, "now": time.time_ns() // 1_000_000, "span": SPAN_MS}
    # What is read from tables of its own may be written row by row.
    database.execute(f"create temp table letters as select * from letter where seq = {FIRST} order by conversation")
    for name, query in (
        ("letter", "select * from letters"),
        ("record", "select r.* from record r join letters l on l.msg_id = r.msg_id order by l.conversation"),
        ("entry", "select e.* from entry e join letters l on e.kind = 0 and e.ref = l.id order by l.conversation"),
    ):
        database.execute(f"create temp table first_{name} as select row_number() over () - 1 as i, * from ({query})")
        if database.execute(f"select count(*) from first_{name}").fetchone() != (boxes,):
            raise BenchFailed(f"the second message of each of {boxes} mailboxes is not in the table {name}")
    database.execute("create temp table step (k integer primary key)")
    steps = "with recursive n(k) as (select 1 union all select k + 1 from n where k < ?)"
    database.execute(f"insert into step {steps} select k from n", (more,))
    # In the order in which they lie: letters and records one behind the other, entries mailbox by mailbox.
    database.execute(_copy(database, "letter", LETTER, "step s cross join first_letter f"), values)
    database.execute(_copy(database, "record", RECORD, "step s cross join first_record f"), values)
    database.execute(_copy(database, "entry", ENTRY, "first_entry f cross join step s"), values)
    database.execute(
        "update tail set msg_id = (select msg_id from letter where id = :last + f.i)"
        " from first_letter f where tail.conversation = f.conversation",
        {"last": top + 1 + (more - 1) * boxes},
    )
    database.execute(
        "update conversation set seq = seq + ? where id in (select conversation from first_letter)", (more,)
    )


def _copy(database: apsw.Connection, table: str, known: dict[str, str], rows: str) -> str:
    """Return the statement that adds to a table for each of some rows."""
    columns = [str(row[1]) for row in database.execute(f"pragma table_info({table})")]
    values = [known.get(column, f"f.{column}") for column in columns]
    return f"insert into {table} ({', '.join(columns)}) select {', '.join(values)} from {rows}"
