"""A server that lies about people and devices: the SDK refuses it, and the program is told (fault 21)."""

from pathlib import Path

import msgspec
import pytest

from support.malicious import forge, malicious_server, pry, readable, stale
from support.scene import acquainted, intruder
from support.sdk import Reader, at_rest, link, online
from support.server import new_person
from tidings.sdk import ContactChanged, Distrusted, IdentityChanged, Incompatible, StateUpdate
from tidings.wire.frames import AccountKeys, DeviceKeys
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio


async def test_fault_21_a_ghost_device_in_the_directory_stops_sending_and_gets_no_key(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, bob.account) as ghost:
            server.keys.lies[bob.account] = ghost.slip_in
            await server.stir(bob.account, ghost)
            msg_id = await scene.refuses("did not sign")

            del server.keys.lies[bob.account]
            await server.stir(bob.account)
            assert await scene.at_bob.texts(1) == ["for Bob alone"]
            await scene.at_ada.hears(StateUpdate, msg_id=msg_id, state="sent")
            assert ada.concern(bob.account) is None
            assert server.mailboxes.given(ghost.device) == []
            assert server.mailboxes.given(bob.device) != []


async def test_fault_21_a_ghost_mailbox_that_the_directory_hides_gets_no_key(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, bob.account) as ghost:
            await server.stir(bob.account, ghost)
            await ada.send("@bob", "for Bob alone")
            assert await scene.at_bob.texts(1) == ["for Bob alone"]
            assert server.mailboxes.given(ghost.device) == []


async def test_fault_21_other_keys_under_the_name_of_a_real_device_get_no_key(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, bob = scene.server, scene.bob
        with intruder(tmp_path, bob.account, bob.device) as pretended:
            server.keys.lies[bob.account] = lambda keys: msgspec.structs.replace(
                keys, version=1, devices=[pretended.keys]
            )
            given = len(server.mailboxes.given(bob.device))
            await scene.ada._engine.contacts.learn([bob.account])
            await scene.refuses("hides a device")
            assert len(server.mailboxes.given(bob.device)) == given


@pytest.mark.parametrize("accepted_before", [False, True], ids=["met once", "accepted before"])
async def test_fault_21_a_replaced_identity_stops_sending_until_it_is_accepted(
    tmp_path: Path, *, accepted_before: bool
) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, bob.account, "FIRSTGHOST") as first, intruder(tmp_path, bob.account) as second:
            for thief in (first, second) if accepted_before else (first,):
                server.keys.lies[bob.account] = thief.pose
                await server.stir(bob.account, thief)
                msg_id = await scene.refuses("identity changed")
                assert isinstance(ada.concern(bob.account), IdentityChanged)
                assert server.mailboxes.given(thief.device) == []

                ada.trust(bob.account)
                await ada.send("@bob", "and this")
                assert scene.state(msg_id) == "sent"
                assert ada.concern(bob.account) is None
                assert server.mailboxes.given(thief.device) != []  # so it was the refusal that kept it from one


async def test_fault_21_a_replaced_identity_gets_no_key_by_asking_under_the_name_of_a_real_device(
    tmp_path: Path,
) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        address = Address(ada.account, ada.device)
        written = [send.ciphertext for sender, send in server.mailboxes.sent if sender == address]
        with intruder(tmp_path, bob.account, bob.device) as thief:
            server.keys.lies[bob.account] = thief.pose
            await server.stir(bob.account, thief)
            await scene.refuses("identity changed")
            given = len(server.mailboxes.given(bob.device))
            request = await pry(server, thief.machine, address, scene.conversation, written[0])
            # The message behind the request tells when it was taken in.
            entries = [request, *await forge(server, thief.machine, address, scene.conversation, "it is me")]
            server.mailboxes.script = lambda device, more: [*entries, *more] if device == address else more
            server.server.registry.wake([await server.box(address.account, address.device)])
            forged = await scene.at_ada.next()
            assert (forged.text, forged.trusted) == ("it is me", False)
            await ada._engine.contacts.learn([bob.account])
            assert len(server.mailboxes.given(bob.device)) == given

            # Nor when a person has accepted it: what was written before was for another device.
            ada.trust(bob.account)
            await ada.send("@bob", "to who is Bob now")
            shares = server.mailboxes.given(bob.device)[given:]
            assert len(shares) == 1
            written = [send.ciphertext for sender, send in server.mailboxes.sent if sender == address]
            can_read = readable(thief.machine, shares, address, scene.conversation, written)
            assert can_read == [False] * (len(written) - 2) + [True] * 2


async def test_fault_21_another_identity_for_oneself_is_refused(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, ada.account) as thief:
            server.keys.lies_to_owner.add(ada.account)
            server.keys.lies[ada.account] = thief.pose
            await server.stir(ada.account, thief)
            changed = await scene.at_ada.hears(ContactChanged, account=ada.account)
            assert "another identity for this account" in changed.reason
            sent = len(server.mailboxes.sent)
            msg_id = await ada.enqueue(bob.account, "for Bob alone")
            await at_rest(ada)
            assert scene.state(msg_id) == "pending"
            assert len(server.mailboxes.sent) == sent
            assert server.mailboxes.given(thief.device) == []


