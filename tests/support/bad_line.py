"""A device at the end of a bad line: its acks get lost, and the keys that it is given."""

import asyncio
from asyncio import Future, get_running_loop
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from support.futures import then, to_be_read
from tidings.server.ports.mailboxes import Appended, BoxId, Mailboxes, Notice, Page
from tidings.wire.commands import Ack, Send, ShareKeys
from tidings.wire.events import Message

SECONDS: Final = 30.0


class BadLine:
    """The port `Mailboxes` at the end of a bad line: what one device acks, and the keys that it is given, get lost."""

    def __init__(self) -> None:
        self.real: Mailboxes
        self.box: BoxId = 0
        """The device."""
        self.loses_acks = False
        self.loses_shares = False
        self.on_message: Callable[[], object] | None = None
        """Called once, when the device has been sent a message."""
        self.lost: list[Ack] = []
        self.heard: list[Ack] = []

    def around(self, real: Mailboxes) -> Mailboxes:
        """Stand before the real one."""
        self.real = real
        return cast("Mailboxes", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def append(self, send: Send, sender: BoxId) -> "Future[Appended]":
        """See Mailboxes."""
        return to_be_read(self.real.append(send, sender))

    def read(self, box: BoxId, after: int, count: int) -> "Future[Page]":
        """See Mailboxes."""
        loop = get_running_loop()

        def note(page: Page) -> Page:
            has_message = any(isinstance(entry, Message) for entry in page.entries)
            if box == self.box and has_message and self.on_message is not None:
                loop.call_later(0.002, self.on_message)  # behind the one who waits for this
                self.on_message = None
            return page

        return then(self.real.read(box, after, count), note)

    def share(self, keys: ShareKeys, sender: BoxId) -> "Future[Sequence[BoxId]]":
        """See Mailboxes."""
        return _nothing() if self.loses_shares and sender != self.box else self.real.share(keys, sender)

    def ack(self, box: BoxId, ack: Ack) -> "Future[Sequence[Notice]]":
        """See Mailboxes."""
        if box == self.box:
            (self.lost if self.loses_acks else self.heard).append(ack)
            if self.loses_acks:
                return _nothing()
        return self.real.ack(box, ack)

    async def top(self) -> int:
        """Return the position of the device's last entry."""
        return (await self.real.read(self.box, 0, 1)).top


def _nothing() -> "Future[Sequence[Any]]":
    nothing: Future[Sequence[Any]] = get_running_loop().create_future()
    nothing.set_result([])
    return nothing


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that comes about in another part of the server."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
