"""The workers of a server: started, given sockets, and replaced when they die."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Final

from tidings.server.gateway.line import Peer
from tidings.server.gateway.websocket import NOBODY
from tidings.server.workers.notes import write_opening
from tidings.server.workers.post import Post

LOG = logging.getLogger("tidings.workers")

PROGRAM: Final = "tidings.server.workers.worker"
SOON: Final = 0.1
LATE: Final = 5.0
"""Seconds until a worker is replaced: twice as many each time, from the one to the other,"""
HEALTHY_SECONDS: Final = 30.0
"""unless it has lived so long."""
SILENT_SECONDS: Final = 15.0
"""How long nothing may come from a worker: one that is stuck is killed, so that its devices come back elsewhere."""
STOP_SECONDS: Final = 2.0
"""How long a worker may take to end; one that is stopped or stuck is killed."""


class Crew:
    """All workers. While there is none the core holds new sockets itself."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: dict[Post, Popen[bytes]] = {}
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all. They can be given sockets before they have come up."""
        for _ in range(self._count):
            self._keeping.append(asyncio.create_task(self._keep(await self._begin())))

    async def stop(self) -> None:
        """Let all end."""
        for task in self._keeping:
            task.cancel()
        for post in self._running:
            post.close()
        await asyncio.gather(*(asyncio.to_thread(_end, process) for process in self._running.values()))

    def take(self, transport: asyncio.Transport, peer: Peer, *, key: str, subprotocol: str | None, text: bool) -> bool:
        """Let the worker that has the fewest connections answer an upgrade (see websocket.accept).

        Returns whether one does: if there is none at the moment, or no descriptor, the socket stays where it is.
        """
        alive = [post for post in self._running if not post.ended.is_set()]
        if not alive or transport.is_closing():
            return False
        try:
            descriptor = os.dup(transport.get_extra_info("socket").fileno())
        except OSError:
            return False
        transport.pause_reading()
        transport.set_protocol(NOBODY)
        transport.abort()  # which closes our own descriptor, and leaves the connection alone
        min(alive, key=len).take(descriptor, peer, write_opening(key, subprotocol, text=text))
        return True

    async def _begin(self) -> Post:
        """Start a worker."""
        ours, theirs = socket.socketpair()
        giving, taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, taking:
            ours.setblocking(False)  # noqa: FBT003 - its only argument
            giving.setblocking(False)  # noqa: FBT003
            ends = theirs.fileno(), taking.fileno()
            # Not by the loop: uvloop's children hold copies of what it keeps of our own input and output.
            process = Popen(  # noqa: S603, ASYNC220 - our own program, and it is started within a few milliseconds
                [sys.executable, "-P", "-m", PROGRAM, *map(str, ends)], stdin=DEVNULL, stdout=DEVNULL, pass_fds=ends
            )
        _, post = await asyncio.get_running_loop().create_unix_connection(lambda: Post(giving), sock=ours)
        self._running[post] = process
        return post

    async def _keep(self, post: Post) -> None:
        """Put another worker in the place of one that died."""
        delay = 0.0
        while True:
            begun = time.monotonic()
            await _watch(post, self._running[post])
            code = await asyncio.to_thread(_end, self._running.pop(post))
            healthy = not delay or time.monotonic() - begun >= HEALTHY_SECONDS
            delay = SOON if healthy else min(2 * delay, LATE)
            LOG.error("a worker died", extra={"code": code, "seconds": delay})
            await asyncio.sleep(delay)
            post = await self._begin_again()

    async def _begin_again(self) -> Post:
        """Start a worker, as soon as the system lets us."""
        while True:
            try:
                return await self._begin()
            except OSError:
                LOG.exception("a worker cannot be started")
                await asyncio.sleep(LATE)


async def _watch(post: Post, process: Popen[bytes]) -> None:
    """Wait until a worker has ended, and see to it if it does nothing any more."""
    reads = -1
    while not post.ended.is_set():
        if reads == post.reads:
            process.kill()
        reads = post.reads
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(post.ended.wait(), SILENT_SECONDS)


def _end(process: Popen[bytes]) -> int:
    """Wait until a worker has ended, and see to it; return its exit code."""
    try:
        return process.wait(STOP_SECONDS)
    except TimeoutExpired:
        process.kill()
        return process.wait()
