"""What a start of the server waits for: nothing that only other commands, other folders or later requests need."""

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from support.plain_device import seed_two
from support.server import ServerProcess

pytestmark = pytest.mark.anyio

NEVER = {
    "alembic",  # brings older databases up to date
    "greenlet",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "textual",  # the terminal
    "tidings.sdk",
    "tidings.wire.content",
    "vodozemac",  # encryption is the devices' affair
}
LATER = {"litestar", "prometheus_client", "segno"}
"""Imported while devices connect already, or for a first invite."""


def test_what_a_start_waits_for_imports_neither_http_nor_what_it_never_needs() -> None:
    program = "import sys, tidings.cli.serve; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(ended.stdout.split())
    assert {"tidings.server.app", "sqlalchemy"} <= imported
    assert imported & (NEVER | LATER) == set()


async def test_a_server_on_a_folder_that_is_up_to_date_never_imports_what_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _ = await seed_two(tmp_path / "server")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    server = await ServerProcess.start(tmp_path / "server")
    try:
        await ada.connect(server.url, time.time_ns() // 1_000_000)
        async with httpx.AsyncClient(base_url=server.url) as web:
            assert (await web.get("/readyz")).status_code == 200
    finally:
        assert await server.stop() == 0
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", server.log(), re.MULTILINE))
    assert LATER - {"segno"} <= imported, "all of HTTP was there"
    assert imported & NEVER == set()
