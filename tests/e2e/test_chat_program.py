"""`tidings chat` as the program that it is, in a terminal of its own."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from support.commands import tidings
from support.server import new_person, server_process
from tidings.sdk import Client

pytestmark = pytest.mark.anyio

SECONDS: Final = 30.0
COMMANDS: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P].*?(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
LEAVE: Final = "\x1b[?1049l"
"""Back from the screen of a program to the lines that stood there before."""


class Terminal:
    """A terminal in which a program runs."""

    def __init__(self, master: int, slave: int, before: list[Any], process: Process) -> None:
        self.process = process
        self.raw = ""
        self._master = master
        self._slave = slave
        self._before = before
        self._more = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(cls, *words: object, columns: int = 80, rows: int = 24) -> AsyncIterator["Terminal"]:
        """Run `tidings` in a terminal."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        before = termios.tcgetattr(slave)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings", *map(str, words)),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        terminal = cls(master, slave, before, process)
        loop = asyncio.get_running_loop()
        loop.add_reader(master, terminal._read)
        try:
            yield terminal
        finally:
            loop.remove_reader(master)
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(master)
            os.close(slave)

    @property
    def modes(self) -> list[Any]:
        """How the terminal treats what is typed."""
        modes: list[Any] = termios.tcgetattr(self._slave)
        return modes

    def is_as_before(self) -> bool:
        """Whether the terminal is left as it was found."""
        return self.modes == self._before

    @property
    def text(self) -> str:
        """What was drawn, one after the other, without the commands to the terminal."""
        return COMMANDS.sub("", self.raw)

    async def sees(self, text: str) -> None:
        """Wait until a text was drawn."""
        try:
            async with asyncio.timeout(SECONDS):
                while text not in self.text:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"never saw {text!r}: {self.text}") from None

    async def leaves(self) -> None:
        """Wait until the program has given the screen back."""
        async with asyncio.timeout(SECONDS):
            while LEAVE not in self.raw:
                self._more.clear()
                await self._more.wait()

    def type(self, keys: str) -> None:
        """Type keys as a terminal sends them."""
        os.write(self._master, keys.encode())

    async def end(self) -> int:
        """Wait until the program has ended; return its exit code."""
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()

    def _read(self) -> None:
        self.raw += os.read(self._master, 65_536).decode(errors="replace")
        self._more.set()


async def test_the_program_draws_its_first_screen_and_quits_by_a_key(tmp_path: Path) -> None:
    async with Terminal.running("chat", "--store", tmp_path / "ada.db") as terminal:
        await terminal.sees("Welcome to Tidings")
        await terminal.sees("Paste the link here")
        assert not terminal.is_as_before()
        terminal.type("\x11")  # Ctrl+Q
        assert await terminal.end() == 0
        await terminal.leaves()
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.text
    assert not (tmp_path / "ada.db").exists()


async def test_without_a_terminal_the_program_says_so(tmp_path: Path) -> None:
    ended = await tidings("chat", "--store", tmp_path / "ada.db")
    assert (ended.code, ended.out) == (1, "")
    assert ended.fault == "chat needs a terminal; a script sends by: tidings send"


async def test_a_person_comes_back_to_the_conversations_and_writes(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with Client.open(ada_store) as ada:
            await ada.ready()
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with Client.open(bob_store) as bob:
                await bob.ready()
                await bob.send("@ada", "anybody here?")
                assert (await anext(ada.messages())).text == "anybody here?"
            async with Terminal.running("chat", "--store", ada_store) as second:
                assert await second.end() == 1
                await second.sees("another process")
                assert "Traceback" not in second.text
        async with Client.open(bob_store) as bob, Terminal.running("chat", "--store", ada_store) as terminal:
            await terminal.sees("anybody here?")
            terminal.type("\r")
            await terminal.sees("Today")
            terminal.type("only me — Ada\r")
            incoming = bob.messages()
            assert (await anext(incoming)).text == "only me — Ada"
            await server.kill()
            terminal.type("and this waits\r")
            await terminal.sees("◷ and this waits")  # in the list; the one before it waited a moment, too
            terminal.type("\x11")
            assert await terminal.end() == 0
            await terminal.sees("1 message is not sent yet. Run it again to send.")
