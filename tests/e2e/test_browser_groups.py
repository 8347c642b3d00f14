"""A browser that is put into a group by a program: it does not show groups yet, and goes on as if nothing was."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from support.browser import browser_person
from support.sdk import Reader
from support.server import new_person, server_process
from tidings.sdk import Client

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_what_is_said_in_a_group_disturbs_no_browser(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada", "Ada")
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with Client.open(bob_store) as bob:
            await bob.ready()
            cem_store = await new_person(server, tmp_path, "cem", await bob.invite())
            async with Client.open(cem_store) as cem:
                await cem.ready()
                at_bob, at_cem = Reader(bob), Reader(cem)
                await ada.open("Bob")
                await ada.write("hello Bob")
                assert await at_bob.texts(1) == ["hello Bob"]
                group = await bob.create_group(["@ada", "@cem"])
                for number in range(3):
                    await bob.send(group.id, f"to the group {number}")
                assert len(await at_cem.texts(3)) == 3
                await bob.send("@ada", "to you alone")
                await ada.sees("to you alone")
                await ada.write("I read that")
                assert await at_bob.texts(1) == ["I read that"]
                await bob.remove(group.id, ["@ada"])
                await bob.send("@ada", "still there?")
                await ada.sees("still there?")
                await expect(ada.page.get_by_text("to the group")).to_have_count(0)
