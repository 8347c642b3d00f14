"""A wire that remembers: it stands between clients and a server, passes everything on, and keeps what passed."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

PIECE: Final = 65_536
HEAD_END: Final = b"\r\n\r\n"


class Recording:
    """What passed between clients and a server: a pair of streams for each connection."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._streams: list[bytearray] = []
        self._lines: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients go instead of the server."""
        return f"http://localhost:{self.port}"

    def pieces(self) -> Iterator[bytes]:
        """Yield the HTTP that passed, a stream at a time, and what was in each WebSocket frame, unmasked."""
        for stream in self._streams:
            head, end, rest = bytes(stream).partition(HEAD_END)
            if b"websocket" in head.lower():
                yield head + end
                yield from _payloads(rest)
            else:
                yield bytes(stream)

    def frames(self) -> int:
        """Return how many WebSocket frames passed."""
        heads = [bytes(stream).partition(HEAD_END) for stream in self._streams]
        return sum(len(list(_payloads(rest))) for head, _, rest in heads if b"websocket" in head.lower())

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry one connection."""
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        for source, target in ((reader, server_writer), (server_reader, writer)):
            stream = bytearray()
            self._streams.append(stream)
            line = asyncio.create_task(_carry(source, target, stream))
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)

    async def stop(self) -> None:
        """End all connections."""
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)


@asynccontextmanager
async def recording(server_port: int) -> AsyncIterator[Recording]:
    """Listen on a port, and record what passes between it and a server's."""
    record = Recording(server_port)
    server = await asyncio.start_server(record.serve, "127.0.0.1", 0)
    record.port = server.sockets[0].getsockname()[1]
    try:
        yield record
    finally:
        server.close()
        await record.stop()


async def _carry(source: StreamReader, target: StreamWriter, stream: bytearray) -> None:
    try:
        while data := await source.read(PIECE):
            stream += data
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


def _payloads(data: bytes) -> Iterator[bytes]:
    """Yield what is in the frames of one direction (RFC 6455, section 5.2), as far as they came whole."""
    at = 0
    while len(data) - at >= 2:
        is_masked, size = data[at + 1] >> 7, data[at + 1] & 127
        at += 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(data[at : at + wide], "big")
            at += wide
        mask = data[at : at + 4] if is_masked else bytes(4)
        at += 4 * is_masked
        payload = data[at : at + size]
        if len(payload) < size:
            return
        at += size
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        yield (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
