"""A WebSocket on a transport of asyncio (RFC 6455): frames to messages and back. The first step of a message's way.

It is ours since every message passes it at least twice (docs/adr/0018): nearly every frame is a whole binary message,
and costs one look at its head and one call into C that takes its mask off.
"""

import asyncio
import codecs
from typing import Final

from websockets.speedups import apply_mask
from websockets.utils import accept_key

from tidings.server.gateway.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LAST,
    MASK,
    MASKED,
    NOT_UTF_8,
    OPCODE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    SMALL,
    TEXT,
    TOO_BIG,
    Violation,
    read_close,
    read_head,
    write_close,
    write_head,
)
from tidings.server.gateway.line import ROOM, Peer

WHOLE: Final = LAST | BINARY
"""The first byte of nearly every frame: a binary message, in one."""
MEDIUM: Final = SMALL + 1
"""The second byte, without its mask bit, of a frame whose length stands in the two bytes behind it."""
HEADS: Final = tuple(write_head(WHOLE, size) for size in range(1024))
"""The heads of the messages that are sent most."""


AT_ONCE: Final = 65_536
"""Bytes that are given to a socket without waiting for the end of the turn."""
READ: Final = 16_384
"""Bytes that are read from a socket at once: what has been read is dealt with, even if its sender is to be paused."""


class Nobody(asyncio.Protocol):
    """What uvloop goes on holding beside a buffered protocol: better this than the one that read the request."""

    @staticmethod
    def data_received(data: bytes) -> None:
        """See asyncio.Protocol."""


NOBODY: Final = Nobody()


