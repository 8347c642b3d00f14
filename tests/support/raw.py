"""HTTP and WebSocket by hand, for what no well-behaved client sends."""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import msgspec

from tidings.wire import codec
from tidings.wire.events import ServerFrame
from tidings.wire.frames import Frame

SECONDS = 10.0
"""How long anything may take to arrive before a test fails."""
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DECODERS = codec.codecs_for_device()


class Answer(NamedTuple):
    """An HTTP answer: header names in lower case, the last one where some are repeated."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The JSON object in it."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found


class Refusal(Exception):
    """An upgrade was answered by HTTP."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body[:100]!r}")
        self.answer = answer


class Closed(Exception):
    """The server ended the connection: its close code, 1006 if it gave none."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Line:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def open(
        cls, port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None, window: int = 0
    ) -> AsyncIterator[Self]:
        """Connect from the loopback address `source`. A small `window` (bytes) lets little wait in the system."""
        chosen = socket.socket()
        if window:
            chosen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        chosen.bind((source, 0))
        chosen.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(chosen, ("127.0.0.1", port))
        except OSError:
            chosen.close()
            raise
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(sock=chosen, ssl=tls, server_hostname=name)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one HTTP answer."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if headers.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(await self.reader.readline(), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readline()
            else:
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return Answer(int(first.split(" ")[1]), headers, body)

    async def rest(self, seconds: float = SECONDS) -> bytes:
        """Read until the server ends the connection, by whatever means."""
        data = b""
        async with asyncio.timeout(seconds):
            try:
                while part := await self.reader.read(65_536):
                    data += part
            except ConnectionError:
                pass
        return data


async def ask(port: int, request: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send bytes on a connection of their own and return the first answer."""
    async with Line.open(port, source=source) as line:
        await line.write(request)
        return await line.answer()


def handshake(port: int, path: str = "/v1/socket", headers: Mapping[str, str | None] | None = None) -> bytes:
    """Return a request to upgrade; `headers` are added to it, replace what is in it, or (None) are taken out of it."""
    values: dict[str, str | None] = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": codec.SUBPROTOCOL,
    }
    values |= headers or {}
    lines = [f"{name}: {value}" for name, value in values.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def frame(payload: bytes, opcode: int = BINARY, *, last: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Return a client's frame."""
    size = len(payload)
    first = opcode | (0x80 if last else 0)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 2**16:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class RawSocket(Line):
    """A WebSocket of which every byte can be chosen."""

    subprotocol: str | None = codec.SUBPROTOCOL

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        port: int,
        path: str = "/v1/socket",
        *,
        headers: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> AsyncIterator[Self]:
        """Connect and upgrade; `options` go to `open`. Raises Refusal."""
        async with cls.open(port, **options) as line:
            await line.write(handshake(port, path, headers))
            answer = await line.answer()
            if answer.status != 101:
                raise Refusal(answer)
            line.subprotocol = answer.headers.get("sec-websocket-protocol")
            yield line

    async def send(self, payload: bytes, opcode: int = BINARY, *, last: bool = True) -> None:
        """Send a frame."""
        await self.write(frame(payload, opcode, last=last))

    async def command(self, command: Frame) -> None:
        """Send a command in the connection's subprotocol."""
        chosen = DECODERS[self.subprotocol or codec.SUBPROTOCOL]
        await self.send(chosen.encode(command), TEXT if chosen.text else BINARY)

    async def receive(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next frame. Raises Closed."""
        try:
            async with asyncio.timeout(SECONDS):
                first, second = await self.reader.readexactly(2)
                size = second
                if second > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if second == 126 else 8), "big")
                payload = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed(1006) from None
        if first & 0xF == CLOSE:
            raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
        return first & 0xF, payload

    async def event(self) -> ServerFrame:
        """Return the next frame of the protocol; pings are answered. Raises Closed."""
        while True:
            opcode, payload = await self.receive()
            if opcode == PING:
                await self.send(payload, PONG)
            elif opcode in (TEXT, BINARY):
                return DECODERS[self.subprotocol or codec.SUBPROTOCOL].decode(payload)

    async def closed(self) -> int:
        """Return the code that the server closes the connection with; whatever it sends before is passed over."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed.code
