"""The hand-over of an upgraded connection to picows, and messages out of its frames.

picows keeps its protocol class private and untyped; this is the one file that knows it. Its version is pinned,
and a test fails when the class changes.
"""

import asyncio
import codecs
from typing import Any, Final

from multidict import CIMultiDict
from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSTransport, WSUpgradeResponse
from picows.common import WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined] # not in its stub

from tidings.server.gateway.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LAST,
    MASK,
    OPCODE,
    PING,
    PONG,
    TEXT,
    Violation,
    read_head,
    write_head,
)
from tidings.wire.limits import MAX_FRAME

READ_BUFFER: Final = 2048
"""Bytes of the buffer that picows keeps for a connection. It would double, for good, if it were ever nearly full."""
PIECE: Final = 1520
"""Bytes of the longest payload that picows is shown at once: its buffer has room for it and for a little more."""
ROOM: Final = 16_384
"""Bytes that are read from a socket at once."""


class Nobody(asyncio.Protocol):
    """What uvloop holds beside a buffered protocol. It hears nothing, and costs no bound method a connection."""

    @staticmethod
    def data_received(data: bytes) -> None:
        """See asyncio.Protocol."""


WHOLE: Final = LAST | BINARY
"""The first byte of nearly every frame: a binary message, in one."""
NOBODY: Final = Nobody()
NO_HEADERS: Final[CIMultiDict[str]] = CIMultiDict()
"""What is left of a request's and an answer's headers: picows keeps both as long as the connection lives."""


class Silence:
    """A logger that does nothing: picows would make one for every connection otherwise."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name in logging
        """Return that nothing is logged."""
        del level
        return False

    def log(self, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    debug = info = warning = error = exception = log


SILENCE: Final = Silence()


class MessageListener(WSListener):
    """Puts frames together to messages and keeps to RFC 6455; what is wrong closes the connection."""

    __slots__ = ("_decoder", "_kind", "_parts", "most", "shown", "transport")

    transport: WSTransport

    def __init__(self) -> None:
        self.most = MAX_FRAME
        """Bytes of the longest message that is taken now."""
        self._parts: bytearray | None = None
        self._kind = BINARY
        self.shown = 0
        """The first byte of the frame that picows is being shown: asking picows for its parts costs more."""
        self._decoder: codecs.IncrementalDecoder | None = None

    def on_message(self, data: bytes, *, text: bool) -> None:
        """Handle a whole message."""
        raise NotImplementedError

    def on_connected(self) -> None:
        """Handle the start of the connection."""

    def on_gone(self) -> None:
        """Handle its end."""

    def on_heard(self) -> None:
        """Note that the peer is alive."""

    def on_ping(self, payload: bytes) -> None:
        """Answer a ping."""
        self.transport.send_pong(payload)

    def hang_up(self, code: int, reason: str = "") -> None:
        """Send a close frame; the connection ends when the peer has answered, or is cut."""
        self.transport.send_close(WSCloseCode(code) if code < 3000 else code, reason.encode())  # type: ignore[arg-type] # its codes are integers in C

    def fail(self, code: int, reason: str) -> None:
        """End the connection with a peer that broke the protocol. Nothing that it sends is heard any more."""
        self.hang_up(code, reason)
        self.transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See WSListener."""
        self.transport = transport
        self.on_connected()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See WSListener."""
        del transport
        self.on_gone()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See WSListener. What comes here is a frame of the peer, or a part of one (see Feed)."""
        first = self.shown
        kind = first & OPCODE
        if kind == CLOSE:
            self._answer_close(frame)
        elif transport.is_close_frame_sent:
            return
        elif first == WHOLE and self._parts is None:
            self.on_message(frame.get_payload_as_bytes(), text=False)
        elif kind == PING:
            self.on_ping(frame.get_payload_as_bytes())
        elif kind != PONG:
            self._assemble(kind, frame.get_payload_as_bytes(), last=first & LAST != 0)

    def _answer_close(self, frame: WSFrame) -> None:
        if not self.transport.is_close_frame_sent:
            code = int(frame.get_close_code())  # type: ignore[call-overload] # an integer
            self.hang_up(1000 if frame.payload_size == 0 else code if _may_be_sent(code) else 1002)
        self.transport.disconnect()

    def _assemble(self, kind: int, part: bytes, *, last: bool) -> None:
        if (kind == CONTINUATION) != (self._parts is not None):
            self.fail(1002, "fragments out of order")
            return
        if self._parts is None:
            self._parts, self._kind = bytearray(), kind
            self._decoder = codecs.getincrementaldecoder("utf-8")() if kind == TEXT else None
        if len(self._parts) + len(part) > self.most:
            self._parts = None
            self.fail(1009, "too large")
            return
        if self._decoder is not None:
            try:
                self._decoder.decode(part, last)
            except UnicodeDecodeError:
                self.fail(1007, "not UTF-8")
                return
        self._parts += part
        if last:
            data, self._parts, self._decoder = bytes(self._parts), None, None
            self.on_message(data, text=self._kind == TEXT)


