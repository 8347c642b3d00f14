"""What a connection says, without the connection: bytes to commands, frames to bytes. No I/O, no clock.

It is the second step of a message's way (docs/architecture.md).
"""

from typing import Any, Final

import msgspec

from tidings.wire.closes import Close
from tidings.wire.codec import Codec, Malformed
from tidings.wire.commands import Command, Hello
from tidings.wire.errors import BadFrame, Unsupported, WireError
from tidings.wire.events import Challenge, Refused
from tidings.wire.ids import SAFE_INTEGER

TAGS: Final = {str(kind.__struct_config__.tag): "id" in kind.__struct_fields__ for kind in Command.__args__}
"""All commands by their tags, and whether they have an id, which is then the first field."""


class Hangup(Exception):
    """The connection must end with `code`."""

    def __init__(self, code: Close) -> None:
        super().__init__(code)
        self.code = code


class Dialogue:
    """The server's side of one connection: first the challenge, then `Hello`, then everything else."""

    __slots__ = ("codec", "greeted", "nonce")

    def __init__(self, codec: Codec[Command], nonce: bytes) -> None:
        self.codec = codec
        self.nonce = nonce
        self.greeted = False

    def opening(self, server_id: str) -> bytes:
        """Return the first frame."""
        return self.codec.encode(Challenge(self.nonce, server_id))

    def receive(self, data: bytes, *, text: bool) -> Command | Refused:
        """Return the command in a message, or the answer to one that is none. Raises Hangup."""
        if text != self.codec.text:
            raise Hangup(Close.PROTOCOL)
        try:
            command = self.codec.decode(data)
        except Malformed as error:
            if not self.greeted:
                raise Hangup(Close.PROTOCOL) from None
            return _explain(data, str(error), text=text)
        if isinstance(command, Hello):
            if self.greeted:
                return Refused(command.id, BadFrame("greeted already"))
            return command
        if not self.greeted:
            raise Hangup(Close.NOT_SIGNED_IN)
        return command


def _explain(data: bytes, reason: str, *, text: bool) -> Refused:
    """Return why a message is no command, with its id if it has one."""
    number: int | None = None
    error: WireError = BadFrame(reason[:200])
    try:
        parts: Any = msgspec.json.decode(data) if text else msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Refused(None, error)
    if isinstance(parts, list) and len(parts) > 1:
        tag, first = parts[0], parts[1]
        known = TAGS.get(tag) if isinstance(tag, str) else None
        if known is not False and type(first) is int and 0 <= first <= SAFE_INTEGER:
            number = first
        if isinstance(tag, str) and known is None:
            error = Unsupported()
    return Refused(number, error)
