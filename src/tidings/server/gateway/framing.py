"""The heads of WebSocket frames (RFC 6455, section 5.2), read before anything of a frame is kept. No I/O."""

from typing import Final

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KNOWN: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
OPCODE: Final = 0x0F
"""In a frame's first byte: its kind."""
LAST: Final = 0x80
"""In a frame's first byte: the frame ends its message."""
RESERVED: Final = 0x70
"""In a frame's first byte: the bits of extensions, of which there are none here."""
MASKED: Final = 0x80
"""In a frame's second byte: a mask stands before the payload, as in every frame of a client."""
SMALL: Final = 125
"""Bytes of the longest payload whose length stands in the second byte, and of the longest control frame."""
MASK: Final = 4
"""Bytes of a mask."""
NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
NOT_UTF_8: Final = 1007
TOO_BIG: Final = 1009
NEVER_SENT: Final = frozenset({1004, 1005, 1006})
"""Close codes that stand for what comes without one (RFC 6455, section 7.4.1)."""


class Violation(Exception):
    """The peer broke the protocol: the connection ends with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read_head(data: memoryview, most: int) -> tuple[int, int, int] | None:
    """Return the first byte, the size of the head with its mask, and that of the payload of the frame at the start.

    None if more of the head must come. Raises Violation, also if the payload has more than `most` bytes.
    """
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    length = second & ~MASKED
    if first & RESERVED or first & OPCODE not in KNOWN:
        raise Violation(PROTOCOL_ERROR, "reserved bits")
    if not second & MASKED:
        raise Violation(PROTOCOL_ERROR, "not masked")
    if first & CLOSE and (length > SMALL or not first & LAST):
        raise Violation(PROTOCOL_ERROR, "a control frame in parts")
    if length <= SMALL:
        return (first, 2 + MASK, length) if len(data) >= 2 + MASK else None
    width, least = (2, SMALL + 1) if length == SMALL + 1 else (8, 2**16)
    if len(data) < 2 + width + MASK:
        return None
    length = int.from_bytes(data[2 : 2 + width], "big")
    if length < least:
        raise Violation(PROTOCOL_ERROR, "a length in more bytes than it needs")
    if length > most:
        raise Violation(TOO_BIG, "too large")
    return first, 2 + width + MASK, length


def write_head(first: int, length: int) -> bytes:
    """Return the head of a server's frame, which has no mask."""
    if length <= SMALL:
        return bytes((first, length))
    if length < 2**16:
        return bytes((first, SMALL + 1)) + length.to_bytes(2, "big")
    return bytes((first, SMALL + 2)) + length.to_bytes(8, "big")


def write_close(code: int, reason: str) -> bytes:
    """Return the payload of a close frame; a reason that is too long for one is cut."""
    return code.to_bytes(2, "big") + reason.encode()[: SMALL - 2]


def read_close(payload: bytes) -> int:
    """Return the code that answers a close frame. Raises Violation."""
    if not payload:
        return NORMAL
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in NEVER_SENT)):
        raise Violation(PROTOCOL_ERROR, "a close code that nobody may send")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(NOT_UTF_8, "a reason that is not UTF-8") from None
    return code
