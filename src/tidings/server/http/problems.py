"""Every refusal as one JSON object, with a status that says whose turn it is; and what the API page says of them."""

from collections.abc import Callable
from typing import Any, Final

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec

from tidings.server.domain.identity import BadKeys
from tidings.server.ports.accounts import InviteSpent, NameTaken
from tidings.server.ports.keys import NoLeave, StaleList
from tidings.server.ports.mailboxes import StoreFailed, StoreUnavailable
from tidings.server.services.credentials import NotSignedIn, WrongTime
from tidings.server.services.devices import NeedsIdentity
from tidings.server.services.registration import BadName, WrongPassword
from tidings.wire.errors import BadFrame, NotAllowed, RateLimited, Refusal
from tidings.wire.http import Problem


class ForeignOrigin(Exception):
    """A page of another origin asks, or one that cannot prove that it is ours."""


class NotFound(Exception):
    """Not there, or not yours: both answer alike."""


PROBLEMS: Final[dict[type[Exception], tuple[int, str, str]]] = {
    BadKeys: (400, "BAD_KEYS", "The keys are not valid."),
    BadName: (400, "BAD_NAME", "Names have 3 to 32 letters, digits, dots, dashes or underscores."),
    ForeignOrigin: (403, "FOREIGN_ORIGIN", "This page does not belong to this server."),
    InviteSpent: (404, "INVITE_SPENT", "This invite was used, or has expired, or never was."),
    NameTaken: (409, "NAME_TAKEN", "This name, or one that looks like it, is taken."),
    NeedsIdentity: (409, "NEEDS_IDENTITY", "No device of this account can sign. Start again on this one."),
    NoLeave: (401, "NO_LEAVE", "Sign in again."),
    NotFound: (404, "NOT_FOUND", "There is no such thing here."),
    NotSignedIn: (401, "NOT_SIGNED_IN", "Sign in first."),
    StaleList: (409, "STALE_LIST", "The devices changed in between. Try again."),
    StoreFailed: (503, "UNKNOWN_OUTCOME", "The server cannot tell if it was done. Try again."),
    StoreUnavailable: (503, "UNAVAILABLE", "The server cannot do this now. Try again later."),
    WrongPassword: (401, "WRONG_PASSWORD", "The name or the password is wrong."),
    WrongTime: (401, "WRONG_TIME", "The clock of this device is wrong. Sign again, by the time in this answer."),
}


GENERAL: Final = (
    (400, "BAD_REQUEST", "The request has another shape."),
    (413, "TOO_LARGE", "The body is too long."),
    (429, "RATE_LIMITED", "Too many requests. Try again later."),
    (500, "INTERNAL", "The server made a mistake."),
    *(PROBLEMS[kind] for kind in (StoreFailed, StoreUnavailable)),
)
"""What any route may answer."""
SIGNED_IN: Final = (NotSignedIn, WrongTime, ForeignOrigin)
"""What a route refuses that asks who calls."""


def answers(*kinds: type[Exception]) -> dict[int, ResponseSpec]:
    """Return the refusals of a route for the API page: those of `kinds`, and those of any route."""
    texts: dict[int, list[str]] = {}
    for status, code, detail in sorted({*(PROBLEMS[kind] for kind in kinds), *GENERAL}):
        texts.setdefault(status, []).append(f"`{code}`: {detail}")
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=" ".join(lines))
        for status, lines in texts.items()
    }


def problem(
    status: int,
    code: str,
    detail: str,
    retry_after: int | None = None,
    time: int | None = None,
    *,
    allow: str | None = None,
) -> Response[Problem]:
    """Return the answer to a refused request; `allow` are the methods that the route has."""
    headers = {"retry-after": str(-(-retry_after // 1000))} if retry_after else {}
    headers |= {"allow": allow} if allow else {}
    body = Problem(code, detail, retry_after, time)
    return Response(body, status_code=status, headers=headers, media_type=MediaType.JSON)


def refused(_: Request[Any, Any, Any], refusal: Refusal) -> Response[Problem]:
    """Answer what the protocol refuses."""
    match refusal.error:
        case RateLimited(retry_after):
            return problem(429, "RATE_LIMITED", "Too many requests. Try again later.", retry_after)
        case NotAllowed():
            status, code, detail = PROBLEMS[NotFound]
            return problem(status, code, detail)
        case BadFrame(reason):
            return problem(400, "BAD_REQUEST", reason)
        case error:
            return problem(400, str(type(error).__struct_config__.tag), "The server refuses this.")


def failed(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what Litestar refuses: an unknown path, another method, a body of another shape."""
    names = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "BAD_REQUEST"}
    allow = (error.headers or {}).get("allow")
    return problem(error.status_code, names.get(error.status_code, "BAD_REQUEST"), error.detail, allow=allow)


def broke(_: Request[Any, Any, Any], __: Exception) -> Response[Problem]:
    """Answer what should not have happened, without telling what it was. Litestar logs it."""
    return problem(500, "INTERNAL", "The server made a mistake.")


def _known(status: int, code: str, detail: str) -> Callable[[Request[Any, Any, Any], Exception], Response[Problem]]:
    def handle(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
        text = str(error) if isinstance(error, BadKeys) and str(error) else detail
        return problem(status, code, text, time=error.now if isinstance(error, WrongTime) else None)

    return handle


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    **{kind: _known(*answer) for kind, answer in PROBLEMS.items()},
    Refusal: refused,
    HTTPException: failed,
    500: broke,
}
