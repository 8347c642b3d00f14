"""Plain HTTP, with the deadlines and bounds that uvicorn lacks: slow or endless requests are cut off."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tidings.server.gateway.wheel import Wheel

REQUEST_SECONDS: Final = 5.0
"""How long the headers may take, and then the body."""
MAX_HEADERS: Final = 16_384
"""Bytes of one request's line and headers."""
MAX_REQUEST: Final = 1_048_576
"""Bytes of one request with everything: no body that is taken is so long, but the trailers of one could be endless."""


class Bounds:
    """What all connections share: how many each address has, and how many it may have.

    `proxies` speak for many, and are not bounded: the sockets of those they speak for are counted as these are opened.
    """

    def __init__(self, wheel: Wheel, per_address: int, proxies: Collection[str] = ()) -> None:
        self.wheel = wheel
        self._per_address = per_address
        self._proxies = frozenset(proxies)
        self._open: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count a connection. Returns whether its address may have it."""
        if address in self._proxies:
            return True
        self._open[address] += 1
        return self._open[address] <= self._per_address

    def release(self, address: str) -> None:
        """Count it no more."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]

    def __len__(self) -> int:
        """Return how many are open."""
        return self._open.total()


class Deadline:
    """When a request must be complete: `at`, or 0.0 if none is awaited. Without a `transport` there is nothing to end.

    It is what the wheel holds, so that an upgraded connection leaves nothing of its request behind.
    """

    __slots__ = ("at", "transport")

    def __init__(self, transport: Any, at: float) -> None:
        self.transport = transport
        self.at = at

    def look(self, now: float) -> float:
        """See Watched: cut off a request that is late."""
        if self.transport is None or self.transport.is_closing():
            return 0.0
        if self.at and now >= self.at:
            self.transport.abort()
            return 0.0
        return max(self.at - now, 1.0) if self.at else REQUEST_SECONDS


class Intake(HttpToolsProtocol):
    """uvicorn's HTTP connection, watched by the wheel."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: Bounds,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._address = ""
        self._bytes = 0
        self._in_headers = True
        self._deadline = Deadline(None, 0.0)
        self._upgraded = False

    def connection_made(self, transport: Any) -> None:
        """Count the connection, and refuse it if its address has too many."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        if not self._bounds.take(self._address):
            transport.abort()
            return
        self._deadline.transport = transport
        self._expect(REQUEST_SECONDS)
        self._bounds.wheel.add(self._deadline, REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        if not self._upgraded:
            self._bounds.release(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within bounds."""
        self._bytes += len(data)
        if self._in_headers and self._bytes > MAX_HEADERS and b"\r\n\r\n" not in data:
            self.send_400_response("The headers are too long.")
        elif self._bytes > MAX_REQUEST:
            self.transport.abort()
        else:
            super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Let go of the connection: it is another protocol's from here on, which counts it on."""
        self._upgraded = True
        super().handle_websocket_upgrade()
        self._deadline.transport = None
        self.parser = None  # type: ignore[assignment] # it holds us, and would until the next collection

    def on_message_begin(self) -> None:
        """Give a request's headers their time."""
        super().on_message_begin()
        self._in_headers = True
        self._expect(REQUEST_SECONDS)

    def on_headers_complete(self) -> None:
        """Give its body its own."""
        self._in_headers = False
        self._expect(REQUEST_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Nothing is awaited from the peer any more; uvicorn itself ends idle connections."""
        self._deadline.at = 0.0
        self._bytes = 0
        super().on_message_complete()

    def _expect(self, seconds: float) -> None:
        self._deadline.at = self._bounds.wheel.now + seconds
