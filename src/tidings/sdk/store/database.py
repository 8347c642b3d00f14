"""The file. What is committed survives a kill and a power cut."""

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import apsw

from tidings.sdk.errors import StoreInUse

SCHEMA: Final = (
    """
    create table setting (name text primary key, value any) strict, without rowid;

    -- Secrets of this device, pickled under the key in `setting`.
    create table olm_session (
        peer text not null, id text not null, pickle text not null, used integer not null, primary key (peer, id)
    ) strict, without rowid;
    create table outbound (
        conversation text primary key, id text not null, pickle text not null, created integer not null,
        count integer not null, era integer not null
    ) strict, without rowid;
    -- Devices that may have the key of a session of ours, from which index on, and whether they were sent it.
    create table entitled (
        session text not null, account text not null, device text not null, position integer not null,
        given integer not null, primary key (session, account, device)
    ) strict, without rowid;
    create table inbound (
        conversation text not null, id text not null, account text not null, device text not null,
        pickle text not null, primary key (conversation, id)
    ) strict, without rowid;
    -- Which message used which index of a session: another one with the same is a replay.
    create table used_index (
        session text not null, position integer not null, msg_id blob not null, primary key (session, position)
    ) strict, without rowid;

    -- Accounts as far as they were met: the pinned identity, the newest device list, the devices that it signs.
    create table account (
        id text primary key, handle text not null, name text, master text, now text, self_signing text,
        version integer not null, list_version integer not null, list_text text, devices text not null,
        problem text
    ) strict, without rowid;

    create table conversation (
        id text primary key, kind text not null, standing text not null, epoch integer not null,
        members text not null, named text, greeted integer not null default 0
    ) strict, without rowid;
    create table message (
        account text not null, device text not null, msg_id blob not null, conversation text not null,
        seq integer, time integer not null, body text, state text not null,
        missing integer not null default 0, trusted integer not null default 1, taken integer not null default 0,
        number integer not null,
        primary key (account, device, msg_id)
    ) strict, without rowid;
    create index message_place on message (conversation, seq);
    create index message_untaken on message (taken, number) where taken = 0;
    create table mark (
        conversation text not null, account text not null, since integer not null, delivered integer not null,
        read integer not null, expired text not null, primary key (conversation, account)
    ) strict, without rowid;

    -- The last message of each device in a conversation.
    create table chain (
        conversation text not null, account text not null, device text not null,
        count integer not null, hash blob not null, msg_id blob not null,
        primary key (conversation, account, device)
    ) strict, without rowid;
    -- Envelopes that could not be opened, until their keys come.
    create table sealed (
        pos integer primary key, account text not null, device text not null, msg_id blob not null,
        conversation text not null, seq integer not null, time integer not null, ciphertext blob not null,
        session text not null
    ) strict;
    -- Key shares that the server may not have yet: they are repeated until it says so.
    create table share (id blob primary key, conversation text not null, shares blob not null) strict, without rowid;

    -- What is to be sent, in order. The ciphertext stays the same however often it is repeated.
    create table outbox (
        number integer primary key, msg_id blob not null unique, conversation text not null, body text not null,
        time integer not null, ciphertext blob, epoch integer, devices integer, prev blob, count integer
    ) strict;
    """,
    """
    -- How far the person has read, and how often the server is still to be told of it: it gives no answer.
    create table reading (
        conversation text primary key, seq integer not null, due integer not null
    ) strict, without rowid;
    -- From where on messages are missing because the mailbox was full.
    create table hole (
        conversation text not null, seq integer not null, primary key (conversation, seq)
    ) strict, without rowid;
    """,
    """
    alter table hole add column kind text not null default 'lost';
    """,
    """
    -- Devices that an account signed once and does not any more: what they sent before may still be on its way.
    create table former (
        account text not null, id text not null, ed25519 text not null, curve25519 text not null,
        primary key (account, id)
    ) strict, without rowid;
    """,
    """
    -- Of a group, JSON by account: the roles, and the place before the first message that a member got.
    alter table conversation add column roles text not null default '{}';
    alter table conversation add column since text not null default '{}';
    -- Who is in a group by the word of its members: those who were at an epoch (JSON, by account the role), those who
    -- ever were, and the newest word that was not found to be true of what the server shows yet.
    create table roster (
        conversation text primary key, agreed text not null, agreed_epoch integer not null, ever text not null,
        claim_epoch integer not null, claim blob, claimant text
    ) strict, without rowid;
    """,
    """
    -- An account and a device's id are what the server says; who holds which key of encryption it cannot choose.
    -- Who was entitled before this was written down is not known well enough, and is told nothing any more.
    drop table entitled;
    create table entitled (
        session text not null, account text not null, device text not null, curve25519 text not null,
        position integer not null, given integer not null, primary key (session, account, device, curve25519)
    ) strict, without rowid;
    -- Everybody who has a session's key can hand it on as if it were theirs: that is another session then.
    create table session_of (
        conversation text not null, id text not null, account text not null, device text not null,
        curve25519 text not null, pickle text not null, primary key (conversation, id, account, device, curve25519)
    ) strict, without rowid;
    insert into session_of
        select conversation, inbound.id, account, device,
            coalesce(json_extract(account.devices, '$."' || device || '"[1]'), ''), pickle
        from inbound left join account on account.id = inbound.account;
    create table used_by (
        session text not null, account text not null, device text not null, position integer not null,
        msg_id blob not null, primary key (session, account, device, position)
    ) strict, without rowid;
    insert or ignore into used_by
        select session, account, device, position, msg_id from used_index join inbound on inbound.id = session;
    drop table inbound;
    drop table used_index;
    alter table session_of rename to inbound;
    alter table used_by rename to used_index;
    """,
    """
    -- What was said was kept as one word, which anybody could spoil. Now each member has one: that of the newest epoch,
    -- and whom its words took out (JSON; null: too many to be named). What follows from the words of those who lead a
    -- group is `told`; `voucher` is the rank of who said what is agreed.
    create table claim (
        conversation text not null, claimant text not null, epoch integer not null, digest blob not null, gone text,
        primary key (conversation, claimant)
    ) strict, without rowid;
    insert into claim select conversation, claimant, claim_epoch, claim, null from roster where claim is not null;
    alter table roster drop column claim_epoch;
    alter table roster drop column claim;
    alter table roster drop column claimant;
    alter table roster add column voucher integer not null default 0;
    alter table roster add column told text not null default '{}';
    alter table roster add column told_epoch integer not null default 0;
    """,
    """
    -- Positions of what was sealed and is opened, until it is known that the server heard of it; `told` is what the ack
    -- that named them said was kept.
    create table recovered (pos integer primary key, told integer not null) strict;
    """,
)


