"""Servers die, tabs are closed, profiles are copied: a browser neither loses nor repeats anything."""

import asyncio
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from websockets import Subprotocol
from websockets.asyncio.server import ServerConnection, serve

from support.browser import BrowserPerson, browser_person, profile
from support.server import PASSWORD, new_person, server_process
from support.stories import Program, Story, ada_and_bob, keeps_the_page, write_all
from tidings.sdk import Client
from tidings.wire.closes import Close
from tidings.wire.codec import SUBPROTOCOL

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

ELSEWHERE = "Tidings is open in a copy of this browser"


def used_sessions(client: Client) -> set[str]:
    """Return the sessions of others whose messages a program has opened; each index was used once.

    The recipient notes the index of every message that it opens, and refuses one that repeats.
    """
    rows = client._db.rows("select session, count(*), count(distinct position) from used_index group by session")
    assert all(count == distinct for _, count, distinct in rows)
    return {session for session, *_ in rows}


async def second_tab(story: Story) -> BrowserPerson:
    tab = BrowserPerson(await story.ada.page.context.new_page(), story.ada.url)
    await tab.page.goto(tab.url)
    return tab


async def test_the_server_is_killed_during_traffic_and_nothing_is_lost_or_doubled(
    browser: Browser, tmp_path: Path
) -> None:
    async with ada_and_bob(browser, tmp_path) as (server, ada, bob, *_):
        await ada.open("Bob")
        for part in range(3):
            for number in range(20):
                await bob.client.enqueue("@ada", f"from bob {part}.{number}")
            await write_all(ada, [f"from ada {part}.{number}" for number in range(20)])
            await server.kill()
            await server.begin()
        assert await bob.takes(60) == [f"from ada {part}.{number}" for part in range(3) for number in range(20)]
        await ada.sees_tick("from ada 2.19", "delivered")
        theirs = [text for text in await ada.texts(120) if "bob" in text]
        assert theirs == [f"from bob {part}.{number}" for part in range(3) for number in range(20)]
        used_sessions(bob.client)


