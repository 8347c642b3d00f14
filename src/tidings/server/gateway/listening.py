"""The listening socket, and uvicorn on it, which goes down in our order: devices first, then what is left of HTTP."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn

from tidings.server.gateway.intake import REQUEST_SECONDS

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: scope, receive, send."""


class Late:
    """An ASGI application that is made in a thread, at the latest when it is asked for; requests wait for it."""

    def __init__(self, make: Callable[[], Asgi]) -> None:
        self._make = make
        self._made: asyncio.Future[Asgi] | None = None

    async def made(self) -> Asgi:
        """Return it when it is there."""
        if self._made is None:
            self._made = asyncio.get_running_loop().run_in_executor(None, self._make)
            self._made.add_done_callback(lambda _: gc.freeze())  # it lives as long as the server
        return self._made.result() if self._made.done() else await asyncio.shield(self._made)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI."""
        application = await self.made()
        await application(scope, receive, send)


class Web(uvicorn.Server):
    """uvicorn with an orderly end. `leave` sends the devices away."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._leave = leave

    def end_if_failed(self, task: asyncio.Task[None]) -> None:
        """Go down if a task has failed."""
        if not task.cancelled() and task.exception() is not None:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on `sockets`. Who connects has as long for the TLS handshake as for a request's headers."""
        await self.lifespan.startup()
        loop, config = asyncio.get_running_loop(), self.config

        def accept() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg,unused-ignore] # a factory, made in `app`
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        seconds = REQUEST_SECONDS if config.ssl else None
        self.servers = [
            await loop.create_server(
                accept, sock=listening, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=seconds
            )
            for listening in sockets or []
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the usual signals; on the second one at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, send devices away, then finish."""
        for listener in self.servers:
            listener.close()
        await self._leave()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, its connections are known to asyncio as such: else an answer in two parts waits for an ACK (40 ms).
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
