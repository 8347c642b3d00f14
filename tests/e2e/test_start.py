"""What a start of the server waits for: nothing that only other commands, other folders or later requests need."""

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import apsw
import httpx
import pytest

from support.plain_device import seed_two
from support.server import ServerProcess
from tidings.server.storage.sqlite.opening import SMALL

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


def fill(file: Path) -> None:
    """Let a database have more pages than a start waits for."""
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        connection.execute("create table filler (number integer primary key, bytes)")
        rows = "with recursive n(k) as (select 1 union all select k + 1 from n where k < ?)"
        connection.execute(f"insert into filler {rows} select k, zeroblob(3500) from n", (SMALL // 3500,))
        connection.execute("insert into filler values (1000000, 'the last row')")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def spoil_last_row(file: Path) -> None:
    """Damage the page that holds the last row of `filler`."""
    content = file.read_bytes()
    page = content.index(b"the last row") // 4096 * 4096
    file.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])


async def test_fault_05_a_server_on_a_large_database_starts_finds_the_damage_and_goes_down_and_then_never_starts(
    tmp_path: Path,
) -> None:
    data = tmp_path / "server"
    await seed_two(data)
    fill(data / "mailboxes.db")
    server = await ServerProcess.start(data)
    assert await server.stop() == 0
    spoil_last_row(data / "mailboxes.db")

    server = await ServerProcess.start(data)
    assert "Tidings is running" in server.output
    assert await server.process.wait() == 1
    says = "tidings: mailboxes.db is damaged, restore it from a backup: "
    assert server.log().splitlines()[-1].startswith(says)

    command = [sys.executable, "-m", "tidings", "serve", "--data", str(data), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221 - nothing else runs
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(says)
