"""A worker: a process that holds sockets for the core. It knows WebSockets and the pipe, and nothing of messages.

Started as `python -m tidings.server.workers.worker PIPE DESCRIPTORS`, with the numbers of two sockets to the core. It
ends when the core ends, whatever the core dies of.
"""

import asyncio
import gc
import logging
import os
import resource
import select
import signal
import socket
import sys
from typing import Final

import uvloop

from tidings.server.gateway.line import ROOM, Line
from tidings.server.gateway.websocket import Turn, WebSocket, accept
from tidings.server.telemetry.log import start_logging
from tidings.server.workers.notes import (
    ALIVE,
    BINARY,
    CUT,
    GONE,
    HANG_UP,
    HEARD,
    LEFT,
    MOST,
    NUMBER,
    OPEN,
    PAUSE,
    PING,
    RESUME,
    SEND,
    SHARED,
    TEXT,
    VIOLATION,
    WRITE,
    Notes,
    read_opening,
    read_reason,
    read_shared,
    write_note,
    write_reason,
)

LOG = logging.getLogger("tidings.workers")

READ: Final = 262_144
"""Bytes that are read from the pipe at once."""
STEP: Final = ROOM // 8
"""Bytes of a connection's messages after whose leaving the core is told."""
REPORT_SECONDS: Final = 0.02
"""How often the core is told of those whose messages do not leave as they come."""
ALIVE_SECONDS: Final = 1.0
"""How often the core is told that the loop turns."""
GARBAGE: Final = 50_000
"""New objects after which the youngest are looked through for garbage in circles; connections leave none."""


class CorePeer:
    """The peer of a socket whose connection is in the core (see Peer): it passes on what happens."""

    __slots__ = ("_number", "_told", "_worker", "left", "line", "most", "taken")

    def __init__(self, worker: "Worker", number: int) -> None:
        self._worker = worker
        self._number = number
        self._told = False
        """Whether the core has a note of what came in this turn."""
        self.most = 0
        self.taken = 0
        """Bytes that came from the core for the socket,"""
        self.left = 0
        """and as many of them as it knows to have left."""
        self.line: WebSocket

    def on_connected(self, line: Line) -> None:
        """See Peer: the core has begun already."""

    def on_message(self, data: bytes, *, text: bool) -> None:
        """See Peer."""
        self._told = True
        self._worker.put(write_note(self._number, TEXT if text else BINARY, data))

    def on_ping(self, payload: bytes) -> None:
        """See Peer."""
        self._told = True
        self._worker.put(write_note(self._number, PING, payload))

    def on_heard(self, idle: int = 0) -> None:
        """See Peer."""
        if idle or not self._told:
            self._worker.put(write_note(self._number, HEARD, NUMBER.pack(idle)))
        self._told = False

    def on_violation(self, code: int, reason: str) -> None:
        """See Peer."""
        self._worker.put(write_note(self._number, VIOLATION, write_reason(code, reason)))

    def on_gone(self) -> None:
        """See Peer."""
        self._worker.forget(self._number)
        del self.line  # which holds us

    def pause_writing(self) -> None:
        """See Peer: the core counts what has not left, and knows."""

    def resume_writing(self) -> None:
        """See Peer."""
        self.report()

    def write(self, data: bytes) -> None:
        """Send a message."""
        self.line.write(data)
        self.count(len(data))

    def count(self, size: int) -> None:
        """Count what the core has given, and tell it now and then what has left."""
        self.taken += size
        if self.taken - self.left >= STEP:
            self.report()

    def report(self) -> None:
        """Tell the core how much has left, if that is worth a note; and look again if much has not."""
        waiting = self.line.waiting
        left = self.taken - waiting  # which counts the frames' heads, too: less than what left at the most
        if left - self.left >= STEP or (not waiting and left > self.left):
            self.left = left
            self._worker.put(write_note(self._number, LEFT, NUMBER.pack(left)))
        if self.taken - self.left >= STEP:
            self._worker.look_again(self)


