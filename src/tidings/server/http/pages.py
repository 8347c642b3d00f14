"""The web client: its files from memory, with the headers that keep other people's scripts out."""

import gzip
import hashlib
import mimetypes
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from tidings.server.http.problems import NotFound

FOREVER: Final = "public, max-age=31536000, immutable"
SMALL: Final = 1_000
"""Bytes below which compressing is not worth it."""

mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")


class File:
    """A file of the client as it is sent. `built` is what the build has packed of it, if it has."""

    def __init__(self, body: bytes, built: bytes | None, *, kind: str, cache: str) -> None:
        self.body = body
        self.kind = kind
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        self.cache = cache
        self._built = built

    @cached_property
    def packed(self) -> bytes | None:
        """The body compressed, which is done when it is first asked for; None if that saves nothing."""
        packed = self._built
        if packed is None and len(self.body) > SMALL:
            packed = gzip.compress(self.body, 6)
        return packed if packed is not None and len(packed) < len(self.body) else None


class Pages:
    """All files of the built client. One that is not there is the page itself, which knows its own paths."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            file.relative_to(folder).as_posix(): _load(folder, file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    def find(self, path: str) -> File:
        """Return a file by its path. Raises NotFound."""
        found = self._files.get(path or "index.html")
        if found is None and "." not in path.rpartition("/")[2]:
            found = self._files.get("index.html")
        if found is None:
            raise NotFound
        return found


def routes(pages: Pages) -> list[HTTPRouteHandler]:
    """Return the routes: every path that nothing else answers."""

    @get("/", include_in_schema=False)
    async def start(request: Request[Any, Any, Any]) -> Response[bytes]:
        return answer(request, "")

    @get("/{path:path}", include_in_schema=False)
    async def show(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        return answer(request, path.lstrip("/"))

    def answer(request: Request[Any, Any, Any], path: str) -> Response[bytes]:
        file = pages.find(path)
        headers = {"etag": file.etag, "cache-control": file.cache, "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(b"", status_code=304, headers=headers)
        body = file.body
        if "gzip" in request.headers.get("accept-encoding", "") and file.packed is not None:
            body = file.packed
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type=file.kind)

    return [start, show]


def _load(folder: Path, file: Path) -> File:
    """Read a file. What the build has packed beside it (`.gz`) is not packed again."""
    body = file.read_bytes()
    beside = file.with_name(file.name + ".gz")
    built = beside.read_bytes() if beside.exists() else None
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    named_by_hash = file.relative_to(folder).parts[0] == "assets"
    return File(
        body,
        built,
        kind=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        cache=FOREVER if named_by_hash else "no-cache",
    )
