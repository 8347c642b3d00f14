"""HTTP: registering, signing in, enrolling, and what else is asked once in a while."""

import base64
import os
import ssl
from functools import cache
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from tidings.sdk.crypto.account import DeviceAccount
from tidings.sdk.errors import NotSignedIn, ServerRefused, TidingsError
from tidings.wire import http
from tidings.wire.signing import request_text

T = TypeVar("T")
SECONDS: Final = 30.0
UNAUTHORIZED: Final = 401


class Unreachable(TidingsError):
    """The server does not answer."""


@cache
def _trusted() -> ssl.SSLContext:
    """Trust who is trusted everywhere. Reading all their certificates takes as long as many a request: once will do."""
    return httpx.create_ssl_context(trust_env=False)


class Http:
    """Requests to one server. `verify` is how its certificate is checked."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True) -> None:  # noqa: FBT001, FBT002 - httpx's own type
        self.url = url.rstrip("/")
        checked = _trusted() if verify is True else verify
        try:
            self._client = httpx.AsyncClient(base_url=self.url, timeout=SECONDS, verify=checked, trust_env=False)
        except httpx.InvalidURL:
            raise Unreachable(f"{url} is no address") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: http.Body | None = None,
        token: str | None = None,
        signer: tuple[DeviceAccount, str, int] | None = None,
        params: dict[str, str] | None = None,
    ) -> T:
        """Send a request and return its answer. Raises ServerRefused, NotSignedIn, Unreachable.

        `signer` is the device that signs, the server's id and its time in milliseconds. If the server has another
        time, it says so, and the device signs again by that.
        """
        content = msgspec.json.encode(body) if body is not None else b""
        headers = {"content-type": "application/json"} if body is not None else {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if signer is not None:
            headers["authorization"] = f"Tidings {sign(signer, method, path, content)}"
        response = await self._send(method, path, content=content, headers=headers, params=params)
        if response.status_code == UNAUTHORIZED and signer is not None and (now := _time_of(response)):
            headers["authorization"] = f"Tidings {sign((*signer[:2], now), method, path, content)}"
            response = await self._send(method, path, content=content, headers=headers, params=params)
        if response.is_success:
            return msgspec.json.decode(response.content or b"null", type=answer)
        raise _problem(response)

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **parts)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url} does not answer: {error}") from error


def sign(signer: tuple[DeviceAccount, str, int], method: str, path: str, content: bytes) -> str:
    """Return the credential of one request."""
    device, server_id, now = signer
    nonce = os.urandom(16)
    names = server_id, device.account, device.device, now, nonce
    text = request_text(*names, method=method, path=urlsplit(path).path, body=content)
    signed: dict[str, Any] = {
        "account": device.account,
        "device": device.device,
        "time": now,
        "nonce": nonce,
        "signature": device.sign(text),
    }
    return base64.urlsafe_b64encode(msgspec.json.encode(signed)).decode().rstrip("=")


def _time_of(response: httpx.Response) -> int | None:
    """Return the server's time, if a signature was refused because of its own."""
    try:
        return msgspec.json.decode(response.content, type=http.Problem).time
    except msgspec.MsgspecError:
        return None


def _problem(response: httpx.Response) -> TidingsError:
    try:
        problem = msgspec.json.decode(response.content, type=http.Problem)
    except msgspec.MsgspecError:
        return ServerRefused(response.status_code, "UNKNOWN", f"The server answered {response.status_code}.")
    if problem.code == "NOT_SIGNED_IN":
        return NotSignedIn(problem.detail)
    return ServerRefused(response.status_code, problem.code, problem.detail)
