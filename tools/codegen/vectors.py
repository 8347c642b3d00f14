"""Golden vectors: frames and contents with their bytes, and bytes that both sides must refuse."""

import base64
import json
from typing import Any

import msgspec
import msgspec.inspect as mi

from codegen.schema import CONTENT, FRAMES, HTTP, structs
from tidings.wire import codec, content
from tidings.wire.frames import Frame

TEXTS = ["plain", "שלום", "你好 🌷", ""]


def example(node: mi.Type, size: int, *, least: bool) -> Any:
    """Return a value of a type: as small as it may be, or one of some size."""
    match node:
        case mi.Metadata(type=inner):
            return example(inner, size, least=least)
        case mi.IntType(ge=low, le=high):
            return (low or 0) if least else high if high is not None else 70_000
        case mi.StrType(min_length=low, max_length=high, pattern=pattern):
            text = "a" * (low or 0) if least else (TEXTS[size % 3] * 40)[: min(high or 9, max(low or 0, 9))]
            return text if pattern is None or least else "Ab-3_" * ((low or 1) // 5 + 1)
        case mi.BytesType(min_length=low, max_length=high):
            return bytes(low or 0) if least else bytes(range(256))[: min(high or 40, max(low or 0, 40))]
        case mi.BoolType():
            return not least
        case mi.NoneType():
            return None
        case mi.LiteralType(values=values):
            return values[0 if least else -1]
        case mi.ListType(item_type=item, min_length=low):
            return [example(item, size, least=least)] * ((low or 0) if least else max(low or 0, 2))
        case mi.TupleType(item_types=items):
            return tuple(example(item, size, least=least) for item in items)
        case mi.DictType(value_type=value):
            return {} if least else {"DEVICE": example(value, size, least=least)}
        case mi.UnionType(types=members):
            if least and any(isinstance(member, mi.NoneType) for member in members):
                return None
            real = [member for member in members if not isinstance(member, mi.NoneType)]
            return example(real[size % len(real)], size, least=least)
        case mi.StructType(cls=cls, fields=fields):
            return cls(**{field.name: example(field.type, size, least=least) for field in fields})
        case _:
            raise TypeError(node)


def good_frames() -> list[dict[str, str]]:
    """Return each frame twice, small and large, in both subprotocols."""
    pack, text = (
        codec.codecs_for_device()[codec.SUBPROTOCOL],
        codec.codecs_for_device()[codec.SUBPROTOCOL_JSON],
    )
    return [
        {
            "name": struct.cls.__name__,
            "msgpack": pack.encode(frame).hex(),
            "json": text.encode(frame).decode(),
        }
        for number, struct in enumerate(structs(FRAMES))
        if issubclass(struct.cls, Frame)
        for frame in (example(struct, number, least=True), example(struct, number, least=False))
    ]


def bad_frames() -> list[dict[str, str]]:
    """Return bytes that are no frame, each with the reason why."""
    good = msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 7])
    cases: list[tuple[str, bytes]] = [
        ("empty", b""),
        ("nil", b"\xc0"),
        ("map instead of array", msgspec.msgpack.encode({"t": "mark_read"})),
        ("unknown tag", msgspec.msgpack.encode(["nothing", 1])),
        ("tag is a number", msgspec.msgpack.encode([1, 1])),
        ("too few fields", msgspec.msgpack.encode(["mark_read"])),
        ("text where a number belongs", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, "7"])),
        ("negative", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, -1])),
        ("fraction", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 1.5])),
        ("above 2**53", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 2**53])),
        ("name too short", msgspec.msgpack.encode(["mark_read", "!", 7])),
        ("name too long", msgspec.msgpack.encode(["mark_read", "!" * 81, 7])),
        ("bytes where text belongs", msgspec.msgpack.encode(["mark_read", b"!" * 54, 7])),
        ("bad UTF-8", good.replace(b"ccc", b"c\xff\xfe", 1)),
        ("trailing byte", good + b"\x00"),
        ("cut short", good[:-1]),
        ("a map behind the known fields", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 7, {"a": 1}])),
        ("an extension behind the known fields",
         msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 7, msgspec.msgpack.Ext(5, b"x")])),
        ("nested too deep", msgspec.msgpack.encode(["mark_read", "!" + "c" * 53, 7])[:-1] + b"\x91" * 3000 + b"\x00"),
        ("a record with a field too many",
         msgspec.msgpack.encode(["claim_keys", 1, [["@" + "a" * 53, "DEVICEDEVI", 1]]])),
        ("an empty list where one is needed", msgspec.msgpack.encode(["claim_keys", 1, []])),
        ("ciphertext empty", msgspec.msgpack.encode(["send", 1, bytes(16), "!" + "c" * 53, 1, 1, None, b""])),
        ("msg_id of 15 bytes", msgspec.msgpack.encode(["send", 1, bytes(15), "!" + "c" * 53, 1, 1, None, b"x"])),
        ("an answer that is none", msgspec.msgpack.encode(["respond", 1, "!" + "c" * 53, "perhaps"])),
    ]  # fmt: skip
    # The browsers' decoder replaces bad UTF-8 instead of refusing it; only the server, which keeps texts, must refuse.
    return [
        {"why": why, "msgpack": data.hex(), **({"by": "server"} if why == "bad UTF-8" else {})} for why, data in cases
    ]


def newer_frames() -> list[dict[str, str]]:
    """Return frames of a later version: known fields, then others, which are ignored."""
    frame = ["mark_read", "!" + "c" * 53, 7]
    return [
        {
            "msgpack": msgspec.msgpack.encode([*frame, *more]).hex(),
            "same_as": msgspec.msgpack.encode(frame).hex(),
        }
        for more in ([1], ["x", None, True], [[1, [2, [b"3"]]]], [1.5] * 20)
    ]


def good_objects() -> list[dict[str, Any]]:
    """Return contents and HTTP bodies as JSON."""
    return [
        {"name": struct.cls.__name__, "json": json.loads(msgspec.json.encode(value))}
        for number, struct in enumerate(structs([*CONTENT, *HTTP]))
        if not struct.array_like
        for value in (example(struct, number, least=True), example(struct, number + 1, least=False))
    ]


def envelopes() -> list[dict[str, Any]]:
    """Return envelopes, packed and in their parts (base64)."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    cases: list[content.Megolm | content.Olm] = [
        content.Megolm(bytes(range(32)), b"message"),
        content.Olm(0, bytes(range(32, 64)), b"with a pre-key"),
        content.Olm(1, bytes(range(32, 64)), b"m"),
    ]
    good = [
        {
            "packed": text(content.pack(case)),
            **(
                {"megolm": {"session": text(case.session), "message": text(case.message)}}
                if isinstance(case, content.Megolm)
                else {
                    "olm": {
                        "kind": case.kind,
                        "sender_key": text(case.sender_key),
                        "message": text(case.message),
                    }
                }
            ),
        }
        for case in cases
    ]
    bad = [
        b"",
        b"\x01",
        b"\x01" + bytes(32),
        b"\x02\x00" + bytes(32),
        b"\x02\x07" + bytes(40),
        b"\x09" + bytes(99),
    ]
    return good + [{"packed": text(data), "bad": True} for data in bad]


def vectors() -> dict[str, Any]:
    """Return everything that both test suites read."""
    return {
        "frames": good_frames(),
        "bad": bad_frames(),
        "newer": newer_frames(),
        "objects": good_objects(),
        "envelopes": envelopes(),
    }
