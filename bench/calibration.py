"""A measure of this machine, in the same minute: a loop of what a message's way consists of, but none of its code.

About half of it is Python, a quarter system calls, the rest SQLite and hashing, as on the way itself. It is to stay as
it is: a recorded ratio is worth nothing with another loop.
"""

import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import msgspec

VERSION: Final = 1
BATCH: Final = 64
"""Rows that share a commit."""
PLACES: Final = 1_000
BODY: Final = bytes(range(256)) + bytes(44)


class Note(msgspec.Struct, array_like=True, frozen=True):
    """Something to be encoded and decoded."""

    number: int
    name: str
    place: int
    body: bytes


class Loop:
    """The loop, with a file and a pair of sockets."""

    def __init__(self, database: apsw.Connection, ends: tuple[socket.socket, socket.socket]) -> None:
        self._database = database
        self._ends = ends
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Note)
        self._number = 0

    def run(self, rounds: int) -> float:
        """Go round; return the processor time of a row, in microseconds."""
        before = time.process_time_ns()
        for _ in range(rounds):
            self._round()
        return (time.process_time_ns() - before) / rounds / BATCH / 1000

    def _round(self) -> None:
        database, (near, far) = self._database, self._ends
        execute = database.cursor().execute
        execute("begin immediate")
        waiting: dict[int, list[Note]] = {}
        for _ in range(BATCH):
            self._number += 1
            note = Note(self._number, f"note {self._number}", self._number % PLACES, BODY)
            for _ in range(4):
                near.send(self._encoder.encode(note))
                note = self._decoder.decode(far.recv(1024))
            digest = hashlib.sha256(note.body).digest()
            execute("insert into note values (?, ?, ?, ?)", (note.number, note.place, digest, note.body))
            execute("update place set seen = ? where id = ?", (note.number, note.place))
            execute("select body from note where id = ?", (note.number,)).fetchall()
            waiting.setdefault(note.place % 32, []).append(note)
            self._look(waiting, note)
        for notes in waiting.values():
            for note in notes:
                execute("delete from note where id = ?", (note.number,))
        execute("commit")

    def _look(self, waiting: dict[int, list[Note]], note: Note) -> int:
        found = 0
        for place, notes in waiting.items():
            if place != note.place % 32 and any(one.number > note.number for one in notes[-2:]):
                found += 1
        return found


@contextmanager
def loop(folder: Path) -> Iterator[Loop]:
    """Make the loop, with its file in a folder."""
    path = folder / f"calibration-{os.getpid()}.db"
    near, far = socket.socketpair()
    with near, far, contextlib.closing(apsw.Connection(str(path))) as database:
        for statement in (
            "pragma journal_mode = wal",
            "pragma synchronous = full",
            "create table note (id integer primary key, place integer, digest blob, body blob)",
            "create table place (id integer primary key, seen integer)",
        ):
            database.execute(statement).fetchall()
        database.executemany("insert into place values (?, 0)", ((number,) for number in range(PLACES)))
        yield Loop(database, (near, far))
