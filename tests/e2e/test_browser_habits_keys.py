"""What people are used to when they write and move about: drafts, keys, waiting, failing, being reminded."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from support.stories import House, at_home

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

NOTE_BADGES: Final = """
  window.badges = [];
  navigator.setAppBadge = (count) => Promise.resolve(void window.badges.push(count));
  navigator.clearAppBadge = () => Promise.resolve(void window.badges.push(0));
"""
"""Headless Chromium has no icon to put a number on: what it is told is noted instead."""
TIME_TO_BUBBLE: Final = """(field, text) => {
  window.measured = new Promise((resolve) => {
    let began;
    const look = () => {
      const shown = [...document.querySelectorAll("article bdi")].some((bdi) => bdi.textContent === text);
      if (shown) resolve(performance.now() - began);
      else requestAnimationFrame(look);
    };
    field.addEventListener("keydown", () => ((began = performance.now()), look()), { once: true });
  });
}"""
"""Measures how many milliseconds pass from the next key to a message with a text."""
IS_KEPT: Final = """async (draft) => {
  const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await done(indexedDB.open("tidings"));
  for (;;) {
    const rows = await done(db.transaction("conversations").objectStore("conversations").getAll());
    if (rows.some((row) => row.draft === draft)) return db.close(), true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""
"""Waits until a draft is on the disk: a page that is ended in the very moment of a key may lose that key."""
NOTE_BANNERS: Final = """() => {
  window.banners = [];
  new MutationObserver(() => {
    const banner = document.querySelector(".banner");
    if (banner) window.banners.push(banner.textContent);
  }).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
async def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with at_home(browser, tmp_path_factory.mktemp("keys")) as house:
        yield house


async def test_habit_13_a_draft_survives_switching_and_reload_and_the_list_shows_it(home: House) -> None:
    ada = home.ada
    async with home.guest("bob") as bob, home.guest("cem"):
        await ada.open("Bob")
        await ada.composer.fill("not ready")
        await ada.composer.press("End")
        await ada.composer.press_sequentially(" yet")
        await expect(ada.row("Bob")).not_to_contain_text("Draft:")
        await ada.open("Cem")
        await expect(ada.composer).to_have_value("")
        await expect(ada.row("Bob")).to_contain_text("Draft: not ready yet")
        await ada.open("Bob")
        await expect(ada.composer).to_have_value("not ready yet")
        await ada.composer.press_sequentially("!")
        await ada.page.evaluate(IS_KEPT, "not ready yet!")
        await ada.page.reload()
        await expect(ada.composer).to_have_value("not ready yet!")
        await ada.page.keyboard.press("Escape")
        await expect(ada.row("Bob")).to_contain_text("Draft: not ready yet!")
        await ada.open("Bob")
        await ada.composer.press("Enter")
        assert await bob.takes(1) == ["not ready yet!"]
        await ada.open("Cem")
        await expect(ada.row("Bob")).not_to_contain_text("Draft:")


async def test_habit_14_enter_sends_and_shift_enter_breaks_the_line_but_never_while_composing(home: House) -> None:
    ada = home.ada
    async with home.guest("dan") as dan:
        await ada.open("Dan")
        await ada.composer.press_sequentially("one")
        await ada.composer.press("Shift+Enter")
        await ada.composer.press_sequentially("two")
        await expect(ada.composer).to_have_value("one\ntwo")
        await ada.composer.press("Enter")
        await expect(ada.composer).to_have_value("")
        assert await dan.takes(1) == ["one\ntwo"]
        # An empty message is none.
        await ada.composer.press("Enter")
        await ada.composer.press_sequentially("   ")
        await ada.composer.press("Enter")
        # An input method has Enter choose what it offers.
        devtools = await ada.page.context.new_cdp_session(ada.page)
        await ada.composer.fill("")
        composing = {"text": "にほん", "selectionStart": 3, "selectionEnd": 3}
        await devtools.send("Input.imeSetComposition", composing)
        await expect(ada.composer).to_have_value("にほん")
        await ada.page.keyboard.press("Enter")
        await devtools.send("Input.insertText", {"text": "日本"})
        # Chromium was told of an Enter that a real input method keeps to itself: it may have broken the line.
        await expect(ada.composer).to_have_value(re.compile("^日本\n?$"))
        await ada.composer.press("Enter")
        assert await dan.takes(1) == ["日本"]


async def test_habit_18_alt_and_arrows_change_the_conversation_with_shift_the_unread_ones_only(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        at_home(browser, tmp_path) as home,
        home.guest("eva") as eva,
        home.guest("fay") as fay,
        home.guest("gus") as gus,
    ):
        ada = home.ada
        for name, person in (("Gus", gus), ("Fay", fay), ("Eva", eva)):
            await person.says(f"from {name}")
            await expect(ada.row(name)).to_contain_text(f"from {name}")
        heading = ada.page.get_by_role("main").get_by_role("heading", level=1)

        async def press(keys: str, name: str) -> None:
            await ada.page.keyboard.press(keys)
            await expect(heading).to_have_text(name)
            await expect(ada.row(name)).to_have_attribute("aria-current", "page")

        # The newest stands first, and whoever is opened stays where it is.
        await ada.open("Fay")
        await expect(ada.row("Fay")).not_to_contain_text("unread")
        await press("Alt+ArrowDown", "Gus")
        await expect(ada.row("Gus")).not_to_contain_text("unread")
        await press("Alt+ArrowUp", "Fay")
        await press("Alt+Shift+ArrowUp", "Eva")
        await expect(ada.row("Eva")).not_to_contain_text("unread")
        await gus.says("again")
        await expect(ada.row("Gus")).to_contain_text("again")
        await press("Alt+Shift+ArrowDown", "Gus")


async def test_habit_19_keys_find_a_conversation_and_list_the_shortcuts(home: House) -> None:
    ada = home.ada
    async with home.guest("hal"):
        await ada.open("Hal")
        await ada.page.keyboard.press("Escape")
        await ada.page.keyboard.press("?")
        shortcuts = ada.page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(shortcuts).to_be_visible()
        await expect(shortcuts).to_contain_text("Find a conversation")
        await ada.page.keyboard.press("Escape")
        await expect(shortcuts).to_be_hidden()
        await ada.page.keyboard.press("Control+k")
        find = ada.page.get_by_role("searchbox", name="Find a person")
        await expect(find).to_be_focused()
        await ada.page.keyboard.type("nobody of that name")
        await expect(ada.page.get_by_text("Nobody by that name.")).to_be_visible()
        await find.fill("")
        await ada.page.keyboard.type("hal")
        await ada.page.keyboard.press("Enter")
        await expect(ada.page.get_by_role("main").get_by_role("heading", name="Hal")).to_be_visible()
        await expect(find).to_have_value("")
        # In a message a question mark is a question mark.
        await expect(ada.composer).to_be_focused()
        await ada.page.keyboard.type("why?")
        await expect(ada.composer).to_have_value("why?")
        await expect(shortcuts).to_be_hidden()


async def test_habit_22_what_is_sent_appears_within_100_milliseconds(home: House) -> None:
    ada = home.ada
    async with home.guest("ida") as ida:
        await ada.open("Ida")
        times = []
        for number in range(9):
            text = f"quick {number}"
            await ada.composer.fill(text)
            await ada.composer.evaluate(TIME_TO_BUBBLE, text)
            await ada.composer.press("Enter")
            times.append(await ada.page.evaluate("window.measured"))
        print("milliseconds from the key to the message:", [round(one) for one in times])
        assert min(times) < 100  # what a busy machine adds is not the page's
        assert len(await ida.takes(9)) == 9


async def test_habit_22_a_message_that_fails_says_why_and_can_be_sent_again(home: House) -> None:
    ada = home.ada
    async with home.guest("jon") as jon:
        await ada.open("Jon")
        (view,) = jon.client.conversations()
        await jon.client.respond(view.id, "block")
        await ada.write("are you there?")
        bubble = ada.bubble("are you there?")
        await expect(bubble.get_by_role("img", name="not sent")).to_be_visible()
        await expect(bubble.get_by_text("Not sent: this person cannot be written to.")).to_be_visible()
        await jon.client.respond(view.id, "unblock")
        await bubble.get_by_role("button", name="Retry").click()
        assert await jon.takes(1) == ["are you there?"]
        await expect(bubble).to_have_count(1)
        await ada.sees_tick("are you there?", "delivered")


async def test_habit_24_connecting_is_said_after_two_seconds_without_a_connection_and_not_before(
    home: House,
) -> None:
    ada = home.ada
    async with home.guest("kim") as kim:
        await ada.page.evaluate(NOTE_BANNERS)
        for number in range(3):
            home.cable.cut()
            await kim.says(f"after cut {number}")
            await expect(ada.row("Kim")).to_contain_text(f"after cut {number}")
        assert await ada.page.evaluate("window.banners") == []
        pulled = time.monotonic()
        await home.cable.pull()
        connecting = ada.page.get_by_text("Connecting…")
        await expect(connecting).to_be_visible()
        assert time.monotonic() - pulled >= 2
        await home.cable.plug()
        await expect(connecting).to_be_hidden()
        await kim.says("after the cable")
        await expect(ada.row("Kim")).to_contain_text("after the cable")


async def test_habit_25_unread_conversations_are_counted_in_title_icon_and_badge_until_they_are_read(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_home(browser, tmp_path) as home:
        ada = home.ada
        await ada.page.add_init_script(NOTE_BADGES)
        await ada.page.reload()
        icon = ada.page.locator("link[rel=icon]")
        await expect(ada.page).to_have_title("Tidings")
        await expect(icon).to_have_attribute("href", "/icon.svg")
        async with home.guest("bob") as bob, home.guest("cem") as cem:
            await bob.says("one", "two")
            await expect(ada.page).to_have_title("(1) Tidings")
            await expect(icon).to_have_attribute("href", re.compile("^data:image/png"))
            await cem.says("three")
            await expect(ada.page).to_have_title("(2) Tidings")
            await ada.open("Bob")
            await expect(ada.page).to_have_title("(1) Tidings")
            await ada.open("Cem")
            await expect(ada.page).to_have_title("Tidings")
            await expect(icon).to_have_attribute("href", "/icon.svg")
            badges = await ada.page.evaluate("window.badges")
            assert [one for at, one in enumerate(badges) if at == 0 or badges[at - 1] != one] == [0, 1, 2, 1, 0]
