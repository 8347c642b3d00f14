"""The send: append, deliver, push to those asleep. It is the third step of a message's way (docs/architecture.md)."""

from asyncio import Future

from tidings.server.ports.mailboxes import Appended, Mailboxes
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.rates import Rates
from tidings.server.telemetry.metrics import Metrics
from tidings.wire.commands import Send
from tidings.wire.events import Sent


class SendMessage:
    """Answers `Send`. The reply is the one tick: the message is durable before anybody hears of it."""

    def __init__(self, mailboxes: Mailboxes, wakes: Wakes, metrics: Metrics, rates: Rates) -> None:
        self._mailboxes = mailboxes
        self._wakes = wakes
        self._metrics = metrics
        self._rates = rates

    def __call__(self, caller: Caller, command: Send) -> "Future[Appended]":
        """Append a message. What the Future holds becomes the reply by `reply`."""
        if command.shares:
            refused = self._rates.refuse_shares(caller.address.account, command.shares)
            if refused is not None:
                return refused
        return self._mailboxes.append(command, caller.box)

    def reply(self, command: Send, appended: Appended) -> Sent:
        """Deliver the message to whom it waits for, and return the reply."""
        if appended.message is not None:
            self._metrics.messages.inc()
            self._wakes.deliver(appended.message, appended.boxes, appended.places)
        if appended.notices:
            self._wakes.tell(appended.notices)
        return Sent(command.id, appended.seq, appended.time)
