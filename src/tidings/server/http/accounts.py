"""Coming in, inviting, and finding one another."""

from typing import Annotated, Any

from litestar import Request, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from tidings.server.domain import handles
from tidings.server.http.callers import DEVICE, Callers
from tidings.server.http.problems import SIGNED_IN, NotFound, answers
from tidings.server.ports.accounts import Accounts, InviteSpent, NameTaken
from tidings.server.services.invites import Invites
from tidings.server.services.life import ShowPresence
from tidings.server.services.rates import Rates
from tidings.server.services.registration import BadName, Registration, WrongPassword
from tidings.wire import http
from tidings.wire.ids import Address

CodePath = Annotated[str, PathParameter(max_length=64, description="the code of an invite")]
NamePath = Annotated[str, PathParameter(max_length=64, description="an exact name, with or without @")]


def routes(
    callers: Callers,
    registration: Registration,
    invites: Invites,
    accounts: Accounts,
    life: ShowPresence,
    rates: Rates,
) -> Router:
    """Return the routes."""

    @post("/accounts", status_code=201, responses=answers(BadName, InviteSpent, NameTaken))
    async def register(data: JSONBody[http.NewAccount], request: Request[Any, Any, Any]) -> http.Enrolment:
        """Register by invite. What comes back lets this device be enrolled."""
        return await registration.register(data, callers.address(request))

    @post("/sign-in", status_code=200, responses=answers(WrongPassword))
    async def sign_in(data: JSONBody[http.SignIn], request: Request[Any, Any, Any]) -> http.Enrolment:
        """Sign in on a device that has no keys yet. What comes back lets it be enrolled."""
        return await registration.sign_in(data, callers.address(request))

    @get("/invites/{code:str}", responses=answers(InviteSpent))
    async def show_invite(code: CodePath, request: Request[Any, Any, Any]) -> http.InviteInfo:
        """Show who invites."""
        found = await invites.show(code, callers.address(request))
        if found is None:
            raise InviteSpent
        return found

    @post("/invites", status_code=201, security=DEVICE, responses=answers(*SIGNED_IN))
    async def create_invite(data: JSONBody[http.NewInvite], caller: NamedDependency[Address]) -> http.Invite:
        """Invite people in one's own name."""
        return await invites.create(caller.account, data)

    @get("/accounts/{name:str}", security=DEVICE, responses=answers(*SIGNED_IN, NotFound))
    async def find_account(name: NamePath, caller: NamedDependency[Address]) -> http.AccountInfo:
        """Find a person by the exact name."""
        rates.take("look-up", caller.account)
        handle = handles.fold(name)
        account = await accounts.by_name(handle) if handle else None
        if account is None:
            raise NotFound
        return http.AccountInfo(account.id, account.name)

    @get("/privacy", security=DEVICE, responses=answers(*SIGNED_IN))
    async def show_privacy(caller: NamedDependency[Address]) -> http.Privacy:
        """Show one's own settings."""
        return http.Privacy(await life.audience(caller.account))

    @put("/privacy", security=DEVICE, responses=answers(*SIGNED_IN))
    async def set_privacy(data: JSONBody[http.Privacy], caller: NamedDependency[Address]) -> http.Privacy:
        """Choose who sees when one is online."""
        await life.choose_audience(caller.account, data.last_seen)
        return data

    return Router(
        "/v1",
        route_handlers=[register, sign_in, show_invite, create_invite, find_account, show_privacy, set_privacy],
        tags=["Accounts"],
    )
