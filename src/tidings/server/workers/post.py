"""The core's end of a worker: the pipe to it, the descriptors that it is given, and its lines."""

import asyncio
import logging
import os
import socket
from collections import deque
from typing import Final, NamedTuple

from tidings.server.gateway.line import Peer
from tidings.server.workers.line import WorkerLine
from tidings.server.workers.notes import (
    BINARY,
    GONE,
    HEAD,
    NUMBER,
    OPEN,
    SHARED,
    WRITE,
    Notes,
    write_note,
    write_shared,
)

LOG = logging.getLogger("tidings.workers")

FULL_SECONDS: Final = 0.05
"""When to try again if the system takes no more descriptors under way."""


class Waiting(NamedTuple):
    """A socket on its way to the worker."""

    descriptor: int
    peer: Peer
    opening: bytes


class Post(asyncio.Protocol):
    """Everything that goes to one worker and comes from it. `ended` is set when the pipe has broken."""

    def __init__(self, descriptors: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._descriptors = descriptors
        self._pipe: asyncio.Transport
        self._notes = Notes()
        self._batch: list[bytes] = []
        self._data: bytes | None = None
        """The message of the last note, if it is one,"""
        self._first = 0
        """on which connection,"""
        self._numbers: list[int] = []
        """and on which others, one after the other: it crosses the pipe once for all of them."""
        self._lines: dict[int, WorkerLine] = {}
        self._number = 0
        self.reads = 0
        """How often something has come from the worker."""
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        """Return how many connections it has."""
        return len(self._lines) + len(self._waiting)

    # To the worker

    def take(self, descriptor: int, peer: Peer, opening: bytes) -> None:
        """Give the worker a socket; the connection begins when it has it."""
        self._waiting.append(Waiting(descriptor, peer, opening))
        if len(self._waiting) == 1:
            self._pass_on()

    def write(self, number: int, data: bytes) -> None:
        """Send a message on a connection."""
        if data is self._data:
            self._numbers.append(number)
            return
        if self._numbers:
            self._share()
        batch = self._batch
        if not batch:
            self._loop.call_soon(self._flush)
        self._data, self._first = data, number
        batch.append(HEAD.pack(number, WRITE, len(data)) + data)

    def put(self, number: int, kind: int, payload: bytes) -> None:
        """Send a note."""
        if self._numbers:
            self._share()
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._data = None
        self._batch.append(write_note(number, kind, payload))

    def close(self) -> None:
        """Let the worker end, when it has read all."""
        self._flush()
        self._pipe.close()

    def _share(self) -> None:
        """Put one note for all connections in the place of the last message."""
        assert self._data is not None
        self._batch[-1] = write_note(0, SHARED, write_shared([self._first, *self._numbers], self._data))
        self._numbers = []

    def _flush(self) -> None:
        if self._numbers:
            self._share()
        batch, self._batch, self._data = self._batch, [], None
        if batch:
            self._pipe.write(b"".join(batch))

    def _pass_on(self) -> None:
        """Give the worker the sockets that wait, as far as the system takes them."""
        if self.ended.is_set():
            return
        self._loop.remove_writer(self._descriptors)
        while self._waiting:
            descriptor, peer, opening = self._waiting[0]
            number = self._number + 1
            try:
                socket.send_fds(self._descriptors, [NUMBER.pack(number)], [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._descriptors, self._pass_on)
                return
            except ConnectionError:  # the pipe is about to tell
                return
            except OSError:
                self._loop.call_later(FULL_SECONDS, self._pass_on)
                return
            self._waiting.popleft()
            os.close(descriptor)
            self._number = number
            line = self._lines[number] = WorkerLine(self, number, peer)
            self.put(number, OPEN, opening)
            line.begin()

    # From the worker (see asyncio.Protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._pipe = transport  # type: ignore[assignment] # uvloop's have no common class with asyncio's

    def data_received(self, data: bytes) -> None:
        """Tell the lines what happened. An error costs the connection that it is of, and no other."""
        self.reads += 1
        lines = self._lines
        for number, kind, payload in self._notes.read(data):
            line = lines.get(number)
            if line is None:
                continue  # no connection's: ALIVE
            try:
                if kind == BINARY:
                    line.take_message(payload, text=False)
                elif kind == GONE:
                    del lines[number]
                    line.end()
                else:
                    line.take(kind, payload)
            except Exception:
                LOG.exception("a connection failed")
                line.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the worker has ended, and with it all of its connections."""
        del exc
        self._loop.remove_writer(self._descriptors)
        self._descriptors.close()
        lines, self._lines = list(self._lines.values()), {}
        waiting, self._waiting = self._waiting, deque()
        for descriptor, peer, _ in waiting:
            os.close(descriptor)
            line = WorkerLine(self, 0, peer)
            line.is_gone = True
            line.begin()
            lines.append(line)
        for line in lines:
            try:
                line.end()
            except Exception:
                LOG.exception("a connection failed")
        self.ended.set()
