"""Browsers and a program talk through a real server, in any script, online and off."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from support.browser import browser_person
from support.server import new_person, server_process
from support.stories import Program, ada_and_bob, keeps_the_page, write_all
from tidings.sdk import Client
from tidings.wire.limits import MAX_TEXT

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

SCRIPTS = [
    "Grüße, señor Łukasz!",
    "Привет, как дела?",
    "שלום, מה שלומך?",
    "نلتقي عند المرسى في الساعة التاسعة",
    "你好 明天见",
    "こんにちは、また明日",
    "안녕하세요",
    "नमस्ते दुनिया",
    "ไม่เป็นไร",
    "👩🏽‍🚀🏳️‍🌈 ❤️‍🔥 👨‍👩‍👧‍👦",
    "e\u0301 is é; \u202eright to left\u202c; zero\u200bwidth",
    "<b>bold</b> & \"quotes\" 'and' \\backslashes\\ \u2028 {{braces}} ${dollars}",
    "two\nlines\n\tand a tab",
]
RIGHT_TO_LEFT = {SCRIPTS[2], SCRIPTS[3]}
LINE = "0123456789abcdé🌷"
LONG = LINE * (MAX_TEXT // len(LINE.encode())) + "x" * (MAX_TEXT % len(LINE.encode()))


async def test_two_browsers_and_a_program_talk_in_many_scripts(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as cem,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await cem.register(await ada.invite(), "cem", "Cem")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with Client.open(store) as client:
            await client.ready()
            bob = Program(client)
            await ada.open("Cem")
            await cem.open("Ada")
            await write_all(ada, SCRIPTS)
            await ada.sees_tick("two", "read")
            assert await cem.texts(len(SCRIPTS)) == SCRIPTS
            await cem.write("I got them all")
            await ada.sees("I got them all")

            await ada.open("Bob")
            for text in SCRIPTS:
                await ada.write(text)
            assert await bob.takes(len(SCRIPTS)) == SCRIPTS
            await bob.says(*SCRIPTS)
            kept = await ada.texts(3 * len(SCRIPTS) + 1)
            assert sorted(kept) == sorted([*SCRIPTS * 3, "I got them all"])
            # What was written from right to left is shown so, whatever the page's own direction.
            await expect(ada.bubble("and a tab").last).to_be_visible()
            shown = await ada.log.locator("bdi").evaluate_all(
                "all => all.map((one) => [one.textContent, one.isConnected ? getComputedStyle(one).direction : null])"
            )
            assert {direction for _, direction in shown} >= {"ltr", "rtl"}
            for text, direction in shown:
                assert direction in {None, "rtl" if text in RIGHT_TO_LEFT else "ltr"}


async def test_a_message_of_64_kilobytes_passes_and_a_longer_one_is_not_sent(browser: Browser, tmp_path: Path) -> None:
    assert len(LONG.encode()) == MAX_TEXT
    async with ada_and_bob(browser, tmp_path) as (_, ada, bob, *_):
        await ada.open("Bob")
        await ada.composer.fill(LONG + "y")
        await expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
        await expect(ada.page.get_by_text("Too long by 1 ")).to_be_visible()
        await ada.write(LONG)
        assert await bob.takes(1) == [LONG]
        await bob.says(LONG)
        assert await ada.texts(2) == [LONG, LONG]


async def test_who_was_offline_gets_500_messages_once_and_in_order(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as (_, ada, bob, cable, _):
        await bob.says("before")
        await expect(ada.row("Bob")).to_contain_text("before")
        await cable.pull()
        await expect(ada.page.get_by_text("Connecting…")).to_be_visible()
        sent = [f"message {number}" for number in range(500)]
        await bob.says(*sent)
        assert await ada.texts(1) == ["before"]
        await cable.plug()
        await expect(ada.row("Bob")).to_contain_text("message 499")
        assert await ada.texts(501) == ["before", *sent]
        await expect(ada.row("Bob")).to_contain_text("501 unread messages")
        await ada.open("Bob")
        await expect(ada.log.get_by_role("separator")).to_have_text("501 unread messages")
        await expect(ada.bubble("before")).to_be_in_viewport()


async def test_habit_23_what_is_written_offline_leaves_in_order_and_once(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as (_, ada, bob, cable, _):
        await ada.open("Bob")
        await cable.pull()
        await expect(ada.page.get_by_text("Connecting…")).to_be_visible()
        texts = [f"offline {number}" for number in range(12)]
        await write_all(ada, texts)
        await ada.sees_tick("offline 11", "waiting to be sent")
        await keeps_the_page(ada)
        await ada.page.reload()
        await ada.sees_tick("offline 11", "waiting to be sent")
        await cable.plug()
        assert await bob.takes(12) == texts
        await ada.sees_tick("offline 11", "delivered")
        assert await ada.texts() == texts


async def test_the_browser_says_by_itself_that_it_is_offline_and_hurries_back(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as (_, ada, bob, cable, _):
        await ada.open("Bob")
        await ada.page.context.set_offline(True)
        await cable.pull()
        await expect(ada.page.get_by_text("You are offline")).to_be_visible()
        await ada.write("waits")
        await ada.sees_tick("waits", "waiting to be sent")
        await cable.plug()
        await ada.page.context.set_offline(False)
        await expect(ada.page.get_by_text("You are offline")).to_be_hidden()
        assert await bob.takes(1) == ["waits"]


async def test_the_page_opens_without_a_server_and_shows_what_it_has(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as (server, ada, bob, *_):
        await bob.says("kept on the device")
        await expect(ada.row("Bob")).to_contain_text("kept on the device")
        await keeps_the_page(ada)
        await server.stop()
        await ada.page.reload()
        await ada.open("Bob")
        await ada.sees("kept on the device")
        await expect(ada.page.get_by_text("Connecting…")).to_be_visible()
        await server.begin()
        await expect(ada.page.get_by_text("Connecting…")).to_be_hidden()
        await bob.says("and on")
        await ada.sees("and on")


async def test_what_was_read_without_a_connection_is_told_later(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as (_, ada, bob, cable, _):
        await bob.says("read me")
        await expect(ada.row("Bob")).to_contain_text("1 unread message")
        await cable.pull()
        await expect(ada.page.get_by_text("Connecting…")).to_be_visible()
        await ada.open("Bob")
        await expect(ada.row("Bob")).not_to_contain_text("unread")
        conversation = bob.client.conversations()[0].id
        said = bob.client.history(conversation)[-1]
        assert bob.client.state_of(said) == "delivered"
        events = bob.client.events()
        await cable.plug()
        async with asyncio.timeout(60):
            while bob.client.state_of(said) != "read":
                await anext(events)
