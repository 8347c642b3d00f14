"""The program of docs/protocol.md: short, on its own, and a device like any other."""

import ast
import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import msgpack  # type: ignore[import-untyped] # what the program uses
import pytest

from support.devices import RawDevice, join
from support.pages import code_blocks, page
from support.server import new_person, server_process
from tidings.sdk import Client, Kept
from tidings.wire.http import NewInvite

pytestmark = pytest.mark.anyio

SECONDS = 20.0
ALLOWED = {"cryptography", "msgpack", "websockets"}
PROGRAM = next(block for block in code_blocks(page("docs/protocol.md"), "python") if "async def run" in block)


def test_the_program_has_under_80_lines_and_imports_three_libraries_and_nothing_of_tidings() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(PROGRAM)):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert len(PROGRAM.splitlines()) < 80
    assert imported - sys.stdlib_module_names == ALLOWED


@asynccontextmanager
async def program(folder: Path, url: str, device: RawDevice) -> AsyncIterator[Process]:
    """Run the program as a process, without this project on its path."""
    (folder / "key").write_bytes(device.key._key.private_bytes_raw())
    file = folder / "device.py"
    file.write_text(PROGRAM)
    arguments = [sys.executable, "-P", str(file), url.replace("http", "ws", 1), device.account, device.device]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(*arguments, str(folder), stdout=PIPE, env=environment)
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: Process) -> list[str]:
    """Return the words of the next line that a program prints."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().split()


async def until(process: Process, last: list[str]) -> list[list[str]]:
    """Return what a program prints before the line that begins with `last`."""
    lines: list[list[str]] = []
    while (words := await line(process))[: len(last)] != last:
        assert words, f"the program ended after {lines}"
        lines.append(words)
    return lines


async def delivered(client: Client, message: Kept) -> None:
    """Wait for the second tick of a message."""
    events = client.events()
    while client.state_of(message) == "sent":
        await anext(events)
    assert client.state_of(message) == "delivered"


async def test_the_program_signs_in_catches_up_gets_a_live_message_and_acknowledges(tmp_path: Path) -> None:
    folder = tmp_path / "device"
    folder.mkdir()
    async with server_process(tmp_path) as server:
        cleo = await join(server, "cleo")
        invited = await cleo.request("POST", "/v1/invites", NewInvite())
        store = await new_person(server, tmp_path, "bob", f"{server.url}/#/join/{invited.json()['code']}")
        async with asyncio.timeout(2 * SECONDS), Client.open(store) as bob:
            await bob.ready()
            await bob.send(cleo.account, "this one waits")
            async with program(folder, server.url, cleo) as process:
                waited = await until(process, ["caught", "up"])
                assert [words[:2] for words in waited].count(["waited", "message"]) == 2  # Bob's name, and the text
                sent = await bob.send(cleo.account, "this one is live")
                assert await until(process, ["live", "message"]) == []
                assert await process.wait() == 0
            await delivered(bob, sent)

            again = await bob.send(cleo.account, "and this one waits again")
            async with program(folder, server.url, cleo) as process:
                waited = await until(process, ["caught", "up"])
            assert [words[:2] for words in waited] == [["waited", "message"]], "nothing comes twice"

            entries = list(msgpack.Unpacker(BytesIO((folder / "inbox").read_bytes())))
            messages = [entry for entry in entries if entry[0] == "message"]
            assert [entry[1] for entry in entries] == list(range(1, len(entries) + 1))
            assert [entry[6] for entry in messages[2:]] == [sent.msg_id, again.msg_id]
            assert {(entry[4], entry[5]) for entry in messages} == {(bob.account, bob.device)}
