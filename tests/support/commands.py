"""The command line as people and scripts use it: real processes, what they print, how they end."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from typing import Final, NamedTuple

SECONDS: Final = 60.0


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line that says what went wrong: the last one, which is no trace of the program's inside."""
        assert "Traceback" not in self.err, self.err
        last = self.err.strip().splitlines()[-1] if self.err.strip() else ""
        assert last.startswith("tidings: "), self.err
        return last.removeprefix("tidings: ")


async def tidings(*words: object, stdin: str = "", **variables: str) -> Ended:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings", *map(str, words)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | {"COLUMNS": "100"} | variables,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
