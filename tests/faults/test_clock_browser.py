"""Fault 10 in the web client: a computer whose clock is wrong writes like any other."""

from pathlib import Path

import pytest

from support.browser import browser_person, chromium
from support.sdk import Reader, online
from support.server import local_server, new_person
from tidings.server.app import SystemClock

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

DAY = 86_400_000


class ServerClock(SystemClock):
    """The right clock, where the browser's is wrong."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead

    def now(self) -> int:
        return super().now() + self._ahead


@pytest.mark.parametrize("days", [-2, 31], ids=["two days fast", "a month slow"])
async def test_fault_10_a_browser_whose_clock_is_wrong_sends(days: int, tmp_path: Path) -> None:
    async with (
        local_server(tmp_path, clock=ServerClock(days * DAY)) as server,
        chromium() as browser,
        browser_person(browser, server.url) as ada,
    ):
        await ada.register(await server.invite(), "ada")
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as bob:
            await ada.open("Bob")
            await ada.write("what time is it?")
            assert await Reader(bob).texts(1) == ["what time is it?"]
            await ada.sees_tick("what time is it?", "delivered")
