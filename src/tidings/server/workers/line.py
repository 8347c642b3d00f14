"""The core's end of a socket that a worker holds."""

from typing import TYPE_CHECKING, Final

from tidings.server.gateway.framing import PING as PING_FRAME
from tidings.server.gateway.framing import PONG as PONG_FRAME
from tidings.server.gateway.line import ROOM, Peer
from tidings.server.workers.notes import (
    CUT,
    HANG_UP,
    HEARD,
    LEFT,
    MOST,
    NUMBER,
    PAUSE,
    PING,
    RESUME,
    SEND,
    TEXT,
    VIOLATION,
    read_reason,
    write_reason,
)

if TYPE_CHECKING:
    from tidings.server.workers.post import Post

LITTLE: Final = ROOM // 4
"""Bytes waiting for a socket at which its connection may write on."""


class WorkerLine:
    """See Line. What was written counts as waiting until the worker says that it has left."""

    __slots__ = ("_closing", "_left", "_most", "_number", "_paused", "_peer", "_post", "_written", "is_gone")

    def __init__(self, post: "Post", number: int, peer: Peer) -> None:
        self._post = post
        self._number = number
        self._peer = peer
        self._most = 0
        self._written = 0
        self._left = 0
        self._paused = False
        self._closing = False
        """A close frame was sent; no message is taken any more."""
        self.is_gone = False

    def begin(self) -> None:
        """Let the connection begin."""
        self._tell_most(self._peer.most)
        self._peer.on_connected(self)

    # To the worker (see Line)

    @property
    def waiting(self) -> int:
        """See Line."""
        return self._written - self._left

    def write(self, data: bytes) -> None:
        """See Line."""
        if self.is_gone or self._closing:
            return
        if self._peer.most != self._most:
            self._tell_most(self._peer.most)
        self._post.write(self._number, data)
        self._count(len(data))

    def send(self, kind: int, payload: bytes) -> None:
        """Send one frame, unless a close frame went before."""
        if not (self._closing or self.is_gone):
            self._put(SEND, bytes((kind,)) + payload)
            self._count(1 + len(payload))

    def ping(self) -> None:
        """See Line."""
        self.send(PING_FRAME, b"")

    def pong(self, payload: bytes) -> None:
        """See Line."""
        self.send(PONG_FRAME, payload)

    def hang_up(self, code: int, reason: str = "") -> None:
        """See Line."""
        self._closing = True
        self._put(HANG_UP, write_reason(code, reason))

    def cut(self) -> None:
        """See Line."""
        self._put(CUT)
        self.is_gone = True
        self._left = self._written  # nothing waits any more

    def pause_reading(self) -> None:
        """See Line."""
        self._put(PAUSE)

    def resume_reading(self) -> None:
        """See Line."""
        self._put(RESUME)

    def _put(self, kind: int, payload: bytes = b"") -> None:
        if not self.is_gone:
            self._post.put(self._number, kind, payload)

    def _count(self, size: int) -> None:
        """Count what waits now, too."""
        self._written += size
        if not self._paused and self._written - self._left > ROOM:
            self._paused = True
            self._peer.pause_writing()

    def _tell_most(self, most: int) -> None:
        self._most = most
        self._put(MOST, NUMBER.pack(most))

    # From the worker

    def take_message(self, data: bytes, *, text: bool) -> None:
        """Hear a message."""
        if self.is_gone:
            return
        peer = self._peer
        if not self._closing:
            peer.on_message(data, text=text)
        peer.on_heard()

    def take(self, kind: int, payload: bytes) -> None:
        """Hear what else happened on the socket."""
        if self.is_gone:
            return
        peer = self._peer
        if kind == LEFT:
            (self._left,) = NUMBER.unpack(payload)
            if self._paused and self.waiting <= LITTLE:
                self._paused = False
                peer.resume_writing()
        elif kind == TEXT:
            self.take_message(payload, text=True)
        elif kind == PING:
            if not self._closing:
                peer.on_ping(payload)
            peer.on_heard()
        elif kind == HEARD:
            peer.on_heard(*NUMBER.unpack(payload))
        elif kind == VIOLATION:
            peer.on_violation(*read_reason(payload))

    def end(self) -> None:
        """Note that the connection has ended."""
        self.is_gone = True
        self._peer.on_gone()
        del self._peer  # which holds us
