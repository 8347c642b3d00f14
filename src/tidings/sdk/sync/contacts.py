"""Accounts and conversations, as the server tells of them and as their owners sign them."""

import json
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from tidings.sdk.crypto.directory import Device
from tidings.sdk.errors import Distrusted
from tidings.sdk.events import ContactChanged, ConversationUpdate
from tidings.sdk.sync.state import State
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.errors import StaleEpoch
from tidings.wire.frames import Conversation, ConversationKind, Standing
from tidings.wire.limits import MAX_ACCOUNTS, MAX_CONVERSATIONS

STRANGER: Final = "the server puts somebody else into the conversation"


class View(msgspec.Struct, frozen=True):
    """A conversation as it is known here; members with the newest version of their devices that was heard of."""

    id: str
    kind: ConversationKind
    standing: Standing
    epoch: int
    members: dict[str, int]


class Contacts:
    """What is known of others."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._db = state.db
        self._directory = state.machine.directory

    # Accounts

    async def learn(self, accounts: Collection[str]) -> None:
        """Ask for the keys of accounts, and take in what can be believed."""
        wanted = sorted(accounts)
        for start in range(0, len(wanted), MAX_ACCOUNTS):
            reply: e.Keys = await self._state.ask(c.QueryKeys(0, wanted[start : start + MAX_ACCOUNTS]))
            with self._db.transaction():
                changed = [keys.account for keys in reply.accounts if self._directory.learn(keys)]
            for account in changed:
                self._tell_of(account)

    async def refresh(self, view: View) -> list[Device]:
        """Return the devices that a message to a conversation goes to, this one left out. Raises Distrusted."""
        stale = [account for account, version in view.members.items() if self._is_stale(account, version)]
        if stale:
            await self.learn(stale)
        devices = [device for account in view.members for device in self._directory.devices(account)]
        return [
            device for device in devices if (device.account, device.id) != (self._state.account, self._state.device)
        ]

    def versions(self, view: View) -> int:
        """Return the sum of the members' versions that were checked here."""
        return sum(self._directory.version(account) for account in view.members)

    def heard_of(self, account: str, version: int) -> None:
        """Note that an account's devices changed."""
        for view in self.views():
            if view.members.get(account, version) < version:
                self._save(msgspec.structs.replace(view, members=view.members | {account: version}))

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

    def _tell_of(self, account: str) -> None:
        try:
            self._directory.check(account)
        except Distrusted as problem:
            self._state.emit(ContactChanged(account, problem.reason))
        for view in self.views():
            if account in view.members:
                self._state.emit(ConversationUpdate(view.id))

    # Conversations

    def view(self, conversation: str) -> View | None:
        """Return a conversation."""
        row = self._db.row("select id, kind, standing, epoch, members from conversation where id = ?", conversation)
        return _view(*row) if row else None

    def views(self) -> list[View]:
        """Return all conversations."""
        rows = self._db.rows("select id, kind, standing, epoch, members from conversation")
        return [_view(*row) for row in rows]

    def direct_with(self, account: str) -> View | None:
        """Return the direct conversation with an account."""
        mine = {account, self._state.account}
        return next((view for view in self.views() if view.kind == "direct" and set(view.members) == mine), None)

    def take(self, conversations: Sequence[Conversation]) -> list[View]:
        """Take in conversations that the server shows; return those that can be believed."""
        shown = [
            View(
                id=shown.conversation,
                kind=shown.kind,
                standing=shown.standing,
                epoch=shown.epoch,
                members={member.account: member.version for member in shown.members},
            )
            for shown in conversations
        ]
        views = [view for view in shown if self._is_sound(view)]
        with self._db.transaction():
            changed = [view for view in views if self.view(view.id) != view]
            for view in changed:
                self._save(view)
        for view in changed:
            self._state.emit(ConversationUpdate(view.id))
        return views

    def take_stale(self, conversation: str, stale: StaleEpoch) -> None:
        """Take in what a refusal tells of a conversation's members. Raises Distrusted."""
        known = self.view(conversation)
        if known is not None:
            members = {member.account: member.version for member in stale.members}
            view = msgspec.structs.replace(known, epoch=stale.epoch, members=members)
            if not self._is_sound(view):
                raise Distrusted(self._other(known), STRANGER)
            self._save(view)

    def is_member(self, conversation: str, account: str) -> bool:
        """Return whether an account may speak in a conversation."""
        view = self.view(conversation)
        return view is not None and account in view.members

    def _is_sound(self, view: View) -> bool:
        """Return whether a conversation is of two, one of them oneself, and of the same two as ever.

        What is wrong becomes the problem of the one who was there before.
        """
        known = self.view(view.id)
        others = view.members.keys() - {self._state.account}
        is_pair = view.kind == "direct" and len(others) == 1 == len(view.members) - 1
        if is_pair and (known is None or known.members.keys() == view.members.keys()):
            return True
        if known is not None:
            other = self._other(known)
            with self._db.transaction():
                self._directory.suspect(other, STRANGER)
            self._state.emit(ContactChanged(other, STRANGER))
        return False

    def _other(self, view: View) -> str:
        return next(account for account in view.members if account != self._state.account)

    async def fetch(self, conversations: Collection[str]) -> None:
        """Ask for conversations by name."""
        wanted = sorted(conversations)
        for start in range(0, len(wanted), MAX_CONVERSATIONS):
            part = wanted[start : start + MAX_CONVERSATIONS]
            reply: e.Conversations = await self._state.ask(c.ListConversations(0, part, None))
            self.take(reply.conversations)

    async def fetch_all(self) -> None:
        """Ask for all conversations."""
        after: str | None = None
        more = True
        while more:
            reply: e.Conversations = await self._state.ask(c.ListConversations(0, [], after))
            self.take(reply.conversations)
            more = reply.more and bool(reply.conversations)
            after = reply.conversations[-1].conversation if reply.conversations else None

    def _save(self, view: View) -> None:
        self._db.run(
            "insert into conversation (id, kind, standing, epoch, members) values (?, ?, ?, ?, ?)"
            " on conflict do update set standing = excluded.standing, epoch = excluded.epoch,"
            " members = excluded.members",
            *(view.id, view.kind, view.standing, view.epoch, json.dumps(view.members)),
        )


def _view(name: str, kind: ConversationKind, standing: Standing, epoch: int, members: str) -> View:
    return View(name, kind, standing, epoch, json.loads(members))
