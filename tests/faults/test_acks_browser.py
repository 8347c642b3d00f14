"""Acks of a browser that get lost on their way: they are repeated, so that ticks come and stay true (D3)."""

import asyncio
from asyncio import Future, get_running_loop
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import expect

from support.browser import BrowserPerson, browser_person, chromium
from support.futures import then, to_be_read
from support.sdk import online
from support.server import LocalInstance, local_server, new_person
from tidings.sdk import Client
from tidings.server.ports.mailboxes import Appended, BoxId, Mailboxes, Notice, Page
from tidings.wire.closes import Close
from tidings.wire.commands import Ack, Send, ShareKeys
from tidings.wire.events import Message
from tidings.wire.ids import Address

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

SECONDS = 30.0


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
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - it comes about in another part of the server
            await asyncio.sleep(0.01)


@asynccontextmanager
async def ada_and_bob(folder: Path) -> AsyncIterator[tuple[LocalInstance, BadLine, BrowserPerson, Client]]:
    """Let Ada, in a browser at the end of a bad line, and Bob's program have talked."""
    line = BadLine()
    async with (
        local_server(folder, around_mailboxes=line.around) as server,
        chromium() as browser,
        browser_person(browser, server.url) as ada,
    ):
        await ada.register(await server.invite(), "ada")
        bob_store = await new_person(server, folder, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await bob.send("@ada", "hello")
            await expect(ada.row("Bob")).to_contain_text("hello")
        account = await server.server.accounts.by_name("ada")
        assert account is not None
        (device,) = await server.server.keys.devices(account.id)
        mailbox = await line.real.find(Address(account.id, device.device))
        assert mailbox is not None
        line.box = mailbox.id
        # Another run of the program, another session.
        async with online(bob_store) as bob:
            yield server, line, ada, bob


async def test_an_ack_that_was_lost_is_repeated_by_the_next_connection(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (_, line, ada, bob):
        line.loses_acks = True
        sent = await bob.send("@ada", "its ack gets lost")
        await expect(ada.row("Bob")).to_contain_text("its ack gets lost")
        await until(lambda: line.lost)
        assert bob.state_of(sent) == "sent"
        line.loses_acks = False
        await ada.page.reload()
        await until(lambda: bob.state_of(sent) == "delivered")


async def test_what_could_not_be_opened_does_not_count_as_delivered_though_the_word_of_it_was_lost(
    tmp_path: Path,
) -> None:
    async with ada_and_bob(tmp_path) as (_, line, ada, bob):
        line.loses_shares = line.loses_acks = True
        first = await bob.send("@ada", "first")
        await until(lambda: any(ack.failed for ack in line.lost))
        line.loses_acks = False
        await ada.page.reload()
        second = await bob.send("@ada", "second")
        top = await line.top()
        await until(lambda: any(ack.pos >= top for ack in line.heard))
        await bob.send("@ada", "third")  # what the ack brought about was told before its tick
        assert [bob.state_of(sent) for sent in (first, second)] == ["sent", "sent"]
        line.loses_shares = False
        await ada.page.reload()
        await ada.open("Bob")
        for text in ("first", "second", "third"):
            await ada.sees(text)
        await until(lambda: bob.state_of(first) in ("delivered", "read"))


async def test_what_was_kept_is_shown_though_the_line_breaks_before_its_ack(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, line, ada, bob):
        await bob.send("@ada", "the session is known")
        await expect(ada.row("Bob")).to_contain_text("the session is known")
        top = await line.top()
        await until(lambda: any(ack.pos == top for ack in line.heard))
        line.on_message = lambda: server.server.registry.close([line.box], Close.SILENT)
        sent = await bob.send("@ada", "just before the line broke")
        await expect(ada.row("Bob")).to_contain_text("just before the line broke")
        await until(lambda: bob.state_of(sent) == "delivered")
