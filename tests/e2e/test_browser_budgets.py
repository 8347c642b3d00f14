"""How little the page loads and holds. How quick it is, the benches measure."""

import gzip
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Page, Response, expect

from support.browser import browser_person
from support.server import new_person, server_process
from tidings.sdk import Client

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

FIRST_LOAD: Final = 60_000
"""Bytes, after gzip, of the scripts and styles of a page; its worker, which is the encryption library, apart."""
MESSAGES: Final = 100_000
NODES: Final = 3_000
"""Elements in the page, however many messages there are."""
HEAP: Final = 150_000_000

FILL: Final = """async ([conversation, account, count]) => {
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const db = await done(indexedDB.open("tidings"));
  const [like] = await done(db.transaction("messages").objectStore("messages").index("place").getAll());
  const start = Date.now() - count * 60_000;
  for (let from = 0; from < count; from += 5_000) {
    const tx = db.transaction("messages", "readwrite", { durability: "relaxed" });
    for (let number = from; number < Math.min(from + 5_000, count); number += 1) {
      const place = number - count;  // before those that there are
      const text = `message ${number} ` + "and some words of it ".repeat(number % 7);
      const key = `${account} FILLED ${String(number).padStart(32, "0")}`;
      tx.objectStore("messages").put({ ...like, key, order: place, seq: place, time: start + number * 60_000, text });
    }
    await new Promise((resolve, reject) => ((tx.oncomplete = resolve), (tx.onerror = reject)));
  }
  db.close();
}"""


async def test_the_first_screen_and_the_list_need_less_than_60_kilobytes(browser: Browser, tmp_path: Path) -> None:
    loaded: dict[str, int] = {}

    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        answers: list[Response] = []

        def keep(answer: Response) -> None:
            answers.append(answer)

        ada.page.on("response", keep)

        async def weigh() -> int:
            for answer in answers:
                if answer.url.endswith((".js", ".css")) and not answer.url.endswith("/sw.js"):
                    loaded[answer.url.rpartition("/")[2]] = len(gzip.compress(await answer.body(), 9))
            return sum(loaded.values())

        await ada.page.goto(server.url)
        await expect(ada.page.get_by_role("button", name="I have an invite")).to_be_visible()
        welcome = await weigh()
        print(f"first screen: {welcome} bytes, {loaded}")
        assert 0 < welcome < FIRST_LOAD, loaded
        assert not any(name.startswith("worker") for name in loaded)

        await ada.register(await server.invite(), "ada", "Ada")
        answers.clear()
        loaded.clear()
        await ada.page.reload()
        await expect(ada.page.get_by_text("Nobody to talk to yet")).to_be_visible()
        await weigh()
        (worker,) = [name for name in loaded if name.startswith("worker")]
        encryption = loaded.pop(worker)
        print(f"list: {sum(loaded.values())} bytes, {loaded}; worker: {encryption} bytes")
        assert 0 < sum(loaded.values()) < FIRST_LOAD, loaded


async def nodes(page: Page) -> int:
    count: int = await page.evaluate("document.querySelectorAll('*').length")
    return count


async def test_100_000_messages_on_the_device_are_a_few_nodes_in_the_page(browser: Browser, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada", "Ada")
        store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with Client.open(store) as bob:
            await bob.ready()
            await bob.send("@ada", "the newest of them all")
            await ada.open("Bob")
            await ada.sees("the newest of them all")
            await ada.page.keyboard.press("Escape")
            await expect(ada.row("Bob")).not_to_contain_text("unread")
            (view,) = bob.conversations()
            await ada.page.evaluate(FILL, [view.id, bob.account, MESSAGES])
        await ada.page.reload()
        await ada.open("Bob")
        await ada.sees("the newest of them all")
        await ada.sees(f"message {MESSAGES - 1} ")
        opened = await nodes(ada.page)
        assert opened < NODES
        # Up through a few thousand of them: what was in view before is let go.
        for _ in range(40):
            before = await ada.log.evaluate("(log) => log.scrollHeight")
            await ada.log.evaluate("(log) => log.scrollTo(0, 0)")
            await ada.page.wait_for_function(
                "([log, before]) => log.scrollHeight > before", arg=[await ada.log.element_handle(), before]
            )
        assert await nodes(ada.page) < NODES
        assert await ada.log.get_by_role("article").count() < 100
        profiler = await ada.page.context.new_cdp_session(ada.page)
        await profiler.send("HeapProfiler.collectGarbage")
        heap = (await profiler.send("Runtime.getHeapUsage"))["usedSize"]
        print(f"{opened} nodes opened, {await nodes(ada.page)} after scrolling; {heap} bytes of heap")
        assert heap < HEAP
