"""Programs are killed, with -9, wherever it hurts: nothing that was kept is lost, nothing is received twice."""

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.sdk import Reader, at_rest, online
from support.server import local_server, new_person

pytestmark = pytest.mark.anyio

SUPPORT = Path(__file__).parent.parent / "support"
SECONDS = 30.0


@asynccontextmanager
async def program(name: str, *arguments: str) -> AsyncIterator[Process]:
    """Run a program of `support`; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(SUPPORT / name), *arguments, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lines(process: Process, until: str) -> list[str]:
    """Return what a program prints, up to a line."""
    assert process.stdout is not None
    found: list[str] = []
    async with asyncio.timeout(SECONDS):
        while not found or found[-1] != until:
            line = await process.stdout.readline()
            assert line, f"the program ended behind {found}"
            found.append(line.decode().strip())
    return found


async def test_a_program_that_is_killed_before_it_took_a_message_gets_it_again(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        store = str(await new_person(server, tmp_path, "bob", await ada.invite()))
        for number in range(6):
            await ada.enqueue("@bob", str(number))
        await at_rest(ada)
        async with program("receiver.py", store, "3") as receiver:
            assert await lines(receiver, "3") == ["0", "1", "2", "3"]
        # The server has been told of all six: they come out of the store.
        async with program("receiver.py", store, "5") as receiver:
            assert await lines(receiver, "5") == ["3", "4", "5"]
        await ada.send("@bob", "6")
        async with program("receiver.py", store, "6") as receiver:
            assert await lines(receiver, "6") == ["5", "6"]
        async with online(Path(store)) as bob:
            assert [kept.body for kept in bob.history(bob.conversations()[0].id)] == [
                str(number) for number in range(7)
            ]


async def test_programs_that_are_killed_again_and_again_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = 20_240_611
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "cem")) as cem:
        ada_store = str(await new_person(server, tmp_path, "ada", await cem.invite()))
        async with online(Path(ada_store)) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        written: list[str] = []
        async with online(bob_store) as bob:
            at_bob = Reader(bob)
            for _ in range(4):
                async with program("sender.py", ada_store, "@bob", str(len(written))) as sender:
                    stop = str(len(written) + chance.randrange(5, 40))
                    written += await lines(sender, stop)
                    sender.kill()
                    assert sender.stdout is not None
                    written += (await sender.stdout.read()).decode().split()
                    await sender.wait()
                async with online(Path(ada_store)) as ada:
                    # What was in the outbox, or went in without being printed any more, leaves now.
                    conversation = (await ada.conversation_with("@bob")).id
                    kept = [message.body for message in ada.history(conversation, 1000)]
                    ours = [int(body) for body in kept if body is not None and body.isdigit()]
                    assert len(written) <= len(ours) <= len(written) + 1
                    written = [str(number) for number in ours]
                    await at_rest(ada)
            assert written == [str(number) for number in range(len(written))]
            assert await at_bob.texts(len(written)) == written
            assert not any(message.missing for message in bob.history(bob.conversations()[0].id, 1000))
