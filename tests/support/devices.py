"""Devices whose every step is made by hand: keys, enrolment, cookies, signed requests, greetings."""

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.raw import RawSocket
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire import http
from tidings.wire.frames import Frame, NamedKey, SignedList
from tidings.wire.ids import Address, new_device_id, new_msg_id
from tidings.wire.signing import hello_text, renewal_text, request_text

PASSWORD = "correct horse battery"
ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


def _now() -> int:
    return time.time_ns() // 1_000_000


class Somewhere(Protocol):
    """A running server."""

    @property
    def port(self) -> int: ...

    async def invite(self, *, uses: int = 1) -> str: ...


def base64_of(data: bytes) -> str:
    """Return base64 without padding."""
    return base64.b64encode(data).decode().rstrip("=")


def canonical(value: dict[str, Any]) -> bytes:
    """Return canonical JSON without signatures."""
    signed = {name: member for name, member in value.items() if name != "signatures"}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


class Signer:
    """An Ed25519 key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.raw = self._key.public_key().public_bytes_raw()
        self.public = base64_of(self.raw)

    def sign(self, message: str | bytes) -> bytes:
        return self._key.sign(message.encode() if isinstance(message, str) else message)

    def sign_object(self, value: dict[str, Any], account: str, name: str | None = None) -> dict[str, Any]:
        """Add a signature to an object and return it."""
        signatures = value.setdefault("signatures", {}).setdefault(account, {})
        signatures[f"ed25519:{name or self.public}"] = base64_of(self.sign(canonical(value)))
        return value


class Identity:
    """The cross-signing keys of an account."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.master, self.self_signing, self.user_signing = Signer(), Signer(), Signer()

    def public(self) -> http.Identity:
        parts = {
            "master": self._object("master", self.master),
            "self_signing": self.master.sign_object(self._object("self_signing", self.self_signing), self.account),
            "user_signing": self.master.sign_object(self._object("user_signing", self.user_signing), self.account),
        }
        return http.Identity(**{usage: json.dumps(value) for usage, value in parts.items()})

    def sign_list(self, version: int, devices: dict[str, str]) -> SignedList:
        listed = {"account": self.account, "devices": devices, "master": self.master.public, "version": version}
        text = json.dumps(listed)
        return SignedList(text, self.master.sign(text))

    def _object(self, usage: str, key: Signer) -> dict[str, Any]:
        return {"user_id": self.account, "usage": [usage], "keys": {f"ed25519:{key.public}": key.public}}


