"""Every screen of the web client, one after the other, with people in it who always say the same at the same time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, BrowserContext, Page, expect

from support.browser import DESKTOP, STRANGE_HOST, BrowserPerson
from support.server import PASSWORD, LocalInstance, local_server
from tidings.sdk import Client
from tidings.server.app import SystemClock

SCREENS: Final = (
    *("welcome", "join", "empty", "sign-in", "start-again", "invite", "conversation", "menu", "right-to-left"),
    *("list", "unread", "new-conversation", "not-sent", "you", "sign-out", "shortcuts", "request", "about", "blocked"),
    *("new-keys", "offline", "signed-out", "insecure", "broken"),
)
"""Names of all screens, in the order in which they come."""

TODAY: Final = "2026-06-12"
PEOPLE: Final = {
    "jonas": "Jonas Weber",
    "maryam": "Maryam Haddad",
    "tomas": "Tomás Rivera",
    "lin": "Lin Xiaoyu 林小雨",
    "nadia": "Nadia Okafor",
    "samira": "Samira Lund",
}
HEADINGS: Final = {
    "welcome": "Private messages, for people who know each other",
    "start-again": "Start again here?",
    "signed-out": "You were signed out",
    "insecure": "This page needs a safe address",
    "broken": "Tidings could not start",
}
BREAK_STORAGE: Final = "indexedDB.open = () => { throw new DOMException('not allowed', 'SecurityError'); };"

Show = Callable[[str, Page], Awaitable[None]]


class Calendar(SystemClock):
    """A clock that shows what it is set to. Its monotonic time runs."""

    def __init__(self) -> None:
        self.set("09:00")

    def set(self, when: str) -> None:
        """Set it to a time of today, or to a date and a time."""
        day, _, time = when.rpartition(" ")
        self.shown = datetime.fromisoformat(f"{day or TODAY}T{time}:00").replace(tzinfo=UTC)

    def now(self) -> int:
        """See Clock."""
        return round(self.shown.timestamp() * 1000)


class Story:
    """What happens between the screens."""

    def __init__(self, server: LocalInstance, folder: Path, calendar: Calendar, browser: Browser) -> None:
        self.server = server
        self.folder = folder
        self.calendar = calendar
        self.browser = browser

    @asynccontextmanager
    async def context(self) -> AsyncIterator[BrowserContext]:
        """Open a browser profile in which it is the story's time."""
        context = await self.browser.new_context(
            viewport=DESKTOP, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
        )
        try:
            yield context
        finally:
            await context.close()

    async def at(self, page: Page, when: str) -> None:
        """Let it be some time."""
        self.calendar.set(when)
        await page.clock.set_fixed_time(self.calendar.shown)

    async def register(self, name: str, invite: str) -> None:
        """Let somebody come in, with a program."""
        store = self.folder / f"{name}.db"
        client = await Client.register(store, invite, name, PASSWORD, display_name=PEOPLE[name])
        client.close()

    @asynccontextmanager
    async def online(self, name: str) -> AsyncIterator[Client]:
        """Let somebody be there."""
        async with Client.open(self.folder / f"{name}.db") as client:
            await client.ready()
            yield client

    async def say(self, name: str, *texts: str) -> None:
        """Let somebody write to Ada."""
        async with self.online(name) as client:
            for text in texts:
                await client.send("@ada", text)

    async def read(self, name: str, text: str) -> None:
        """Let somebody read what Ada wrote, up to a text."""
        async with self.online(name) as client:
            async for message in client.messages():
                if message.text == text:
                    await client.mark_read(message)
                    return


@asynccontextmanager
async def story(folder: Path, browser: Browser) -> AsyncIterator[Story]:
    """Begin, on a server of its own."""
    calendar = Calendar()
    async with local_server(folder, clock=calendar) as server:
        yield Story(server, folder, calendar, browser)


