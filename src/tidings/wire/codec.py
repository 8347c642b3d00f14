"""Frames to bytes and back, in the two subprotocols; anything that is not exactly a frame raises `Malformed`.

`tidings.v1.msgpack` is what clients speak; `tidings.v1.json` carries the same arrays as text, for debugging.
Fields behind those that are known belong to a newer version and are ignored, but they too may hold only
nil, booleans, numbers, strings, bytes and arrays: a map could repeat a key, and an extension could be anything.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from tidings.wire.commands import Command
from tidings.wire.events import Message, ServerFrame
from tidings.wire.frames import Frame

SUBPROTOCOL: Final = "tidings.v1.msgpack"
SUBPROTOCOL_JSON: Final = "tidings.v1.json"

TAG: Final = str(Message.__struct_config__.tag)
BEFORE_POS: Final = len(b"\x9f") + len(msgspec.msgpack.encode(TAG))
"""Bytes before the position in a message: the head of the array, and the tag."""
BEFORE_POS_JSON: Final = len(b"[") + len(msgspec.json.encode(TAG)) + len(b",")

T_co = TypeVar("T_co", covariant=True)


class Malformed(ValueError):
    """These bytes are no frame."""


class Codec(Protocol[T_co]):
    """Encodes frames for one subprotocol, and decodes frames of type `T_co`."""

    @property
    def text(self) -> bool:
        """Whether frames travel as text messages."""

    @property
    def encode(self) -> Callable[[Frame], bytes]:
        """Return the bytes of a frame."""

    def around_pos(self, message: Message) -> tuple[bytes, bytes]:
        """Return the bytes of a message before and behind its position, which is 0."""

    def encode_pos(self, pos: int) -> bytes:
        """Return the bytes of a position, which go between those."""

    def decode(self, data: bytes) -> T_co:
        """Return the frame in `data`. Raises Malformed."""


class MsgpackCodec(Generic[T_co]):
    """The subprotocol `tidings.v1.msgpack`."""

    text = False

    def __init__(self, kind: Any) -> None:
        self._decode: msgspec.msgpack.Decoder[T_co] = msgspec.msgpack.Decoder(kind)
        self._sizes = _sizes(kind)
        self.encode: Callable[[Frame], bytes] = msgspec.msgpack.Encoder().encode
        self.encode_pos: Callable[[int], bytes] = msgspec.msgpack.Encoder().encode

    def around_pos(self, message: Message) -> tuple[bytes, bytes]:
        """See Codec."""
        whole = self.encode(message)
        return whole[:BEFORE_POS], whole[BEFORE_POS + 1 :]

    def decode(self, data: bytes) -> T_co:
        """Return the frame in `data`. Raises Malformed."""
        try:
            frame = self._decode.decode(data)
            # The first byte counts up to fifteen fields: look twice at a frame that brings more than it needs.
            if data[0] - 0x90 > self._sizes[type(frame)] or data[0] >= 0xA0:
                _check_plain(msgspec.msgpack.decode(data))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Malformed(str(error)) from None
        return frame


class JsonCodec(Generic[T_co]):
    """The subprotocol `tidings.v1.json`."""

    text = True

    def __init__(self, kind: Any) -> None:
        self._decode: msgspec.json.Decoder[T_co] = msgspec.json.Decoder(kind)
        self.encode: Callable[[Frame], bytes] = msgspec.json.Encoder().encode
        self.encode_pos: Callable[[int], bytes] = msgspec.json.Encoder().encode

    def around_pos(self, message: Message) -> tuple[bytes, bytes]:
        """See Codec."""
        whole = self.encode(message)
        return whole[:BEFORE_POS_JSON], whole[BEFORE_POS_JSON + 1 :]

    def decode(self, data: bytes) -> T_co:
        """Return the frame in `data`. Raises Malformed."""
        try:
            frame = self._decode.decode(data)
            _check_plain(msgspec.json.decode(data))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Malformed(str(error)) from None
        return frame


def codecs_for_server() -> dict[str, Codec[Command]]:
    """Return what a server decodes, by subprotocol."""
    return {SUBPROTOCOL: MsgpackCodec(Command), SUBPROTOCOL_JSON: JsonCodec(Command)}


def codecs_for_device() -> dict[str, Codec[ServerFrame]]:
    """Return what a device decodes, by subprotocol."""
    return {SUBPROTOCOL: MsgpackCodec(ServerFrame), SUBPROTOCOL_JSON: JsonCodec(ServerFrame)}


def _sizes(kind: Any) -> dict[type, int]:
    """Return how many array elements each frame of a union has, its tag included."""
    return {frame: len(frame.__struct_fields__) + 1 for frame in kind.__args__}


def _check_plain(value: object) -> None:
    """Raise Malformed if there is a map or an extension anywhere."""
    if isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif not isinstance(value, None | bool | int | float | str | bytes):
        raise Malformed(f"{type(value).__name__} is no part of any frame")
