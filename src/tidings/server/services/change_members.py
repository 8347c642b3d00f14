"""Groups: who is in them, and the message that tells so."""

from tidings.server.ports.conversations import Conversations
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.rates import Rates
from tidings.wire.commands import ChangeMembers
from tidings.wire.events import Sent


class ChangeGroup:
    """Answers `ChangeMembers`. The list and the message that tells of it become durable together."""

    def __init__(self, conversations: Conversations, wakes: Wakes, rates: Rates) -> None:
        self._conversations = conversations
        self._wakes = wakes
        self._rates = rates

    async def __call__(self, caller: Caller, command: ChangeMembers) -> Sent:
        """Change the members; tell those who were there, who came and who went."""
        self._rates.take("change-members", caller.address.account)
        changed = await self._conversations.change_members(command, caller.box)
        self._wakes.tell(changed.notices)
        if changed.message is not None:
            self._wakes.deliver(changed.message, changed.boxes, changed.places)
        return Sent(command.id, changed.seq, changed.time)
