"""Key shares: what devices must have before they can read a message."""

from asyncio import Future
from collections.abc import Sequence

from tidings.server.ports.mailboxes import BoxId, Mailboxes
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.rates import Rates
from tidings.wire.commands import ShareKeys
from tidings.wire.events import Done


class ShareSessionKeys:
    """Answers `ShareKeys`."""

    def __init__(self, mailboxes: Mailboxes, wakes: Wakes, rates: Rates) -> None:
        self._mailboxes = mailboxes
        self._wakes = wakes
        self._rates = rates

    def __call__(self, caller: Caller, command: ShareKeys) -> "Future[Sequence[BoxId]]":
        """Put the shares into their mailboxes."""
        refused = self._rates.refuse_shares(caller.address.account, command.shares)
        return refused or self._mailboxes.share(command, caller.box)

    def reply(self, command: ShareKeys, boxes: Sequence[BoxId]) -> Done:
        """Wake whom they wait for, and return the reply."""
        self._wakes.wake(boxes)
        return Done(command.id)