class RawDevice:
    """A device, and what it needs to be one."""

    def __init__(self, port: int, leave: http.Enrolment, identity: Identity | None = None) -> None:
        self.port = port
        self.account = leave.account
        self.name = leave.name
        self.server_id = leave.server_id
        self.identity = identity or Identity(leave.account)
        self.key = Signer()
        self.device = new_device_id()
        self.cookie: str | None = None
        self.now: Callable[[], int] = _now
        self._keys = 0

    @property
    def address(self) -> Address:
        return Address(self.account, self.device)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Keys

    def object(self) -> dict[str, Any]:
        """Return the device's keys, signed by itself and by its account."""
        keys = {f"ed25519:{self.device}": self.key.public, f"curve25519:{self.device}": base64_of(os.urandom(32))}
        value = {"user_id": self.account, "device_id": self.device, "algorithms": ALGORITHMS, "keys": keys}
        self.key.sign_object(value, self.account, self.device)
        return self.identity.self_signing.sign_object(value, self.account)

    def one_time(self, *, fallback: bool = False) -> NamedKey:
        """Return another one-time (or fallback) key, signed."""
        self._keys += 1
        value: dict[str, Any] = {"key": base64_of(os.urandom(32))} | ({"fallback": True} if fallback else {})
        self.key.sign_object(value, self.account, self.device)
        return NamedKey(f"signed_curve25519:K{self._keys:04}", json.dumps(value))

    def enrolment(
        self, version: int, others: dict[str, str], *, first: bool = True, cookie: bool = False, keys: int = 25
    ) -> http.NewDevice:
        """Return what is posted to enrol."""
        return http.NewDevice(
            device=self.device,
            label="by hand",
            keys=json.dumps(self.object()),
            one_time=[self.one_time() for _ in range(keys)],
            fallback=self.one_time(fallback=True),
            device_list=self.identity.sign_list(version, others | {self.device: self.key.public}),
            identity=self.identity.public() if first else None,
            cookie=cookie,
        )

    # HTTP

    @property
    def origin(self) -> dict[str, str]:
        """What a page of the server sends with a write."""
        return {"origin": self.url, "x-tidings": "1"}

    def signature(self, method: str, path: str, body: bytes = b"", **changed: Any) -> str:
        """Return the credential of one request."""
        parts: dict[str, Any] = {"time": self.now(), "nonce": os.urandom(16)} | changed
        names = self.server_id, self.account, self.device, parts["time"], parts["nonce"]
        text = request_text(*names, method=method, path=path, body=body)
        signed = {"account": self.account, "device": self.device, **parts, "signature": self.key.sign(text)}
        return "Tidings " + base64.urlsafe_b64encode(msgspec.json.encode(signed)).decode().rstrip("=")

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request as a program does, signed."""
        content = msgspec.json.encode(body) if body is not None else b""
        signed = {"authorization": self.signature(method, path, content), "content-type": "application/json"}
        async with httpx.AsyncClient(base_url=self.url, verify=False) as web:
            return await web.request(method, path, content=content, headers=signed | headers)

    async def browse(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request as a browser does, with the cookie."""
        content = msgspec.json.encode(body) if body is not None else b""
        sent = {"cookie": self.cookie or "", "content-type": "application/json", **self.origin, **headers}
        async with httpx.AsyncClient(base_url=self.url, verify=False) as web:
            return await web.request(method, path, content=content, headers=sent)

    def renewal(self, **changed: Any) -> http.Renewal:
        """Return what renews the cookie."""
        parts: dict[str, Any] = {"time": self.now(), "nonce": os.urandom(16)} | changed
        text = renewal_text(self.server_id, self.account, self.device, parts["time"], parts["nonce"])
        return http.Renewal(self.account, self.device, parts["time"], parts["nonce"], self.key.sign(text))

    async def renew(self, renewal: http.Renewal | None = None) -> httpx.Response:
        """Renew the cookie, and keep the new one if there is one."""
        response = await self.browse("POST", "/v1/renewal", renewal or self.renewal())
        self.keep(response)
        return response

    def keep(self, response: httpx.Response) -> None:
        """Keep the cookie of an answer."""
        for name, value in response.cookies.items():
            self.cookie = f"{name}={value}"

    # The socket

    def hello(self, challenge: e.Challenge, last_pos: int = 0, **changed: Any) -> c.Hello:
        """Return the answer to a challenge."""
        names = {"server_id": challenge.server_id, "account": self.account, "device": self.device} | changed
        text = hello_text(challenge.nonce, names["server_id"], names["account"], names["device"], b"")
        return c.Hello(0, names["account"], names["device"], b"", last_pos, 0, self.key.sign(text))

    @asynccontextmanager
    async def socket(self, *, browser: bool = False, **options: Any) -> AsyncIterator[RawSocket]:
        """Connect and greet; yield the socket when it has caught up."""
        headers = {"cookie": self.cookie, "origin": self.url} if browser else {}
        async with RawSocket.connect(self.port, headers=headers, **options) as socket:
            await self.greet(socket)
            yield socket

    async def greet(self, socket: RawSocket, last_pos: int = 0) -> list[e.ServerFrame]:
        """Answer the challenge; return everything up to and with CaughtUp."""
        challenge = await socket.event()
        assert isinstance(challenge, e.Challenge)
        await socket.command(self.hello(challenge, last_pos))
        seen: list[e.ServerFrame] = []
        while not (seen and isinstance(seen[-1], e.CaughtUp)):
            seen.append(await socket.event())
        return seen

    async def open_direct(self, socket: RawSocket, other: "RawDevice") -> "Talk":
        """Open the conversation with somebody."""
        await socket.command(c.OpenDirect(1, other.account))
        reply = await until(socket, e.Conversations)
        return Talk(self, socket, reply.conversations[0])


