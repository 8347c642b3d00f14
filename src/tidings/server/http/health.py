"""Is it up, is it ready, how is it doing."""

from collections.abc import Callable
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec

from tidings.server.http.callers import OWNER, is_token
from tidings.server.http.problems import NotFound, answers
from tidings.server.telemetry.metrics import Metrics
from tidings.server.telemetry.page import show as page


def routes(metrics: Metrics, token: str, is_ready: Callable[[], bool], refresh: Callable[[], None]) -> Router:
    """Return the routes. `refresh` brings the gauges up to date before they are read."""
    unready = ResponseSpec(
        str, generate_examples=False, description="Messages cannot be taken now.", media_type=MediaType.TEXT
    )

    @get("/healthz", media_type=MediaType.TEXT)
    async def health() -> str:
        """Answer as long as the process can."""
        return "ok\n"

    @get("/readyz", media_type=MediaType.TEXT, responses={503: unready})
    async def ready() -> Response[str]:
        """Answer 200 while messages can be taken, else 503."""
        return Response("ready\n") if is_ready() else Response("not ready\n", status_code=503)

    @get("/metrics", media_type="text/plain; version=0.0.4", security=OWNER, responses=answers(NotFound))
    async def show(request: Request[Any, Any, Any]) -> bytes:
        """Show the metrics to who holds the server's token."""
        if not is_token(request, token):
            raise NotFound
        refresh()
        return page(metrics)

    return Router("/", route_handlers=[health, ready, show], tags=["Operation"])
