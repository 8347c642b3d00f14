"""What the tests of the pages share."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.server import local_server


@pytest.fixture(scope="session")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the paths of the OpenAPI document, as a server gives it."""

    async def ask(folder: Path) -> dict[str, dict[str, Any]]:
        async with local_server(folder) as server, httpx.AsyncClient(base_url=server.url) as web:
            found: dict[str, dict[str, Any]] = (await web.get("/schema/openapi.json")).json()["paths"]
            return found

    return asyncio.run(ask(tmp_path_factory.mktemp("openapi")))
