"""The devices of an account."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from tidings.server.domain.identity import BadKeys
from tidings.server.http.callers import DEVICE, ENROLMENT, Callers, needs_bearer
from tidings.server.http.problems import SIGNED_IN, ForeignOrigin, NotFound, answers
from tidings.server.ports.keys import NoLeave, StaleList
from tidings.server.services.credentials import Credentials, NotSignedIn
from tidings.server.services.devices import Devices, NeedsIdentity
from tidings.wire import http
from tidings.wire.ids import Address

DevicePath = Annotated[str, PathParameter(min_length=8, max_length=24, description="the id of a device")]


def routes(callers: Callers, devices: Devices, credentials: Credentials) -> Router:
    """Return the routes."""
    lists = (BadKeys, NeedsIdentity, StaleList)

    @post(
        "/devices",
        status_code=201,
        security=ENROLMENT,
        guards=[needs_bearer],
        responses=answers(*lists, NoLeave, NotSignedIn, ForeignOrigin),
    )
    async def enrol(data: JSONBody[http.NewDevice], request: Request[Any, Any, Any]) -> Response[http.Device]:
        """Enrol a device, by the token of an enrolment. With `cookie` a browser is signed in by that."""
        callers.address(request)
        if data.cookie:
            callers.check_page(request)
        address = await devices.enrol(callers.bearer(request), data)
        (enrolled,) = [d for d in (await devices.list(address)).devices if d.current]
        response = Response(enrolled, status_code=201)
        if data.cookie:
            callers.set_cookie(response, await credentials.issue(address))
        return response

    @post("/renewal", status_code=204, responses=answers(*SIGNED_IN))
    async def renew(data: JSONBody[http.Renewal], request: Request[Any, Any, Any]) -> Response[None]:
        """Renew a browser's sign-in by its device's key."""
        callers.address(request)
        callers.check_page(request)
        response = Response(None, status_code=204)
        callers.set_cookie(response, await credentials.renew(data))
        return response

    @get("/devices", security=DEVICE, responses=answers(*SIGNED_IN))
    async def show(caller: NamedDependency[Address]) -> http.Devices:
        """List one's own devices."""
        return await devices.list(caller)

    @post(
        "/devices/{device:str}/removal",
        status_code=204,
        security=DEVICE,
        responses=answers(*SIGNED_IN, *lists, NotFound),
    )
    async def remove(device: DevicePath, data: JSONBody[http.Removal], caller: NamedDependency[Address]) -> None:
        """Sign out one of one's own devices, wherever it is."""
        await devices.remove(caller.account, device, data.device_list)

    @post("/sign-out", status_code=204, security=DEVICE, responses=answers(*SIGNED_IN, *lists, NotFound))
    async def sign_out(data: JSONBody[http.Removal], caller: NamedDependency[Address]) -> Response[None]:
        """Sign out this device: its mailbox and its keys are gone."""
        await devices.remove(caller.account, caller.device, data.device_list)
        response = Response(None, status_code=204)
        callers.set_cookie(response, "")
        return response

    return Router("/v1", route_handlers=[enrol, renew, show, remove, sign_out], tags=["Devices"])
