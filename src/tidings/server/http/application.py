"""All routes in one application."""

import inspect
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components

from tidings import __version__
from tidings.server.http.callers import Callers
from tidings.server.http.headers import keep_out_of_caches
from tidings.server.http.problems import HANDLERS
from tidings.wire import http

MAX_BODY: Final = 262_144
BODIES: Final = [kind for kind in vars(http).values() if isinstance(kind, type) and issubclass(kind, http.Body)]


class Document(JsonRenderPlugin):
    """The API page, put right: Litestar knows neither records that are arrays, nor base64, nor that 204 is empty."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """See JsonRenderPlugin."""
        _, shapes = msgspec.json.schema_components(BODIES, ref_template="#/components/schemas/{name}")
        for shape in shapes.values():
            shape["description"] = inspect.cleandoc(shape["description"])
        for route in openapi_schema["paths"].values():
            for method in route.values():
                method["responses"].get("204", {}).pop("content", None)
        components = openapi_schema["components"] | {"schemas": shapes}
        return super().render(request, openapi_schema | {"components": components})


def application(callers: Callers, routes: Sequence[Router | HTTPRouteHandler]) -> Litestar:
    """Return the application."""
    return Litestar(
        route_handlers=routes,
        dependencies={"caller": Provide(callers.caller)},
        exception_handlers=HANDLERS,
        before_send=[keep_out_of_caches],
        request_max_body_size=MAX_BODY,
        openapi_config=OpenAPIConfig(
            title="Tidings",
            version=__version__,
            path="/schema",
            render_plugins=[Document(path="/openapi.json")],
            use_handler_docstrings=True,
            components=Components(security_schemes=callers.schemes),
        ),
        logging_config=None,
    )
