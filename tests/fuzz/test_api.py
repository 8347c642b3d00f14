"""Every route against its own description: schemathesis reads the OpenAPI document and asks whatever it permits."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.devices import RawDevice, befriend
from support.server import ServerProcess, local_server, server_json, server_process
from tidings.wire import http

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEED = "20260101"
EXAMPLES = "8"
OWNERS = r"^/(v1/admin/|metrics)"
LEAVING = r"^/v1/(sign-out|devices/.*/removal)$"
SECONDS = 240.0


async def attack(server: ServerProcess, device: RawDevice, token: str, *options: str) -> tuple[int, str]:
    """Let schemathesis ask as a page of `device` that also shows `token`; return its exit code and its report."""
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "run", f"{device.url}/schema/openapi.json"),
        *("--seed", SEED, "--max-examples", EXAMPLES, "--generation-database", "none", "--no-color"),
        *("--suppress-health-check", "all"),
        *("-H", f"Cookie: {device.cookie}", "-H", f"Origin: {device.url}", "-H", "X-Tidings: 1"),
        *("-H", f"Authorization: Bearer {token}"),
        *options,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=server.data.parent,
    )
    async with asyncio.timeout(SECONDS):
        report, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, report.decode()


async def test_every_route_does_what_its_description_says(tmp_path: Path) -> None:
    # Data that fit the description may still be refused by what they mean: keys that nobody signed, names, old lists.
    # What answers OPTIONS is Litestar's, which names one method where a path has two; no page of ours asks it.
    refusals = "positive_data_acceptance,allow_header_conformance"
    # The owner's routes are not there for who shows no token (404), as their description says.
    hidden = f"{refusals},ignored_auth,missing_required_header"
    async with server_process(tmp_path, "--address-rate", "1000000") as server:
        ada, bob = await befriend(server, "ada", "bob", cookie=True)
        token = server_json(server.data)["admin_token"]
        first = await asyncio.gather(
            attack(
                *(server, ada, "no-leave", "--exclude-checks", refusals),
                *("--exclude-path-regex", f"{OWNERS}|{LEAVING}"),
            ),
            attack(
                *(server, ada, token, "--exclude-checks", hidden, "--include-path-regex", OWNERS),
                *("--exclude-method", "DELETE"),
            ),
        )
        runs = [
            *first,
            await attack(*(server, bob, "no-leave", "--exclude-checks", refusals, "--include-path-regex", LEAVING)),
            await attack(
                *(server, bob, token, "--exclude-checks", hidden, "--include-path-regex", OWNERS),
                *("--include-method", "DELETE"),
            ),
        ]
        for code, report in runs:
            print(report[-6_000:] if code else report[report.find("= SUMMARY =") :])
        assert [code for code, _ in runs] == [0] * len(runs)
        async with httpx.AsyncClient(base_url=ada.url, verify=False) as web:
            assert (await web.get("/readyz")).status_code == 200
        assert '"level":"error"' not in server.log()


async def test_the_description_shows_every_body_as_it_is_read(tmp_path: Path) -> None:
    async with (
        local_server(tmp_path) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", verify=False) as web,
    ):
        page: dict[str, Any] = (await web.get("/schema/openapi.json")).json()
    shapes = page["components"]["schemas"]
    bodies = {kind.__name__ for kind in vars(http).values() if isinstance(kind, type) and issubclass(kind, http.Body)}
    assert bodies - {"Body"} <= set(shapes)
    named: set[str] = set()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            named.update({part["$ref"].rpartition("/")[2]} if "$ref" in part else ())
            for inner in part.values():
                look(inner)
        elif isinstance(part, list):
            for inner in part:
                look(inner)

    look(page)
    assert named <= set(shapes), "whatever is named is there"
    assert shapes["SignedList"]["type"] == "array"
    assert (
        shapes["Renewal"]["properties"]["nonce"] | {"contentEncoding": "base64", "minLength": 24}
        == (shapes["Renewal"]["properties"]["nonce"])
    )
    for path, methods in page["paths"].items():
        for method, route in methods.items():
            assert route["summary"] or route["description"], (method, path)
            if path.startswith("/v1"):
                assert {"400", "429", "500", "503"} <= set(route["responses"]), (method, path)