class Talk:
    """A device's side of a conversation."""

    def __init__(self, device: RawDevice, socket: RawSocket, conversation: Any) -> None:
        self.device = device
        self.socket = socket
        self.conversation = conversation
        self.last: bytes | None = None

    def send(self, ciphertext: bytes = b"sealed", **changed: Any) -> c.Send:
        """Return the next message."""
        view = self.conversation
        msg_id = new_msg_id(self.device.now())
        values: dict[str, Any] = {
            "id": 2,
            "msg_id": msg_id,
            "conversation": view.conversation,
            "epoch": view.epoch,
            "devices": view.devices,
            "prev": self.last,
            "ciphertext": ciphertext,
        }
        values |= changed
        self.last = values["msg_id"]
        return c.Send(**values)


async def until(socket: RawSocket, kind: Any) -> Any:
    """Return the next frame of a kind; others before it are passed over."""
    while not isinstance(found := await socket.event(), kind):
        pass
    return found


async def tell(socket: RawSocket, command: Frame) -> Any:
    """Send a command and return its reply."""
    await socket.command(command)
    while getattr(found := await socket.event(), "id", None) != command.id:  # type: ignore[attr-defined]
        pass
    return found


async def join(
    server: Somewhere, name: str, *, invite: str | None = None, now: Any = None, **options: Any
) -> RawDevice:
    """Register somebody and enrol a first device."""
    code = (invite or await server.invite()).rpartition("/")[2]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", verify=False) as web:
        body = msgspec.to_builtins(http.NewAccount(code, name, PASSWORD))
        registered = await web.post("/v1/accounts", json=body)
    assert registered.status_code == 201, registered.text
    device = RawDevice(server.port, msgspec.json.decode(registered.content, type=http.Enrolment))
    device.now = now or device.now
    await enrol(device, registered.json()["enrolment"], device.enrolment(1, {}, **options))
    return device


async def enrol(device: RawDevice, token: str, new: http.NewDevice) -> None:
    """Enrol a device with the token of a registration or a sign-in."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **device.origin}
    async with httpx.AsyncClient(base_url=device.url, verify=False) as web:
        enrolled = await web.post("/v1/devices", content=msgspec.json.encode(new), headers=headers)
    assert enrolled.status_code == 201, enrolled.text
    device.keep(enrolled)


async def link(server: Somewhere, known: RawDevice, version: int, *, now: Any = None, **options: Any) -> RawDevice:
    """Enrol a second device of an account, signed by the same identity."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", verify=False) as web:
        signed_in = await web.post("/v1/sign-in", json={"name": known.name, "password": PASSWORD})
    assert signed_in.status_code == 200, signed_in.text
    device = RawDevice(server.port, msgspec.json.decode(signed_in.content, type=http.Enrolment), known.identity)
    device.now = now or known.now
    new = device.enrolment(version, {known.device: known.key.public}, first=False, **options)
    await enrol(device, signed_in.json()["enrolment"], new)
    return device


async def befriend(server: Somewhere, one: str, other: str, **options: Any) -> tuple[RawDevice, RawDevice]:
    """Register two people, the other by an invite of the one: they are contacts."""
    first = await join(server, one, **options)
    made = await first.request("POST", "/v1/invites", http.NewInvite())
    return first, await join(server, other, invite=made.json()["code"], **options)


async def gather(*awaitables: Any) -> list[Any]:
    """Await all at the same time; the first failure ends all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(awaitable) for awaitable in awaitables]
    return [task.result() for task in tasks]
