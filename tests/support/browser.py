"""People in a real browser. They see and touch what people see and touch: roles, names, keys."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from support.server import PASSWORD

CHROMIUM: Final = "/usr/bin/chromium"
STRANGE_HOST: Final = "tidings.test"
"""This machine by a name that is not the loopback's, so that only TLS makes its pages safe."""
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    f"--host-resolver-rules=MAP {STRANGE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 800}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
SLOW_MS: Final = 20_000

Theme = Literal["light", "dark"]

KEPT_TEXTS: Final = """async (count) => {
  const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await done(indexedDB.open("tidings"));
  for (;;) {
    const rows = await done(db.transaction("messages").objectStore("messages").index("place").getAll());
    const texts = rows.filter((row) => row.text !== null).map((row) => row.text);
    if (texts.length >= count) return db.close(), texts;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""

expect.set_options(timeout=SLOW_MS)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Chromium, on loopback alone."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def profile(path: Path, **options: Any) -> AsyncIterator[BrowserContext]:
    """Run Chromium on a profile that is kept in a folder."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            path, executable_path=CHROMIUM, args=list(FLAGS), viewport=DESKTOP, **options
        )
        try:
            yield context
        finally:
            await context.close()


class BrowserPerson:
    """Somebody with a page of Tidings before them. Everything that the page complains about is kept."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.set_default_timeout(SLOW_MS)

    def _hear(self, message: ConsoleMessage) -> None:
        # A lost connection is said by the browser itself, and is what some tests are about.
        if message.type == "error" and "WebSocket connection" not in message.text and "ERR_" not in message.text:
            self.complaints.append(message.text)

    # Coming in

    async def register(self, invite: str, name: str, display_name: str | None = None) -> None:
        """Accept an invite."""
        await self.page.goto(invite.replace("127.0.0.1", "localhost"))
        await self.page.get_by_label("Your name as others see it").fill(display_name or name.capitalize())
        await self.page.get_by_label("Choose a name to be found by").fill(name)
        await self.page.get_by_label("Choose a password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Start").click()
        await expect(self.page.get_by_role("complementary", name="Conversations")).to_be_visible()

    async def sign_in(self, name: str, *, start_again: bool) -> None:
        """Sign in with the password."""
        await self.page.goto(f"{self.url}/#/sign-in")
        await self.page.get_by_label("Your name here").fill(name)
        await self.page.get_by_label("Your password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        if start_again:
            await self.page.get_by_role("button", name="Start again here").click()
        await expect(self.page.get_by_role("complementary", name="Conversations")).to_be_visible()

    async def invite(self) -> str:
        """Make an invite link by the button in an empty list or the dialog."""
        await self.page.get_by_role("button", name="New conversation").click()
        await self.page.get_by_role("button", name="Invite someone new").click()
        link = await self.page.get_by_role("status").or_(self.page.locator("output")).first.inner_text()
        await self.page.get_by_role("button", name="Close").click()
        return link.strip()

    # Conversations

    def row(self, name: str) -> Locator:
        """Return a conversation in the list."""
        return self.page.get_by_role("navigation", name="Conversations").get_by_role("link", name=name)

    async def open(self, name: str) -> None:
        """Open a conversation from the list."""
        await self.row(name).click()
        await expect(self.page.get_by_role("main").get_by_role("heading", name=name, exact=True)).to_be_visible()

    @property
    def composer(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox", name="Message")

    async def write(self, text: str) -> None:
        """Write a message and send it."""
        await self.composer.fill(text)
        await self.page.get_by_role("button", name="Send").click()

    @property
    def log(self) -> Locator:
        """The messages of the open conversation."""
        return self.page.get_by_role("log", name="Messages")

    def bubble(self, text: str) -> Locator:
        """Return the message with exactly this text."""
        return self.log.get_by_role("article").filter(has_text=text)

    async def sees(self, text: str) -> None:
        """Wait until a message is there."""
        await expect(self.bubble(text)).to_be_visible()

    async def sees_tick(self, text: str, tick: str) -> None:
        """Wait until an own message has got so far: `sent`, `delivered`, `read`."""
        await expect(self.bubble(text).get_by_role("img", name=re.compile(f"^{tick}$"))).to_be_visible()

    async def texts(self, count: int = 0) -> Sequence[str]:
        """Return the texts of all messages that the browser keeps, in their order, when there are so many."""
        async with asyncio.timeout(SLOW_MS / 1000):
            rows: list[str] = await self.page.evaluate(KEPT_TEXTS, count)
        return rows


@asynccontextmanager
async def browser_person(
    browser: Browser, url: str, *, viewport: ViewportSize = DESKTOP, theme: Theme = "light", **options: Any
) -> AsyncIterator[BrowserPerson]:
    """Give somebody a browser profile of their own. At the end the page must have had nothing to complain about."""
    context = await browser.new_context(
        viewport=viewport, color_scheme=theme, base_url=url, permissions=["clipboard-write"], **options
    )
    person = BrowserPerson(await context.new_page(), url)
    try:
        yield person
        assert not person.complaints, person.complaints
    finally:
        with contextlib.suppress(Exception):
            await context.close()
