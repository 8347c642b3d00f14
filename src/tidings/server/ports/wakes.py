"""Telling devices that something waits. A wake is a hint: the mailbox is the truth."""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from tidings.server.ports.mailboxes import BoxId, Notice
from tidings.wire.closes import Close
from tidings.wire.events import Event, Message
from tidings.wire.ids import Pos


class Wakes(Protocol):
    """Reaches devices that are connected now; for others every call does nothing."""

    def wake(self, boxes: Iterable[BoxId]) -> None:
        """Let these mailboxes be drained."""

    def deliver(self, message: Message, boxes: Sequence[BoxId], places: Iterable[tuple[BoxId, Pos]]) -> None:
        """Write a message to devices that have all before it, and let the other `boxes` be drained.

        `places` are the mailboxes that hold the message, each with its position; they are among `boxes`.
        """

    def tell(self, notices: Iterable[Notice]) -> None:
        """Send events to those who are connected and caught up; the others see them when they connect."""

    def signal(self, event: Event, boxes: Iterable[BoxId]) -> None:
        """Send an event that is worth nothing later: it is dropped where the connection is busy."""

    def close(self, boxes: Iterable[BoxId], code: Close) -> None:
        """End the connections of these mailboxes."""

    def connected(self) -> Collection[BoxId]:
        """Return the mailboxes of all who are connected, now and whenever this is looked at."""

    def online(self, boxes: Collection[BoxId]) -> Sequence[BoxId]:
        """Return those that are connected."""
