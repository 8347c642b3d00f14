"""A mailbox store in a process of its own that is killed (SIGKILL) exactly at one step of a commit.

As a program: `killed_store FOLDER STEP KIND...`. It prints a JSON line for each call that was answered, and dies
in the middle of the batch of `FATAL`. The calls are the same, byte for byte, wherever they are made from.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.clock import FakeClock
from support.stores import Store, account, device_key, open_store
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Ack, MarkRead, Send, ShareKeys
from tidings.wire.events import KeyShare, Marks, Message
from tidings.wire.frames import Conversation, Share
from tidings.wire.ids import Address, msg_id_time

STEPS = ("begun", "written", "committing", "committed", "answered")
DURABLE_AT = ("committed", "answered")
"""The steps behind the COMMIT: what was in the batch is there, although nobody was told."""
CALM = (1, 2)
"""Calls that are made one by one, and answered."""
FATAL = (3, 4, 5)
"""Calls that share the batch in which the process dies."""
WAITING = 6
"""Messages from Bob that wait for Ada, to be acked and read."""


class Scene:
    """Ada and Bob with an open conversation, and strangers who wrote to Bob."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.talk: Conversation
        self.asked: dict[int, str] = {}
        self.ada = 0
        self.bob = 0

    @property
    def mailboxes(self) -> SqliteMailboxes:
        assert isinstance(self.store.mailboxes, SqliteMailboxes)
        return self.store.mailboxes

    async def find(self) -> None:
        opened = await self.store.conversations.open_direct(account("ada"), account("bob"), accepted=True)
        self.talk = opened.conversation
        self.ada = await self.store.box("ada", "ADA-PHONE")
        self.bob = await self.store.box("bob", "BOB-PHONE")
        for number in (*CALM, *FATAL):
            (found,) = await self.with_bob(f"guest{number}")
            self.asked[number] = found.conversation

    def send(self, sender: int, number: int) -> Send:
        """Return the message with a number: each names the one before."""
        names = [_msg_id(self.store.clock.now(), sender, number - back) for back in (0, 1)]
        return Send(
            *(1, names[0], self.talk.conversation, self.talk.epoch, self.talk.devices),
            *(names[1] if number > 1 else None, b"message %d" % number),
        )

    async def mark(self) -> Marks:
        """Return how far Ada got with Bob."""
        marks = await self.mailboxes.marks_since(self.ada, 0)
        (found,) = [m for m in marks if (m.conversation, m.account) == (self.talk.conversation, account("ada"))]
        return found

    async def with_bob(self, name: str) -> list[Conversation]:
        """Return the conversations that somebody has with Bob: one at most, if all is well."""
        talks, _ = await self.store.conversations.page(account("bob"), None, 100)
        return [talk for talk in talks if account(name) in {member.account for member in talk.members}]


class Kind(NamedTuple):
    """A kind of call: `do` makes the call with a number; `is_done` looks whether it has come to be."""

    do: Callable[[Scene, int], Awaitable[Any]]
    is_done: Callable[[Scene, int], Awaitable[bool]]


def _msg_id(now: int, sender: int, number: int) -> bytes:
    made = now.to_bytes(6, "big") + b"\x70\x00\x80" + bytes(5) + bytes([sender, number])
    assert msg_id_time(made) == now
    return made


async def _append(scene: Scene, number: int) -> tuple[int, int]:
    appended = await scene.mailboxes.append(scene.send(scene.ada, number), scene.ada)
    return appended.seq, appended.time


async def _is_appended(scene: Scene, number: int) -> bool:
    bodies = [entry.ciphertext for entry in await scene.store.read(scene.bob) if isinstance(entry, Message)]
    assert bodies == [b"message %d" % each for each in range(1, len(bodies) + 1)]
    return number <= len(bodies)


async def _share(scene: Scene, number: int) -> None:
    share = Share(account("bob"), "BOB-PHONE", b"share %d" % number)
    await scene.mailboxes.share(ShareKeys(1, bytes([number]) * 16, scene.talk.conversation, [share]), scene.ada)


async def _is_shared(scene: Scene, number: int) -> bool:
    shares = [entry.ciphertext for entry in await scene.store.read(scene.bob) if isinstance(entry, KeyShare)]
    assert shares.count(b"share %d" % number) <= 1
    return b"share %d" % number in shares


async def _ack(scene: Scene, number: int) -> None:
    await scene.mailboxes.ack(scene.ada, Ack(number))


