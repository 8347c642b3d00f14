"""The tables of the mailbox store, step by step: a database knows how many of the steps it has."""

from typing import Final

SCHEMA: Final = (
    """
    create table meta (name text primary key, value any) strict, without rowid;

    -- An account; `version` is that of its device list.
    create table owner (
        id integer primary key, name text not null unique,
        version integer not null, removed integer not null default 0
    ) strict;

    -- The mailbox of one addressable device. Numbers are never used twice. `acked` is the highest position that
    -- the device acknowledged, `top` one that no entry holds any more but that was given out.
    create table box (
        id integer primary key autoincrement, owner integer not null, device text not null,
        mailbox_id blob not null, key blob not null,
        acked integer not null default 0, top integer not null default 0,
        seen integer not null, suspended integer not null default 0,
        unique (owner, device)
    ) strict;

    create table conversation (
        id integer primary key, name text not null unique, kind text not null,
        epoch integer not null, seq integer not null,
        last_sender integer not null, run_start integer not null
    ) strict;
    create table direct (
        low integer not null, high integer not null, conversation integer not null,
        primary key (low, high)
    ) strict, without rowid;
    create table member (
        owner integer not null, conversation integer not null, stance text not null,
        blocked integer not null, strange integer not null, since integer not null,
        primary key (owner, conversation)
    ) strict, without rowid;
    create index member_conversation on member (conversation);

    -- How far an account got; `above` and `expired` are JSON or null (see domain.marks).
    create table mark (
        conversation integer not null, owner integer not null, since integer not null,
        delivered integer not null, read integer not null, above text, expired text, changed integer not null,
        primary key (conversation, owner)
    ) strict, without rowid;

    -- The last accepted message of each device in a conversation.
    create table tail (
        conversation integer not null, box integer not null, msg_id blob not null,
        primary key (conversation, box)
    ) strict, without rowid;

    -- K and the message's record, kept longer than the message. UUIDv7 come in the order of time,
    -- so that this grows at one end.
    create table record (
        msg_id blob not null, box integer not null, conversation integer not null,
        seq integer not null, time integer not null, digest blob not null,
        primary key (msg_id, box)
    ) strict, without rowid;

    -- A ciphertext on its way, until the last of `pending` mailboxes has given it out.
    create table letter (
        id integer primary key, conversation integer not null, owner integer not null, device text not null,
        msg_id blob not null, seq integer not null, time integer not null,
        last_sender integer not null, run_start integer not null,
        pending integer not null, ciphertext blob not null
    ) strict;
    create table share (
        id integer primary key, owner integer not null, device text not null,
        time integer not null, ciphertext blob not null
    ) strict;
    create table shared (
        share_id blob not null, box integer not null, time integer not null,
        primary key (share_id, box)
    ) strict, without rowid;

    -- What waits in a mailbox. kind 0: letter `ref`; 1: share `ref`; 2: conversation `ref` has a gap from `seq`.
    create table entry (
        box integer not null, pos integer not null, kind integer not null, ref integer not null, seq integer,
        primary key (box, pos)
    ) strict, without rowid;

    -- What a device could not decrypt: neither waiting nor delivered.
    create table failed (
        box integer not null, pos integer not null, conversation integer not null,
        lower integer not null, seq integer not null, time integer not null,
        primary key (box, pos)
    ) strict, without rowid;
    """,
    """
    -- Of groups: the roles, and the place of a member's last message, 0 before the first (null in direct ones).
    alter table member add column role text not null default 'member';
    alter table member add column spoke integer;
    """,
    """
    -- What commits changed that is not in the other tables yet (see journal.py).
    create table journal (id integer primary key, changes blob not null) strict;
    """,
    """
    -- What is old is found by its time alone (a clock may have been ahead), and where it waits is not searched for.
    create index letter_time on letter (time);
    create index share_time on share (time);
    create index shared_time on shared (time);
    create index failed_time on failed (time);
    create index entry_ref on entry (ref, kind);
    """,
)

LETTER, SHARE, GAP = 0, 1, 2
