"""A program under chaos, as whoever started it sees it: words in, lines out, ended by its own process id."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final, Self

TESTS: Final = Path(__file__).parents[2]
PATIENCE: Final = 300.0


class Ended(Exception):
    """The program is gone; the text is what it had to say about it."""


class Program:
    """A running program. What it writes to its standard error is in `log`."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, module: str, *arguments: str, log: Path) -> Self:
        """Start `faults.chaos.<module>`."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"faults.chaos.{module}", *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONPATH": str(TESTS)},
            )
        return cls(process, log)

    async def hear(self) -> str:
        """Return its next line. Raises Ended, TimeoutError."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            raise Ended(f"{self._log.name}: {self._process.returncode}\n{self.errors()}")
        return line.decode().strip()

    def say(self, word: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")

    async def ask(self, word: str) -> str:
        """Send it a line, and return the one that it answers with."""
        self.say(word)
        return await self.hear()

    def errors(self) -> str:
        """Return the end of what it wrote to its standard error."""
        return self._log.read_text(errors="replace")[-4_000:]

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def close(self) -> None:
        """Let it end by itself, which it does when it hears nothing more; else end it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(20.0):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
