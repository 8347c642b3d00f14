"""What a device tells without an answer: how far one read, who is watched, whether one is here and types."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidings.sdk.crypto.machine import Machine
from tidings.sdk.store.database import Database
from tidings.sdk.sync.life import Life
from tidings.sdk.sync.readings import Readings
from tidings.sdk.sync.state import State
from tidings.sdk.transport.link import Disconnected, Link
from tidings.wire import commands as c
from tidings.wire.frames import Frame

TALK, OTHER = "!talk:here", "!other:here"


class Wire(Link):
    """A connection that keeps what it is told, until it is torn."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Frame] = []
        self.torn = False

    def tell(self, command: Frame) -> None:
        if self.torn:
            raise Disconnected
        self.said.append(command)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    database = Database(tmp_path / "a.db")
    with database.transaction():
        Machine.create(database, "@me:here", "MYDEVICE01")
    yield State(database, Machine(database), lambda _: None)
    database.close()


def connect(state: State) -> Wire:
    wire = Wire()
    state.connected(wire)
    return wire


def places(wire: Wire) -> list[tuple[str, int]]:
    return [(said.conversation, said.seq) for said in wire.said if isinstance(said, c.MarkRead)]


# How far one read


def test_a_place_is_told_at_once_and_once_more_by_the_next_connection(state: State) -> None:
    readings, first = Readings(state), connect(state)
    readings.note(TALK, 7)
    assert places(first) == [(TALK, 7)]
    second = connect(state)
    readings.repeat()
    assert places(second) == [(TALK, 7)]
    third = connect(state)
    readings.repeat()
    assert places(third) == []


def test_what_was_read_without_a_connection_is_told_by_the_next(state: State) -> None:
    readings = Readings(state)
    readings.note(TALK, 7)
    readings.note(OTHER, 2)
    wire = connect(state)
    readings.repeat()
    assert sorted(places(wire)) == [(OTHER, 2), (TALK, 7)]


def test_a_place_only_rises(state: State) -> None:
    readings, wire = Readings(state), connect(state)
    for seq in (7, 7, 3, 8):
        readings.note(TALK, seq)
    assert places(wire) == [(TALK, 7), (TALK, 8)]


def test_a_place_that_a_torn_connection_never_told_is_still_to_be_told(state: State) -> None:
    readings, wire = Readings(state), connect(state)
    wire.torn = True
    readings.note(TALK, 7)
    told: list[tuple[str, int]] = []
    for _ in range(3):
        wire = connect(state)
        readings.repeat()
        told += places(wire)
    assert told == [(TALK, 7), (TALK, 7)]


def test_a_place_outlives_the_program(state: State, tmp_path: Path) -> None:
    Readings(state).note(TALK, 7)
    state.db.close()
    database = Database(tmp_path / "a.db")
    try:
        again = State(database, Machine(database), lambda _: None)
        wire = connect(again)
        Readings(again).repeat()
        assert places(wire) == [(TALK, 7)]
    finally:
        database.close()


# Presence and typing


def test_every_connection_hears_who_is_watched_and_that_one_is_here(state: State) -> None:
    life = Life(state)
    life.watch(["@bob:here"])
    life.set_online(online=True)
    for _ in range(2):
        wire = connect(state)
        life.repeat()
        assert wire.said == [c.Watch(["@bob:here"]), c.SetPresence(online=True)]


def test_who_is_watched_replaces_who_was_before(state: State) -> None:
    life, wire = Life(state), connect(state)
    life.watch(["@bob:here"])
    life.watch(["@carol:here"])
    assert wire.said == [c.Watch(["@bob:here"]), c.Watch(["@carol:here"])]
    again = connect(state)
    life.repeat()
    assert again.said == [c.Watch(["@carol:here"])]


def test_who_turned_away_is_not_said_to_be_here_again(state: State) -> None:
    life = Life(state)
    life.set_online(online=True)
    life.set_online(online=False)
    wire = connect(state)
    life.repeat()
    assert wire.said == []


def test_typing_comes_now_or_never(state: State) -> None:
    life = Life(state)
    life.set_typing(TALK, active=True)
    wire = connect(state)
    life.repeat()
    assert wire.said == []
    life.set_typing(TALK, active=True)
    life.set_typing(TALK, active=False)
    assert wire.said == [c.SetTyping(TALK, active=True), c.SetTyping(TALK, active=False)]
    wire.torn = True
    life.set_typing(TALK, active=True)
