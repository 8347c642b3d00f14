"""Fault 9: frames that come twice, late, in another order, or never, between a device and its server (D4 to D6)."""

import asyncio
import random
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.frame_proxy import frame_proxy
from support.server import local_server, new_person
from support.stores import DAY
from tidings.sdk import Client, Missing
from tidings.sdk.sync.timeline import Kept

pytestmark = pytest.mark.anyio

MESSAGES = 60
CHANCE = 0.08
SECONDS = 120.0


class Talker:
    """Somebody who writes and displays, and notes what came."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name
        self.shown: list[tuple[int, str]] = []
        self.missed: list[Missing] = []

    async def write(self, to: str, source: random.Random) -> None:
        for number in range(MESSAGES):
            await self.client.enqueue(to, f"{self.name} {number}")
            if source.random() < 0.3:
                await asyncio.sleep(source.random() * 0.05)

    async def display(self, count: int) -> None:
        async for message in self.client.messages():
            self.shown.append((message.seq, message.text))
            if len(self.shown) >= count:
                return

    async def listen(self) -> None:
        async for event in self.client.events():
            if isinstance(event, Missing):
                self.missed.append(event)

    def history(self) -> list[Kept]:
        (view,) = self.client.conversations()
        return list(self.client.history(view.id, 10_000))

    def is_done(self) -> bool:
        """Whether everything of one's own has arrived at the other."""
        own = [kept for kept in self.history() if kept.device == self.client.device]
        return len(own) == MESSAGES and all(self.client.state_of(kept) == "delivered" for kept in own)


@pytest.mark.parametrize("seed", range(3))
async def test_fault_09_frames_that_come_twice_late_swapped_or_never_lose_and_repeat_no_message(
    tmp_path: Path, seed: int
) -> None:
    source = random.Random(seed)
    async with local_server(tmp_path) as server, frame_proxy(server.port, seed, CHANCE) as proxy:
        ada_store = await new_person(server, tmp_path, "ada")
        async with Client.open(ada_store) as me:
            invite = await me.invite()
        bob_store = await new_person(server, tmp_path, "bob", invite)
        async with (
            Client.open(ada_store, socket_url=proxy.url) as ada,
            Client.open(bob_store, socket_url=proxy.url) as bob,
            asyncio.timeout(SECONDS),
        ):
            talkers = [Talker(ada, "ada"), Talker(bob, "bob")]
            listening = [asyncio.create_task(talker.listen()) for talker in talkers]
            displaying = [asyncio.create_task(talker.display(MESSAGES)) for talker in talkers]
            await asyncio.gather(talkers[0].write("@bob", source), talkers[1].write("@ada", source))
            await asyncio.sleep(0.5)
            proxy.calm = True
            await asyncio.gather(*displaying)
            while not all(talker.is_done() for talker in talkers):  # noqa: ASYNC110 - marks rise without a word of all
                await asyncio.sleep(0.02)
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

            print(f"seed {seed}: {dict(proxy.done)}")
            assert {"repeated", "late", "swapped", "lost"} <= set(proxy.done)
            assert talkers[0].missed == talkers[1].missed == []
            histories = [[(kept.seq, kept.body) for kept in talker.history()] for talker in talkers]
            assert histories[0] == histories[1]
            for talker, other in ((talkers[0], talkers[1]), (talkers[1], talkers[0])):
                assert [text for _, text in talker.shown] == [f"{other.name} {number}" for number in range(MESSAGES)]
                assert [seq for seq, _ in talker.shown] == sorted({seq for seq, _ in talker.shown})
                assert not any(kept.missing for kept in talker.history())


async def test_a_hole_that_expired_messages_left_is_believed_in(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with Client.open(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with Client.open(bob_store) as bob:
                await ada.send("@bob", "hello")
                assert (await anext(bob.messages())).text == "hello"
            await ada.send("@bob", "expires")
        clock.jump(20 * DAY)
        async with Client.open(ada_store) as ada:
            await ada.ready()
            await ada.send("@bob", "stays")
        clock.jump(15 * DAY)
        await server.server.mailboxes.expire(clock.now())
        async with Client.open(bob_store) as bob, asyncio.timeout(SECONDS):
            messages = bob.messages()
            assert (await anext(messages)).text == "hello", "which was not taken: nothing was asked for after it"
            message = await anext(messages)
            assert (message.text, message.missing) == ("stays", True)
            assert [kept.body for kept in bob.history(message.conversation)] == ["hello", "stays"]


async def test_a_program_that_takes_a_long_backlog_leaves_the_connection_its_turn(tmp_path: Path) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with local_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with Client.open(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            msg_ids = [await ada.enqueue("@bob", str(number)) for number in range(MESSAGES)]
            async with Client.open(bob_store) as bob, asyncio.timeout(SECONDS):
                events = ada.events()
                while not (own := ada.find_own(msg_ids[-1])) or ada.state_of(own) != "delivered":
                    await anext(events)
                counting = asyncio.create_task(count_turns())
                messages = bob.messages()
                assert [(await anext(messages)).text for _ in range(MESSAGES)] == [str(n) for n in range(MESSAGES)]
                counting.cancel()
    assert turns >= MESSAGES - 1
