"""Every screen is for everybody: axe finds what is wrong, and keys reach everything. See test_tour.py, too."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from support.axe import violations
from support.browser import BrowserPerson, browser_person
from support.server import new_person, server_process
from tidings.sdk import Client

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_axe_finds_what_is_wrong_on_purpose(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.page.goto(server.url)
        await expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert await violations(ada.page) == []
        await ada.page.add_style_tag(content="button { color: #ccc !important; background: #fff !important }")
        await ada.page.evaluate("document.body.append(document.createElement('img'))")
        assert {broken["id"] for broken in await violations(ada.page)} >= {"color-contrast", "image-alt"}
        assert {broken["id"] for broken in await violations(ada.page, colours_only=True)} == {"color-contrast"}


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def tab_to(person: BrowserPerson, name: str, most: int = 25) -> None:
    """Press Tab until something of a name has the focus, and shows it."""
    seen: list[str] = []
    for _ in range(most):
        await person.page.keyboard.press("Tab")
        label = await person.page.evaluate(
            "() => { const it = document.activeElement;"
            " return it.ariaLabel ?? it.labels?.[0]?.textContent ?? it.textContent.trim(); }"
        )
        seen.append(label)
        if name in label:
            is_shown = await person.page.evaluate(
                "() => [document.activeElement, document.activeElement.parentElement]"
                ".some((one) => getComputedStyle(one).outlineStyle !== 'none')"
            )
            assert is_shown, f"{name} does not show that it has the focus"
            return
    raise AssertionError(f"Tab does not reach {name}, but {seen}")


async def test_everything_can_be_done_with_keys_alone(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.page.goto((await server.invite()).replace("127.0.0.1", "localhost"))
        await expect(ada.page.get_by_label("Your name as others see it")).to_be_focused()
        await ada.page.keyboard.type("Ada")
        await press(ada.page, "Tab")
        await ada.page.keyboard.type("ada")
        await press(ada.page, "Tab")
        await ada.page.keyboard.type("correct horse battery")
        await press(ada.page, "Enter")
        await expect(ada.page.get_by_text("Nobody to talk to yet")).to_be_visible()

        await tab_to(ada, "Invite someone")
        await press(ada.page, "Enter")
        link = ada.page.locator("output")
        store = await new_person(server, tmp_path, "bob", (await link.inner_text()).strip())
        await tab_to(ada, "Copy link")
        await press(ada.page, "Enter")
        await expect(ada.page.get_by_role("button", name="Copied")).to_be_visible()
        await press(ada.page, "Escape")
        await expect(ada.page.get_by_role("dialog")).to_be_hidden()

        async with Client.open(store) as bob:
            await bob.ready()
            await expect(ada.row("Bob")).to_be_visible()
            await press(ada.page, "Control+k")
            await expect(ada.page.get_by_label("Find a person")).to_be_focused()
            await ada.page.keyboard.type("bo")
            await press(ada.page, "Enter")
            await expect(ada.composer).to_be_focused()
            await ada.page.keyboard.type("by keys")
            await press(ada.page, "Shift+Enter")
            await ada.page.keyboard.type("alone")
            await press(ada.page, "Enter")
            assert (await anext(bob.messages())).text == "by keys\nalone"

            # Back through what stands before the composer.
            await press(ada.page, "Shift+Tab")
            await expect(ada.log).to_be_focused()
            await press(ada.page, "Shift+Tab")
            await expect(ada.page.get_by_role("button", name="More")).to_be_focused()
            await press(ada.page, "Enter")
            await expect(ada.page.get_by_role("menuitem", name="About Bob")).to_be_focused()
            await press(ada.page, "ArrowDown")
            await expect(ada.page.get_by_role("menuitem", name="Block")).to_be_focused()
            await press(ada.page, "ArrowUp", "Enter")
            about = ada.page.get_by_role("dialog", name="About Bob")
            await expect(about).to_be_visible()
            await press(ada.page, "Escape")
            await expect(ada.page.locator("dialog")).to_have_count(0)  # until it is gone, keys are its own
            await press(ada.page, "Escape")
            await expect(ada.page.get_by_role("heading", name="Choose a conversation")).to_be_visible()
            await press(ada.page, "?")
            await expect(ada.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
            await press(ada.page, "Escape")
            await tab_to(ada, "You and settings")
            await press(ada.page, "Enter")
            await tab_to(ada, "Automatic")
            await press(ada.page, "ArrowRight")
            await press(ada.page, "ArrowRight")
            await expect(ada.page.locator("html")).to_have_attribute("data-theme", "dark")
