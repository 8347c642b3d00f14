"""Bad lines between devices and their server: a TCP proxy that cuts, stalls, delays and dribbles, by a seed.

    python -m faults.chaos.proxy SERVER-PORT SEED JOURNAL

It writes the port that it listens on, and obeys words on its standard input: `calm` ends all mischief. When its
input ends, so does it. Its journal has a JSON line for each connection that was opened and for each mischief.
"""

import asyncio
import os
import random
import sys
import time
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final

import msgspec
import uvloop

PIECE: Final = 65_536


class Temper(msgspec.Struct, frozen=True):
    """What a connection has to suffer: chances a piece of data, and seconds."""

    cut_after: float
    """Seconds until it is cut; never, if that is infinite."""
    torn: bool
    """Whether the cut is one-sided: the server gets what is under way, late, when the device has long come back."""
    stall: float
    delay: float
    piece: int

    @classmethod
    def drawn(cls, source: random.Random) -> "Temper":
        """Draw one. Half of the connections are good."""
        if source.random() < 0.5:
            return cls(float("inf"), torn=False, stall=0.0, delay=0.0, piece=PIECE)
        return cls(
            cut_after=source.expovariate(2.0),
            torn=source.random() < 0.5,
            stall=source.choice((0.0, 0.005)),
            delay=source.choice((0.0, 0.001, 0.005)),
            piece=source.choice((PIECE, PIECE, 1_400, 397)),
        )


class Proxy:
    """The lines of all devices."""

    def __init__(self, server_port: int, seed: int, journal: Path) -> None:
        self._port = server_port
        self._random = random.Random(seed)
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.calm = asyncio.Event()

    def note(self, what: str) -> None:
        """Write a line into the journal, with the time that all processes of a machine share."""
        os.write(self._journal, msgspec.json.encode({"what": what, "at": time.monotonic()}) + b"\n")

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry one connection."""
        self.note("opened")
        temper = Temper.drawn(self._random)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            self.note("refused")
            writer.transport.abort()
            return
        source = random.Random(self._random.random())
        lines = [
            asyncio.create_task(self._carry(reader, server_writer, temper, source)),
            asyncio.create_task(self._carry(server_reader, writer, temper, source)),
        ]
        cut = asyncio.create_task(self._wait_for_cut(temper))
        await asyncio.wait({*lines, cut}, return_when=asyncio.FIRST_COMPLETED)
        if cut.done():
            self.note("torn" if temper.torn else "cut")
            writer.transport.abort()
            if temper.torn:
                await asyncio.sleep(source.random())
                await asyncio.wait({lines[0]}, timeout=1.0)
        for task in (*lines, cut):
            task.cancel()
        await asyncio.gather(*lines, cut, return_exceptions=True)
        for end in (writer, server_writer):
            end.transport.abort()

    async def _wait_for_cut(self, temper: Temper) -> None:
        """Return when the connection is to be cut."""
        if temper.cut_after == float("inf") or self.calm.is_set():
            await asyncio.Future()
        await asyncio.sleep(temper.cut_after)
        if self.calm.is_set():
            await asyncio.Future()

    async def _carry(self, reader: StreamReader, writer: StreamWriter, temper: Temper, source: random.Random) -> None:
        """Carry one direction to its end."""
        while data := await reader.read(PIECE if self.calm.is_set() else temper.piece):
            if not self.calm.is_set():
                if source.random() < temper.stall:
                    self.note("stalled")
                    await asyncio.sleep(source.uniform(0.05, 0.5))
                elif temper.delay:
                    await asyncio.sleep(source.random() * temper.delay)
            writer.write(data)
            await writer.drain()


async def main(server_port: str, seed: str, journal: str) -> None:
    """Run until the input ends."""
    proxy = Proxy(int(server_port), int(seed), Path(journal))
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=PIECE)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while word := (await words.readline()).decode().strip():
        if word == "calm":
            proxy.calm.set()
            print("calm", flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
