"""What is left of a run, gathered for the oracle: journals, stores, the server's database and its files."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw

from faults import oracle
from faults.chaos.bot import digest_of, name_of
from faults.chaos.journal import read_journal, read_samples
from support.traces import traces
from tidings.sdk import Client
from tidings.sdk.store.database import Database

TABLES: Final = ("letter", "entry", "share", "failed")
CUT_SECONDS: Final = 60.0
"""D8: the bytes are gone within this time when the server is idle."""


async def device(store: Path, journal: Path) -> oracle.Device:
    """Return what a device wrote down, and what it holds. Nobody else may have its store open."""
    database = Database(store)
    try:
        me = Client(database)
        kept = [
            oracle.Kept(
                k=name_of(message.device, message.msg_id),
                conversation=message.conversation,
                seq=message.seq,
                number=int((message.body or "").split()[1]),
                digest=digest_of(message.body or ""),
                state=me.state_of(message) if message.device == me.device else message.state,
                missing=message.missing,
            )
            for view in me.conversations()
            for message in me.history(view.id, 1 << 40)
        ]
        unsent = [database.row(f"select count(*) from {table}")[0] for table in ("outbox", "share")]
        sealed = database.row("select count(*) from sealed")[0]
        lines = read_journal(journal)
        await me._http.close()
        return oracle.Device(me.name, me.device, lines, kept, sealed=sealed, unsent=sum(unsent))
    finally:
        database.close()


def conversations(data: Path) -> dict[str, list[str]]:
    """Return the devices that the messages of each conversation are addressed to, the sender's own among them."""
    query = """
        select c.name, b.device from conversation c
        join member m on m.conversation = c.id join box b on b.owner = m.owner order by c.id, b.id
    """
    found: dict[str, list[str]] = {}
    with _reading(data) as database:
        for name, device_id in database.execute(query):
            found.setdefault(name, []).append(device_id)
    return found


def server(data: Path, journals: list[Path]) -> oracle.Server:
    """Return what a server that is idle, or has stopped, still holds."""
    with _reading(data) as database:
        rows = {table: database.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES}
        query = """
            select c.name, r.seq, b.device, r.msg_id from record r
            join conversation c on c.id = r.conversation join box b on b.id = r.box
        """
        places = [
            oracle.Place(name, seq, name_of(sender, msg_id)) for name, seq, sender, msg_id in database.execute(query)
        ]
        check: str = database.execute("pragma integrity_check").fetchone()[0]
    samples = set[bytes]().union(*(read_samples(journal) for journal in journals))
    return oracle.Server(
        rows,
        places,
        found=len(set[bytes]().union(*traces(data, samples).values())),
        searched=len(samples),
        problems=[] if check == "ok" else [f"the database is damaged: {check}"],
    )


async def wait_for_checkpoint(data: Path) -> None:
    """Wait until the log of an idle server has been cut. Not in time: what is left is for the oracle to find."""
    log = data / "mailboxes.db-wal"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CUT_SECONDS):
            while log.exists() and log.stat().st_size:  # noqa: ASYNC110 - a file tells nobody that it changed
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def _reading(data: Path) -> Iterator[Any]:
    database = apsw.Connection(str(data / "mailboxes.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield database
    finally:
        database.close()
