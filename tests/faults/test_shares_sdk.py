"""Keys that the mailboxes do not take: no message of a program goes before the keys to it."""

import asyncio
from pathlib import Path

import pytest

from support.malicious import malicious_server
from support.scene import Scene, acquainted
from support.sdk import SECONDS, Reader, link, online
from support.server import new_person
from tidings.sdk import Client, SendFailed, StateUpdate
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio


async def other_device(scene: Scene) -> str:
    """Return the second device of Bob's, as soon as the directory shows it to Ada."""
    account, known = scene.bob.account, scene.ada._machine.directory
    async with asyncio.timeout(SECONDS):
        while len(known.known_devices(account)) < 2:
            await scene.ada._engine.contacts.learn([account])
    (name,) = {device.id for device in known.known_devices(account)} - {scene.bob.device}
    return name


async def test_a_message_waits_until_the_mailboxes_take_the_keys_for_all_of_its_devices(tmp_path: Path) -> None:
    """The directory knows of a new device before the mailboxes do."""
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        server.mailboxes.behind = asyncio.get_running_loop().create_future()
        linking = asyncio.create_task(link(bob, tmp_path / "bob.laptop.db"))
        name = await other_device(scene)
        sent = len(server.mailboxes.sent)
        msg_id = await ada.enqueue("@bob", "to both")
        await server.mailboxes.until_given(name, 2)  # so it was tried again
        assert len(server.mailboxes.sent) == sent
        server.mailboxes.behind.set_result(None)
        await scene.at_ada.hears(StateUpdate, msg_id=msg_id, state="sent")
        given = len(server.mailboxes.given(name))
        async with online(await linking) as laptop:
            assert laptop.device == name
            assert await Reader(laptop).texts(1) == ["to both"]
        assert await scene.at_bob.texts(1) == ["to both"]
        assert len(server.mailboxes.given(name)) == given  # nobody had to ask for a key


async def test_one_device_that_is_gone_keeps_no_message_back(tmp_path: Path) -> None:
    """Ada was away when it went; all that she gives to it and others at once is refused."""
    async with malicious_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with online(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with online(bob_store) as bob:
                laptop = await link(bob, tmp_path / "bob.laptop.db")
                await ada.send("@bob", "to both")
        async with online(bob_store) as bob:
            (gone,) = {device.device for device in await bob.devices()} - {bob.device}
            await bob.remove_device(gone)
            async with Client.open(ada_store) as ada:
                msg_id = await ada.enqueue("@bob", "to the telephone")
                at_bob = Reader(bob)
                while (await at_bob.next()).text != "to the telephone":
                    pass
                assert len({send.msg_id for _, send in server.mailboxes.sent if send.msg_id == msg_id}) == 1
        assert laptop.exists()


async def test_a_message_to_somebody_who_is_gone_fails_and_waits_no_longer(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with ada._db.transaction():
            ada._machine.megolm.forget_outbound(scene.conversation)
        await server.server.devices.remove_account(bob.account)
        sent = len(server.mailboxes.sent)
        with pytest.raises(SendFailed, match="NOT_ALLOWED"):
            await ada.send("@bob", "is anybody there?")
        assert [address for address, _ in server.mailboxes.sent[sent:]] in ([], [Address(ada.account, ada.device)])
