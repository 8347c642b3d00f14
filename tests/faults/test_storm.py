"""Fault 8: the server dies under many devices, and all come back: not at once, and without an error anywhere."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec
import pytest

from faults.chaos.board import Board
from faults.chaos.program import Program
from faults.chaos.run import Lives
from support.sdk import Reader
from support.server import PASSWORD, free_port
from tidings.cli.local import LocalServer
from tidings.sdk import Client

pytestmark = pytest.mark.anyio

DEVICES = 20
INVITE_USES = 10
DOWN_SECONDS = 1.5
WINDOW_SECONDS = 0.1
SECONDS = 120.0


async def register_everybody(folder: Path) -> list[Path]:
    """Register a host, and guests who are contacts of the host alone; return the stores, the host's first."""
    stores = [folder / f"device{number}.db" for number in range(DEVICES)]
    async with LocalServer.at(folder / "server") as local:
        invite = await local.invite()
    (await Client.register(stores[0], invite, "host", PASSWORD)).close()
    async with Client.open(stores[0]) as host:
        invites = [await host.invite(uses=INVITE_USES) for _ in range(0, DEVICES, INVITE_USES)]
    for number, store in enumerate(stores[1:], start=1):
        (await Client.register(store, invites[number // INVITE_USES], f"guest{number}", PASSWORD)).close()
    return stores


def opened(journal: Path) -> list[float]:
    """Return the times at which devices tried to connect."""
    lines = [msgspec.json.decode(line) for line in journal.read_bytes().splitlines()]
    return [line["at"] for line in lines if line["what"] == "opened"]


def most_within(times: list[float], seconds: float) -> int:
    """Return how many of the times lie within so many seconds, at most."""
    return max(sum(start <= time < start + seconds for time in times) for start in times)


async def test_fault_08_when_the_server_dies_under_many_devices_all_come_back_in_their_own_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    port, board = free_port(), Board.create(tmp_path / "board")
    async with AsyncExitStack() as stack, asyncio.timeout(SECONDS):
        nursery = await Program.start(
            *("server", str(tmp_path / "server"), str(port), str(tmp_path / "board")), log=tmp_path / "server.log"
        )
        stack.push_async_callback(nursery.close)
        lives = Lives(nursery, board)
        await lives.begin()
        stores = await register_everybody(tmp_path)
        journal = tmp_path / "proxy.jsonl"
        proxy = await Program.start("proxy", str(port), "8", str(journal), log=tmp_path / "proxy.log")
        stack.push_async_callback(proxy.close)
        url = f"http://127.0.0.1:{await proxy.hear()}"
        await proxy.ask("calm")
        devices = [await stack.enter_async_context(Client.open(store, socket_url=url)) for store in stores]
        host, guests = devices[0], devices[1:]
        await asyncio.gather(*(device.ready() for device in devices))
        talks = [await guest.conversation_with("@host") for guest in guests]

        await lives.kill()
        before = len(opened(journal))
        for guest, talk in zip(guests, talks, strict=True):
            await guest.enqueue(talk.id, f"from {guest.name}")
        await asyncio.sleep(DOWN_SECONDS)
        while_down = len(opened(journal)) - before
        await lives.begin()
        at_host = Reader(host)
        texts = await at_host.texts(len(guests))
        await asyncio.gather(*(device.ready() for device in devices))
        back = opened(journal)[-DEVICES:]  # whoever tries while there is a server gets through, and tries no more

        print(f"{while_down} tries of {DEVICES} devices without a server, then back in {max(back) - min(back):.2f} s")
        assert sorted(texts) == sorted(f"from {guest.name}" for guest in guests)
        assert DEVICES <= while_down < 10 * DEVICES, "who does not get through waits longer and longer"
        assert most_within(back, WINDOW_SECONDS) < 0.75 * DEVICES, "not all at the same time"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as web:
            assert (await web.get("/readyz")).status_code == 200
        await lives.stop()
    assert (tmp_path / "server.log").read_text() == ""
    assert [record for record in caplog.records if record.name.startswith("tidings")] == []