class Worker:
    """All sockets of this process, and its end of the pipe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: socket.socket, descriptors: socket.socket) -> None:
        self._loop = loop
        self._pipe = pipe
        self._descriptors = descriptors
        self._room = select.poll()
        self._room.register(pipe, select.POLLOUT)
        self._buffer = memoryview(bytearray(READ))
        self._notes = Notes()
        self._turn = Turn()
        self._batch: list[bytes] = []
        self._peers: dict[int, CorePeer] = {}
        self._arriving: dict[int, list[tuple[int, bytes]]] = {}
        """Sockets that are not set up yet, and the notes that wait for them."""
        self._watched: set[CorePeer] = set()
        loop.add_reader(pipe, self._read)
        self._live()

    # To the core

    def put(self, note: bytes) -> None:
        """Send a note, together with all others of this turn of the loop."""
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(note)

    def forget(self, number: int) -> None:
        """Say that a connection has ended."""
        peer = self._peers.pop(number, None)
        if peer is not None:
            self._watched.discard(peer)
        self.put(write_note(number, GONE))

    def look_again(self, peer: CorePeer) -> None:
        """Report soon how much of what waits for a socket has left."""
        if not self._watched:
            self._loop.call_later(REPORT_SECONDS, self._report)
        self._watched.add(peer)

    def _live(self) -> None:
        self.put(write_note(0, ALIVE))
        self._loop.call_later(ALIVE_SECONDS, self._live)

    def _report(self) -> None:
        watched, self._watched = self._watched, set()
        for peer in watched:
            peer.report()

    def _flush(self) -> None:
        """Write the batch. While the core is behind, nothing is read from any socket: this waits."""
        batch, self._batch = self._batch, []
        rest = memoryview(b"".join(batch))
        try:
            while rest:
                try:
                    rest = rest[self._pipe.send(rest) :]
                except BlockingIOError:
                    self._room.poll()
        except OSError:
            _end()

    # From the core

    def _read(self) -> None:
        try:
            size = self._pipe.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            _end()
        try:
            self._do_all(bytes(self._buffer[:size]))
        except Exception:
            # The notes behind it are lost, and where the next begins: this process is of no more use.
            LOG.exception("a worker failed")
            _end(1)

    def _do_all(self, data: bytes) -> None:
        """Do what the notes in a part of the pipe say."""
        peers = self._peers
        for number, kind, payload in self._notes.read(data):
            peer = peers.get(number)
            if peer is not None:
                if kind == WRITE:
                    peer.write(payload)
                else:
                    self._do(peer, kind, payload)
            elif kind == SHARED:
                numbers, data = read_shared(payload)
                for each in numbers:
                    self._to(each, WRITE, data)
            elif kind == OPEN:
                self._open(number, payload)
            elif number in self._arriving:
                self._arriving[number].append((kind, payload))

    def _to(self, number: int, kind: int, payload: bytes) -> None:
        peer = self._peers.get(number)
        if peer is not None:
            self._do(peer, kind, payload)
        elif number in self._arriving:
            self._arriving[number].append((kind, payload))

    def _do(self, peer: CorePeer, kind: int, payload: bytes) -> None:
        """Do what a note says."""
        line = peer.line
        if kind == WRITE:
            peer.write(payload)
        elif kind == SEND:
            line.send(payload[0], payload[1:])
            peer.count(len(payload))
        elif kind == MOST:
            (peer.most,) = NUMBER.unpack(payload)
        elif kind == PAUSE:
            line.pause_reading()
        elif kind == RESUME:
            line.resume_reading()
        elif kind == HANG_UP:
            line.hang_up(*read_reason(payload))
        elif kind == CUT:
            line.cut()

    def _open(self, number: int, payload: bytes) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._descriptors, NUMBER.size, 1)
        if not descriptors:  # this process has too many already
            self.forget(number)
            return
        self._arriving[number] = []
        self._loop.create_task(self._set_up(number, socket.socket(fileno=descriptors[0]), payload))

    async def _set_up(self, number: int, sock: socket.socket, payload: bytes) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Arrival(self, number, payload), sock)
        except OSError:
            sock.close()
            del self._arriving[number]
            self.forget(number)

    def arrived(self, number: int, transport: asyncio.Transport, payload: bytes) -> None:
        """Make a socket a WebSocket, and do what has been asked of it meanwhile."""
        key, subprotocol, text = read_opening(payload)
        peer = self._peers[number] = CorePeer(self, number)
        peer.line = accept(transport, peer, self._turn, key=key, subprotocol=subprotocol, text=text)
        for kind, note in self._arriving.pop(number):
            self._do(peer, kind, note)


class Arrival(asyncio.Protocol):
    """The protocol of a socket until it is a WebSocket."""

    def __init__(self, worker: Worker, number: int, payload: bytes) -> None:
        self._worker = worker
        self._number = number
        self._payload = payload

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._worker.arrived(self._number, transport, self._payload)  # type: ignore[arg-type] # uvloop's own class


def _end(code: int = 0) -> None:
    """End at once: without the core there is nothing to do, and devices come back to the next one."""
    os._exit(code)


def _arrange() -> None:
    """Mind no signals, which are for the core; hold as many sockets as the system lets us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def main() -> None:
    """Run until the core ends."""
    start_logging("warning")
    pipe, descriptors = (socket.socket(fileno=int(word)) for word in sys.argv[1:])
    _arrange()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    Worker(loop, pipe, descriptors)
    loop.run_forever()


if __name__ == "__main__":
    main()