async def test_fault_21_a_device_list_that_was_rolled_back_is_refused(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        old = await server.truth(bob.account)
        await link(bob, tmp_path / "bob.laptop.db")
        await ada.send("@bob", "to both")
        assert len((await server.truth(bob.account)).devices) == 2
        server.keys.lies[bob.account] = lambda keys: msgspec.structs.replace(old, version=keys.version)
        await server.stir(bob.account)
        await scene.refuses("old device list")


async def test_fault_21_a_forked_device_list_is_refused(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, bob = scene.server, scene.bob
        identity = bob._machine.identity
        assert identity is not None
        with intruder(tmp_path, bob.account) as twin:
            twin.identity = identity

            def fork(keys: AccountKeys) -> AccountKeys:
                """Show a list that Bob's key did sign, in the place of the one that Ada knows."""
                listed = {bob.device: bob._machine.account.ed25519, twin.device: twin.ed25519}
                return msgspec.structs.replace(twin.slip_in(keys), device_list=identity.sign_list(1, listed))

            server.keys.lies[bob.account] = fork
            await server.stir(bob.account, twin)
            await scene.refuses("two different device lists")
            assert server.mailboxes.given(twin.device) == []


async def test_fault_21_a_stranger_who_is_put_into_a_conversation_gets_no_key(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        async with online(await new_person(server, tmp_path, "eve")) as eve:
            (view,) = ada.conversations()
            members = {**view.members, eve.account: 1}
            await server.show_members(Address(ada.account, ada.device), view, members)
            heard = await scene.at_ada.hears(ContactChanged, account=bob.account)
            assert "somebody else" in heard.reason

            server.mailboxes.refuses = lambda address, _: (
                stale(view, members) if address.account == ada.account else None
            )
            msg_id = await ada.enqueue(view.id, "for Bob alone")
            await scene.at_ada.hears(ContactChanged, account=bob.account, reason=heard.reason)
            concern = ada.concern(bob.account)
            assert isinstance(concern, Distrusted)
            assert "somebody else" in concern.reason
            assert scene.state(msg_id) == "pending"
            assert ada.conversations()[0].members.keys() == {ada.account, bob.account}
            assert server.mailboxes.given(eve.device) == []


async def test_fault_21_a_one_time_key_that_the_device_did_not_sign_is_not_used(tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with online(ada_store) as ada:
            invite = await ada.invite()
        bob_store = await new_person(server, tmp_path, "bob", invite)  # while Ada, who would greet him, is away
        bob_address = await server.device_of("bob")
        with intruder(tmp_path, bob_address.account, bob_address.device) as ghost:
            server.keys.intruders[bob_address.device] = ghost  # whose keys are handed out for Bob's
            async with online(ada_store) as ada:
                sent = await ada.send("@bob", "for Bob alone")
                assert server.mailboxes.given(bob_address.device) == []
                server.keys.intruders.clear()
                async with online(bob_store) as bob:
                    # Bob asks for the key that did not come with it, by a session that he starts himself.
                    assert await Reader(bob).texts(1) == ["for Bob alone"]
                    assert bob.page(sent.conversation).holes == []


async def test_fault_21_the_name_of_a_contact_is_not_given_to_somebody_else(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene, online(await new_person(scene.server, tmp_path, "eve")) as eve:
        server, ada = scene.server, scene.ada
        await ada._engine.contacts.learn([eve.account])
        server.keys.lies[eve.account] = lambda keys: msgspec.structs.replace(keys, name="bob")
        server.keys.lies[scene.bob.account] = lambda keys: msgspec.structs.replace(keys, name="eve")
        await ada._engine.contacts.learn([eve.account, scene.bob.account])
        sent = await ada.send("@bob", "for Bob alone")
        assert sent.conversation == scene.conversation
        assert await scene.at_bob.texts(1) == ["for Bob alone"]
        assert (ada.handle(eve.account), ada.handle(scene.bob.account)) == ("eve", "bob")


async def test_fault_21_a_name_that_two_accounts_bear_is_not_sent_to(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene, online(await new_person(scene.server, tmp_path, "eve")) as eve:
        server, ada = scene.server, scene.ada
        server.keys.lies[eve.account] = lambda keys: msgspec.structs.replace(keys, name="bob")
        await ada._engine.contacts.learn([eve.account])
        with pytest.raises(Distrusted, match="another account too"):
            await ada.send("@bob", "for whom?")
        assert (await ada.send(scene.conversation, "for Bob alone")).state == "sent"
        assert await scene.at_bob.texts(1) == ["for Bob alone"]


async def test_fault_21_a_ghost_among_ones_own_devices_is_never_signed(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, bob = scene.server, scene.bob
        laptop_store = await link(bob, tmp_path / "bob.laptop.db")
        (laptop,) = (device for device in await bob.devices() if device.device != bob.device)
        with intruder(tmp_path, bob.account) as ghost:
            server.keys.lies_to_owner.add(bob.account)
            server.keys.lies[bob.account] = ghost.slip_in
            with pytest.raises(Distrusted, match="did not sign"):
                await bob.remove_device(laptop.device)
            server.keys.lies.clear()
            await bob.remove_device(laptop.device)
            keys = await server.truth(bob.account)
            assert [device.device for device in keys.devices] == [bob.device]
            server.keys.lies[bob.account] = ghost.slip_in
            await bob.sign_out()
            signed = (await server.truth(bob.account)).device_list
            assert signed is not None
            assert ghost.device not in signed.text
        assert laptop_store.exists()


async def test_a_server_that_speaks_nonsense_is_not_understood_and_the_program_is_told(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, bob = scene.server, scene.bob
        nameless = DeviceKeys("X", "{}")  # shorter than any device's name
        server.keys.lies[bob.account] = lambda keys: msgspec.structs.replace(keys, devices=[nameless])
        await server.stir(bob.account)
        with pytest.raises(Incompatible, match="do not understand each other"):
            await scene.at_ada.next()
        with pytest.raises(Incompatible):
            await scene.ada.send(scene.conversation, "is anybody there?")
