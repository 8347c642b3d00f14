"""Accounts and conversations, as the server tells of them and as their owners sign them."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from tidings.sdk.crypto.directory import Device
from tidings.sdk.errors import Distrusted
from tidings.sdk.events import ContactChanged, ConversationUpdate
from tidings.sdk.sync.rosters import STRANGER, Rosters
from tidings.sdk.sync.state import State
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.errors import MemberVersion, StaleEpoch
from tidings.wire.frames import Conversation, ConversationKind, Member, Role, Standing
from tidings.wire.limits import MAX_ACCOUNTS, MAX_CONVERSATIONS

__all__ = ["STRANGER", "Contacts", "View"]


class View(msgspec.Struct, frozen=True):
    """A conversation as it is known here; members with the newest version of their devices that was heard of.

    Of a group also the members' roles, and the place before the first message that each of them got. Of one that was
    left, or that one was removed from, oneself is no member.
    """

    id: str
    kind: ConversationKind
    standing: Standing
    epoch: int
    members: dict[str, int]
    roles: dict[str, Role] = {}
    since: dict[str, int] = {}


class Recipients(msgspec.Struct, frozen=True):
    """Whom a message goes to: the devices, this one left out, and the sum of the versions of the lists they stand in.

    The two belong together. A sum that is read later may count a device that was given no key.
    """

    devices: list[Device]
    versions: int


class Contacts:
    """What is known of others."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._db = state.db
        self._directory = state.machine.directory
        self.rosters = Rosters(state.db, state.account)
        self._ready: dict[str, tuple[int, dict[str, int], Recipients]] = {}
        """Of conversations whose devices were looked through: when, of which members, and what was found."""
        self.on_agreed: Callable[[str], None] = lambda _: None
        """Called when it is known who is in a group: what waited for that may go."""
        self.on_unsaid: Callable[[View], None] = lambda _: None
        """Called when the server shows members of a group of whom no member said it, or not yet."""

    # Accounts

    async def learn(self, accounts: Collection[str]) -> None:
        """Ask for the keys of accounts, and take in what can be believed."""
        wanted = sorted(accounts)
        for start in range(0, len(wanted), MAX_ACCOUNTS):
            reply: e.Keys = await self._state.ask(c.QueryKeys(0, wanted[start : start + MAX_ACCOUNTS]))
            with self._db.transaction():
                changed = {keys.account for keys in reply.accounts if self._directory.learn(keys)}
            if changed:
                self._tell_of(changed)

    async def refresh(self, view: View) -> Recipients:
        """Return whom a message to a conversation goes to. Raises Distrusted."""
        ready = self._ready.get(view.id)
        if ready is not None and ready[:2] == (self._directory.changes, view.members):
            return ready[2]
        stale = [account for account, version in view.members.items() if self._is_stale(account, version)]
        if stale:
            await self.learn(stale)
        own = self._state.account, self._state.device
        known = (device for account in view.members for device in self._directory.devices(account))
        devices = [device for device in known if (device.account, device.id) != own]
        found = Recipients(devices, sum(self.newest(view.members).values()))
        self._ready[view.id] = self._directory.changes, view.members, found
        return found

    def newest(self, accounts: Collection[str]) -> dict[str, int]:
        """Return the versions of accounts' devices as they were checked here."""
        return {account: self._directory.version(account) for account in accounts}

    def heard_of(self, account: str, version: int) -> None:
        """Note that an account's devices changed."""
        for view in self.views():
            if view.members.get(account, version) < version:
                self.save(msgspec.structs.replace(view, members=view.members | {account: version}))

    def doubt(self, account: str, reason: str) -> None:
        """Note, and tell, what is wrong with what the server says of an account."""
        with self._db.transaction():
            self._directory.suspect(account, reason)
        self._state.emit(ContactChanged(account, reason))

    def trust(self, account: str) -> None:
        """Accept the identity that an account has now."""
        with self._db.transaction():
            self._directory.trust(account)

    def _is_stale(self, account: str, version: int) -> bool:
        if self._directory.version(account) < version:
            return True
        try:
            self._directory.check(account)
        except Distrusted:
            return True
        return False

    def _tell_of(self, accounts: set[str]) -> None:
        for account in sorted(accounts):
            try:
                self._directory.check(account)
            except Distrusted as problem:
                self._state.emit(ContactChanged(account, problem.reason))
        for view in self.views():
            if not accounts.isdisjoint(view.members):
                self._state.emit(ConversationUpdate(view.id))

    # Conversations

    def view(self, conversation: str) -> View | None:
        """Return a conversation."""
        row = self._db.row(f"select {_COLUMNS} from conversation where id = ?", conversation)  # noqa: S608 - names below
        return _view(*row) if row else None

    def views(self) -> list[View]:
        """Return all conversations."""
        return [_view(*row) for row in self._db.rows(f"select {_COLUMNS} from conversation")]  # noqa: S608 - names below

    def direct_with(self, account: str) -> View | None:
        """Return the direct conversation with an account."""
        mine = {account, self._state.account}
        rows = self._db.rows(f"select {_COLUMNS} from conversation where kind = 'direct'")  # noqa: S608 - names below
        return next((view for view in (_view(*row) for row in rows) if set(view.members) == mine), None)

    def take(self, conversations: Sequence[Conversation]) -> list[View]:
        """Take in conversations that the server shows; return those that can be believed."""
        shown = [
            View(
                id=shown.conversation,
                kind=shown.kind,
                standing=shown.standing,
                epoch=shown.epoch,
                members={member.account: member.version for member in shown.members},
                roles={member.account: member.role for member in shown.members} if shown.kind == "group" else {},
                since={member.account: member.since for member in shown.members} if shown.kind == "group" else {},
            )
            for shown in conversations
        ]
        views = [view for view in shown if self._is_sound(view)]
        with self._db.transaction():
            changed = [view for view in views if self.view(view.id) != view]
            for view in changed:
                self.save(view)
        for view in changed:
            self._state.emit(ConversationUpdate(view.id))
            if view.kind == "group":
                self._settle(view)
        return views

    async def take_stale(self, conversation: str, stale: StaleEpoch) -> None:
        """Take in what a refusal tells of a conversation's members. Raises Distrusted."""
        known = self.view(conversation)
        if known is None or (known.kind == "group" and known.epoch != stale.epoch):
            await self.fetch([conversation])  # the roles that others have now do not stand in a refusal
        else:
            members = {member.account: member.version for member in stale.members}
            view = msgspec.structs.replace(known, epoch=stale.epoch, members=members)
            if not self._is_sound(view):
                raise Distrusted(self._other(known), STRANGER)
            self.save(view)

    async def compare(self, conversation: str, epoch: int, shown: Sequence[Member | MemberVersion]) -> list[str] | None:
        """Return None if a conversation is known here as the server shows it.

        Else return the members of whose devices it shows another version than the one that they signed, as it was asked
        for anew. Raises Distrusted if what is said of these is wrong.
        """
        known = self.view(conversation)
        apart = self._apart(shown)
        if apart:
            await self.learn(apart)
            apart = self._apart(shown)
            for account in apart:
                self._directory.check(account)
        return apart if apart or (known is not None and known.epoch != epoch) else None

    def _apart(self, shown: Sequence[Member | MemberVersion]) -> list[str]:
        return [one.account for one in shown if one.version != self._directory.version(one.account)]

    def may_speak(self, conversation: str, account: str) -> bool:
        """Return whether what an account says in a conversation is shown: it is, or was when it said so, a member."""
        view = self.view(conversation)
        if view is None or view.kind == "direct":
            return view is not None and account in view.members
        return account in view.members or self.rosters.was_member(conversation, account)

    def is_vouched_for(self, conversation: str, account: str) -> bool:
        """Return whether it is not the server alone who says that an account is, or was, a member."""
        view = self.view(conversation)
        return view is None or view.kind == "direct" or self.rosters.is_vouched_for(conversation, account)

    # Groups

    def change(self, event: e.MembersChanged) -> bool:
        """Take in how the members of a group changed. Returns False if it must be fetched instead."""
        known = self.view(event.conversation)
        if known is None or event.epoch > known.epoch + 1:
            return False
        if event.epoch == known.epoch + 1:
            members = {account: version for account, version in known.members.items() if account not in event.gone}
            members |= {member.account: member.version for member in event.members}
            roles = known.roles | {member.account: member.role for member in event.members}
            since = known.since | {member.account: member.since for member in event.members}
            view = msgspec.structs.replace(
                known,
                epoch=event.epoch,
                members=members,
                roles={account: roles[account] for account in members},
                since={account: since[account] for account in members},
            )
            with self._db.transaction():
                self.save(view)
            self._state.emit(ConversationUpdate(view.id))
            self._settle(view)
        return True

    def farewell(self, group: str) -> dict[str, Role | None]:
        """Return the change by which one leaves a group: an owner gives it to the eldest admin, or else member."""
        view, me = self.view(group), self._state.account
        if view is None or view.roles.get(me) != "owner":
            return {me: None}
        others = sorted(view.roles.keys() - {me}, key=lambda other: (view.roles[other], view.since[other], other))
        return {**dict.fromkeys(others[:1], "owner"), me: None}

    async def settle(self, conversations: Collection[str]) -> None:
        """Compare what members say of their groups with what the server shows, which is fetched if it is older."""
        views = [view for name in conversations if (view := self._present(name)) is not None]
        old = [view.id for view in views if self.rosters.is_ahead(view.id, view.epoch)]
        for view in views:
            if view.id not in old:
                self._settle(view)
            self.on_agreed(view.id)
        await self.fetch(old)
        for name in old:
            view = self._present(name)
            if view is not None and self.rosters.is_ahead(name, view.epoch):
                self._doubt(view)

    def _present(self, group: str) -> View | None:
        view = self.view(group)
        return view if view is not None and self._state.account in view.members else None

    def _doubt(self, view: View) -> None:
        """Tell why nothing is sent to a group of which members say what the server does not show when it is asked."""
        try:
            self.rosters.check(view.id, view.epoch, view.members)
        except Distrusted as problem:
            self._state.emit(ContactChanged(problem.account, problem.reason))

    def _settle(self, view: View) -> None:
        try:
            with self._db.transaction():
                agreed = self.rosters.settle(view.id, view.epoch, view.roles)
        except Distrusted as problem:
            self._state.emit(ContactChanged(problem.account, problem.reason))
        else:
            if agreed:
                self._state.emit(ConversationUpdate(view.id))
                self.on_agreed(view.id)
        self.on_unsaid(view)

    def _leave(self, view: View) -> None:
        """Note that one is no member of a group any more."""
        if self._state.account in view.members:
            members = {account: version for account, version in view.members.items() if account != self._state.account}
            with self._db.transaction():
                self.save(msgspec.structs.replace(view, members=members))
            self._state.emit(ConversationUpdate(view.id))
            self.on_agreed(view.id)  # what waits to be said there fails now

    def _is_sound(self, view: View) -> bool:
        """Return whether a conversation is of two, one of them oneself, and of the same two as ever; or a group.

        What is wrong becomes the problem of the one who was there before.
        """
        known = self.view(view.id)
        if view.kind == "group" and (known is None or known.kind == "group"):
            return self._state.account in view.members and (known is None or known.epoch <= view.epoch)
        others = view.members.keys() - {self._state.account}
        is_pair = view.kind == "direct" and len(others) == 1 == len(view.members) - 1
        if is_pair and (known is None or known.members.keys() == view.members.keys()):
            return True
        if known is not None:
            self.doubt(self._other(known), STRANGER)
        return False

    def _other(self, view: View) -> str:
        return next(account for account in view.members if account != self._state.account)

    async def fetch(self, conversations: Collection[str]) -> list[Conversation]:
        """Ask for conversations by name. Returns what the server shows, whether or not it can be believed."""
        wanted = sorted(conversations)
        found: list[Conversation] = []
        while wanted:
            part = wanted[:MAX_CONVERSATIONS]
            reply: e.Conversations = await self._state.ask(c.ListConversations(0, part, None))
            self.take(reply.conversations)
            found += reply.conversations
            if reply.more and reply.conversations and reply.conversations[-1].conversation in part:
                part = part[: part.index(reply.conversations[-1].conversation) + 1]
            wanted = wanted[len(part) :]
            for name in set(part) - {shown.conversation for shown in reply.conversations}:
                known = self.view(name)
                if known is not None and known.kind == "group":
                    self._leave(known)
        return found

    async def fetch_all(self) -> None:
        """Ask for all conversations. Groups that are met by this are believed to be as the server shows them."""
        after: str | None = None
        more = True
        while more:
            reply: e.Conversations = await self._state.ask(c.ListConversations(0, [], after))
            views = self.take(reply.conversations)
            with self._db.transaction():
                for view in views:
                    if view.kind == "group" and not self.rosters.agreed(view.id):
                        self.rosters.agree(view.id, view.epoch, view.roles)
            more = reply.more and bool(reply.conversations)
            after = reply.conversations[-1].conversation if reply.conversations else None

    def save(self, view: View) -> None:
        """Keep a conversation as it is known now. Part of the caller's transaction."""
        self._db.run(
            f"insert into conversation ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - names below
            " on conflict do update set standing = excluded.standing, epoch = excluded.epoch,"
            " members = excluded.members, roles = excluded.roles, since = excluded.since",
            *(view.id, view.kind, view.standing, view.epoch),
            *(json.dumps(view.members), json.dumps(view.roles), json.dumps(view.since)),
        )


_COLUMNS: Final = "id, kind, standing, epoch, members, roles, since"


def _view(name: str, kind: ConversationKind, standing: Standing, epoch: int, *parts: str) -> View:
    members, roles, since = map(json.loads, parts)
    return View(name, kind, standing, epoch, members, roles, since)
