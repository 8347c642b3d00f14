"""What the mailbox store remembers of its tables: accounts with their boxes, conversations, marks.

Everything here mirrors the writing connection and the journal, uncommitted changes included, and is used within a
transaction alone, but for what `reading` and `names` tell beside one. When a transaction fails, `forget` drops it all.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final, cast

import apsw

from tidings.server.domain import announce
from tidings.server.domain.heads import UNKNOWN, Box, Head, Membership, Owner
from tidings.server.domain.marks import Interval, Mark
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import BoxId, Notice
from tidings.server.storage.sqlite.closing import give_up
from tidings.server.storage.sqlite.database import Database, Execute
from tidings.server.storage.sqlite.journal import Journal
from tidings.server.storage.sqlite.schema import LETTER, SHARE
from tidings.server.storage.sqlite.shelves import Shelf, Shelves
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.frames import ConversationKind
from tidings.wire.ids import SAFE_INTEGER, Address, conversation_id

MOST_HEADS: Final = 100_000
"""Conversations in memory; beyond that everything is forgotten, and read again as it is needed."""


class Book:
    """The heads of the mailbox store, read when they are needed."""

    def __init__(self, database: Database, clock: Clock, server_id: str) -> None:
        self._database = database
        self._clock = clock
        self.server_id = server_id
        self._stamp = 0
        self.now = 0
        """The time of the transaction under way."""
        self._owners: dict[str, Owner] = {}
        self._owner_names: dict[int, str] = {}
        self._boxes: dict[BoxId, Box] = {}
        self._heads: dict[str, Head] = {}
        self._head_names: dict[int, str] = {}
        self.journal = Journal(database, self._acked)
        self.shelves = Shelves()
        self._told: dict[tuple[int, BoxId], tuple[list[Notice], Notice]] = {}
        self._newest = b""
        self._recalled = False
        """Since memory was last forgotten, a transaction has recalled the journal: what it holds, memory holds too."""
        self.stale = True
        """The journal, as far as it is durable, holds what memory does not."""

    @property
    def db(self) -> apsw.Connection:
        """The writing connection."""
        return self._database.writer

    @property
    def execute(self) -> Execute:
        """Run a statement on the writing connection."""
        return self._database.execute

    def forget(self) -> None:
        """Drop everything: it may never have come to be."""
        for memory in (
            self._owners,
            self._owner_names,
            self._boxes,
            self._heads,
            self._head_names,
            self._told,
        ):
            cast("dict[Any, Any]", memory).clear()
        self.shelves.forget()
        self.journal.forget()
        self._recalled = False
        self.stale = True

    def begin(self) -> None:
        """See Memory."""
        self.now = self._clock.now()
        if not self._recalled:
            self.journal.recall()
            self._newest = self.row("select max(msg_id) from record")[0] or b""
            self._recalled = True

    def write_down(self) -> None:
        """See Memory."""
        self.shelves.rest(self.journal.note())

    def committed(self) -> None:
        """See Memory."""
        self.stale = not self._recalled  # a job that failed may have been the last, and have taken the recall with it
        self.shelves.committed(self.journal.next_letter - 1)
        if self._told:
            self._told.clear()

    def settle(self) -> None:
        """See Memory. To be called before a table that the journal writes is read for more than one row, or written."""
        self.shelves.rest(self.journal.settle())

    def settle_marks(self) -> None:
        """Bring the table of marks up to date; letters that are about to be acked may stay in memory."""
        self.shelves.rest(self.journal.settle(carrying=True))

    def _acked(self, number: BoxId) -> int | None:
        box = self._boxes.get(number)
        return None if box is None else box.acked

    def trim(self) -> None:
        """Keep memory bounded. Called when no state is held by anybody: at the start of a job."""
        if len(self._heads) > MOST_HEADS:
            self.write_down()
            self.forget()
            self.begin()

    def reading(self, number: BoxId) -> tuple[int, int] | None:
        """Return the position that a mailbox has got to, and that of its last entry in a table, if they are known."""
        box, shelf = self._boxes.get(number), self.shelves.by_box.get(number)
        return None if box is None or shelf is None else (max(box.acked, shelf.given_up), shelf.rest)

    def names(self, conversation: int, owner: int) -> tuple[str, str]:
        """Return the names of a conversation and of a member that wrote there lately."""
        return self._head_names[conversation], self._owner_names[owner]

    def row(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Return the first row of a query, or None."""
        found = self.execute(query, values).fetchall()  # read to its end: an open query would keep the log long
        return found[0] if found else None

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        return self.execute(query, values).fetchall()

    # Accounts and boxes

    def owner(self, name: str) -> Owner:
        """Return an account's state, made if there is none."""
        owner = self._owners.get(name)
        return owner if owner is not None else self._load_owner(name)

    def known_owner(self, name: str) -> Owner | None:
        """Return an account's state if there is one."""
        if name in self._owners or self.row("select 1 from owner where name = ?", (name,)):
            return self.owner(name)
        return None

    def owner_by_id(self, number: int) -> Owner:
        """Return an account's state by its number."""
        name = self._owner_names.get(number)
        if name is None:
            (name,) = self.row("select name from owner where id = ?", (number,))
        return self.owner(name)

    def box(self, number: BoxId) -> Box:
        """Return an open box. Raises Refusal."""
        box = self._boxes.get(number)
        if box is None:
            found = self.row("select owner from box where id = ?", (number,))
            if found is None:
                raise Refusal(NotAllowed())
            self.owner_by_id(found[0])
            box = self._boxes[number]
        return box

    def new_box(self, owner: Owner, device: str, key: bytes) -> Box:
        """Open a mailbox."""
        mailbox_id, now = uuid.uuid4().bytes, self._clock.now()
        self.execute(
            "insert into box (owner, device, mailbox_id, key, seen) values (?, ?, ?, ?, ?)",
            (owner.id, device, mailbox_id, key, now),
        )
        box = Box(self.db.last_insert_rowid(), owner, Address(owner.name, device), mailbox_id, key)
        box.seen = now
        owner.boxes[device] = self._boxes[box.id] = box
        self.shelves.by_box[box.id] = Shelf(0, 0, self._newest)
        return box

    def close_box(self, box: Box) -> list[Notice]:
        """Close a mailbox for good, and drop what waits in it.

        What no other mailbox of the account holds either is never delivered: it has expired. Returns who is told.
        """
        self.settle()
        changed = give_up(self, box)
        for kind, ref in self.rows("select kind, ref from entry where box = ?", (box.id,)):
            self.release(kind, ref)
        for table in ("entry", "failed", "tail"):
            self.execute(f"delete from {table} where box = ?", (box.id,))  # noqa: S608 - names of ours
        self.execute("delete from box where id = ?", (box.id,))
        del box.account.boxes[box.address.device], self._boxes[box.id], self.shelves.by_box[box.id]
        return [self.changed_mark(head, box.account) for head in changed]

    def release(self, kind: int, ref: int) -> None:
        """Let go of what an entry refers to: the last mailbox that holds a letter takes it away."""
        if kind == SHARE:
            self.execute("delete from share where id = ?", (ref,))
        elif kind == LETTER:
            self.execute("delete from letter where id = ? and pending = 1", (ref,))
            if self.db.changes() == 0:
                self.execute("update letter set pending = pending - 1 where id = ?", (ref,))

    def _load_owner(self, name: str) -> Owner:
        found = self.row("select id, version, removed from owner where name = ?", (name,))
        if found is None:
            self.execute("insert into owner (name, version) values (?, 0)", (name,))
            found = self.db.last_insert_rowid(), 0, 0
        owner = Owner(found[0], name, found[1])
        owner.removed = bool(found[2])
        query = "select id, device, mailbox_id, key, acked, top, seen, suspended from box where owner = ? order by id"
        for number, device, mailbox_id, key, acked, top, seen, suspended in self.rows(query, (owner.id,)):
            box = Box(number, owner, Address(name, device), mailbox_id, key)
            box.acked, box.seen, box.suspended = acked, seen, bool(suspended)
            last = self.row("select max(pos) from entry where box = ?", (number,))[0] or 0
            box.pos = max(acked, top, last)
            self.shelves.by_box[number] = Shelf(last, top, self._newest)
            box.stored = self.row("select count(*) from entry where box = ? and kind = ?", (number, LETTER))[0]
            owner.boxes[device] = self._boxes[number] = box
        self._owners[name] = owner
        self._owner_names[owner.id] = name
        return owner

    # Conversations

    def head(self, name: str) -> Head | None:
        """Return a conversation."""
        head = self._heads.get(name)
        return head if head is not None else self._load_head(name)

    def head_of(self, owner: Owner, name: str) -> Head:
        """Return a conversation that an account is a member of. Raises Refusal."""
        head = self.head(name)
        if head is None or owner.id not in head.members:
            raise Refusal(NotAllowed())
        return head

    def head_by_id(self, number: int) -> Head:
        """Return a conversation by its number."""
        name = self._head_names.get(number)
        if name is None:
            (name,) = self.row("select name from conversation where id = ?", (number,))
        return cast("Head", self.head(name))

    def heads_of(self, owner: Owner, after: int = 0, count: int = -1) -> list[Head]:
        """Return up to `count` conversations of an account, behind the one with the number `after`."""
        query = "select conversation from member where owner = ? and conversation > ? order by conversation limit ?"
        return [self.head_by_id(row[0]) for row in self.rows(query, (owner.id, after, count))]

    def direct(self, one: Owner, other: Owner) -> Head | None:
        """Return the direct conversation of two accounts."""
        found = self.row("select conversation from direct where low = ? and high = ?", sorted((one.id, other.id)))
        return self.head_by_id(found[0]) if found else None

    def contact(self, one: Owner, name: str) -> Owner | None:
        """Return the account of a name, if it and another have accepted each other."""
        other = self.known_owner(name)
        head = self.direct(one, other) if other is not None and not other.removed else None
        return other if head is not None and announce.is_contact(head, one.id, mutual=True) else None

    def new_direct(self, opener: Owner, other: Owner) -> Head:
        """Make the direct conversation of two accounts."""
        name = conversation_id(uuid.uuid4(), self.server_id)
        head = self._new_head(name, "direct")
        self.execute("insert into direct values (?, ?, ?)", (*sorted((opener.id, other.id)), head.id))
        for member in (Membership(opener, "open", 0), Membership(other, "asked", 0)):
            self.add_member(head, member)
        return head

    def new_group(self, name: str | None = None) -> Head:
        """Make a group without members."""
        return self._new_head(name or conversation_id(uuid.uuid4(), self.server_id), "group")

    def add_member(self, head: Head, member: Membership) -> None:
        """Let an account be a member of a conversation, from the place `since` on."""
        head.members[member.owner.id] = member
        head.changed()
        self.execute(
            "insert into member values (?, ?, ?, 0, 0, ?, ?, ?)",
            (
                *(member.owner.id, head.id, member.stance),
                *(member.since, member.role, 0 if head.kind == "group" else None),
            ),
        )
        since = member.since
        self.execute("insert into mark values (?, ?, ?, ?, ?, null, null, 0)", (head.id, member.owner.id, *[since] * 3))

    def drop_member(self, head: Head, owner: Owner) -> None:
        """Let an account be no member of a conversation any more."""
        self.settle()
        head.drop(owner)
        for table in ("member", "mark"):
            self.execute(f"delete from {table} where conversation = ? and owner = ?", (head.id, owner.id))  # noqa: S608 - names of ours

    def _new_head(self, name: str, kind: ConversationKind) -> Head:
        self.execute("insert into conversation values (null, ?, ?, 1, 0, 0, 0)", (name, kind))
        head = Head(self.db.last_insert_rowid(), name, kind)
        self._heads[name] = head
        self._head_names[head.id] = name
        return head

    def save_member(self, head: Head, member: Membership) -> None:
        """Write a membership that changed."""
        self.execute(
            "update member set stance = ?, blocked = ?, strange = ?, role = ? where owner = ? and conversation = ?",
            (member.stance, member.blocked, member.strange, member.role, member.owner.id, head.id),
        )

    def save_head(self, head: Head) -> None:
        """Write a conversation's place."""
        self.journal.now.heads[head.id] = head
        if head.speakers:
            self.journal.now.speakers[head.last_sender, head.id] = head.speakers.get(head.last_sender, 0)

    def tail(self, head: Head, box: Box) -> bytes | None:
        """Return the last accepted message of a device in a conversation."""
        last = head.tails.get(box.id, UNKNOWN)
        if last == UNKNOWN:
            found = self.row("select msg_id from tail where conversation = ? and box = ?", (head.id, box.id))
            last = head.tails[box.id] = found[0] if found else None
        return last

    def _load_head(self, name: str) -> Head | None:
        query = "select id, kind, epoch, seq, last_sender, run_start from conversation where name = ?"
        found = self.row(query, (name,))
        if found is None:
            return None
        head = Head(found[0], name, found[1])
        head.epoch, head.seq, head.last_sender, head.run_start = found[2:]
        query = (
            "select owner, stance, blocked, strange, since, role, spoke from member"
            " where conversation = ? order by spoke"
        )
        for owner, stance, blocked, strange, since, role, spoke in self.rows(query, (head.id,)):
            member = Membership(self.owner_by_id(owner), stance, since, role)
            member.blocked, member.strange = bool(blocked), strange
            head.members[owner] = member
            if spoke:
                head.speakers[owner] = spoke
        self._heads[name] = head
        self._head_names[head.id] = name
        return head

    # Marks

    def mark(self, head: Head, owner: Owner) -> Mark:
        """Return how far an account got in a conversation."""
        member = head.members.get(owner.id)
        if member is None:
            return Mark.starting(SAFE_INTEGER)  # of who left: nothing is news
        mark = member.mark
        if mark is None:
            query = (
                "select since, delivered, read, above, expired, changed from mark where conversation = ? and owner = ?"
            )
            since, delivered, read, above, expired, changed = self.row(query, (head.id, owner.id))
            mark = Mark(since, delivered, read, _intervals(above), _intervals(expired), changed)
            member.mark = mark
            member.tell(mark)
        return mark

    def changed_mark(self, head: Head, owner: Owner, but: Box | None = None) -> Notice:
        """Stamp and write a mark that changed, and return who is to be told."""
        mark = self.mark(head, owner)
        if not self._stamp:
            self.settle()
            self._stamp = self.row("select max(changed) from mark")[0] or 0
        self._stamp = mark.changed = max(self._stamp, self.now)
        if owner.id in head.members:
            self.journal.now.marks[head.id, owner.id] = mark
        return Notice(announce.marks_event(head, owner, mark), announce.told_of_mark(head, owner.id, mark, but))

    def tell(self, notices: list[Notice], head: Head, box: Box) -> None:
        """Add to the notices of a device how far its account has got in a conversation.

        Of all that one transaction tells of it, the last is enough, and takes the place of those before.
        """
        notice = self.changed_mark(head, box.account, box)
        earlier = self._told.get((head.id, box.id))
        if earlier is not None:
            earlier[0].remove(earlier[1])
            told = set(notice.to)
            notice = notice._replace(to=[*notice.to, *(to for to in earlier[1].to if to not in told)])
        notices.append(notice)
        self._told[head.id, box.id] = notices, notice


def _intervals(text: str | None) -> tuple[Interval, ...]:
    return tuple((first, last) for first, last in json.loads(text)) if text else ()