def _may_be_sent(code: int) -> bool:
    """Return whether a close frame may bear this code (RFC 6455, section 7.4, and IANA's list)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


class Feed(asyncio.BufferedProtocol):
    """Stands between a transport and picows, and shows picows one frame at a time.

    picows looks at the frame behind before it hands one over, so that an error there swallows a good message. It
    keeps what has come of a frame in a buffer that doubles with every full read, and tells nobody of bad UTF-8
    before the frame is whole. So a data frame that is long, or not there yet, is shown to it in the fragments that
    RFC 6455, section 5.4, lets it have been sent in; and one that is too long is refused by its head.

    `room` is what all connections of a loop read into: what is there has been dealt with before anything else is read.
    """

    __slots__ = ("_deaf", "_first", "_held", "_last", "_left", "_listener", "_mask", "_protocol", "_room", "_transport")

    def __init__(
        self, transport: asyncio.Transport, protocol: Any, listener: MessageListener, room: memoryview
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._listener = listener
        self._room = room
        self._held = b""
        """A head or a control frame that is not whole yet."""
        self._left = 0
        """Bytes that are still to come of a data frame that is shown in pieces,"""
        self._first = self._last = 0
        """the first byte of its next piece, what its last piece has in it besides,"""
        self._mask = b""
        """and its mask, turned to where its next piece begins."""
        self._deaf = False

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Show picows what has come."""
        data = self._room[:nbytes]
        if self._held:
            data, self._held = memoryview(self._held + data), b""
        try:
            while data and not (self._deaf or self._transport.is_closing()):
                data = self._show_piece(data) if self._left else self._show_frame(data)
        except Violation as violation:
            self._deaf = True
            self._listener.fail(violation.code, violation.reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._listener.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._listener.resume_writing()

    def _show_frame(self, data: memoryview) -> memoryview:
        """Show the frame that `data` begins with; return what is left. Raises Violation."""
        head = read_head(data, self._listener.most)
        if head is None:
            self._held = bytes(data)
            return data[:0]
        first, size, length = head
        end = size + length
        if length <= PIECE and end <= len(data):
            self._listener.shown = first
            self._give(data[:end])
            self._listener.on_heard()
            self._deaf = first & OPCODE == CLOSE
            return data[end:]
        if first & CLOSE:
            self._held = bytes(data)
            return data[:0]
        self._left, self._mask = length, bytes(data[size - MASK : size])
        self._first, self._last = first & ~LAST, first & LAST
        return data[size:]

    def _show_piece(self, data: memoryview) -> memoryview:
        """Show a piece of the frame that is under way; return what is left."""
        size = min(len(data), self._left, PIECE)
        self._left -= size
        first = self._first | self._last if self._left == 0 else self._first
        self._listener.shown = first
        self._give(write_head(first, size, self._mask) + data[:size])
        turn = size % MASK
        self._first, self._mask = CONTINUATION, self._mask[turn:] + self._mask[:turn]
        if self._left == 0:
            self._listener.on_heard()
        return data[size:]

    def _give(self, data: memoryview | bytes) -> None:
        self._protocol.get_buffer(-1)[: len(data)] = data
        self._protocol.buffer_updated(len(data))


def hand_over(
    transport: asyncio.Transport,
    listener: MessageListener,
    room: memoryview,
    *,
    key: bytes,
    subprotocol: str | None,
) -> None:
    """Answer the upgrade and give the connection to picows.

    `key` is the request's; `room` is what all connections read into. picows is shown a short request with nothing
    but what it checks: it keeps the request as long as the connection lives, and cannot take one that is longer than
    its buffer.
    """
    headers = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None

    def accept(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(extra_headers=headers), listener)

    protocol: Any = WSProtocol(
        *(None, None, False, accept, SILENCE, True, None),
        *(False, 20, 20, WSAutoPingStrategy.PING_WHEN_IDLE, False),
        *(MAX_FRAME, None, READ_BUFFER),
    )
    protocol.connection_made(transport)
    request = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    protocol.get_buffer(-1)[: len(request)] = request
    protocol.buffer_updated(len(request))
    asked, answered = protocol.transport.request, protocol.transport.response
    asked.method = asked.version = b""
    asked.headers = answered.headers = NO_HEADERS
    transport.set_protocol(NOBODY)  # uvloop goes on holding the last protocol that was no buffered one
    transport.set_protocol(Feed(transport, protocol, listener, room))