async def test_a_tab_that_is_closed_while_it_sends_loses_nothing(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as story:
        await story.ada.open("Bob")
        texts = [f"message {number}" for number in range(40)]
        await write_all(story.ada, texts)
        # What is shown is kept.
        await story.ada.sees("message 39")
        await story.ada.page.close()
        second = await second_tab(story)
        assert await story.bob.takes(40) == texts
        await second.open("Bob")
        await second.sees_tick("message 39", "delivered")
        assert await second.texts() == texts


async def test_two_tabs_send_at_once_and_no_index_of_a_session_repeats(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as story:
        ada, bob = story.ada, story.bob
        second = await second_tab(story)
        await ada.open("Bob")
        await second.open("Bob")
        texts = {name: [f"{name} {number}" for number in range(60)] for name in ("one", "two")}
        await asyncio.gather(write_all(ada, texts["one"]), write_all(second, texts["two"]))
        received = await bob.takes(120)
        for name, written in texts.items():
            assert [text for text in received if text.startswith(name)] == written
        before = used_sessions(bob.client)
        await second.sees_tick("one 59", "delivered")
        # The tab that ran the engine goes; the other one takes over, with a session of its own.
        await ada.page.close()
        await second.write("after the other tab was closed")
        assert await bob.takes(1) == ["after the other tab was closed"]
        assert len(used_sessions(bob.client) - before) == 1


async def test_a_tab_that_writes_without_running_the_engine_sees_everything_that_the_other_does(
    browser: Browser, tmp_path: Path
) -> None:
    async with ada_and_bob(browser, tmp_path) as story:
        second = await second_tab(story)
        await second.open("Bob")
        await story.ada.open("Bob")
        await second.write("from the second tab")
        await story.ada.sees_tick("from the second tab", "delivered")
        await second.sees_tick("from the second tab", "delivered")
        await story.bob.says("to both")
        await story.ada.sees("to both")
        await second.sees("to both")


# A lane that is asked for by what is no key of a database breaks.
BREAK = """() => {
  const channel = new BroadcastChannel("tidings");
  channel.postMessage({ type: "call", id: crypto.randomUUID(), method: "wake", args: [true] });
  channel.close();
}"""
OWNERS = """async () => {
  const channel = new BroadcastChannel("tidings");
  const takers = {};
  let another = null;
  channel.onmessage = ({ data }) => {
    if (data.type === "taken") takers[data.id] = (takers[data.id] ?? 0) + 1;
    if (data.type === "result") another?.();
  };
  for (let count = 0; count < 20; count += 1) {
    const answered = new Promise((resolve) => (another = resolve));
    const waited = new Promise((resolve) => setTimeout(resolve, 200));
    channel.postMessage({ type: "call", id: crypto.randomUUID(), method: "status", args: [] });
    await Promise.all([Promise.race([answered, waited]), waited]);
  }
  channel.close();
  return Math.max(...Object.values(takers));
}"""


async def test_an_engine_that_breaks_is_over_before_another_one_runs(browser: Browser, tmp_path: Path) -> None:
    async with ada_and_bob(browser, tmp_path) as story:
        second = await second_tab(story)
        await second.open("Bob")
        # The first tab, whose engine breaks, can do nothing meanwhile: not even end its worker.
        async with story.ada.page.expect_event("dialog") as opened:
            freezing = asyncio.create_task(story.ada.page.evaluate("alert('frozen')"))
        dialog = await opened.value
        await second.page.evaluate(BREAK)
        assert await second.page.evaluate(OWNERS) == 1
        await dialog.accept()
        await freezing
        await second.write("after it broke")
        await second.sees_tick("after it broke", "delivered")
        assert [text for text in story.ada.complaints if "the engine stopped" not in text] == []
        story.ada.complaints.clear()


async def test_a_store_that_is_rolled_back_writes_with_a_new_session(tmp_path: Path) -> None:
    """A profile is copied, used on, and put back: no index of a session that was used is used again."""
    folder, copy = tmp_path / "profile", tmp_path / "copy"
    async with server_process(tmp_path) as server:
        async with profile(folder) as context:
            ada = BrowserPerson(context.pages[0], server.url)
            await ada.register(await server.invite(), "ada")
            store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with Client.open(store) as client:
                await client.ready()
                await ada.open("Bob")
                await ada.write("first")
                await ada.sees_tick("first", "delivered")
        await asyncio.to_thread(copy_folder, folder, copy)
        async with Client.open(store) as client:
            bob = Program(client)
            async with profile(folder) as context:
                ada = BrowserPerson(context.pages[0], server.url)
                await ada.page.goto(server.url)
                await ada.open("Bob")
                for number in range(5):
                    await ada.write(f"lost {number}")
                await ada.sees_tick("lost 4", "delivered")
                await bob.says("to be acknowledged")
                await ada.sees("to be acknowledged")
                before = used_sessions(client)
                async with profile(copy) as old:
                    past = BrowserPerson(old.pages[0], server.url)
                    await past.page.goto(server.url)
                    await past.open("Bob")
                    await past.write("from the past")
                    await past.sees_tick("from the past", "delivered")
                    assert await bob.takes(7) == ["first", *[f"lost {number}" for number in range(5)], "from the past"]
                    assert len(used_sessions(client) - before) == 1
                    # Both are open now: one device has one connection, and who lost it is told so.
                    await expect(ada.page.get_by_text(ELSEWHERE)).to_be_visible()
                    await ada.page.get_by_role("button", name="Use here").click()
                    await expect(ada.page.get_by_text(ELSEWHERE)).to_be_hidden()
                    await expect(past.page.get_by_text(ELSEWHERE)).to_be_visible()


def copy_folder(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("Singleton*"), symlinks=True)


async def test_a_server_of_another_kind_is_said_plainly_and_reloading_helps(browser: Browser, tmp_path: Path) -> None:
    async def hang_up(connection: ServerConnection) -> None:
        await connection.close(Close.PROTOCOL)

    async with ada_and_bob(browser, tmp_path) as (server, ada, *_):
        await keeps_the_page(ada)
        await ada.open("Bob")
        await server.stop()
        async with serve(hang_up, "127.0.0.1", server.port, subprotocols=[Subprotocol(SUBPROTOCOL)]):
            notice = ada.page.get_by_role("alert").filter(has_text="do not understand each other")
            await expect(notice).to_be_visible()
            await ada.write("kept meanwhile")
            await ada.sees_tick("kept meanwhile", "waiting to be sent")
        await server.begin()
        await notice.get_by_role("button", name="Reload").click()
        await ada.sees_tick("kept meanwhile", "(sent|delivered)")
        await expect(notice).to_be_hidden()


async def test_start_again_here_replaces_the_other_device_and_warns_contacts(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
        browser_person(browser, server.url) as old,
        browser_person(browser, server.url) as new,
    ):
        await ada.register(await server.invite(), "ada", "Ada")
        await old.register(await ada.invite(), "cem", "Cem")
        await ada.open("Cem")
        await ada.write("to the old device")
        await expect(old.row("Ada")).to_contain_text("to the old device")
        await new.sign_in("cem", start_again=True)
        await expect(old.page.get_by_role("heading", name="You were signed out")).to_be_visible()
        await expect(ada.page.get_by_role("heading", name="Cem has new keys")).to_be_visible()
        await ada.write("held back until I have asked")
        await ada.sees_tick("held back", "waiting to be sent")
        await ada.page.get_by_role("button", name="It is really Cem").click()
        await ada.sees_tick("held back", "delivered")
        await expect(new.row("Ada")).to_contain_text("held back until I have asked")


async def test_what_was_sent_before_starting_again_arrives_at_a_browser_that_was_away(
    browser: Browser, tmp_path: Path
) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with Client.open(store) as bob:
            await bob.send("@ada", "hello")
            await expect(ada.row("Bob")).to_contain_text("hello")
            await ada.page.goto("about:blank")
            await bob.send("@ada", "from the old device")
        (await Client.sign_in(tmp_path / "new.db", server.url, "bob", PASSWORD, start_again=True)).close()
        async with Client.open(tmp_path / "new.db") as bob:
            await bob.send("@ada", "it is me")
            await ada.page.goto(server.url)
            await ada.open("Bob")
            await ada.sees("it is me")
            await ada.sees("from the old device")
            await expect(ada.page.get_by_role("heading", name="Bob has new keys")).to_be_visible()


async def test_a_program_opens_what_a_browser_wrote_while_it_was_away(browser: Browser, tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        browser_person(browser, server.url) as ada,
    ):
        await ada.register(await server.invite(), "ada")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        await ada.open("bob")
        texts = [f"{number} while away" for number in range(150)]
        await write_all(ada, texts)
        await ada.sees_tick("149 while away", "sent")
        async with Client.open(store) as client:
            assert await Program(client).takes(150) == texts
            await ada.sees_tick("149 while away", "delivered")
