"""Frames to bytes and back: what is exactly a frame comes through, and everything else is Malformed."""

from typing import Any

import msgspec
import msgspec.inspect as mi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.wire import codec, commands, events
from tidings.wire.codec import SUBPROTOCOL, SUBPROTOCOL_JSON, Malformed
from tidings.wire.commands import Command, MarkRead
from tidings.wire.events import ServerFrame

SERVER = codec.codecs_for_server()
DEVICE = codec.codecs_for_device()
CONVERSATION = "!" + "c" * 53
READ = MarkRead(CONVERSATION, 7)

FRAMES: list[Any] = [*Command.__args__, *ServerFrame.__args__]


def values_of(node: Any) -> st.SearchStrategy[Any]:
    """Return values of a field's type within the bounds of its Meta, of which Hypothesis does not know."""
    match node:
        case mi.Metadata(type=inner):
            found = values_of(inner)
        case mi.IntType(ge=low, le=high):
            found = st.integers(low if low is not None else -(2**53), high if high is not None else 2**53)
        case mi.StrType(min_length=low, max_length=high):
            found = st.text(min_size=low or 0, max_size=min(high or 20, (low or 0) + 20))
        case mi.BytesType(min_length=low, max_length=high):
            found = st.binary(min_size=low or 0, max_size=min(high or 40, (low or 0) + 40))
        case mi.BoolType():
            found = st.booleans()
        case mi.NoneType():
            found = st.none()
        case mi.LiteralType(values=values):
            found = st.sampled_from(values)
        case mi.ListType(item_type=item, min_length=low):
            found = st.lists(values_of(item), min_size=low or 0, max_size=(low or 0) + 3)
        case mi.TupleType(item_types=items):
            found = st.tuples(*(values_of(item) for item in items))
        case mi.UnionType(types=members):
            found = st.one_of([values_of(member) for member in members])
        case mi.StructType(cls=cls, fields=fields):
            found = st.builds(cls, **{field.name: values_of(field.type) for field in fields})
        case _:
            raise TypeError(node)
    return found


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL, SUBPROTOCOL_JSON])
@given(data=st.data())
def test_every_frame_comes_back_as_it_was(subprotocol: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(FRAMES))
    side: Any = SERVER if kind in Command.__args__ else DEVICE
    frame = data.draw(values_of(mi.type_info(kind)))
    chosen = side[subprotocol]
    assert chosen.decode(chosen.encode(frame)) == frame


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


@given(more=st.lists(PLAIN, min_size=1, max_size=30))
def test_whatever_plain_fields_follow_are_ignored(more: list[Any]) -> None:
    packed = msgspec.msgpack.encode(["mark_read", CONVERSATION, 7, *more])
    assert SERVER[SUBPROTOCOL].decode(packed) == READ


@given(place=st.integers(0, 3), depth=st.integers(0, 3), text=st.booleans())
def test_fault_11_a_map_anywhere_is_refused(place: int, depth: int, *, text: bool) -> None:
    value: Any = {"a": 1}
    for _ in range(depth):
        value = [value]
    fields: list[Any] = ["mark_read", CONVERSATION, 7]
    fields.insert(place, value)
    data = (msgspec.json if text else msgspec.msgpack).encode(fields)
    with pytest.raises(Malformed):
        SERVER[SUBPROTOCOL_JSON if text else SUBPROTOCOL].decode(data)


# What stands in these bytes is behind the known fields, where a decoder that only skips would not look.
BASE = msgspec.msgpack.encode(["mark_read", CONVERSATION, 7])[1:]
HOSTILE = {
    "a key twice": bytes([0x82, 0xA1, 0x61, 1, 0xA1, 0x61, 2]),
    "an array as a key": bytes([0x81, 0x91, 1, 2]),
    "a map as a key": bytes([0x81, 0x80, 2]),
    "an extension": b"\xd4\x05x",
    "a timestamp": b"\xd6\xff\xff\xff\xff\xff",
    "a timestamp of too many nanoseconds": b"\xc7\x0c\xff\xff\xff\xff\xff" + bytes(8),
    "a timestamp of another age": b"\xc7\x0c\xff" + bytes(4) + b"\x7f" * 8,
    "the code that is never used": b"\xc1",
    "an array that promises four billion": b"\xdd\xff\xff\xff\xff",
    "a map that promises four billion": b"\xdf\xff\xff\xff\xff",
    "a text that promises four gigabytes": b"\xdb\xff\xff\xff\xff",
    "bytes that promise four gigabytes": b"\xc6\xff\xff\xff\xff",
    "bad UTF-8": b"\xa2\xff\xfe",
    "100,000 arrays in one another": b"\x91" * 100_000 + b"\xc0",
}


@pytest.mark.parametrize("why", HOSTILE)
def test_fault_11_hostile_bytes_behind_the_known_fields_are_refused(why: str) -> None:
    with pytest.raises(Malformed):
        SERVER[SUBPROTOCOL].decode(b"\x94" + BASE + HOSTILE[why])


JSON_HOSTILE = {
    "nothing": b"",
    "an object": b'{"t": "mark_read"}',
    "a key twice": b'["mark_read","%s",7,{"a":1,"a":2}]',
    "not UTF-8 in a field": b'["mark_read","!\xff%s",7]',
    "not UTF-8 behind": b'["mark_read","%s",7,"\xff"]',
    "half a surrogate pair": b'["mark_read","\\ud800%s",7]',
    "behind its end": b'["mark_read","%s",7] 1',
    "a number out of range": b'["mark_read","%s",7,1e999]',
    "a number of 5,000 digits": b'["mark_read","%s",7,' + b"9" * 5000 + b"]",
    "no number": b'["mark_read","%s",7,NaN]',
    "a byte order mark": b'\xef\xbb\xbf["mark_read","%s",7]',
    "100,000 arrays in one another": b'["mark_read","%s",7,' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    "not closed": b'["mark_read","%s",7',
}


@pytest.mark.parametrize("why", JSON_HOSTILE)
def test_fault_11_hostile_json_is_refused(why: str) -> None:
    with pytest.raises(Malformed):
        SERVER[SUBPROTOCOL_JSON].decode(JSON_HOSTILE[why].replace(b"%s", CONVERSATION.encode()))


def test_each_side_refuses_the_frames_of_the_other() -> None:
    said = events.KeysLow(3)
    for subprotocol in (SUBPROTOCOL, SUBPROTOCOL_JSON):
        with pytest.raises(Malformed):
            SERVER[subprotocol].decode(DEVICE[subprotocol].encode(said))
        with pytest.raises(Malformed):
            DEVICE[subprotocol].decode(SERVER[subprotocol].encode(READ))


def test_the_commands_with_an_id_begin_with_it() -> None:
    for kind in Command.__args__:
        if "id" in kind.__struct_fields__:
            assert kind.__struct_fields__[0] == "id"
    assert commands.Ack.__struct_fields__[0] == "pos"
