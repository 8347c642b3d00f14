"""The drain of one mailbox into one connection: the backlog first, then whatever a wake announces."""

from asyncio import Future
from collections.abc import Sequence
from typing import Final, Protocol

from tidings.server.ports.mailboxes import BoxId, Mailboxes, Page
from tidings.wire.events import Stored
from tidings.wire.ids import Pos

PAGE: Final = 100
"""Entries that are read at once."""


class Sink(Protocol):
    """The connection that a mailbox is drained into."""

    def has_room(self) -> bool:
        """Return whether more can be written now. When that changes back, the connection wakes the drain."""

    def take(self, entries: Sequence[Stored]) -> None:
        """Write entries, in this order."""

    def caught_up(self, pos: Pos) -> None:
        """Note that everything which waited at the connection's start has been written."""

    def failed(self, error: BaseException) -> None:
        """Note that the mailbox could not be read: the connection ends, and the device comes back."""


class Drain:
    """Writes everything above `cursor` in order, each position once, one read at a time."""

    __slots__ = ("_again", "_box", "_busy", "_live", "_mailboxes", "_sink", "cursor")

    def __init__(self, mailboxes: Mailboxes, box: BoxId, cursor: Pos, sink: Sink) -> None:
        self._mailboxes = mailboxes
        self._box = box
        self._sink = sink
        self.cursor = cursor
        self._busy = False
        self._again = False
        self._live = False

    def wake(self) -> None:
        """Read on if there is room. Wakes that come while a read is under way are one more read together."""
        if self._busy:
            self._again = True
        elif self._sink.has_room():
            self._busy = True
            self._again = False
            self._mailboxes.read(self._box, self.cursor, PAGE).add_done_callback(self._got)

    def waits_for(self, pos: Pos) -> bool:
        """Return whether everything before a position has been written, so that the entry there may be."""
        return self._live and not self._busy and self.cursor == pos - 1 and self._sink.has_room()

    def _got(self, reading: "Future[Page]") -> None:
        self._busy = False
        error = reading.exception()
        if error is not None:
            self._sink.failed(error)
            return
        page = reading.result()
        if page.entries:
            self.cursor = page.entries[-1].pos
            self._sink.take(page.entries)
        if page.more or self._again:
            self.wake()
        elif not self._live:
            self._live = True
            self._sink.caught_up(page.top)
