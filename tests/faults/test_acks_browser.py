"""Acks of a browser that get lost on their way: they are repeated, so that ticks come and stay true (D3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.bad_line import BadLine, until
from support.browser import BrowserPerson, browser_person, chromium
from support.sdk import online
from support.server import LocalInstance, local_server, new_person
from tidings.sdk import Client
from tidings.wire.closes import Close
from tidings.wire.ids import Address

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


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


async def hear(ada: BrowserPerson, bob: Client, text: str) -> None:
    """Let something of Bob's be delivered to Ada."""
    sent = await bob.send("@ada", text)
    await expect(ada.row("Bob")).to_contain_text(text)
    await until(lambda: bob.state_of(sent) == "delivered")


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


async def test_the_word_that_a_message_was_opened_after_all_is_repeated_when_it_was_lost(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (_, line, ada, bob):
        line.loses_shares = True
        sent = await bob.send("@ada", "its key comes late")
        await until(lambda: any(ack.failed for ack in line.heard))
        line.loses_shares, line.loses_acks = False, True
        await ada.page.reload()
        await expect(ada.row("Bob")).to_contain_text("its key comes late")
        await until(lambda: any(ack.recovered for ack in line.lost))
        assert bob.state_of(sent) == "sent"
        line.loses_acks = False
        await ada.page.reload()
        await until(lambda: bob.state_of(sent) == "delivered")
        told = len(line.heard)
        await hear(ada, bob, "and on")
        await ada.page.reload()
        await hear(ada, bob, "what came through is said no more")
        assert [ack for ack in line.heard[told:] if ack.recovered] == []
