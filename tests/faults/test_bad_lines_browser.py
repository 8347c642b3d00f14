"""Fault 9 in the web client: what got lost on the line is fetched, not given up."""

from asyncio import Future, get_running_loop
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import expect

from support.browser import browser_person, chromium
from support.futures import to_be_read
from support.sdk import Reader, online
from support.server import local_server, new_person
from tidings.server.ports.mailboxes import Appended, BoxId, Mailboxes, Page
from tidings.wire.commands import Send

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


class LosesOne:
    """The port `Mailboxes`: when it is armed, the first of the next two entries never gets to its device."""

    def __init__(self) -> None:
        self.real: Mailboxes
        self.armed = False
        self.lost = 0

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
        page = self.real.read(box, after, count).result()
        if self.armed and page.entries:
            if len(page.entries) > 1:
                self.armed = False
                self.lost += 1
            page = page._replace(entries=page.entries[1:])  # one alone is read again, with the next
        answer: Future[Page] = get_running_loop().create_future()
        answer.set_result(page)
        return answer


async def test_fault_09_a_browser_comes_back_for_what_was_lost_on_its_way(tmp_path: Path) -> None:
    line = LosesOne()
    async with (
        local_server(tmp_path, around_mailboxes=line.around) as server,
        chromium() as browser,
        browser_person(browser, server.url) as ada,
    ):
        await ada.register(await server.invite(), "ada")
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as bob:
            await ada.open("Bob")
            await ada.write("hello")
            assert await Reader(bob).texts(1) == ["hello"]
            await bob.send("@ada", "hi")
            await ada.sees("hi")
            line.armed = True
            await bob.send("@ada", "lost on its way")
            sent = await bob.send("@ada", "the next one")
            await ada.sees("the next one")
            await ada.sees("lost on its way")
            assert line.lost == 1
            await expect(ada.page.get_by_text("missing")).to_have_count(0)
            texts = [message.body for message in bob.history(sent.conversation)]
            assert texts == ["hello", "hi", "lost on its way", "the next one"]