async def tell(told: Story, show: Show) -> None:
    """Go through the story. Whoever is shown a screen may resize and recolour the page."""
    async with told.context() as context:
        ada = BrowserPerson(await context.new_page(), told.server.url)
        await _coming_in(told, ada, show)
        await _talking(told, ada, show)
        await _being_careful(told, ada, show)
        assert not ada.complaints, ada.complaints
    for screen, url, script in (
        ("insecure", f"http://{STRANGE_HOST}:{told.server.port}/", ""),
        ("broken", told.server.url, BREAK_STORAGE),
    ):
        async with told.context() as context:
            await context.add_init_script(script)
            page = await context.new_page()
            await page.goto(url)
            await expect(page.get_by_role("heading", level=1)).to_have_text(HEADINGS[screen])
            await show(screen, page)


async def _coming_in(told: Story, ada: BrowserPerson, show: Show) -> None:
    page = ada.page
    await told.at(page, "2026-06-11 20:10")
    await page.goto(told.server.url)
    await expect(page.get_by_role("heading", level=1)).to_have_text(HEADINGS["welcome"])
    await show("welcome", page)
    store = told.folder / "nadia.db"
    nadia = await Client.register(
        store, await told.server.invite(), "nadia", PASSWORD, display_name=PEOPLE["nadia"], label="Terminal"
    )
    nadia.close()
    async with told.online("nadia") as nadia:
        invite = await nadia.invite()
    await page.goto(invite.replace("127.0.0.1", "localhost"))
    await page.get_by_label("Your name as others see it").fill("Ada Kowalska")
    await page.get_by_label("Choose a name to be found by").fill("ada")
    await show("join", page)
    await page.goto("about:blank")
    await ada.register(await told.server.invite(), "ada", "Ada Kowalska")
    await expect(page.get_by_text("Nobody to talk to yet")).to_be_visible()
    await show("empty", page)

    async with told.context() as elsewhere:
        other = await elsewhere.new_page()
        await other.goto(f"{told.server.url}/#/sign-in")
        await other.get_by_label("Your name here").fill("ada")
        await other.get_by_label("Your password").fill("not this one")
        await other.get_by_role("button", name="Sign in").click()
        await expect(other.get_by_role("alert")).to_be_visible()
        await show("sign-in", other)
        await other.get_by_label("Your password").fill(PASSWORD)
        await other.get_by_role("button", name="Sign in").click()
        await expect(other.get_by_role("heading", level=1)).to_have_text(HEADINGS["start-again"])
        await show("start-again", other)

    await page.get_by_role("button", name="Invite someone").click()
    link = page.locator("output")
    await expect(link).to_be_visible()
    await expect(page.get_by_role("img", name="Invite link as a code to scan")).to_be_visible()
    await show("invite", page)
    await told.register("jonas", await link.inner_text())
    await page.get_by_role("button", name="Close").click()
    for name in ("maryam", "tomas", "lin"):
        await told.register(name, await ada.invite())


