"""What core and worker say to each other: notes of a connection's number, a kind and a payload. No I/O.

Notes of all connections go through one pipe, in order; many are written at once, and many read.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final

HEAD: Final = Struct("<IBI")
"""A connection's number, a kind, and the bytes of the payload that follows."""
NUMBER: Final = Struct("<Q")
CODE: Final = Struct("<H")

# From the core. A socket's descriptor travels beside the pipe, and is there before its OPEN is read.
OPEN: Final = 1
"""A socket that was upgraded. Payload: whether it speaks text (one byte), the handshake's key, a space, subprotocol."""
WRITE: Final = 2
"""Send a message."""
SEND: Final = 3
"""Send a frame of another kind. Payload: its opcode (one byte), and its own."""
HANG_UP: Final = 4
"""Send a close frame. Payload: its code, and its reason."""
CUT: Final = 5
"""End the connection without a word."""
PAUSE: Final = 6
"""Read nothing from it,"""
RESUME: Final = 7
"""and read on."""
MOST: Final = 8
"""Payload: the bytes of the longest message that is taken from now on."""
SHARED: Final = 9
"""Send the same message on several connections. Payload: how many, their numbers, and the message."""

# From a worker.
BINARY: Final = 16
"""A binary message, whole."""
TEXT: Final = 17
"""A text message, whole."""
PING: Final = 18
"""A ping. Payload: its own."""
HEARD: Final = 19
"""The other side is alive. Payload: how many frames came that ended no message."""
VIOLATION: Final = 20
"""The other side broke the protocol. Payload: a close code, and why."""
GONE: Final = 21
"""The connection has ended. Nothing follows of it."""
LEFT: Final = 22
"""Payload: how many bytes, of what WRITE and SEND brought, have left for the socket since the connection began."""

ALIVE: Final = 23
"""The worker's loop turns. Of no connection: its number is 0."""


def write_note(number: int, kind: int, payload: bytes = b"") -> bytes:
    """Return a note."""
    return HEAD.pack(number, kind, len(payload)) + payload


def write_reason(code: int, reason: str) -> bytes:
    """Return the payload of a HANG_UP or of a VIOLATION."""
    return CODE.pack(code) + reason.encode()


def read_reason(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a HANG_UP or of a VIOLATION."""
    return CODE.unpack_from(payload)[0], payload[CODE.size :].decode()


def write_opening(key: str, subprotocol: str | None, *, text: bool) -> bytes:
    """Return the payload of an OPEN."""
    return bytes((text,)) + f"{key} {subprotocol or ''}".encode()


def read_opening(payload: bytes) -> tuple[str, str | None, bool]:
    """Return the key, the subprotocol and whether text is spoken, of an OPEN."""
    key, _, subprotocol = payload[1:].decode().partition(" ")
    return key, subprotocol or None, payload[0] != 0


def write_shared(numbers: list[int], data: bytes) -> bytes:
    """Return the payload of a SHARED."""
    return Struct(f"<I{len(numbers)}I").pack(len(numbers), *numbers) + data


def read_shared(payload: bytes) -> tuple[tuple[int, ...], bytes]:
    """Return the numbers and the message of a SHARED."""
    (count,) = Struct("<I").unpack_from(payload)
    numbers = Struct(f"<{count}I")
    return numbers.unpack_from(payload, 4), payload[4 + numbers.size :]


class Notes:
    """The notes in what is read from a pipe, wherever it was cut."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def read(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Give each whole note: number, kind and payload. What is left is kept for the next time."""
        if self._held:
            data = self._held + data
        unpack, size = HEAD.unpack_from, HEAD.size
        at, end = 0, len(data)
        while end - at >= size:
            number, kind, length = unpack(data, at)
            start = at + size
            if start + length > end:
                break
            at = start + length
            yield number, kind, data[start:at]
        self._held = data[at:]
