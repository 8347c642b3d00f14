"""What every answer says to a browser (each was seen to be enforced by Chromium with the client running).

The server puts them on everything that leaves it: what Litestar answers, what uvicorn answers to a request that is
none, and what refuses an upgrade.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Message, Scope

POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html default"
)
HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "camera=(self), microphone=(self), geolocation=(self)"),
)
STRICT_TRANSPORT: Final = ("strict-transport-security", "max-age=31536000")


def security_headers(*, secure: bool) -> list[tuple[str, str]]:
    """Return the headers of every answer. `secure` is whether it is served by TLS."""
    return [*HEADERS, STRICT_TRANSPORT] if secure else [*HEADERS]


async def keep_out_of_caches(message: "Message", scope: "Scope | HTTPScope") -> None:
    """See Litestar's before_send: what says nothing of caches is kept by none."""
    del scope
    if message["type"] == "http.response.start":
        headers = list(message["headers"])
        if not any(name == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        message["headers"] = headers
