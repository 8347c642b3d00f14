"""What `tidings admin` and `tidings doctor` ask, with the token that stands in the data folder."""

from typing import Annotated, Any, Final

from litestar import Request, Router, delete, get, post
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter

from tidings.server.domain import handles
from tidings.server.http.callers import OWNER, Callers
from tidings.server.http.problems import NotFound, answers
from tidings.server.ports.accounts import Account, Accounts
from tidings.server.ports.keys import Keys
from tidings.server.services.devices import Devices
from tidings.server.services.invites import Invites
from tidings.wire import http

PAGE: Final = 100

NamePath = Annotated[str, PathParameter(max_length=64, description="an exact name")]
After = Annotated[str, QueryParameter(max_length=64, description="the last name of the page before")]


def routes(callers: Callers, accounts: Accounts, keys: Keys, invites: Invites, devices: Devices) -> Router:
    """Return the routes. Without the token they are not there."""

    @post("/invites", status_code=201, security=OWNER, responses=answers(NotFound))
    async def create_invite(
        data: JSONBody[http.NewInvite], request: Request[Any, Any, Any], *, admin: FromQuery[bool] = False
    ) -> http.Invite:
        """Invite somebody in the server's name; with `admin`, as an admin."""
        callers.check_admin(request)
        return await invites.create_for_server(data, admin=admin)

    @get("/accounts", security=OWNER, responses=answers(NotFound))
    async def show(request: Request[Any, Any, Any], after: After = "") -> http.Accounts:
        """List accounts in the order of their names."""
        callers.check_admin(request)
        found = await accounts.page(after, PAGE + 1)
        return http.Accounts([await describe(account) for account in found[:PAGE]], more=len(found) > PAGE)

    @delete("/accounts/{name:str}", status_code=204, security=OWNER, responses=answers(NotFound))
    async def remove(name: NamePath, request: Request[Any, Any, Any]) -> None:
        """Remove an account for good."""
        callers.check_admin(request)
        handle = handles.fold(name)
        account = await accounts.by_name(handle) if handle else None
        if account is None:
            raise NotFound
        await devices.remove_account(account.id)

    async def describe(account: Account) -> http.Account:
        count = len(await keys.devices(account.id))
        return http.Account(account.id, account.name, account.admin, account.created, count)

    return Router("/v1/admin", route_handlers=[create_invite, show, remove], tags=["Admin"])
