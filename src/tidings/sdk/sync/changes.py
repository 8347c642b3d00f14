"""Changes of a group's members: what is told of them inside the encryption, and what is known of the group then."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tidings.sdk.sync.contacts import Contacts, View
from tidings.wire import commands as c
from tidings.wire.content import MOST_CHANGED, Body, Members, Profile, members_digest
from tidings.wire.frames import Operation, Role

FOUNDING: Final = 0
"""The epoch before a group is there."""


class Change(msgspec.Struct, frozen=True, tag="change", tag_field="kind"):
    """A change in the outbox: the roles that accounts shall have, none for those who go.

    `told` is what the members are told of it, as soon as it is encrypted.
    """

    roles: dict[str, Role | None]
    told: Members | None = None


class Ready(msgspec.Struct, frozen=True):
    """A change that fits the group as it is known here."""

    view: View
    change: Change
    everyone: View
    """The members before and after it: those whom the envelope goes to."""


class Changes:
    """Fits changes to groups, and groups to changes."""

    def __init__(self, account: str, contacts: Contacts) -> None:
        self._account = account
        self._contacts = contacts

    def fit(self, conversation: str, change: Change) -> Ready | None:
        """Return what a change comes to now; None if one is no member.

        Raises Distrusted if it would vouch for what the server alone says of others.
        """
        founding = change.roles == {self._account: "owner"}
        view = self._contacts.view(conversation)
        if view is None and founding:
            view = View(conversation, "group", "open", FOUNDING, {})
        if view is None or (self._account not in view.members and not founding):
            return None
        after = _applied(view.roles, change.roles)
        self._contacts.rosters.check_rest(conversation, view.epoch, after, change.roles)
        digest = members_digest(conversation, view.epoch + 1, after)
        told = Members(view.epoch + 1, digest, change.roles if len(change.roles) <= MOST_CHANGED else {})
        everyone = view.members | {account: 0 for account in change.roles if account not in view.members}
        return Ready(view, Change(change.roles, told), msgspec.structs.replace(view, members=everyone))

    async def learn(self, ready: Ready) -> None:
        """Learn which devices those have now who come."""
        await self._contacts.learn(ready.everyone.members.keys() - ready.view.members.keys())

    def command(self, conversation: str, change: Change, send: c.Send) -> c.ChangeMembers:
        """Return the command for a change that was encrypted."""
        operations = [Operation(account, role) for account, role in change.roles.items()]
        return c.ChangeMembers(
            *(0, send.msg_id, conversation, send.epoch, send.devices, send.prev, operations, send.ciphertext)
        )

    def current(self, view: View, body: Body) -> Body:
        """Return what is said now: a word on who is in a group is of the epoch that its message names.

        Part of the caller's transaction.
        """
        if not isinstance(body, Members):
            return body
        return self._contacts.rosters.vouch(view.id, view.epoch, view.roles) or Profile()

    def carried_out(self, conversation: str, change: Change, seq: int) -> None:
        """Take in that the server made a change. Part of the caller's transaction."""
        assert change.told is not None
        known = self._contacts.view(conversation) or View(conversation, "group", "open", FOUNDING, {})
        if known.epoch == change.told.epoch - 1:
            roles = _applied(known.roles, change.roles)
            versions = self._contacts.newest(roles.keys() - known.members.keys())
            came = dict.fromkeys(versions, seq - 1)
            members, since = known.members | versions, known.since | came
            known = msgspec.structs.replace(
                known,
                epoch=change.told.epoch,
                members={account: members[account] for account in roles},
                roles=roles,
                since={account: since[account] for account in roles},
            )
            self._contacts.save(known)
        self._contacts.rosters.claim(conversation, self._account, change.told)


def _applied(roles: Mapping[str, Role], changed: Mapping[str, Role | None]) -> dict[str, Role]:
    return {account: role for account, role in {**roles, **changed}.items() if role is not None}
