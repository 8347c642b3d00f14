"""People in a terminal, headless: they press keys, and see what stands on the screen."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

from rich.segment import Segment
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.strip import Strip

from support.server import ServerProcess, new_person, server_process
from tidings.cli.terminal.app import Chat
from tidings.cli.terminal.desk import Desk
from tidings.sdk import Client

SMALL: Final = (80, 24)
LARGE: Final = (120, 40)
NARROW: Final = (46, 24)
PATIENCE: Final = 30.0
TURN: Final = 0.02
"""Seconds between two looks at the screen."""
STATE: Final = re.compile(r"\d\d:\d\d (.+)$")
FONTS: Final = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


class TerminalPerson:
    """Somebody before `tidings chat`."""

    def __init__(self, app: Chat, pilot: Pilot[str]) -> None:
        self.app = app
        self.pilot = pilot

    @classmethod
    @asynccontextmanager
    async def at(
        cls, store: Path, link: str = "", *, size: tuple[int, int] = LARGE, theme: str | None = "dark"
    ) -> AsyncIterator[Self]:
        """Start the program on a store, and end it."""
        app = Chat(store, link, theme=theme)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield cls(app, pilot)

    # What stands there

    @property
    def strips(self) -> list[Strip]:
        """The lines of the screen, in their colours."""
        return list(self.app.screen._compositor.render_strips())

    @property
    def lines(self) -> list[str]:
        """The lines of the screen."""
        return [strip.text.rstrip() for strip in self.strips]

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines)

    @property
    def list_lines(self) -> list[str]:
        """The lines of the list, where it stands beside a conversation."""
        return [line.partition("│")[0].rstrip() for line in self.lines if "│" in line]

    @property
    def talk_lines(self) -> list[str]:
        """The lines of the conversation that is open, without the list beside it."""
        return [line.rpartition("│")[2].strip(" ▌▐") for line in self.lines]

    @property
    def desk(self) -> Desk:
        """What the screens show."""
        assert self.app.desk is not None
        return self.app.desk

    def shows(self, text: str) -> bool:
        """Return whether a text stands on the screen, on one line or, in a conversation, broken into several."""
        return text in self.text or text in " ".join(" ".join(self.talk_lines).split())

    def shows_above(self, name: str) -> bool:
        """Return whether a name stands above the conversation that is open."""
        return self.talk_lines[0] == name

    def state_of(self, text: str) -> str:
        """Return what stands behind the time of a message of one's own, such as its ticks."""
        for line in self.talk_lines:
            found = STATE.search(line)
            if text in line and found:
                return found.group(1)
        return ""

    def ink_of(self, text: str) -> str:
        """Return the colour of a text on the screen, the last one if it stands there several times."""
        segments: list[Segment] = [segment for strip in self.strips for segment in strip if text in segment.text]
        style = segments[-1].style if segments else None
        assert style is not None, self.text
        assert style.color is not None, self.text
        return style.color.name

    # What the person does

    async def press(self, *keys: str) -> None:
        """Press keys, by Textual's names, each when what the one before did is done."""
        for key in keys:
            self._send(Key(key, key if len(key) == 1 else None))
            await self._settle()

    async def write(self, text: str) -> None:
        """Press the keys of a text, as quickly as one can."""
        for sign in text:
            self._send(Key("ctrl+j", None) if sign == "\n" else Key(_character_to_key(sign), sign))
        await self._settle()

    async def say(self, text: str) -> None:
        """Write a text and send it."""
        await self.write(text)
        await self.press("enter")

    async def open_chat(self, name: str) -> None:
        """Open a conversation by a part of its name."""
        await self.press("ctrl+k")
        await self.sees("Find a conversation")
        await self.say(name)
        await self.sees_no("Find a conversation")

    def _send(self, key: Key) -> None:
        key.set_sender(self.app)
        assert self.app._driver is not None
        self.app._driver.send_message(key)

    async def _settle(self) -> None:
        """Wait until a key has gone its way: through the app and the screen to a widget, and what that sent back."""
        for _ in range(4):
            await self.pilot._wait_for_screen()

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    await self.pilot.pause(TURN)
        except TimeoutError:
            raise AssertionError(f"{what}; the screen:\n{self.text}") from None

    async def online(self) -> None:
        """Wait until there is a connection."""
        await self.until("never connected", lambda: self.app.desk is not None and self.desk.client.is_connected)

    async def sees(self, text: str) -> str:
        """Wait until a text stands on the screen; return the line that it is in."""
        await self.until(f"never saw {text!r}", lambda: self.shows(text))
        return next((line for line in self.lines if text in line), "")

    async def sees_no(self, text: str) -> None:
        """Wait until a text does not stand on the screen."""
        await self.until(f"still sees {text!r}", lambda: text not in self.text)

    async def sees_state(self, text: str, state: str) -> None:
        """Wait until a message of one's own got so far."""
        await self.until(f"{text!r} never was {state!r}", lambda: self.state_of(text) == state)

    def picture(self, path: Path) -> None:
        """Keep what stands on the screen as a picture (SVG) that needs nothing from elsewhere."""
        path.write_text(FONTS.sub("", self.app.export_screenshot(title="Tidings")).replace("Fira Code", "monospace"))


class People(NamedTuple):
    """A server with Ada and Bob, whom she invited; where their devices are kept."""

    server: ServerProcess
    ada: Path
    bob: Path


@asynccontextmanager
async def people(folder: Path) -> AsyncIterator[People]:
    """Run a server with two people who know one another and are away."""
    async with server_process(folder) as server:
        ada_store = await new_person(server, folder, "ada")
        async with Client.open(ada_store) as ada:
            await ada.ready()
            bob_store = await new_person(server, folder, "bob", await ada.invite())
        async with Client.open(bob_store) as bob:
            await bob.ready()
            await until_said(bob)
        yield People(server, ada_store, bob_store)


@asynccontextmanager
async def ada_and_bob(
    folder: Path, *, size: tuple[int, int] = LARGE, theme: str | None = "dark"
) -> AsyncIterator[tuple[ServerProcess, TerminalPerson, Path]]:
    """Let Ada sit before a terminal and know Bob, who has a store and is away."""
    async with people(folder) as known, TerminalPerson.at(known.ada, size=size, theme=theme) as person:
        await person.online()
        await person.until("Bob's name never came", lambda: "Bob" in person.text)
        yield known.server, person, known.bob


async def until_said(client: Client) -> None:
    """Wait until nothing waits in a device's outbox."""
    events = client.events()
    async with asyncio.timeout(PATIENCE):
        while client._db.row("select count(*) from outbox")[0]:
            await anext(events)