class Turn:
    """The sockets that something was written to in this turn of the loop: each costs one system call at its end."""

    def __init__(self) -> None:
        self._lines: list[WebSocket] = []

    def add(self, line: "WebSocket") -> None:
        """Flush a socket at the end of the turn."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._end)
        self._lines.append(line)

    def _end(self) -> None:
        lines, self._lines = self._lines, []
        for line in lines:
            line.flush()


class WebSocket(asyncio.BufferedProtocol):
    """The line of a socket that this process holds.

    All sockets are read into the same buffer: what is there has been dealt with before anything else is read.
    """

    buffer: Final = memoryview(bytearray(READ))

    __slots__ = (
        *("_closing", "_deaf", "_decoder", "_first", "_held", "_idle", "_kind", "_left"),
        *("_mask", "_out", "_parts", "_peer", "_text", "_transport", "_turn", "_unsent", "is_gone"),
    )

    def __init__(self, transport: asyncio.Transport, peer: Peer, turn: Turn, *, text: bool = False) -> None:
        self._transport = transport
        self._peer = peer
        self._turn = turn
        self._out: list[bytes] = []
        """What was written in this turn,"""
        self._unsent = 0
        """and how many bytes that is."""
        self._text = text
        self.is_gone = False
        self._closing = False
        """A close frame was sent, nothing else is, and no message is taken any more."""
        self._deaf = False
        """Nothing at all is listened to any more."""
        self._held = b""
        """A head or a control frame that is not whole yet."""
        self._idle = 0
        """Frames that ended no message, and that the peer has not been told of yet."""
        self._left = 0
        """Bytes that are still to come of a data frame that came in part,"""
        self._first = 0
        """the first byte of its next part,"""
        self._mask = b""
        """and its mask, turned to where that part begins."""
        self._parts: bytearray | None = None
        """A message that is not whole yet,"""
        self._kind = BINARY
        """what it is,"""
        self._decoder: codecs.IncrementalDecoder | None = None
        """and, if it is text, who reads it."""

    # From the socket

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        del sizehint
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        data = bytes(self.buffer[:nbytes])
        if self._held:
            data, self._held = self._held + data, b""
        peer, at, end, heard = self._peer, 0, len(data), False
        try:
            while at < end and not self._deaf:
                if (
                    data[at] == WHOLE
                    and end - at >= 4 + MASK
                    and not (self._left or self._closing)
                    and self._parts is None
                ):
                    start, length = at + 2 + MASK, data[at + 1] - MASKED
                    if length == MEDIUM:
                        start, length = start + 2, data[at + 2] << 8 | data[at + 3]
                        usual = length > SMALL
                    else:
                        usual = 0 <= length <= SMALL
                    if usual and start + length <= end and length <= peer.most:
                        at = start + length
                        heard = True
                        peer.on_message(apply_mask(data[start:at], data[start - MASK : start]), text=False)
                        continue
                before, at = at, self._take_part(data, at) if self._left else self._take_frame(data, at)
                heard |= at > before and not (self._held or self._left)
        except Violation as violation:
            self._deaf = True
            peer.on_violation(violation.code, violation.reason)
        if heard:
            idle, self._idle = self._idle, 0
            peer.on_heard(idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        del exc
        self.is_gone = True
        self._peer.on_gone()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._peer.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._peer.resume_writing()

    # To the socket (see Line)

    @property
    def waiting(self) -> int:
        """See Line."""
        return self._transport.get_write_buffer_size() + self._unsent

    def write(self, data: bytes) -> None:
        """See Line."""
        size = len(data)
        if self._text:
            self.send(TEXT, data)
        elif size < len(HEADS):
            self._put(HEADS[size] + data)
        else:
            self.send(BINARY, data)

    def send(self, kind: int, payload: bytes) -> None:
        """Send one frame, unless a close frame went before."""
        self._put(write_head(LAST | kind, len(payload)) + payload)

    def answer(self, head: bytes) -> None:
        """Send the answer to the upgrade, together with what the peer says first."""
        self._put(head)

    def flush(self) -> None:
        """Give the transport what was written in this turn."""
        if self._out and not self.is_gone:
            frames, self._out, self._unsent = self._out, [], 0
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _put(self, frame: bytes) -> None:
        if self._closing or self.is_gone:
            return
        if not self._out:
            self._turn.add(self)
        self._out.append(frame)
        self._unsent += len(frame)
        if self._unsent > AT_ONCE:
            self.flush()

    def ping(self) -> None:
        """See Line."""
        self.send(PING, b"")

    def pong(self, payload: bytes) -> None:
        """See Line."""
        self.send(PONG, payload)

    def hang_up(self, code: int, reason: str = "") -> None:
        """See Line."""
        self.send(CLOSE, write_close(code, reason))
        self._closing = True
        self.flush()

    def close(self) -> None:
        """End the connection when all that waits has been written."""
        self._deaf = True
        self.flush()
        self._transport.close()

    def cut(self) -> None:
        """See Line."""
        self._deaf = self.is_gone = True
        self._transport.abort()

    def pause_reading(self) -> None:
        """See Line."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See Line."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # What is unusual

    def _take_frame(self, data: bytes, at: int) -> int:
        """Take the frame at a place, or what has come of it; return the place behind. Raises Violation."""
        rest = memoryview(data)[at:]
        head = read_head(rest, self._peer.most)
        if head is None:
            self._held = data[at:]
            return len(data)
        first, size, length = head
        mask = bytes(rest[size - MASK : size])
        whole = len(rest) >= size + length
        if first & CLOSE or not first & LAST:
            self._idle += whole
        if first & CLOSE:
            if not whole:
                self._held = data[at:]
                return len(data)
            self._control(first & OPCODE, apply_mask(rest[size : size + length], mask))
        elif whole:
            self._assemble(first & OPCODE, apply_mask(rest[size : size + length], mask), last=first & LAST != 0)
        else:
            self._left, self._first, self._mask = length, first, mask
            return at + size
        return at + size + length

    def _take_part(self, data: bytes, at: int) -> int:
        """Take what has come of the frame that is under way; return the place behind. Raises Violation."""
        part = data[at : at + self._left]
        self._left -= len(part)
        kind, mask = self._first & OPCODE, self._mask
        turn = len(part) % MASK
        self._first, self._mask = self._first & LAST, mask[turn:] + mask[:turn]  # the rest is as a continuation
        self._assemble(kind, apply_mask(part, mask), last=not self._left and self._first & LAST != 0)
        return at + len(part)

    def _control(self, kind: int, payload: bytes) -> None:
        if kind == CLOSE:
            self.hang_up(read_close(payload))
            self.close()
        elif kind == PING and not self._closing:
            self._peer.on_ping(payload)

    def _assemble(self, kind: int, part: bytes, *, last: bool) -> None:
        if self._closing:
            return
        if (kind == CONTINUATION) != (self._parts is not None):
            raise Violation(PROTOCOL_ERROR, "fragments out of order")
        if self._parts is None:
            self._parts, self._kind = bytearray(), kind
            self._decoder = codecs.getincrementaldecoder("utf-8")() if kind == TEXT else None
        if len(self._parts) + len(part) > self._peer.most:
            self._parts = None
            raise Violation(TOO_BIG, "too large")
        if self._decoder is not None:
            try:
                self._decoder.decode(part, last)
            except UnicodeDecodeError:
                raise Violation(NOT_UTF_8, "not UTF-8") from None
        self._parts += part
        if last:
            message, self._parts, self._decoder = bytes(self._parts), None, None
            self._peer.on_message(message, text=self._kind == TEXT)


def accept(
    transport: asyncio.Transport, peer: Peer, turn: Turn, *, key: str, subprotocol: str | None, text: bool
) -> WebSocket:
    """Answer an upgrade (RFC 6455, section 4.2.2) with the request's `key`, and make the transport a WebSocket."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
    ]
    line = WebSocket(transport, peer, turn, text=text)
    line.answer("\r\n".join([*lines, "", ""]).encode())
    transport.set_write_buffer_limits(high=ROOM)
    transport.set_protocol(NOBODY)
    transport.set_protocol(line)
    peer.on_connected(line)
    return line
