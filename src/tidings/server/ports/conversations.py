"""Conversations as their members see them. The same store as the mailboxes keeps them."""

from asyncio import Future
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tidings.server.ports.mailboxes import Appended, BoxId, Notice
from tidings.wire.commands import Answer, ChangeMembers
from tidings.wire.frames import Conversation
from tidings.wire.ids import AccountId, ConversationId


class Changed(NamedTuple):
    """A conversation as the caller sees it now, and whom to tell."""

    conversation: Conversation
    notices: Sequence[Notice]


class Conversations(Protocol):
    """Who shares a conversation with whom, and how it stands. Answers and errors are those of `Mailboxes`."""

    def open_direct(self, account: AccountId, other: AccountId, *, accepted: bool) -> "Future[Changed]":
        """Return the one direct conversation of two accounts, made if there is none.

        The opener accepts by opening; with `accepted` so does the other (they know each other by an invite).
        """

    def open_group(self, accounts: Sequence[AccountId]) -> "Future[Changed]":
        """Make a group conversation of accounts, the first of them its owner, without a message.

        For measurements. People make groups by `change_members`.
        """

    def change_members(self, change: ChangeMembers, sender: BoxId) -> "Future[Appended]":
        """Change the members of a group, and put the envelope into the mailboxes of those before and after, at once.

        Linearizable with `append`: nothing with a later place reaches who was removed, nothing with an earlier one
        who came. Idempotent by (device, change_id) like `append`, with the same errors; NotAllowed if the sender
        may not do it (see domain.membership). Of the notices some are for those who were removed.
        """

    def respond(self, account: AccountId, conversation: ConversationId, answer: Answer) -> "Future[Changed]":
        """Accept, decline, block or unblock. Raises Refusal(NotAllowed) if it is no direct one of the account's."""

    def fetch(self, account: AccountId, names: Sequence[ConversationId]) -> "Future[Sequence[Conversation]]":
        """Return those of the named conversations that the account is a member of."""

    def page(
        self, account: AccountId, after: ConversationId | None, count: int
    ) -> "Future[tuple[Sequence[Conversation], bool]]":
        """Return conversations of the account behind `after`, and whether there are more. Some fixed order."""

    def audience(self, account: AccountId, conversation: ConversationId) -> "Future[Sequence[BoxId]]":
        """Return the boxes that may see the account type there: of the others who were accepted."""

    def contacts(
        self, account: AccountId, others: Sequence[AccountId], *, mutual: bool
    ) -> "Future[frozenset[AccountId]]":
        """Return those of `others` that the account has accepted, and with `mutual` that accepted it too."""

    def remove_account(self, account: AccountId) -> "Future[tuple[Sequence[BoxId], Sequence[Notice]]]":
        """Close all mailboxes of an account for good; nobody may write to it, and it is a member of no group any more.

        Returns the closed boxes, and whom to tell.
        """