class Database:
    """An open store. Raises StoreInUse if another process has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = path.with_name(path.name + ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StoreInUse(f"{path} is open in another process") from None
        fresh = not path.exists()
        self._db = apsw.Connection(str(path))
        if fresh:
            path.chmod(0o600)
        for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on"):
            self._db.execute(f"pragma {pragma}").fetchall()
        known = self._db.pragma("user_version")
        for number, script in enumerate(SCHEMA[known:], start=known + 1):
            with self._db:
                self._db.execute(script)
                self._db.execute(f"pragma user_version = {number}")
        self._depth = 0

    def close(self) -> None:
        """Close the file, and let other processes have it."""
        self._db.close()
        self._lock.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside durable together, or not at all. Those inside others are part of them."""
        if self._depth:
            yield
            return
        self._db.execute("begin immediate")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        else:
            self._db.execute("commit")
        finally:
            self._depth -= 1

    def run(self, query: str, *values: Any) -> None:
        """Run a statement."""
        self._db.execute(query, values)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Return all rows of a query."""
        return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> Any:
        """Return the first row of a query, or None."""
        return self._db.execute(query, values).fetchone()

    def changes(self) -> int:
        """Return how many rows the last statement changed."""
        return self._db.changes()

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting."""
        row = self.row("select value from setting where name = ?", name)
        return row[0] if row else default

    def set(self, **settings: Any) -> None:
        """Change settings."""
        for name, value in settings.items():
            self.run("insert or replace into setting values (?, ?)", name, value)

    def many(self, query: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of some rows."""
        self._db.executemany(query, values)
