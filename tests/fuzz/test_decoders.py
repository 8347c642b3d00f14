"""Mutated frames against the decoders, with two other parsers as the judges of what may pass."""

import json
from pathlib import Path
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.wire import codec
from tidings.wire.codec import SUBPROTOCOL, SUBPROTOCOL_JSON, Malformed
from tidings.wire.frames import Frame

VECTORS: Final[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "vectors" / "wire.json").read_text())
SIDES: Final[dict[str, Any]] = {"server": codec.codecs_for_server(), "device": codec.codecs_for_device()}
GOOD: Final = {
    SUBPROTOCOL: [bytes.fromhex(vector["msgpack"]) for vector in VECTORS["frames"]],
    SUBPROTOCOL_JSON: [vector["json"].encode() for vector in VECTORS["frames"]],
}
TOKENS: Final = {
    SUBPROTOCOL: [
        b"\x80\x81\xc0\xc0",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\xd4\x01x",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x0c\xff" + bytes(12),
        b"\xc1",
        b"\xc0",
        b"\xc3",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x00\x00\x00\x01\xc0\xc0",
        b"\xc6\x00\x00\x00\x01x",
        b"\xdb\x00\x00\x00\x01\xff",
        b"\xcf" + b"\xff" * 8,
        b"\xd3" + b"\xff" * 8,
        b"\xcb\x7f\xf8" + bytes(6),
        b"\x91" * 2_000,
        b"\x9f",
        b"\xdc\x00\x03",
    ],
    SUBPROTOCOL_JSON: [
        b"{}",
        b'{"a":1,"a":2}',
        b",",
        b"[",
        b"]",
        b"null",
        b"true",
        b"-1",
        b"1e400",
        b"1.5",
        b"NaN",
        b"9" * 400,
        b'"\\ud800"',
        b'"\xff"',
        b"\\u0000",
        b"\x00",
        b"\xef\xbb\xbf",
        b" ",
        b"[" * 2_000,
        b'"',
    ],
}


@st.composite
def mutated(draw: st.DrawFn, subprotocol: str) -> bytes:
    """Return a good frame to which one to four accidents have happened."""
    data = bytearray(draw(st.sampled_from(GOOD[subprotocol])))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        match draw(st.integers(0, 5)):
            case 0:
                data[start:end] = b""
            case 1:
                data[start:start] = draw(st.sampled_from(TOKENS[subprotocol]))
            case 2:
                data[start:end] = draw(st.sampled_from(TOKENS[subprotocol]))
            case 3:
                data[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
            case 4:
                data[start:] = draw(st.sampled_from(GOOD[subprotocol]))[start:]
            case _:
                data[start:start] = data[start:end]
    return bytes(data)


def unpack(data: bytes) -> Any:
    """Return what another parser finds in msgpack; whatever is dubious raises."""
    return msgpack.unpackb(data, ext_hook=_refuse, object_pairs_hook=_refuse, timestamp=0, strict_map_key=True)


def load(data: bytes) -> Any:
    """Return what another parser finds in JSON; whatever is dubious raises."""
    return json.loads(data.decode("utf-8"), object_pairs_hook=_refuse, parse_constant=_refuse)


def _refuse(*found: Any) -> Any:
    raise ValueError(found)


JUDGES: Final[dict[str, Any]] = {SUBPROTOCOL: unpack, SUBPROTOCOL_JSON: load}


def check_plain(value: Any) -> None:
    """Fail if there is anything but what frames are made of."""
    if isinstance(value, list):
        for item in value:
            check_plain(item)
    else:
        assert isinstance(value, None | bool | int | float | str | bytes)


def judge(subprotocol: str, side: str, data: bytes) -> bool:
    """Return whether a decoder takes the bytes; it must be right to."""
    chosen = SIDES[side][subprotocol]
    try:
        frame = chosen.decode(data)
    except Malformed:
        return False
    assert isinstance(frame, Frame)
    found = JUDGES[subprotocol](data)
    check_plain(found)
    assert found[0] == frame.__struct_config__.tag
    assert chosen.decode(chosen.encode(frame)) == frame
    return True


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("subprotocol", GOOD)
@settings(max_examples=1_500)
@given(data=st.data())
def test_fault_11_whatever_a_decoder_takes_two_parsers_read_alike(
    subprotocol: str, side: str, data: st.DataObject
) -> None:
    judge(subprotocol, side, data.draw(mutated(subprotocol)))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("subprotocol", GOOD)
@settings(max_examples=500)
@given(data=st.binary(max_size=300))
def test_fault_11_noise_is_no_frame(subprotocol: str, side: str, data: bytes) -> None:
    judge(subprotocol, side, data)


@pytest.mark.parametrize("subprotocol", GOOD)
def test_fault_11_the_accidents_are_such_that_some_frames_survive_and_most_do_not(subprotocol: str) -> None:
    """The mutations would prove nothing if nothing passed, or everything."""
    taken: list[bool] = []

    @settings(max_examples=500, database=None)
    @given(data=mutated(subprotocol))
    def sample(data: bytes) -> None:
        taken.append(judge(subprotocol, "server", data) or judge(subprotocol, "device", data))

    sample()
    assert 0.02 < sum(taken) / len(taken) < 0.7


def test_fault_11_every_vector_that_is_good_is_taken_by_one_side() -> None:
    for subprotocol, corpus in GOOD.items():
        for data in corpus:
            assert judge(subprotocol, "server", data) != judge(subprotocol, "device", data)
