"""A device as light as can be: real frames, real signatures, real order, but bytes that stand for ciphertext."""

import asyncio
import os
import time
from asyncio import Future
from collections import deque
from typing import Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from tidings.cli.benching.people import Identity
from tidings.wire.codec import SUBPROTOCOL, codecs_for_device
from tidings.wire.commands import Ack, Hello, Send
from tidings.wire.events import CaughtUp, Challenge, Marks, Message, Refused, Sent
from tidings.wire.frames import Frame
from tidings.wire.ids import new_msg_id
from tidings.wire.signing import hello_text

CODEC: Final = codecs_for_device()[SUBPROTOCOL]
CIPHERTEXT_BYTES: Final = 300
ENVELOPE: Final = b"\x01"
"""The first byte of an envelope: the form of what follows."""
EPOCH: Final = 1
DEVICES: Final = 2
"""How a conversation of two accounts stands whose device lists are the first ones."""


class Surroundings(Protocol):
    """Who looks after devices."""

    def acks(self, device: "Device") -> None:
        """Let a device ack what it has, soon and together with others."""

    def delivered(self, device: "Device", started: float) -> None:
        """Note that a message whose time began at `started` has its receipt."""

    def failed(self, reason: str) -> None:
        """Note that there can be no figure any more."""


class Device(WSListener):
    """One device of a pair: signs in, sends, acks what comes, and notes what was delivered of its own.

    `url` is the server's socket, which checks `epoch`, `devices` and `prev` of each message as of any other.
    """

    def __init__(self, identity: Identity, conversation: str, around: Surroundings) -> None:
        self.identity = identity
        self.signed_in: Future[None] = asyncio.get_running_loop().create_future()
        self.transport: WSTransport
        self._conversation = conversation
        self._around = around
        self._account = ""
        self._prev: bytes | None = None
        self._pos = 0
        self._asked: deque[float] = deque()
        self._stored: deque[tuple[int, float]] = deque()
        self._leaving = False

    @property
    def under_way(self) -> int:
        """How many of its messages have no receipt yet."""
        return len(self._asked) + len(self._stored)

    def send(self, started: float) -> None:
        """Send a message whose time began at `started` (monotonic seconds)."""
        msg_id = new_msg_id(time.time_ns() // 1_000_000)
        ciphertext = ENVELOPE + os.urandom(CIPHERTEXT_BYTES - len(ENVELOPE))
        self._asked.append(started)
        self._tell(Send(0, msg_id, self._conversation, EPOCH, DEVICES, self._prev, ciphertext))
        self._prev = msg_id

    def ack(self) -> None:
        """Let the server delete everything that came."""
        self._tell(Ack(self._pos))

    def leave(self) -> None:
        """End the connection."""
        self._leaving = True
        self.transport.send_close()
        self.transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """See WSListener."""
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """See WSListener."""
        del transport
        if frame.msg_type == WSMsgType.CLOSE:
            self._fail(f"was closed by the server with {frame.get_close_code()}")
        if frame.msg_type != WSMsgType.BINARY:
            return
        match CODEC.decode(frame.get_payload_as_bytes()):
            case Sent(seq=seq):
                self._stored.append((seq, self._asked.popleft()))
            case Marks() as marks:
                self._on_marks(marks)
            case Message() as message:
                self._on_message(message)
            case Challenge() as challenge:
                self._on_challenge(challenge)
            case CaughtUp():
                self.signed_in.set_result(None)
            case Refused(error=error):
                self._fail(f"was refused: {error}")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """See WSListener."""
        del transport
        self._fail("lost its connection")

    def _on_challenge(self, challenge: Challenge) -> None:
        device, server_id = self.identity.device, challenge.server_id
        self._account = self.identity.account(server_id)
        text = hello_text(challenge.nonce, server_id, self._account, device, b"")
        self._tell(Hello(0, self._account, device, b"", 0, 0, self.identity.key.sign(text.encode())))

    def _on_message(self, message: Message) -> None:
        if message.pos != self._pos + 1:
            self._fail(f"got position {message.pos} after {self._pos}")
        self._pos = message.pos
        self._around.acks(self)

    def _on_marks(self, marks: Marks) -> None:
        if marks.account == self._account:
            return
        while self._stored and self._stored[0][0] <= marks.delivered:
            self._around.delivered(self, self._stored.popleft()[1])

    def _tell(self, command: Frame) -> None:
        self.transport.send(WSMsgType.BINARY, CODEC.encode(command))

    def _fail(self, what: str) -> None:
        if not self._leaving:
            self._around.failed(f"device {self.identity.device} {what}")
