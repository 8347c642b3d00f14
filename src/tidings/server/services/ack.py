"""Acks and reads: what a device has, and what its person has seen."""

from asyncio import Future
from collections.abc import Sequence

from tidings.server.ports.mailboxes import Mailboxes, Notice
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.wire.commands import Ack, MarkRead


class AckEntries:
    """Carries out `Ack`: the mailbox forgets, and the senders are told."""

    def __init__(self, mailboxes: Mailboxes, wakes: Wakes) -> None:
        self._mailboxes = mailboxes
        self._wakes = wakes

    def __call__(self, caller: Caller, command: Ack) -> "Future[Sequence[Notice]]":
        """Delete what the device has."""
        return self._mailboxes.ack(caller.box, command)

    def reply(self, command: Ack, notices: Sequence[Notice]) -> None:
        """Tell those who wait for the receipt."""
        del command
        self._wakes.tell(notices)


class MarkAsRead:
    """Carries out `MarkRead`."""

    def __init__(self, mailboxes: Mailboxes, wakes: Wakes) -> None:
        self._mailboxes = mailboxes
        self._wakes = wakes

    def __call__(self, caller: Caller, command: MarkRead) -> "Future[Sequence[Notice]]":
        """Note how far the person has read."""
        return self._mailboxes.mark_read(caller.box, command)

    def reply(self, command: MarkRead, notices: Sequence[Notice]) -> None:
        """Tell those who wait for the receipt, and the person's other devices."""
        del command
        self._wakes.tell(notices)
