"""The heads of frames, and what a close frame says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.raw import BINARY, CLOSE, PING, TEXT, frame
from tidings.server.gateway.framing import (
    NOT_UTF_8,
    PROTOCOL_ERROR,
    TOO_BIG,
    Violation,
    read_close,
    read_head,
    write_close,
    write_head,
)
from tidings.wire.limits import MAX_FRAME


def head_of(data: bytes, most: int = MAX_FRAME) -> tuple[int, int, int] | None:
    return read_head(memoryview(data), most)


def violation(data: bytes, most: int = MAX_FRAME) -> int:
    with pytest.raises(Violation) as caught:
        head_of(data, most)
    return caught.value.code


@given(
    opcode=st.sampled_from([TEXT, BINARY, 0]),
    last=st.booleans(),
    size=st.sampled_from([0, 1, 125, 126, 65_535, 65_536]),
)
def test_a_head_is_known_as_soon_as_it_is_whole_and_not_before(opcode: int, size: int, *, last: bool) -> None:
    whole = frame(bytes(size), opcode, last=last)
    head = head_of(whole)
    assert head is not None
    first, start, length = head
    assert (first, length, start) == (opcode | (0x80 if last else 0), size, len(whole) - size)
    assert head_of(whole[:start]) == head
    assert all(head_of(whole[:cut]) is None for cut in range(start))


def test_fault_11_a_frame_that_is_too_long_is_refused_by_its_head() -> None:
    for size in (MAX_FRAME + 1, 2**40, 2**63, 2**64 - 1):
        assert violation(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)) == TOO_BIG
    assert head_of(b"\x82\xff" + MAX_FRAME.to_bytes(8, "big") + bytes(4)) == (0x82, 14, MAX_FRAME)
    assert violation(frame(bytes(5000)), 4096) == TOO_BIG


def test_what_rfc_6455_forbids_is_refused_by_two_bytes() -> None:
    for data in (b"\xc2\x80", b"\xa2\x80", b"\x92\x80", b"\x83\x80", b"\x8b\x80", b"\x8f\x80"):
        assert violation(data) == PROTOCOL_ERROR
    assert violation(b"\x82\x01") == PROTOCOL_ERROR
    for opcode in (CLOSE, PING, 0xA):
        assert violation(bytes((opcode, 0x80))) == PROTOCOL_ERROR
        assert violation(bytes((0x80 | opcode, 0x80 | 126))) == PROTOCOL_ERROR


def test_a_length_has_no_more_bytes_than_it_needs() -> None:
    assert violation(b"\x82\xfe\x00\x7d" + bytes(4)) == PROTOCOL_ERROR
    assert violation(b"\x82\xff" + (65_535).to_bytes(8, "big") + bytes(4)) == PROTOCOL_ERROR


@given(first=st.integers(0, 255), rest=st.binary(max_size=16))
def test_fault_11_any_bytes_are_a_head_no_head_yet_or_a_violation(first: int, rest: bytes) -> None:
    data = bytes((first,)) + rest
    try:
        head, code = head_of(data), None
    except Violation as violated:
        head, code = None, violated.code
    assert code in (None, PROTOCOL_ERROR, TOO_BIG)
    assert head is None or head[1] <= len(data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1520, 65_535, 65_536])
def test_a_head_that_is_written_says_how_long_the_payload_is(size: int) -> None:
    first, second, *more = write_head(0x82, size)
    assert first == 0x82
    assert (size if size <= 125 else 126 if size <= 65_535 else 127) == second
    assert int.from_bytes(bytes(more), "big") == (size if more else 0)


def test_a_close_frame_is_answered_with_its_own_code() -> None:
    assert read_close(b"") == 1000
    for code in (1000, 1001, 1011, 1014, 3000, 4301, 4999):
        assert read_close(write_close(code, "\N{WAVING HAND SIGN}")) == code
    for payload in (b"\x03", *(code.to_bytes(2, "big") for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000))):
        with pytest.raises(Violation) as caught:
            read_close(payload)
        assert caught.value.code == PROTOCOL_ERROR
    with pytest.raises(Violation) as caught:
        read_close(b"\x03\xe8\xff")
    assert caught.value.code == NOT_UTF_8
