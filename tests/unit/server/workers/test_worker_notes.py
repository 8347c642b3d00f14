"""Notes come out of a pipe as they went in, wherever it was cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidings.server.workers.notes import (
    GONE,
    WRITE,
    Notes,
    read_opening,
    read_reason,
    read_shared,
    write_note,
    write_opening,
    write_reason,
    write_shared,
)

NUMBERS = st.integers(0, 2**32 - 1)
NOTES = st.lists(st.tuples(NUMBERS, st.integers(0, 255), st.binary(max_size=300)), max_size=20)


@given(notes=NOTES, cuts=st.lists(st.integers(0, 8_000), max_size=20))
def test_notes_are_whole_wherever_the_pipe_was_cut(notes: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    data = b"".join(write_note(*note) for note in notes)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reading = Notes()
    got = [note for start, end in pairwise(places) for note in reading.read(data[start:end])]
    assert got == notes


def test_a_note_that_is_longer_than_a_read_is_put_together() -> None:
    reading = Notes()
    data = write_note(7, WRITE, bytes(100_000)) + write_note(7, GONE)
    assert list(reading.read(data[:65_536])) == []
    assert list(reading.read(data[65_536:])) == [(7, WRITE, bytes(100_000)), (7, GONE, b"")]


@given(key=st.text("abc+/=", min_size=1), subprotocol=st.none() | st.just("tidings.v1.json"), text=st.booleans())
def test_an_opening_is_read_as_it_was_written(key: str, subprotocol: str | None, text: bool) -> None:
    assert read_opening(write_opening(key, subprotocol, text=text)) == (key, subprotocol, text)


@given(code=st.integers(0, 2**16 - 1), reason=st.text(max_size=100))
def test_a_reason_is_read_as_it_was_written(code: int, reason: str) -> None:
    assert read_reason(write_reason(code, reason)) == (code, reason)


@given(numbers=st.lists(NUMBERS, max_size=50), data=st.binary(max_size=100))
def test_a_shared_message_is_read_as_it_was_written(numbers: list[int], data: bytes) -> None:
    assert read_shared(write_shared(numbers, data)) == (tuple(numbers), data)
