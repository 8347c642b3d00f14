"""Conversations in memory, on the heads of `MemoryMailboxes`."""

from asyncio import Future
from collections.abc import Sequence
from functools import partial

from tidings.server.domain import admission, announce, membership
from tidings.server.domain.heads import Head, Membership
from tidings.server.ports.conversations import Changed
from tidings.server.ports.mailboxes import Appended, BoxId, Notice
from tidings.server.storage.memory.mailboxes import MemoryMailboxes, settled
from tidings.wire.commands import Answer, ChangeMembers
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.frames import Conversation


class MemoryConversations:
    """The port `Conversations`."""

    def __init__(self, mailboxes: MemoryMailboxes) -> None:
        self._store = mailboxes

    def open_direct(self, account: str, other: str, *, accepted: bool) -> "Future[Changed]":
        """See Conversations."""
        return settled(lambda: self._open_direct(account, other, accepted=accepted))

    def open_group(self, accounts: Sequence[str]) -> "Future[Changed]":
        """See Conversations."""
        return settled(lambda: self._open_group(accounts))

    def change_members(self, change: ChangeMembers, sender: BoxId) -> "Future[Appended]":
        """See Conversations."""
        return settled(lambda: self._change_members(change, sender))

    def respond(self, account: str, conversation: str, answer: Answer) -> "Future[Changed]":
        """See Conversations."""
        return settled(lambda: self._respond(account, conversation, answer))

    def fetch(self, account: str, names: Sequence[str]) -> "Future[Sequence[Conversation]]":
        """See Conversations."""
        return settled(
            lambda: [admission.view(head, self._me(account)) for head in self._mine(account) if head.name in names]
        )

    def page(self, account: str, after: str | None, count: int) -> "Future[tuple[Sequence[Conversation], bool]]":
        """See Conversations."""
        return settled(lambda: self._page(account, after, count))

    def audience(self, account: str, conversation: str) -> "Future[Sequence[BoxId]]":
        """See Conversations."""
        return settled(lambda: announce.audience(self._head(account, conversation), self._me(account)))

    def contacts(self, account: str, others: Sequence[str], *, mutual: bool) -> "Future[frozenset[str]]":
        """See Conversations."""
        return settled(lambda: self._contacts(account, others, mutual=mutual))

    def remove_account(self, account: str) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """See Conversations."""
        return settled(lambda: self._remove_account(account))

    def _open_direct(self, account: str, other: str, *, accepted: bool) -> Changed:
        mine, theirs = self._store.owner(account), self._store.owner(other)
        if mine is theirs or theirs.removed:
            raise Refusal(NotAllowed())
        head = self._store.direct(mine, theirs)
        if head is None:
            head = self._store.new_direct(mine, theirs)
        changed = [
            member for member in head.members.values() if member.stance != "open" and (member.owner is mine or accepted)
        ]
        for member in changed:
            member.stance = "open"
        notices = [Notice(*change) for change in announce.conversation_changes(head)] if changed else []
        notices += [self._store.changed_mark(head, member.owner) for member in changed]
        return Changed(admission.view(head, mine.id), notices)

    def _open_group(self, accounts: Sequence[str]) -> Changed:
        head = self._store.new_group()
        owners = [self._store.owner(account) for account in accounts]
        for owner in owners:
            self._store.add_member(head, Membership(owner, "open", 0, "member" if head.members else "owner"))
        return Changed(admission.view(head, owners[0].id), [Notice(*announce.arrival(head, owners))])

    def _change_members(self, change: ChangeMembers, sender: BoxId) -> Appended:
        store, send = self._store, membership.as_send(change)
        box = store.box(sender)
        known = self._store.earlier(send, sender)
        if known is not None:
            return known
        head = store.head(change.conversation)
        if head is None:
            membership.admit_new(box, change, store.server_id)
            head, plan = store.new_group(change.conversation), membership.Plan([(box.account, "owner")], [], [])
            head.epoch = 0
        else:
            contact = partial(store.contact, box.account)
            plan = membership.admit(head, box, change, store.tail(head, box), contact)
        for owner, role in plan.joining:
            store.add_member(head, Membership(owner, "open", head.seq, role))
        for member, role in plan.promoted:
            member.role = role
        appended = self._store.put(send, sender)
        for member in plan.leaving:
            store.drop_member(head, member.owner)
        head.epoch += 1
        told = [Notice(*told) for told in announce.carried_out(head, plan)]
        return appended._replace(notices=[*appended.notices, *told])

    def _respond(self, account: str, conversation: str, answer: Answer) -> Changed:
        head = self._head(account, conversation)
        if head.kind != "direct":
            raise Refusal(NotAllowed())
        me = head.members[self._me(account)]
        match answer:
            case "accept":
                me.stance = "open"
            case "decline":
                me.stance = "declined"
            case "block":
                me.blocked = True
            case "unblock":
                me.blocked = False
        only = None if answer == "accept" else me.owner.id  # what one refuses is one's own affair
        notices = [Notice(*change) for change in announce.conversation_changes(head, only)]
        if answer in ("accept", "unblock"):
            notices += [self._store.changed_mark(head, member.owner) for member in head.members.values()]
        return Changed(admission.view(head, me.owner.id), notices)

    def _page(self, account: str, after: str | None, count: int) -> tuple[list[Conversation], bool]:
        heads = sorted(self._mine(account), key=lambda head: head.name)
        behind = [head for head in heads if after is None or head.name > after]
        return [admission.view(head, self._me(account)) for head in behind[:count]], len(behind) > count

    def _contacts(self, account: str, others: Sequence[str], *, mutual: bool) -> frozenset[str]:
        me = self._me(account)
        return frozenset(
            admission.other_member(head, me).owner.name
            for head in self._mine(account)
            if head.kind == "direct" and announce.is_contact(head, me, mutual=mutual)
        ).intersection(others)

    def _remove_account(self, account: str) -> tuple[list[BoxId], list[Notice]]:
        store = self._store
        owner = store.owner(account)
        owner.removed = True
        boxes = list(owner.boxes.values())
        notices = [notice for box in boxes for notice in store.close(box)]
        for head in [head for head in self._mine(account) if head.kind == "group"]:
            heir = membership.heir(head, owner)
            if heir is not None:
                heir.role = "owner"
            store.drop_member(head, owner)
            head.epoch += 1
            notices.append(Notice(*announce.members_change(head, [heir] if heir else [], [owner])))
        return [box.id for box in boxes], notices

    def _me(self, account: str) -> int:
        return self._store.owner(account).id

    def _mine(self, account: str) -> list[Head]:
        return self._store.shared_with(self._store.owner(account))

    def _head(self, account: str, conversation: str) -> Head:
        head = self._store.heads.get(conversation)
        if head is None or self._me(account) not in head.members:
            raise Refusal(NotAllowed())
        return head
