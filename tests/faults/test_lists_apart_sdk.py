"""Lists of devices that change while something is sent, or that the parts of a server disagree about: the SDK."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from support.scene import Scene, acquainted
from support.sdk import SECONDS, Reader, at_rest, link, online
from tidings.sdk import Client, ContactChanged, StateUpdate
from tidings.wire.commands import Send
from tidings.wire.errors import MemberVersion, StaleEpoch

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def while_keys_are_under_way(scene: Scene, text: str, to: str) -> AsyncIterator[None]:
    """Let Ada send something, and keep the answer to her key shares back for as long as this lasts."""
    mailboxes = scene.server.mailboxes
    mailboxes.slow = asyncio.get_running_loop().create_future()
    given = len(mailboxes.given(to))
    sending = asyncio.create_task(scene.ada.send("@bob", text))
    await mailboxes.until_given(to, given + 1)
    yield
    mailboxes.slow.set_result(None)
    mailboxes.slow = None
    await sending


async def learns(client: Client, account: str, version: int) -> None:
    """Wait until a client has taken in a version of somebody's devices."""
    events = client.events()
    async with asyncio.timeout(SECONDS):
        while client._machine.directory.version(account) < version:
            await anext(events)


def attempts(scene: Scene, msg_id: bytes) -> Sequence[Send]:
    """Return what Ada sent of a message, in whatever encryption."""
    return [send for _, send in scene.server.mailboxes.sent if send.msg_id == msg_id]


async def test_a_device_that_comes_while_keys_are_under_way_reads_the_message(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        ada, bob = scene.ada, scene.bob
        async with online(await link(bob, tmp_path / "bob.tablet.db")) as tablet:
            await ada.send("@bob", "to both")
            await bob.remove_device(tablet.device)  # so that the next message needs another session
        async with while_keys_are_under_way(scene, "during the change", bob.device):
            laptop_store = await link(bob, tmp_path / "bob.laptop.db")
            await learns(ada, bob.account, 4)
        async with online(laptop_store) as laptop:
            assert await Reader(laptop).texts(1) == ["during the change"]
            assert laptop.page(scene.conversation).holes == []
        assert await scene.at_bob.texts(2) == ["to both", "during the change"]


async def test_a_device_that_goes_while_keys_are_under_way_cannot_read_the_message(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        ada, bob, mailboxes = scene.ada, scene.bob, scene.server.mailboxes
        async with online(await link(bob, tmp_path / "bob.laptop.db")) as laptop:
            async with while_keys_are_under_way(scene, "for Bob alone", laptop.device):
                await bob.remove_device(laptop.device)
                await learns(ada, bob.account, 3)
            assert mailboxes.given(laptop.device) != []
        assert await scene.at_bob.texts(1) == ["for Bob alone"]
        *_, refused, accepted = mailboxes.uses(ada.device)
        assert refused[0] != accepted[0]  # the session of the first was given to the laptop


async def test_nothing_is_encrypted_while_the_mailboxes_are_behind_the_directory(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        keys = await server.truth(bob.account)
        server.keys.versions[bob.account] = keys.version + 1
        await ada._engine.contacts.learn([bob.account])
        shared = len(server.mailboxes.shared)
        msg_id = await ada.enqueue("@bob", "when all are of one mind")
        changed = await scene.at_ada.hears(ContactChanged, account=bob.account)
        assert "contradicts itself" in changed.reason
        assert ada.concern(bob.account) is not None
        assert scene.state(msg_id) == "pending"
        assert len(attempts(scene, msg_id)) == 1

        await server.stir(bob.account)
        assert await scene.at_bob.texts(1) == ["when all are of one mind"]
        await scene.at_ada.hears(StateUpdate, msg_id=msg_id, state="sent")
        assert ada.concern(bob.account) is None
        assert len(attempts(scene, msg_id)) == 2
        assert len(server.mailboxes.shared) == shared


async def test_nothing_is_encrypted_while_the_server_shows_an_older_state_of_a_group(tmp_path: Path) -> None:
    """As after a restored backup: here the device is made to know a state that the server comes to only later."""
    async with acquainted(tmp_path) as scene:
        ada, bob, mailboxes = scene.ada, scene.bob, scene.server.mailboxes
        group = (await ada.create_group(["@bob"])).id
        await ada.set_role(group, "@bob", "owner")
        await ada.send(group, "you decide")
        assert await scene.at_bob.texts(1) == ["you decide"]
        contacts = ada._engine.contacts
        known = contacts.view(group)
        assert known is not None
        with ada._db.transaction():
            contacts.save(msgspec.structs.replace(known, epoch=known.epoch + 1))
        tried = asyncio.Event()
        mailboxes.refuses = lambda *_: tried.set()
        msg_id = await ada.enqueue(group, "when all are of one mind")
        await tried.wait()
        for number in range(10):  # there is time for more tries
            await bob.send("@ada", f"{number}")
        await bob.set_role(group, "@ada", "member")
        assert await scene.at_bob.texts(1) == ["when all are of one mind"]
        await scene.at_ada.hears(StateUpdate, msg_id=msg_id, state="sent")
        assert len(attempts(scene, msg_id)) == 2


async def test_fault_21_a_directory_that_was_rolled_back_with_the_mailboxes_is_refused(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        old = await server.truth(bob.account)
        await link(bob, tmp_path / "bob.laptop.db")
        await ada.send("@bob", "to both")
        (view,) = ada.conversations()
        members = {**view.members, bob.account: old.version}
        told = [MemberVersion(account, version) for account, version in members.items()]
        refusal = StaleEpoch(view.epoch, sum(members.values()), told)
        server.mailboxes.refuses = lambda sender, _: refusal if sender.device == ada.device else None
        server.keys.lies[bob.account] = lambda _: old
        msg_id = await ada.enqueue("@bob", "for Bob alone")
        changed = await scene.at_ada.hears(ContactChanged, account=bob.account)
        assert "old device list" in changed.reason
        await at_rest(ada)
        assert scene.state(msg_id) == "pending"
        assert len(attempts(scene, msg_id)) == 1


async def test_a_server_that_refuses_without_a_reason_is_asked_again(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada = scene.server, scene.ada
        (view,) = ada.conversations()
        told = [MemberVersion(account, version) for account, version in view.members.items()]
        refusals = [StaleEpoch(view.epoch, sum(view.members.values()), told)] * 2
        server.mailboxes.refuses = lambda *_: refusals.pop() if refusals else None
        sent = await ada.send("@bob", "third time lucky")
        assert await scene.at_bob.texts(1) == ["third time lucky"]
        assert len(attempts(scene, sent.msg_id)) == 3
