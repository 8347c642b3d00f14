"""Strangers ask, people answer, block and look in: who may write to whom, and who sees what of whom."""

import time
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from support.browser import BrowserPerson, browser_person
from support.server import server_process

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

BUSY_SECONDS: Final = 3
"""What takes a moment may take so long on a busy machine; dots that nobody ends stay five."""


async def find(person: BrowserPerson, name: str) -> None:
    """Type an exact name into the dialog for a new conversation."""
    await person.page.get_by_label("Exact name").fill(name)
    await person.page.get_by_role("button", name="Open").click()


async def choose(person: BrowserPerson, item: str) -> None:
    """Choose from the menu of the open conversation."""
    await person.page.get_by_role("button", name="More").click()
    await person.page.get_by_role("menuitem", name=item).click()


async def shows_presence_to(person: BrowserPerson, audience: str) -> None:
    """Choose who sees when one is online."""
    await person.page.get_by_role("button", name="You and settings").click()
    chosen = person.page.get_by_role("group", name="Who sees when you are online").get_by_role("radio", name=audience)
    await chosen.check()
    await expect(chosen).to_be_checked()
    await person.page.get_by_role("button", name="Close").click()


async def test_requests_wait_for_an_answer_and_blocking_ends_them(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as eve,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await eve.register(await server.invite(), "eve", "Eve")
        await eve.page.get_by_role("button", name="New conversation").click()
        await find(eve, "nobody.at.all")
        await expect(eve.page.get_by_text("Nobody here has that name.")).to_be_visible()
        await find(eve, "@Ada")
        talk = eve.page.get_by_role("main")
        # The name that Ada chose is told to those alone whom she has accepted.
        await expect(talk.get_by_role("heading", name="ada", exact=True)).to_be_visible()
        await expect(talk.get_by_text("has not answered yet")).to_be_visible()
        for text in ("one", "two", "three"):
            await eve.write(text)
            await eve.sees_tick(text, "sent")
        await eve.write("four is too many")
        failed = eve.bubble("four is too many")
        await expect(failed.get_by_text("Not sent: this person cannot be written to.")).to_be_visible()

        await expect(ada.row("Eve")).to_contain_text("wants to talk to you")
        await ada.open("Eve")
        await ada.sees("three")
        await expect(eve.bubble("three").get_by_role("img", name="sent", exact=True)).to_be_visible()
        await ada.page.get_by_role("button", name="Accept").click()
        await eve.sees_tick("three", "read")
        await expect(talk.get_by_text("has not answered yet")).to_be_hidden()
        await expect(talk.get_by_role("heading", name="Ada", exact=True)).to_be_visible()
        await failed.get_by_role("button", name="Retry").click()
        await ada.sees("four is too many")

        await choose(ada, "Block")
        await expect(ada.page.get_by_text("You blocked Eve")).to_be_visible()
        await expect(ada.composer).to_be_hidden()
        await eve.write("hello?")
        await expect(eve.bubble("hello?").get_by_text("Not sent")).to_be_visible()
        # A page that comes up anew begins with a new key, which is refused as the message is.
        await eve.page.reload()
        await eve.write("are you there?")
        await expect(eve.bubble("are you there?").get_by_text("Not sent")).to_be_visible(timeout=15_000)
        await ada.page.get_by_role("button", name="Unblock").click()
        await eve.bubble("hello?").get_by_role("button", name="Retry").click()
        await ada.sees("hello?")


async def test_who_is_declined_is_not_told_and_cannot_write(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as eve,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await eve.register(await server.invite(), "eve", "Eve")
        await eve.page.get_by_role("button", name="New conversation").click()
        await find(eve, "ada")
        await eve.write("please")
        await ada.open("Eve")
        await ada.page.get_by_role("button", name="Decline").click()
        await expect(ada.page.get_by_text("Choose a conversation")).to_be_visible()
        await expect(eve.page.get_by_role("main").get_by_text("has not answered yet")).to_be_visible()
        await eve.write("once more")
        await expect(eve.bubble("once more").get_by_text("Not sent")).to_be_visible()
        await eve.bubble("once more").get_by_role("button", name="Delete").click()
        await expect(eve.bubble("once more")).to_be_hidden()
        # Who declined may still write first.
        await ada.open("Eve")
        await ada.write("after all")
        await eve.sees("after all")
        await eve.write("thank you")
        await ada.sees("thank you")


async def test_two_people_see_each_other_come_go_and_type(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as cem,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await cem.register(await ada.invite(), "cem", "Cem")
        await ada.open("Cem")
        await cem.open("Ada")
        cem_at_ada = ada.page.get_by_role("main").get_by_role("button", name="About Cem")
        await expect(cem_at_ada).to_contain_text("online")
        await expect(cem.page.get_by_role("main").get_by_role("button", name="About Ada")).to_contain_text("online")

        # Typing shows at once, in the conversation and in the list, and ends with the message.
        dots = ada.log.get_by_role("status", name="Cem is typing")
        began = time.monotonic()
        await cem.composer.press("h")
        await expect(dots).to_be_visible()
        assert time.monotonic() - began < BUSY_SECONDS
        await expect(cem_at_ada).to_contain_text("typing…")
        await expect(ada.row("Cem")).to_contain_text("typing…")
        await cem.composer.press("Enter")
        await ada.sees("h")
        await expect(dots).to_be_hidden(timeout=BUSY_SECONDS * 1_000)

        # Turning away is seen, and when it was.
        await cem.page.close()
        await expect(cem_at_ada).to_contain_text("last seen this minute")


async def test_habit_20_typing_dots_come_at_once_and_go_five_seconds_after_the_last_key(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as cem,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await cem.register(await ada.invite(), "cem", "Cem")
        await ada.open("Cem")
        await cem.open("Ada")
        dots = ada.log.get_by_role("status", name="Cem is typing")
        began = time.monotonic()
        await cem.composer.press("h")
        await expect(dots).to_be_visible()
        assert time.monotonic() - began < BUSY_SECONDS
        await cem.composer.press("i")
        last_key = time.monotonic()
        await expect(dots).to_be_hidden()
        assert 4.5 < time.monotonic() - last_key < 5 + BUSY_SECONDS
        # What was typed is not lost with the dots.
        await expect(cem.composer).to_have_value("hi")


async def test_who_sees_one_online_is_ones_own_choice(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as cem,
        browser_person(browser, server.url) as eve,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await cem.register(await ada.invite(), "cem", "Cem")
        await eve.register(await server.invite(), "eve", "Eve")
        # Ada has written to Eve, who has not answered: Ada lets Eve in, and Eve is no contact of hers yet.
        await ada.page.get_by_role("button", name="New conversation").click()
        await find(ada, "eve")
        await ada.write("hello")
        await cem.open("Ada")
        await eve.open("Ada")
        at_cem = cem.page.get_by_role("main").get_by_role("button", name="About Ada")
        at_eve = eve.page.get_by_role("main").get_by_role("button", name="About Ada")

        await shows_presence_to(ada, "Everyone")
        await expect(at_cem).to_contain_text("online")
        await expect(at_eve).to_contain_text("online")
        await shows_presence_to(ada, "Contacts")
        await expect(at_eve).not_to_contain_text("online")
        await expect(at_cem).to_contain_text("online")
        await shows_presence_to(ada, "Nobody")
        await expect(at_cem).not_to_contain_text("online")
        await expect(at_cem).not_to_contain_text("last seen")
        await shows_presence_to(ada, "Everyone")
        await expect(at_cem).to_contain_text("online")
        await expect(at_eve).to_contain_text("online")
        # A choice is kept.
        await shows_presence_to(ada, "Nobody")
        await ada.page.reload()
        await ada.page.get_by_role("button", name="You and settings").click()
        await expect(ada.page.get_by_role("radio", name="Nobody")).to_be_checked()
