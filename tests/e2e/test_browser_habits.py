"""What people are used to in a conversation: where it opens, what moves and what does not."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from support.browser import BrowserPerson
from support.stories import House, at_home, write_all

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

AT_END: Final = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"
VISIBLE: Final = """log => {
  const { top, bottom } = log.getBoundingClientRect();
  const all = [...log.querySelectorAll("article")];
  const one = all.find((article) => article.getBoundingClientRect().top > top + 40);
  return one && one.getBoundingClientRect().bottom < bottom ? one.querySelector("bdi").textContent : null;
}"""
"""The text of the first message that is in view as a whole."""
FOLLOW: Final = """(log, text) => {
  window.places = [];
  const step = () => {
    const one = [...log.querySelectorAll("bdi")].find((bdi) => bdi.textContent === text);
    window.places.push(one ? one.getBoundingClientRect().top : null);
    window.following = requestAnimationFrame(step);
  };
  step();
}"""
"""Notes in every frame where a message stands."""
FOLLOWED: Final = "() => (cancelAnimationFrame(window.following), [...new Set(window.places)])"


SCROLL_AND_FOLLOW: Final = """async (log, pixels) => {
  const frame = () => new Promise(requestAnimationFrame);
  log.scrollBy(0, pixels);
  await frame();
  await frame();
  const edge = log.getBoundingClientRect().top;
  const all = () => [...log.querySelectorAll("bdi")];
  const text = all().find((bdi) => bdi.getBoundingClientRect().top > edge).textContent;
  const places = [];
  for (let count = 0; count < 12; count += 1) {
    const one = all().find((bdi) => bdi.textContent === text);
    places.push(one ? one.getBoundingClientRect().top : null);
    await frame();
  }
  return [text, places];
}"""
"""Scrolls, and notes in the next frames where the first message in view stands."""


@pytest.fixture(scope="module")
async def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with at_home(browser, tmp_path_factory.mktemp("habits")) as house:
        yield house


def lines(word: str, count: int) -> list[str]:
    """Return texts of very different lengths."""
    return [f"{word} {number}." + " And more of it." * (number * 7 % 23) for number in range(count)]


def spread(places: Sequence[float | None]) -> float:
    """Return by how many pixels a message moved; it must have been there all the time."""
    known = [place for place in places if place is not None]
    assert len(known) == len(places) > 0
    return max(known) - min(known)


async def place_of(person: BrowserPerson, text: str) -> float:
    """Return how far below the upper edge of the conversation a message stands: a banner may come and go above it."""
    box, log = await person.bubble(text).bounding_box(), await person.log.bounding_box()
    assert box is not None, text
    assert log is not None
    return box["y"] - log["y"]


async def has_settled(person: BrowserPerson) -> None:
    """Wait until nothing has moved for a quarter of a second: what was estimated is put right when a scroll is over."""
    await person.log.evaluate("""async (log) => {
      let before = -1;
      for (let still = 0; still < 15; still += 1) {
        await new Promise(requestAnimationFrame);
        if (log.scrollTop !== before) still = 0;
        before = log.scrollTop;
      }
    }""")


async def finds(person: BrowserPerson, name: str, text: str) -> None:
    """Open a conversation, and wait until a message is there that stays where it is."""
    await person.open(name)
    await expect(person.bubble(text)).to_be_visible()  # an empty one has settled, too
    await has_settled(person)


async def is_at_end(person: BrowserPerson) -> None:
    """Wait until the newest message is in view."""
    log = await person.log.element_handle()
    await person.page.wait_for_function(AT_END, arg=log)


async def first_in_view(person: BrowserPerson) -> str:
    """Return the text of the first message that is in view."""
    text = await person.log.evaluate(VISIBLE)
    assert isinstance(text, str)
    return text


async def scroll(person: BrowserPerson, pixels: int) -> None:
    """Scroll down, or up by a negative number."""
    await person.log.evaluate("(log, pixels) => log.scrollBy(0, pixels)", pixels)
    await has_settled(person)


async def read_all(person: BrowserPerson, name: str) -> None:
    """Open a conversation and read it to its end."""
    await person.open(name)
    latest = person.page.get_by_role("button", name="Jump to latest")
    await expect(person.log.get_by_role("article").first).to_be_visible()  # an empty one has settled, too
    await has_settled(person)
    if await latest.is_visible():
        await latest.click()
    await expect(person.row(name)).not_to_contain_text("unread")
    await is_at_end(person)


async def test_habits_02_and_03_an_unread_conversation_opens_at_its_line_which_stays_until_it_is_left(
    home: House,
) -> None:
    ada = home.ada
    async with home.guest("bob") as bob:
        await bob.says(*lines("old", 30))
        await expect(ada.row("Bob")).to_contain_text("old 29")
        await read_all(ada, "Bob")
        await ada.page.keyboard.press("Escape")
        await bob.says(*lines("new", 40))
        await expect(ada.row("Bob")).to_contain_text("40 unread messages")
        await ada.open("Bob")
        line = ada.log.get_by_role("separator")
        await expect(line).to_have_text("40 unread messages")
        await expect(line).to_be_in_viewport()
        await expect(ada.bubble("new 0.")).to_be_in_viewport()
        await has_settled(ada)
        log = await ada.log.bounding_box()
        mark = await line.bounding_box()
        assert log is not None
        assert mark is not None
        assert mark["y"] - log["y"] < 100, "the line is at the top"
        # It stays, as it is, whatever comes and is read.
        await bob.says("one more")
        await expect(line).to_have_text("40 unread messages")
        await ada.page.get_by_role("button", name="Jump to latest").click()
        await expect(ada.row("Bob")).not_to_contain_text("unread")
        await ada.log.evaluate("log => log.scrollTo(0, log.scrollHeight / 3)")
        await expect(line).to_have_text("40 unread messages")
        await ada.page.keyboard.press("Escape")
        await ada.open("Bob")
        await has_settled(ada)
        await expect(line).to_be_hidden()


async def test_habits_04_and_05_at_the_end_new_messages_scroll_in_and_further_up_nothing_moves(home: House) -> None:
    ada = home.ada
    async with home.guest("cem") as cem:
        await cem.says(*lines("line", 50))
        await expect(ada.row("Cem")).to_contain_text("line 49")
        await read_all(ada, "Cem")
        latest = ada.page.get_by_role("button", name="Jump to latest")
        await expect(latest).to_be_hidden()
        for text in ("short", "long " * 200):
            await cem.says(text)
            await expect(ada.bubble(text.strip())).to_be_in_viewport()
            await is_at_end(ada)
        await expect(ada.row("Cem")).not_to_contain_text("unread")

        await scroll(ada, -1500)
        await expect(latest).to_be_visible()
        await expect(latest).to_have_text("")
        text = await first_in_view(ada)
        await ada.log.evaluate(FOLLOW, text)
        await cem.says(*lines("arrival", 20))
        await expect(latest).to_have_accessible_name("Jump to latest, 20 unread messages")
        await has_settled(ada)
        assert spread(await ada.page.evaluate(FOLLOWED)) <= 1, "nothing moved, in no frame"
        await latest.click()
        await is_at_end(ada)
        await expect(latest).to_be_hidden()
        await expect(ada.bubble("arrival 19")).to_be_in_viewport()
        await expect(ada.row("Cem")).not_to_contain_text("unread")


async def test_habit_04_one_s_own_message_comes_into_view_from_wherever_one_is(home: House) -> None:
    ada = home.ada
    async with home.guest("dan") as dan:
        await dan.says(*lines("line", 50))
        await read_all(ada, "Dan")
        await scroll(ada, -1500)
        await ada.write("from up here")
        await expect(ada.bubble("from up here")).to_be_in_viewport()
        await is_at_end(ada)


async def test_habit_06_loading_older_messages_moves_nothing_that_is_visible(home: House) -> None:
    ada = home.ada
    async with home.guest("eva") as eva:
        # Three pages of 120 messages: what is older comes twice.
        await eva.says(*lines("line", 300))
        await expect(ada.row("Eva")).to_contain_text("line 299")
        await read_all(ada, "Eva")
        await ada.page.reload()
        await ada.sees("line 299")
        await has_settled(ada)
        before = await ada.log.evaluate("log => log.scrollHeight")
        seen = set()
        for _ in range(60):
            text, places = await ada.log.evaluate(SCROLL_AND_FOLLOW, -700)
            assert spread(places) <= 1, f"{text} was at {places}"
            seen.add(text)
            if text.startswith("line 1."):
                break
        assert len(seen) > 20
        assert await ada.log.evaluate("log => log.scrollHeight") > before * 2


async def test_habit_07_each_conversation_is_found_as_it_was_left(home: House) -> None:
    ada = home.ada
    async with home.guest("fay") as fay, home.guest("gus") as gus:
        await fay.says(*lines("fay", 300))
        await gus.says(*lines("gus", 60))
        await expect(ada.row("Fay")).to_contain_text("fay 299")
        await expect(ada.row("Gus")).to_contain_text("gus 59")
        await read_all(ada, "Fay")
        await read_all(ada, "Gus")
        await scroll(ada, -1234)
        at_gus = await first_in_view(ada)
        place_at_gus = await place_of(ada, at_gus)
        await ada.open("Fay")
        await is_at_end(ada)
        # Beyond what is loaded at first.
        for _ in range(15):
            await scroll(ada, -1000)
        at_fay = await first_in_view(ada)
        place_at_fay = await place_of(ada, at_fay)
        await finds(ada, "Gus", at_gus)
        assert abs(await place_of(ada, at_gus) - place_at_gus) <= 2
        await finds(ada, "Fay", at_fay)
        assert abs(await place_of(ada, at_fay) - place_at_fay) <= 2


async def test_habits_08_and_09_days_stand_between_messages_which_are_grouped_by_author(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_home(browser, tmp_path) as home, home.guest("hal") as hal:
        ada = home.ada
        await ada.open("Hal")
        now = datetime.now(UTC)
        days = [(12, "twelve"), (3, "three"), (1, "one"), (0, "none")]
        for ago, word in days:
            await ada.page.clock.set_fixed_time(now - timedelta(days=ago))
            await write_all(ada, lines(word, 20))
            await ada.sees_tick(f"{word} 19.", "delivered")
        expected = [
            (now - timedelta(days=12)).astimezone().strftime("%B %-d").lstrip("0"),
            (now - timedelta(days=3)).astimezone().strftime("%A"),
            "Yesterday",
            "Today",
        ]
        found: list[str] = []
        await ada.log.evaluate("log => log.scrollTo(0, 0)")
        await has_settled(ada)
        sticky = ada.page.locator(".sticky")
        for _ in range(60):
            named = await ada.log.locator(".day").all_text_contents()
            found += [day for day in named if day not in found]
            if "Today" in found:
                break
            await scroll(ada, 300)
            text = await first_in_view(ada)
            # While one scrolls the day of what is in view stays in view.
            if await sticky.is_visible():
                at = next(at for at, (_, word) in enumerate(days) if text.startswith(word))
                assert (await sticky.inner_text()) in expected[max(at - 1, 0) : at + 1]
        assert [day.split(",")[0] for day in found] == expected
        await ada.page.clock.set_fixed_time(datetime.now(UTC))

        await read_all(ada, "Hal")
        await write_all(ada, ["first", "second"])
        await ada.sees_tick("second", "delivered")
        await hal.says("third")
        await hal.says("fourth")
        await ada.sees("fourth")
        texts = ["first", "second", "third", "fourth"]
        boxes = [await ada.bubble(text).locator(".bubble").bounding_box() for text in texts]
        first, second, third, fourth = [box for box in boxes if box]
        together = second["y"] - first["y"] - first["height"]
        apart = third["y"] - second["y"] - second["height"]
        assert together == fourth["y"] - third["y"] - third["height"]
        assert together < apart, "messages of one author stand closer together"
