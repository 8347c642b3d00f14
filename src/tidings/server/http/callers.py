"""Who asks: a browser by its cookie, a program by a signature, an admin's command by the server's own token."""

import secrets
from typing import Any, Final

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Reference, SecurityScheme

from tidings.server.http.problems import ForeignOrigin, NotFound
from tidings.server.services.credentials import COOKIE_MS, Credentials, NotSignedIn
from tidings.server.services.rates import Rates
from tidings.wire.ids import Address

CSRF_HEADER = "x-tidings"
"""Sent by our pages with every write. A foreign page cannot send it without being asked first, and is refused then."""


DEVICE: Final[list[dict[str, list[str]]]] = [{"cookie": []}, {"signature": []}]
ENROLMENT: Final[list[dict[str, list[str]]]] = [{"enrolment": []}]
OWNER: Final[list[dict[str, list[str]]]] = [{"owner": []}]
"""What a route asks for, by the names of `Callers.schemes`."""


def is_token(request: Request[Any, Any, Any], token: str) -> bool:
    """Return whether a request shows `token`."""
    shown = request.headers.get("authorization", "")
    return secrets.compare_digest(shown.encode(), f"Bearer {token}".encode())


def needs_bearer(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """See Litestar's guards: raise NotSignedIn, before the body is read, for a request that shows no token at all."""
    if not connection.headers.get("authorization", "").startswith("Bearer "):
        raise NotSignedIn


class Callers:
    """Tells who asks, and sets cookies."""

    def __init__(
        self,
        credentials: Credentials,
        rates: Rates,
        *,
        cookie_name: str,
        secure: bool,
        admin_token: str,
        is_own_origin: Any,
        client_address: Any,
    ) -> None:
        self._credentials = credentials
        self._rates = rates
        self._cookie_name = cookie_name
        self._secure = secure
        self._admin_token = admin_token
        self._is_own_origin = is_own_origin
        self._client_address = client_address

    @property
    def schemes(self) -> dict[str, SecurityScheme | Reference]:
        """How one may prove who one is, for the API page."""
        cookie = "A browser's sign-in. Writes also bear the page's Origin and the header `X-Tidings`."
        signature = "`Tidings`, then JSON in base64url: who signs, when, a nonce, and the device's signature."
        return {
            "cookie": SecurityScheme("apiKey", cookie, self._cookie_name, security_scheme_in="cookie"),
            "signature": SecurityScheme("apiKey", signature, "Authorization", security_scheme_in="header"),
            "enrolment": SecurityScheme("http", "The token of an enrolment.", scheme="bearer"),
            "owner": SecurityScheme("http", "The token in the server's data folder.", scheme="bearer"),
        }

    def address(self, request: Request[Any, Any, Any]) -> str:
        """Return where a request comes from. Raises Refusal(RateLimited)."""
        peer = request.client.host if request.client else ""
        address: str = self._client_address(peer, request.headers.get("x-forwarded-for"))
        self._rates.take("http", address)
        return address

    async def caller(self, request: Request[Any, Any, Any]) -> Address:
        """Return which device asks. Raises NotSignedIn, ForeignOrigin, Refusal(RateLimited)."""
        self.address(request)
        authorization = request.headers.get("authorization", "")
        if authorization.startswith("Tidings "):
            body = await request.body()
            header = authorization.removeprefix("Tidings ")
            path = request.scope["raw_path"].decode("latin-1")  # as it was requested, for so it was signed
            return await self._credentials.by_signature(header, request.method, path, body)
        cookie = request.cookies.get(self._cookie_name)
        if cookie is None:
            raise NotSignedIn
        self.check_page(request)
        return await self._credentials.by_cookie(cookie)

    def check_page(self, request: Request[Any, Any, Any]) -> None:
        """Raise ForeignOrigin unless a browser's request comes from a page of ours."""
        origin = request.headers.get("origin")
        if origin is not None and not self._is_own_origin(origin, request.headers.get("host", "")):
            raise ForeignOrigin
        writes = request.method not in ("GET", "HEAD")
        if writes and (origin is None or request.headers.get(CSRF_HEADER) is None):
            raise ForeignOrigin

    def bearer(self, request: Request[Any, Any, Any]) -> str:
        """Return the token of an enrolment (see needs_bearer)."""
        return request.headers["authorization"].removeprefix("Bearer ")

    def check_admin(self, request: Request[Any, Any, Any]) -> None:
        """Raise NotFound unless the server's own token is shown."""
        self.address(request)
        if not is_token(request, self._admin_token):
            raise NotFound

    def set_cookie(self, response: Response[Any], value: str) -> None:
        """Give a browser its sign-in. An empty value takes it away."""
        response.set_cookie(
            Cookie(
                key=self._cookie_name,
                value=value,
                path="/",
                httponly=True,
                samesite="strict",
                secure=self._secure,
                max_age=COOKIE_MS // 1000 if value else 0,
            )
        )
