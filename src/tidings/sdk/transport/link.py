"""The socket: frames out, frames in, commands and their replies. It neither reconnects nor remembers."""

import asyncio
import itertools
from asyncio import Future
from collections import deque
from typing import Any, Final

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tidings.wire import events as e
from tidings.wire.closes import Close
from tidings.wire.codec import SUBPROTOCOL, Malformed, codecs_for_device
from tidings.wire.errors import Refusal
from tidings.wire.frames import Frame

CODEC: Final = codecs_for_device()[SUBPROTOCOL]
REPLIES: Final = frozenset(e.Reply.__args__)
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 10.0


class Disconnected(Exception):
    """The connection is gone; `code` is the server's close code, 1006 if there was none."""

    def __init__(self, code: int = 1006) -> None:
        super().__init__(code)
        self.code = code


class Link(WSListener):
    """One connection. Replies complete the Futures of their commands; everything else waits in `next`."""

    def __init__(self) -> None:
        self._transport: WSTransport | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._arrived: deque[e.Event] = deque()
        self._reader: Future[None] | None = None
        self._code: int | None = None

    @classmethod
    async def connect(cls, url: str, **options: Any) -> "Link":
        """Connect to a server's socket (ws:// or wss://). Raises OSError, Disconnected."""
        try:
            _, link = await ws_connect(
                cls,
                url,
                extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                websocket_handshake_timeout=CONNECT_SECONDS,
                enable_auto_ping=True,
                auto_ping_idle_timeout=IDLE_SECONDS,
                auto_ping_reply_timeout=ANSWER_SECONDS,
                enable_auto_pong=True,
                logger_name="tidings.sdk.socket",
                **options,
            )
        except (WSError, TimeoutError) as error:
            raise Disconnected from error
        if not isinstance(link, cls):
            raise Disconnected  # picows gives no listener for a connection that ends within the handshake
        return link

    def tell(self, command: Frame) -> None:
        """Send a command that has no reply. Raises Disconnected."""
        if self._transport is None or self._code is not None:
            raise Disconnected(self._code or 1006)
        self._transport.send(WSMsgType.BINARY, CODEC.encode(command))

    def ask(self, command: Any) -> "Future[Any]":
        """Send a command; the Future has its reply, or raises Refusal or Disconnected. The id is set here."""
        number = next(self._numbers)
        future: Future[Any] = asyncio.get_running_loop().create_future()
        self.tell(msgspec.structs.replace(command, id=number))
        self._waiting[number] = future
        return future

    async def next(self) -> list[e.Event]:
        """Return the events that have arrived, at least one. Raises Disconnected when all were returned."""
        if not self._arrived:
            if self._code is not None:
                raise Disconnected(self._code)
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
            return await self.next()
        arrived = list(self._arrived)
        self._arrived.clear()
        return arrived

    async def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.send_close()
            self._transport.disconnect()
            await self._transport.wait_disconnected()

    def cut(self) -> None:
        """End the connection without a word, as a broken line does."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See WSListener."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See WSListener."""
        if frame.msg_type == WSMsgType.CLOSE:
            self._code = int(frame.get_close_code())  # type: ignore[call-overload] # an integer
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        try:
            arrived = CODEC.decode(frame.get_payload_as_bytes())
        except Malformed:
            self._code = Close.PROTOCOL
            transport.disconnect()
            return
        if type(arrived) in REPLIES:
            self._answer(arrived)
        else:
            self._arrived.append(arrived)  # type: ignore[arg-type] # what is no reply is an event
            self._wake()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See WSListener."""
        del transport
        self._code = self._code or 1006
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Disconnected(self._code))
                future.exception()  # whoever asked may be gone
        self._wake()

    def _answer(self, reply: Any) -> None:
        future = self._waiting.pop(reply.id, None)
        if future is None or future.done():
            return
        if isinstance(reply, e.Refused):
            future.set_exception(Refusal(reply.error))
            future.exception()
        else:
            future.set_result(reply)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
