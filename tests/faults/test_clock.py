"""Fault 10: the server's clock jumps while people talk. Nothing is ordered by it, and nothing waits for it (D11)."""

import asyncio
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.devices import befriend, until
from support.sdk import Reader, online
from support.server import local_server, new_person
from tidings.sdk import Client
from tidings.sdk.sync.timeline import Kept
from tidings.server.app import SystemClock
from tidings.wire import events as e

pytestmark = pytest.mark.anyio

HOUR = 3_600_000
JUMPS = (2 * HOUR, -20 * HOUR, 40 * HOUR, -1, -21 * HOUR)
"""Back by less than a day: a msg_id may be a day ahead of the server, whose time devices learn when they connect."""
SECONDS = 30.0


class JumpingClock(SystemClock):
    """The machine's clock, set to another time now and then; what is monotonic goes on as it was."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


async def delivered(client: Client, message: Kept) -> None:
    """Wait for two ticks."""
    async with asyncio.timeout(SECONDS):
        events = client.events()
        while client.state_of(message) != "delivered":
            await anext(events)


async def test_a_device_that_was_connected_and_quiet_for_the_whole_retention_gets_what_comes_then(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada, bob = await befriend(server, "ada", "bob", now=clock.now)
        async with bob.socket() as his:
            clock.jump(31 * 24 * HOUR)
            async with ada.socket() as hers:
                (expiry,) = [job for job in server.server.jobs._jobs if job.name == "expiry"]
                await expiry.work()
                talk = await ada.open_direct(hers, bob)
                await hers.command(talk.send(b"still there?"))
                assert (await until(his, e.Message)).ciphertext == b"still there?"


@pytest.mark.parametrize("connected", [True, False], ids=["on one connection", "on a new connection each time"])
async def test_fault_10_messages_keep_their_order_and_get_their_ticks_when_the_clock_jumps(
    tmp_path: Path, *, connected: bool
) -> None:
    clock = JumpingClock()
    async with local_server(tmp_path, clock=clock) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with online(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with online(bob_store) as bob:
                at_bob = Reader(bob)
                sent = [await ada.send("@bob", "0")]
                times = [clock.now()]
                for number, jump in enumerate(JUMPS, start=1):
                    clock.ahead += jump
                    if not connected:
                        for client in (ada, bob):
                            client._engine.state.link.cut()
                            while client.is_connected:  # noqa: ASYNC110 - until its engine has noticed
                                await asyncio.sleep(0)
                            await client.ready()
                    sent.append(await ada.send("@bob", str(number)))
                    times.append(clock.now())
                texts = [str(number) for number in range(len(sent))]
                assert await at_bob.texts(len(sent)) == texts
                for message in sent:
                    await delivered(ada, message)
                (view,) = bob.conversations()
                for client in (ada, bob):
                    history = client.history(view.id)
                    assert [message.body for message in history] == texts
                    assert [message.seq for message in history] == sorted(message.seq or 0 for message in history)
                shown = [message.time for message in bob.history(view.id)]
                assert all(time <= limit for time, limit in zip(shown, times, strict=True)), "no later than it came"
