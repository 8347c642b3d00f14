"""How most stories begin: Ada in a browser, and Bob, whom she invited, as a program."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser

from support.browser import BrowserPerson, browser_person
from support.cable import Cable, cable
from support.server import ServerProcess, new_person, server_process
from tidings.sdk import Client, Incoming

TAKE_SECONDS: Final = 120.0
WRITE_ALL: Final = """async (field, texts) => {
  for (const text of texts) {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve));
    field.form.requestSubmit();
  }
}"""


class Program:
    """Somebody's program. It takes each message once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._messages: AsyncIterator[Incoming] = client.messages()

    async def takes(self, count: int) -> Sequence[str]:
        """Wait for so many messages; return their texts."""
        async with asyncio.timeout(TAKE_SECONDS):
            return [(await anext(self._messages)).text for _ in range(count)]

    async def says(self, *texts: str) -> None:
        """Write to Ada, and wait until the server has it all."""
        for text in texts[:-1]:
            await self.client.enqueue("@ada", text)
        await self.client.send("@ada", texts[-1])


class Story(NamedTuple):
    """Who is there."""

    server: ServerProcess
    ada: BrowserPerson
    bob: Program
    cable: Cable
    """Between Ada and the server."""
    store: Path
    """Bob's."""


@asynccontextmanager
async def ada_and_bob(browser: Browser, folder: Path, **options: Any) -> AsyncIterator[Story]:
    """Let Ada, in a browser of her own, and Bob's program be online. They are contacts and have not talked."""
    async with (
        server_process(folder) as server,
        cable(server.port) as wire,
        browser_person(browser, wire.url, **options) as ada,
    ):
        await ada.register(wire.here(await server.invite()), "ada", "Ada")
        store = await new_person(server, folder, "bob", wire.there(await ada.invite()))
        async with Client.open(store) as client:
            await client.ready()
            yield Story(server, ada, Program(client), wire, store)


async def keeps_the_page(person: BrowserPerson) -> None:
    """Wait until the browser has what it needs to open the page without a server."""
    await person.page.evaluate("navigator.serviceWorker.ready")
    await person.page.wait_for_function("navigator.serviceWorker.controller !== null")


async def write_all(person: BrowserPerson, texts: Sequence[str]) -> None:
    """Write and send messages as fast as the page takes them, faster than any hand."""
    await person.composer.evaluate(WRITE_ALL, list(texts))


class House:
    """Ada's browser, and a server, for many short stories: in each she meets others than in the ones before."""

    def __init__(self, server: ServerProcess, wire: Cable, ada: BrowserPerson, folder: Path) -> None:
        self.server = server
        self.cable = wire
        self.ada = ada
        self._folder = folder

    @asynccontextmanager
    async def guest(self, name: str) -> AsyncIterator[Program]:
        """Let somebody come whom Ada has invited. She looks at her list; the page has had nothing to complain of."""
        await self.ada.page.keyboard.press("Escape")
        store = await new_person(self.server, self._folder, name, self.cable.there(await self.ada.invite()))
        async with Client.open(store) as client:
            await client.ready()
            yield Program(client)
        assert not self.ada.complaints, self.ada.complaints


@asynccontextmanager
async def at_home(browser: Browser, folder: Path, **options: Any) -> AsyncIterator[House]:
    """Let Ada be alone at home, online."""
    async with (
        server_process(folder) as server,
        cable(server.port) as wire,
        browser_person(browser, wire.url, **options) as ada,
    ):
        await ada.register(wire.here(await server.invite()), "ada", "Ada")
        yield House(server, wire, ada, folder)
