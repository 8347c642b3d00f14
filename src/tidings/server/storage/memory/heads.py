"""Who shares which conversation with whom, in memory, and how far everybody got."""

import uuid

from tidings.server.domain import announce
from tidings.server.domain.heads import Box, Head, Membership, Owner
from tidings.server.domain.marks import Mark
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Notice
from tidings.wire.frames import ConversationKind
from tidings.wire.ids import SAFE_INTEGER, conversation_id


class Heads:
    """Accounts, conversations and marks."""

    def __init__(self, clock: Clock, server_id: str) -> None:
        self.clock = clock
        self.server_id = server_id
        self.owners: dict[str, Owner] = {}
        self.heads: dict[str, Head] = {}
        self.marks: dict[tuple[int, int], Mark] = {}
        self._numbers = 0
        self._stamp = 0

    def owner(self, account: str) -> Owner:
        """Return an account's state, made if there is none."""
        if account not in self.owners:
            self.owners[account] = Owner(self.number(), account, 0)
        return self.owners[account]

    def direct(self, one: Owner, other: Owner) -> Head | None:
        """Return the direct conversation of two accounts."""
        return next(
            (head for head in self.shared_with(one) if head.kind == "direct" and other.id in head.members), None
        )

    def new_direct(self, opener: Owner, other: Owner) -> Head:
        """Make the direct conversation of two accounts."""
        head = self._new_head(conversation_id(uuid.uuid4(), self.server_id), "direct")
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
        self.marks[head.id, member.owner.id] = Mark.starting(member.since)

    def drop_member(self, head: Head, owner: Owner) -> None:
        """Let an account be no member of a conversation any more."""
        head.drop(owner)
        del self.marks[head.id, owner.id]

    def _new_head(self, name: str, kind: ConversationKind) -> Head:
        head = Head(self.number(), name, kind)
        self.heads[head.name] = head
        return head

    def shared_with(self, owner: Owner) -> list[Head]:
        """Return the conversations of an account."""
        return [head for head in self.heads.values() if owner.id in head.members]

    def mark(self, head: Head, owner: Owner) -> Mark:
        """Return how far an account got in a conversation; of one that left nothing is news."""
        return self.marks.get((head.id, owner.id)) or Mark.starting(SAFE_INTEGER)

    def contact(self, one: Owner, name: str) -> Owner | None:
        """Return the account of a name, if it and another have accepted each other."""
        other = self.owners.get(name)
        head = self.direct(one, other) if other is not None and not other.removed else None
        return other if head is not None and announce.is_contact(head, one.id, mutual=True) else None

    def changed_mark(self, head: Head, owner: Owner, but: Box | None = None) -> Notice:
        """Stamp a mark that changed, and return who is to be told."""
        mark = self.marks[head.id, owner.id]
        self._stamp = mark.changed = max(self._stamp, self.clock.now())
        return Notice(announce.marks_event(head, owner, mark), announce.told_of_mark(head, owner.id, mark, but))

    def head(self, name: str) -> Head | None:
        """Return a conversation."""
        return self.heads.get(name)

    def tail(self, head: Head, box: Box) -> bytes | None:
        """Return the last accepted message of a device in a conversation."""
        return head.tails.get(box.id)

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._numbers += 1
        return self._numbers
