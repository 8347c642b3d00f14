"""Finding, opening and answering conversations."""

from collections.abc import Sequence
from typing import Final

from tidings.server.ports.accounts import Accounts
from tidings.server.ports.conversations import Conversations
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.life import ShowPresence
from tidings.server.services.rates import Rates
from tidings.wire import events
from tidings.wire.commands import ListConversations, OpenDirect, Respond
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.frames import Conversation

PAGE: Final = 100
PAGE_MEMBERS: Final = 4_000
"""Members of all conversations in one answer, some 400 KB."""


class OpenConversation:
    """Answers `OpenDirect`."""

    def __init__(self, conversations: Conversations, accounts: Accounts, wakes: Wakes, rates: Rates) -> None:
        self._conversations = conversations
        self._accounts = accounts
        self._wakes = wakes
        self._rates = rates

    async def __call__(self, caller: Caller, command: OpenDirect) -> events.Conversations:
        """Open the direct conversation with an account that exists."""
        account = caller.address.account
        self._rates.take("open-direct", account)
        if await self._accounts.by_id(command.account) is None:
            raise Refusal(NotAllowed())
        changed = await self._conversations.open_direct(account, command.account, accepted=False)
        self._wakes.tell(changed.notices)
        return events.Conversations(command.id, [changed.conversation], more=False)


class RespondToStranger:
    """Answers `Respond`."""

    def __init__(self, conversations: Conversations, wakes: Wakes, presence: ShowPresence) -> None:
        self._conversations = conversations
        self._wakes = wakes
        self._presence = presence

    async def __call__(self, caller: Caller, command: Respond) -> events.Conversations:
        """Accept, decline, block or unblock. What the two see of each other changes with it at once."""
        changed = await self._conversations.respond(caller.address.account, command.conversation, command.answer)
        self._wakes.tell(changed.notices)
        await self._presence.show_again([member.account for member in changed.conversation.members])
        return events.Conversations(command.id, [changed.conversation], more=False)


class ShowConversations:
    """Answers `ListConversations`."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def __call__(self, caller: Caller, command: ListConversations) -> events.Conversations:
        """Return those that are named, or a page of all; fewer where their members would make it a very long frame."""
        account = caller.address.account
        if command.conversations:
            found = {
                talk.conversation: talk for talk in await self._conversations.fetch(account, command.conversations)
            }
            page, more = [found[name] for name in command.conversations if name in found], False
        else:
            part, more = await self._conversations.page(account, command.after, PAGE)
            page = list(part)
        fits = _fitting(page)
        return events.Conversations(command.id, page[:fits], more or fits < len(page))


def _fitting(conversations: Sequence[Conversation]) -> int:
    """Return how many conversations fit into one answer: one does."""
    members = 0
    for count, conversation in enumerate(conversations):
        members += len(conversation.members)
        if members > PAGE_MEMBERS and count:
            return count
    return len(conversations)
