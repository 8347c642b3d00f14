"""A server on this machine, as its owner reaches it: by the token in its data folder."""

import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tidings.sdk.errors import ServerRefused
from tidings.sdk.transport.http import Http, Unreachable
from tidings.wire import http


def default_store() -> Path:
    """Return where a person's device is kept, unless it is named."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "share") / "tidings" / "device.db"


class NoServer(Exception):
    """There is no server, or it does not run."""


class NotThere(Exception):
    """There is no account of this name."""


class LocalServer:
    """Calls of the admin. `verify` is how devices on this machine are to check its certificate: not at all."""

    def __init__(self, url: str, token: str, verify: ssl.SSLContext | bool, web: Http) -> None:  # noqa: FBT001 - httpx's own type
        self.url = url
        self.verify = verify
        self._token = token
        self._http = web

    @classmethod
    @asynccontextmanager
    async def at(cls, data: Path) -> AsyncIterator[Self]:
        """Find the server of a data folder. Raises NoServer."""
        try:
            known = json.loads((data / "server.json").read_text())
            url, token = str(known["url"]), str(known["admin_token"])
        except (FileNotFoundError, NotADirectoryError):
            raise NoServer(f"{data} is no server's folder; name it by --data") from None
        except PermissionError:
            raise NoServer(f"{data} belongs to somebody else; ask as its owner") from None
        except (ValueError, LookupError, TypeError):
            raise NoServer(f"{data / 'server.json'} is damaged; restore it from a backup") from None
        if not url:
            raise NoServer(f"no server ever ran on {data}; start it by: tidings serve --data {data}")
        # Its certificate is for its public name; on this machine the token says that it is the right one.
        verify = _unchecked() if url.startswith("https") else True
        web = Http(url, verify)
        try:
            yield cls(url, token, verify, web)
        finally:
            await web.close()

    async def invite(self, *, days: int = 7, uses: int = 1, admin: bool = False, origin: str = "") -> str:
        """Return an invite link in the server's name, under `origin` if people reach the server by that."""
        params = {"admin": "true"} if admin else {}
        made = await self._ask("POST", "/v1/admin/invites", http.Invite, http.NewInvite(days, uses), params)
        return f"{origin.rstrip('/') or self.url}/#/join/{made.code}"

    async def accounts(self) -> AsyncIterator[http.Account]:
        """Yield all accounts in the order of their names."""
        after, more = "", True
        while more:
            page: http.Accounts = await self._ask("GET", "/v1/admin/accounts", http.Accounts, None, {"after": after})
            for account in page.accounts:
                yield account
                after = account.name
            more = page.more

    async def remove(self, name: str) -> None:
        """Remove an account. Raises NotThere."""
        handle = name.removeprefix("@")
        try:
            await self._ask("DELETE", f"/v1/admin/accounts/{quote(handle, safe='')}", type(None))
        except ServerRefused as refused:
            if refused.code == "NOT_FOUND":
                raise NotThere(f"nobody here is called @{handle}") from None
            raise

    async def _ask(
        self, method: str, path: str, answer: Any, body: http.Body | None = None, params: dict[str, str] | None = None
    ) -> Any:
        try:
            return await self._http.ask(method, path, answer, body=body, token=self._token, params=params)
        except Unreachable:
            raise NoServer(f"{self.url} does not answer; is `tidings serve` running?") from None


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
