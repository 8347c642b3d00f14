"""A cable between a browser and a server, which can be pulled out and plugged in again."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

CHUNK: Final = 65_536


class Cable:
    """Passes bytes between a port of its own and a server's, both ways, while it is plugged in."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening: asyncio.Server | None = None
        self._ends: set[StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the server seems to be."""
        return f"http://localhost:{self.port}"

    async def plug(self) -> None:
        """Let connections through, at the same port as before."""
        self._listening = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """End all connections and let no more through."""
        if self._listening:
            self._listening.close()
        self._listening = None
        self.cut()

    def cut(self) -> None:
        """End all connections; new ones go through."""
        for end in self._ends:
            end.transport.abort()

    def here(self, link: str) -> str:
        """Return a link to the server as it is through the cable."""
        return link.replace("127.0.0.1", "localhost").replace(f":{self._server_port}/", f":{self.port}/")

    def there(self, link: str) -> str:
        """Return a link through the cable as it is at the server."""
        return link.replace(f":{self.port}/", f":{self._server_port}/")

    async def _connect(self, near: StreamReader, to_near: StreamWriter) -> None:
        try:
            far, to_far = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            to_near.transport.abort()
            return
        self._ends |= {to_near, to_far}
        try:
            await asyncio.gather(_pass(near, to_far), _pass(far, to_near))
        finally:
            self._ends -= {to_near, to_far}
            to_near.transport.abort()
            to_far.transport.abort()


async def _pass(source: StreamReader, target: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError, RuntimeError):
        target.write_eof()


@asynccontextmanager
async def cable(server_port: int) -> AsyncIterator[Cable]:
    """Run a cable to a server's port."""
    made = Cable(server_port)
    await made.plug()
    try:
        yield made
    finally:
        await made.pull()
