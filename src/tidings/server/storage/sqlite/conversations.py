"""Conversations in SQLite, on the book of `SqliteMailboxes`."""

from asyncio import Future
from collections.abc import Sequence
from functools import partial

from tidings.server.domain import admission, announce, membership
from tidings.server.domain.heads import Head, Membership
from tidings.server.ports.conversations import Changed
from tidings.server.ports.mailboxes import Appended, BoxId, Notice
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Answer, ChangeMembers
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.frames import Conversation


class SqliteConversations:
    """The port `Conversations`."""

    def __init__(self, mailboxes: SqliteMailboxes) -> None:
        self._mailboxes = mailboxes
        self._database = mailboxes.database
        self._book = mailboxes.book

    def open_direct(self, account: str, other: str, *, accepted: bool) -> "Future[Changed]":
        """See Conversations."""
        return self._database.write(lambda: self._open_direct(account, other, accepted=accepted))

    def open_group(self, accounts: Sequence[str]) -> "Future[Changed]":
        """See Conversations."""
        return self._database.write(lambda: self._open_group(accounts))

    def change_members(self, change: ChangeMembers, sender: BoxId) -> "Future[Appended]":
        """See Conversations."""
        return self._database.write(lambda: self._change_members(change, sender))

    def respond(self, account: str, conversation: str, answer: Answer) -> "Future[Changed]":
        """See Conversations."""
        return self._database.write(lambda: self._respond(account, conversation, answer), grows=False)

    def fetch(self, account: str, names: Sequence[str]) -> "Future[Sequence[Conversation]]":
        """See Conversations."""
        return self._database.write(lambda: self._fetch(account, names), grows=False)

    def page(self, account: str, after: str | None, count: int) -> "Future[tuple[Sequence[Conversation], bool]]":
        """See Conversations."""
        return self._database.write(lambda: self._page(account, after, count), grows=False)

    def audience(self, account: str, conversation: str) -> "Future[Sequence[BoxId]]":
        """See Conversations."""
        return self._database.write(lambda: self._audience(account, conversation), grows=False)

    def contacts(self, account: str, others: Sequence[str], *, mutual: bool) -> "Future[frozenset[str]]":
        """See Conversations."""
        return self._database.write(lambda: self._contacts(account, others, mutual=mutual), grows=False)

    def remove_account(self, account: str) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """See Conversations."""
        return self._database.write(lambda: self._remove_account(account), grows=False)

    def _open_direct(self, account: str, other: str, *, accepted: bool) -> Changed:
        book = self._book
        mine, theirs = book.owner(account), book.owner(other)
        if mine is theirs or theirs.removed:
            raise Refusal(NotAllowed())
        head = book.direct(mine, theirs) or book.new_direct(mine, theirs)
        changed = [
            member for member in head.members.values() if member.stance != "open" and (member.owner is mine or accepted)
        ]
        for member in changed:
            member.stance = "open"
            book.save_member(head, member)
        notices = [Notice(*change) for change in announce.conversation_changes(head)] if changed else []
        notices += [book.changed_mark(head, member.owner) for member in changed]
        return Changed(admission.view(head, mine.id), notices)

    def _open_group(self, accounts: Sequence[str]) -> Changed:
        head = self._book.new_group()
        owners = [self._book.owner(account) for account in accounts]
        for owner in owners:
            self._book.add_member(head, Membership(owner, "open", 0, "member" if head.members else "owner"))
        return Changed(admission.view(head, owners[0].id), [Notice(*announce.arrival(head, owners))])

    def _change_members(self, change: ChangeMembers, sender: BoxId) -> Appended:
        store, send = self._book, membership.as_send(change)
        store.trim()
        box = store.box(sender)
        known = self._mailboxes.earlier(send, sender)
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
            store.save_member(head, member)
        appended = self._mailboxes.put(send, sender)
        for member in plan.leaving:
            store.drop_member(head, member.owner)
        head.epoch += 1
        store.save_head(head)
        told = [Notice(*told) for told in announce.carried_out(head, plan)]
        return appended._replace(notices=[*appended.notices, *told])

    def _respond(self, account: str, conversation: str, answer: Answer) -> Changed:
        book = self._book
        head = book.head_of(book.owner(account), conversation)
        if head.kind != "direct":
            raise Refusal(NotAllowed())
        me = head.members[book.owner(account).id]
        match answer:
            case "accept":
                me.stance = "open"
            case "decline":
                me.stance = "declined"
            case "block":
                me.blocked = True
            case "unblock":
                me.blocked = False
        book.save_member(head, me)
        only = None if answer == "accept" else me.owner.id  # what one refuses is one's own affair
        notices = [Notice(*change) for change in announce.conversation_changes(head, only)]
        if answer in ("accept", "unblock"):
            notices += [book.changed_mark(head, member.owner) for member in head.members.values()]
        return Changed(admission.view(head, me.owner.id), notices)

    def _fetch(self, account: str, names: Sequence[str]) -> list[Conversation]:
        owner = self._book.owner(account)
        heads = [head for name in names if (head := self._book.head(name)) is not None]
        return [admission.view(head, owner.id) for head in heads if owner.id in head.members]

    def _page(self, account: str, after: str | None, count: int) -> tuple[list[Conversation], bool]:
        owner = self._book.owner(account)
        last = self._book.head(after) if after else None
        heads = self._book.heads_of(owner, last.id if last else 0, count + 1)
        return [admission.view(head, owner.id) for head in heads[:count]], len(heads) > count

    def _audience(self, account: str, conversation: str) -> list[BoxId]:
        owner = self._book.owner(account)
        return announce.audience(self._book.head_of(owner, conversation), owner.id)

    def _contacts(self, account: str, others: Sequence[str], *, mutual: bool) -> frozenset[str]:
        owner = self._book.owner(account)
        known = [(other, self._book.known_owner(other)) for other in others if other != account]
        heads: list[tuple[str, Head | None]] = [
            (name, self._book.direct(owner, other)) for name, other in known if other is not None
        ]
        return frozenset(
            name for name, head in heads if head is not None and announce.is_contact(head, owner.id, mutual=mutual)
        )

    def _remove_account(self, account: str) -> tuple[list[BoxId], list[Notice]]:
        book = self._book
        owner = book.owner(account)
        owner.removed = True
        book.execute("update owner set removed = 1 where id = ?", (owner.id,))
        boxes = list(owner.boxes.values())
        notices = [notice for box in boxes for notice in book.close_box(box)]
        for head in [head for head in book.heads_of(owner) if head.kind == "group"]:
            heir = membership.heir(head, owner)
            if heir is not None:
                heir.role = "owner"
                book.save_member(head, heir)
            book.drop_member(head, owner)
            head.epoch += 1
            book.save_head(head)
            notices.append(Notice(*announce.members_change(head, [heir] if heir else [], [owner])))
        return [box.id for box in boxes], notices