async def _talking(told: Story, ada: BrowserPerson, show: Show) -> None:
    page = ada.page
    await told.at(page, "2026-06-11 20:14")
    await told.say("jonas", "Are we still going to the island at the weekend?", "The forecast is lovely.")
    await ada.open("Jonas Weber")
    await ada.write("Yes! I asked Maryam and Tomás, too.")
    await told.at(page, "2026-06-11 20:31")
    await told.say("tomas", "I can bring the small tent and the stove.")
    await told.at(page, "2026-06-11 21:05")
    await told.say("lin", "周末愉快 🌿")
    await told.at(page, "08:40")
    await told.say(
        *("jonas", "Morning! The ferry leaves at 9:40 on Saturday."),
        "Shall I book for four? They keep the seats until noon, and the later one is full already.",
    )
    await told.at(page, "08:52")
    four = "Four it is. And Tomás wants to bring the dog 🐕"
    await ada.write(four)
    await ada.sees_tick(four, "sent")
    await told.read("jonas", four)
    await ada.sees_tick(four, "read")
    await told.at(page, "08:53")
    await told.say("jonas", "Dogs travel free 👍")
    await told.say("maryam", "صباح الخير! نلتقي عند المرسى في الساعة التاسعة", "I'll bring figs.")
    await ada.open("Maryam Haddad")
    await told.at(page, "08:58")
    await ada.write("تمام، إلى اللقاء ☀️")
    await told.at(page, "09:02")
    async with told.online("maryam"):
        await ada.sees_tick("تمام", "delivered")
    await ada.open(PEOPLE["lin"])
    await ada.composer.fill("明天见 ")
    await ada.open("Jonas Weber")
    await told.at(page, "09:04")
    await ada.write("Booked? Then I'll tell the others.")
    await ada.sees_tick("Booked?", "sent")
    await told.at(page, "09:12")
    await told.say("tomas", "Found the tent!", "It has a hole, but a small one.", "Duct tape?")
    await expect(ada.row("Tomás Rivera")).to_contain_text("Duct tape?")
    await page.reload()
    await ada.sees("Booked?")
    async with told.online("jonas") as jonas:
        await ada.sees_tick("Booked?", "delivered")
        await jonas.set_online(online=True)
        await expect(page.get_by_role("button", name="About Jonas Weber")).to_contain_text("online")
        await show("conversation", page)
        await jonas.set_typing(jonas.conversations()[0].id, active=True)
        await expect(page.get_by_role("status", name="Jonas Weber is typing")).to_be_visible()
        await page.get_by_role("button", name="More").click()
        await show("menu", page)
        await page.keyboard.press("Escape")
    await ada.open("Maryam Haddad")
    await ada.sees("I'll bring figs.")
    await show("right-to-left", page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Choose a conversation")).to_be_attached()
    await show("list", page)
    await ada.open("Tomás Rivera")
    await expect(page.get_by_role("separator")).to_have_text("4 unread messages")
    await show("unread", page)
    await page.get_by_role("button", name="New conversation").click()
    await show("new-conversation", page)
    await page.get_by_label("Exact name").fill("tomsa")
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_text("Nobody here has that name.")).to_be_visible()
    await told.register("samira", await told.server.invite())
    await page.get_by_label("Exact name").fill("samira")
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_text("has not answered yet").last).to_be_visible()
    for text in ("Hi Samira, we met at the harbour.", "You left your scarf on the boat!", "It is green, with owls."):
        await ada.write(text)
        await ada.sees_tick(text, "sent")
    await ada.write("Shall I bring it on Saturday?")
    await expect(page.get_by_text("Not sent: this person cannot be written to.")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("img", name="not sent")).to_be_visible()
    await show("not-sent", page)
    await ada.open("Tomás Rivera")
    await page.get_by_role("button", name="You and settings").click()
    await expect(page.get_by_text("Your devices")).to_be_visible()
    await show("you", page)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign out and delete")).to_be_visible()
    await show("sign-out", page)
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Shortcuts").click()
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    await show("shortcuts", page)
    await page.keyboard.press("Escape")


async def _being_careful(told: Story, ada: BrowserPerson, show: Show) -> None:
    page = ada.page
    await told.at(page, "09:20")
    await told.say("nadia", "Hello Ada, I am Nadia from the climbing hall. Jonas said you have a spare helmet?")
    await ada.open("Nadia Okafor")
    await expect(page.get_by_role("button", name="Accept")).to_be_visible()
    await show("request", page)
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("button", name="Accept")).to_be_hidden()
    await page.get_by_role("button", name="About Nadia Okafor").click()
    await show("about", page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Block").click()
    await expect(page.get_by_text("You blocked Nadia Okafor")).to_be_visible()
    await show("blocked", page)

    again = told.folder / "jonas-again.db"
    client = await Client.sign_in(
        again, told.server.url, "jonas", PASSWORD, start_again=True, display_name=PEOPLE["jonas"]
    )
    client.close()
    await ada.open("Jonas Weber")
    await expect(page.get_by_role("heading", name="Jonas Weber has new keys")).to_be_visible()
    await ada.write("Did you get a new phone?")
    await ada.sees_tick("Did you", "waiting to be sent")
    await show("new-keys", page)

    await ada.open("Tomás Rivera")
    await page.context.set_offline(offline=True)
    await ada.write("Tape is in the blue box")
    await expect(page.get_by_text("You are offline")).to_be_visible()
    await show("offline", page)
    await page.context.set_offline(offline=False)
    await ada.sees_tick("Tape is", "sent")

    client = await Client.sign_in(
        told.folder / "ada.db", told.server.url, "ada", PASSWORD, start_again=True, display_name="Ada Kowalska"
    )
    client.close()
    await expect(page.get_by_role("heading", name=HEADINGS["signed-out"])).to_be_visible()
    await show("signed-out", page)
