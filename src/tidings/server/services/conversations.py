"""Finding, opening and answering conversations."""

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

PAGE: Final = 100


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
        """Return those that are named, or a page of all."""
        account = caller.address.account
        if command.conversations:
            found = await self._conversations.fetch(account, command.conversations)
            return events.Conversations(command.id, list(found), more=False)
        page, more = await self._conversations.page(account, command.after, PAGE)
        return events.Conversations(command.id, list(page), more)