async def _is_acked(scene: Scene, number: int) -> bool:
    found = await scene.mailboxes.find(Address(account("ada"), "ADA-PHONE"))
    assert found is not None
    waiting = [entry.pos for entry in await scene.store.read(scene.ada)]
    assert waiting == list(range(found.acked + 1, WAITING + 1)), "an ack and its entries go together"
    assert (await scene.mark()).delivered == found.acked, "an ack and its mark go together"
    return found.acked >= number


async def _read(scene: Scene, number: int) -> None:
    await scene.mailboxes.mark_read(scene.ada, MarkRead(scene.talk.conversation, number))


async def _is_read(scene: Scene, number: int) -> bool:
    return (await scene.mark()).read >= number


async def _list_devices(scene: Scene, number: int) -> None:
    """Replace the one device of Cem by another."""
    device = f"CEM-PHONE-{number}"
    await scene.mailboxes.set_devices(account("cem"), 1 + number, {device: device_key(device)})


async def _are_listed(scene: Scene, number: int) -> bool:
    view = await scene.store.view("cem", (await _talk_of_cem(scene)).conversation)
    listed = [
        other
        for other in range(10)
        if await scene.mailboxes.find(Address(account("cem"), f"CEM-PHONE-{other}")) is not None
    ]
    assert listed == [view.devices - 2], "a list and its mailboxes go together"
    return view.devices - 2 >= number


async def _talk_of_cem(scene: Scene) -> Conversation:
    opened = await scene.store.conversations.open_direct(account("cem"), account("ada"), accepted=True)
    return opened.conversation


async def _open(scene: Scene, number: int) -> str:
    opened = await scene.store.conversations.open_direct(account(f"guest{10 + number}"), account("bob"), accepted=False)
    return opened.conversation.conversation


async def _is_open(scene: Scene, number: int) -> bool:
    found = await scene.with_bob(f"guest{10 + number}")
    assert len(found) <= 1
    return bool(found)


async def _accept(scene: Scene, number: int) -> None:
    await scene.store.conversations.respond(account("bob"), scene.asked[number], "accept")


async def _is_accepted(scene: Scene, number: int) -> bool:
    return (await scene.store.view("bob", scene.asked[number])).standing == "open"


KINDS = {
    "append": Kind(_append, _is_appended),
    "share": Kind(_share, _is_shared),
    "ack": Kind(_ack, _is_acked),
    "read": Kind(_read, _is_read),
    "devices": Kind(_list_devices, _are_listed),
    "open": Kind(_open, _is_open),
    "accept": Kind(_accept, _is_accepted),
}


@asynccontextmanager
async def open_scene(folder: Path, on_step: Callable[[str], None] | None = None) -> AsyncIterator[Scene]:
    async with open_store("sqlite", folder, FakeClock(), on_step=on_step) as store:
        scene = Scene(store)
        await scene.find()
        yield scene


async def prepare(folder: Path) -> None:
    """Fill a folder with what the calls need."""
    async with open_store("sqlite", folder, FakeClock()) as store:
        await store.talk("ada", "bob")
        await store.devices("cem", 1, "CEM-PHONE-0")
        await store.conversations.open_direct(account("cem"), account("ada"), accepted=True)
        for number in (*CALM, *FATAL):
            await store.devices(f"guest{number}", 1, "GUEST-PHONE")
            await store.conversations.open_direct(account(f"guest{number}"), account("bob"), accepted=False)
        scene = Scene(store)
        await scene.find()
        for number in range(1, WAITING + 1):
            await scene.mailboxes.append(scene.send(scene.bob, number), scene.bob)


def run_and_die(folder: Path, step: str, *kinds: str) -> list[tuple[str, int, Any]]:
    """Run the program on a prepared folder until it has died; return what it was answered: kind, number, result."""
    command = [sys.executable, __file__, str(folder), step, *kinds]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    return [(kind, number, result) for kind, number, result in lines]


async def _main(folder: Path, fatal_step: str, kinds: list[str]) -> None:
    armed = False

    def on_step(step: str) -> None:
        if armed and step == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)

    async def call(scene: Scene, kind: str, number: int) -> None:
        result = await KINDS[kind].do(scene, number)
        print(json.dumps([kind, number, result]), flush=True)

    async with open_scene(folder, on_step) as scene:
        for number in CALM:
            for kind in kinds:
                await call(scene, kind, number)
        armed = True
        await asyncio.gather(*(call(scene, kind, number) for number in FATAL for kind in kinds))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
