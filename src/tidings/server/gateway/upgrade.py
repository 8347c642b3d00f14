"""From an HTTP request to a socket: who may, and as what. Every refusal is an HTTP answer, before the upgrade."""

import asyncio
import base64
import binascii
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from tidings.server.gateway.connection import Connection
from tidings.server.gateway.gateway import Gateway
from tidings.server.gateway.intake import Bounds
from tidings.server.gateway.line import Peer
from tidings.server.gateway.websocket import Turn, accept
from tidings.server.services.credentials import Credentials, NotSignedIn
from tidings.wire.codec import SUBPROTOCOL_JSON
from tidings.wire.http import Problem
from tidings.wire.ids import Address

LOG = logging.getLogger("tidings.gateway")

PATH: Final = "/v1/socket"
KEY_BYTES: Final = 16
"""Bytes of a handshake's key, which comes in base64."""
REASONS: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


class Request(NamedTuple):
    """A request to upgrade: the method, the path without its query, and the headers by their names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Denied(Exception):
    """The upgrade is refused with an HTTP status."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = Problem(code, detail)


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is seen from outside.

    `origins` are those (scheme://host:port) that may show a cookie beside the one that the request names as Host;
    `proxies` are the addresses that are believed about whom they speak for; `secure` is whether this process serves
    TLS itself; `headers` are those of every answer.
    """

    cookie_name: str
    origins: Sequence[str]
    proxies: Sequence[str]
    secure: bool
    headers: Sequence[tuple[str, str]]


class Take(Protocol):
    """Gives a socket to another process."""

    def __call__(
        self, transport: asyncio.Transport, peer: Peer, *, key: str, subprotocol: str | None, text: bool
    ) -> bool:
        """Return whether another process makes it a WebSocket, as `websocket.accept` does, and holds it."""


class Doorway:
    """The rules of an upgrade, shared by all connections.

    `take` is asked first who holds a socket.

    `extra` maps further paths to peers (tests put an echo there).
    """

    def __init__(
        self,
        gateway: Gateway,
        credentials: Credentials,
        bounds: Bounds,
        front: Front,
        *,
        extra: dict[str, Callable[[], Peer]] | None = None,
        take: Take | None = None,
    ) -> None:
        self._gateway = gateway
        self._credentials = credentials
        self.bounds = bounds
        self._cookie_name = front.cookie_name
        self._origins = frozenset(front.origins)
        self._proxies = frozenset(front.proxies)
        self._schemes = ("https",) if front.secure else ("http", "https")  # a proxy may put TLS before us
        self._headers = [f"{name}: {value}" for name, value in front.headers]
        self.turn = Turn()
        self.extra = extra or {}
        self._take = take
        self._release = bounds.release  # one for all: a new one would be made for each connection

    async def open(self, path: str, headers: dict[str, str], peer: str) -> tuple[Peer, str | None]:
        """Return who talks over a socket, and its subprotocol. Raises Denied."""
        extra = self.extra.get(path)
        if extra is not None:
            self.bounds.release(peer)
            return extra(), None
        if path != PATH:
            raise Denied(404, "NOT_FOUND", "There is no socket here.")
        address = self.client_address(peer, headers.get("x-forwarded-for"))
        if self._gateway.rates.wait("connect", address):
            raise Denied(429, "RATE_LIMITED", "Too many connections from this address. Try again later.")
        cookie = await self._cookie(headers)
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
        subprotocol = next((name for name in offered if name in self._gateway.codecs), None)
        if subprotocol is None:
            raise Denied(400, "UNSUPPORTED", f"Ask for the subprotocol {' or '.join(self._gateway.codecs)}.")
        if address != peer and not self.bounds.take(address):
            self.bounds.release(address)
            raise Denied(429, "RATE_LIMITED", "Too many connections from this address. Try again later.")
        codec = self._gateway.codecs[subprotocol]
        return Connection(self._gateway, codec, cookie, address, self._release), subprotocol

    def admit(self, transport: asyncio.Transport, peer: Peer, key: str, subprotocol: str | None) -> None:
        """Make a connection a WebSocket, here or elsewhere."""
        text = subprotocol == SUBPROTOCOL_JSON
        if self._take is None or not self._take(transport, peer, key=key, subprotocol=subprotocol, text=text):
            accept(transport, peer, self.turn, key=key, subprotocol=subprotocol, text=text)

    def client_address(self, peer: str, forwarded: str | None) -> str:
        """Return whom a request is from: the last hop that is no listed proxy, for only these are believed."""
        hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
        while hops and peer in self._proxies:
            peer = hops.pop()
        return peer

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of `origin` is one of ours, for a request that names `host`."""
        scheme, separator, place = origin.partition("://")
        return origin in self._origins or (
            separator == "://" and scheme in self._schemes and bool(host) and place == host
        )

    def answer(self, denied: Denied) -> bytes:
        """Return the HTTP answer to a refused upgrade."""
        body = msgspec.json.encode(denied.problem)
        lines = [
            f"HTTP/1.1 {denied.status} {REASONS[denied.status]}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "cache-control: no-store",
            "connection: close",
            *self._headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _cookie(self, headers: dict[str, str]) -> Address | None:
        """Return whose cookie a browser shows; None for a program, which shows none and names no origin."""
        origin = headers.get("origin")
        cookie = self._cookie_of(headers.get("cookie", ""))
        if origin is None and cookie is None:
            return None
        if origin is None or not self.is_own_origin(origin, headers.get("host", "")):
            raise Denied(403, "FOREIGN_ORIGIN", "This page does not belong to this server.")
        if cookie is None:
            raise Denied(401, "NOT_SIGNED_IN", "Sign in first.")
        try:
            return await self._credentials.by_cookie(cookie)
        except NotSignedIn:
            raise Denied(401, "NOT_SIGNED_IN", "Sign in again.") from None

    def _cookie_of(self, header: str) -> str | None:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie_name:
                return value
        return None


class Upgrade(asyncio.Protocol):
    """Takes an upgraded connection from uvicorn, asks the doorway, and makes it a WebSocket."""

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self._opening: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment] # uvloop's have no common class with asyncio's
        peer: Any = transport.get_extra_info("peername")
        self._peer = sys.intern(peer[0]) if peer else ""

    def data_received(self, data: bytes) -> None:
        """Take the request, which uvicorn gives whole. Whoever sends more before the answer is not listened to."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. Comes here only while the connection has not been handed over."""
        del exc
        self._doorway.bounds.release(self._peer)
        if self._opening is not None:
            self._opening.cancel()

    async def _open(self, request: bytes) -> None:
        try:
            asked = parse(request)
            key = check_handshake(asked)
            talker, subprotocol = await self._doorway.open(asked.path, asked.headers, self._peer)
            self._doorway.admit(self._transport, talker, key, subprotocol)
        except Denied as denied:
            self._transport.write(self._doorway.answer(denied))
            self._transport.close()
        except Exception:
            LOG.exception("an upgrade failed")
            self._transport.close()


def parse(request: bytes) -> Request:
    """Return a request in its parts; headers that are repeated are joined."""
    first, *lines = request.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            name, value = name.strip().lower(), value.strip()
            joint = "; " if name == "cookie" else ", "
            headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    method, target, _ = first.split(" ")
    return Request(method, target.partition("?")[0], headers)


def check_handshake(asked: Request) -> str:
    """Return the key of a handshake (RFC 6455, section 4.2.1). Raises Denied."""
    key = asked.headers.get("sec-websocket-key", "")
    try:
        good = len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        good = False
    if not good or asked.method != "GET" or asked.headers.get("sec-websocket-version") != "13":
        raise Denied(400, "BAD_REQUEST", "This is no WebSocket handshake of version 13.")
    return key
