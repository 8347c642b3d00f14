"""A server that drops, repeats, reorders, downgrades and forges messages: the SDK finds out and says so (fault 22)."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from support.lying_mailboxes import with_letters
from support.malicious import forge
from support.scene import acquainted, intruder
from support.sdk import at_rest, online
from support.server import new_person
from tidings.sdk import Hole, Missing
from tidings.wire.content import EVENT_TYPE, Chain, Content, Text
from tidings.wire.events import KeyShare, Message, Stored
from tidings.wire.ids import Address, new_msg_id

pytestmark = pytest.mark.anyio

PLAIN = msgspec.json.encode(Content(Chain(3, bytes(32)), 1, Text("forged")))
EVENT = b'{"type":"%s","content":%s}' % (EVENT_TYPE.encode(), PLAIN)


async def test_fault_22_a_dropped_message_is_found_out_by_the_next_one(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        lost = await scene.ada.enqueue("@bob", "never arrives")
        change = with_letters(scene.bob.device, lambda letters: [one for one in letters if one.msg_id != lost])
        scene.server.mailboxes.script = change
        await scene.ada.send("@bob", "arrives")
        message = await scene.at_bob.next()
        assert (message.text, message.missing) == ("arrives", True)
        await scene.at_bob.hears(Missing, account=scene.ada.account, reason="gap")
        assert scene.page().messages[-1].missing

        await scene.ada.send("@bob", "goes on")
        message = await scene.at_bob.next()
        assert (message.text, message.missing) == ("goes on", False)
        assert scene.shown() == ["hello", "hi", "arrives", "goes on"]


async def test_fault_22_a_message_that_is_repeated_under_another_name_is_shown_once(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:

        def twice(letters: list[Message]) -> Sequence[Stored]:
            again = [msgspec.structs.replace(one, msg_id=new_msg_id(one.time), seq=one.seq + 1) for one in letters]
            return [*letters, *again]

        scene.server.mailboxes.script = with_letters(scene.bob.device, twice)
        sent = await scene.ada.send("@bob", "pay 100")
        assert sent.seq is not None
        assert await scene.at_bob.texts(1) == ["pay 100"]
        await scene.at_bob.hears(Missing, account=scene.ada.account, reason="repeated")
        assert scene.shown() == ["hello", "hi", "pay 100"]
        assert list(scene.page().holes) == [Hole(sent.seq + 1, "repeated")]


async def test_fault_22_a_message_that_is_repeated_under_its_own_name_is_shown_once(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        scene.server.mailboxes.script = with_letters(scene.bob.device, lambda letters: [*letters, *letters])
        await scene.ada.send("@bob", "once")
        await scene.ada.send("@bob", "and on")
        assert await scene.at_bob.texts(2) == ["once", "and on"]
        assert scene.shown() == ["hello", "hi", "once", "and on"]


@pytest.mark.parametrize("relabelled", [False, True], ids=["with their places", "with places exchanged"])
async def test_fault_22_reordered_messages_are_found_out(tmp_path: Path, *, relabelled: bool) -> None:
    async with acquainted(tmp_path) as scene:

        def reorder(letters: list[Message]) -> Sequence[Stored]:
            if len(letters) < 2:
                return []
            if relabelled:
                places = [letter.seq for letter in letters]
                pairs = zip(letters[::-1], places, strict=True)
                return [msgspec.structs.replace(letter, seq=place) for letter, place in pairs]
            return letters[::-1]

        scene.server.mailboxes.script = with_letters(scene.bob.device, reorder)
        await scene.ada.enqueue("@bob", "first")
        await scene.ada.send("@bob", "second")
        messages = [await scene.at_bob.next(), await scene.at_bob.next()]
        assert [(message.text, message.missing) for message in messages] == [("second", True), ("first", True)]
        await scene.at_bob.hears(Missing, account=scene.ada.account, reason="gap")


@pytest.mark.parametrize(
    "downgrade",
    [
        pytest.param(lambda _: PLAIN, id="the content as plain text"),
        pytest.param(lambda _: EVENT, id="the event as plain text"),
        pytest.param(lambda _: b"\x01" + bytes(32) + EVENT, id="plain text in an envelope"),
        pytest.param(lambda sealed: b"\x00" + sealed[1:], id="another protocol"),
        pytest.param(lambda sealed: b"\x02\x00" + sealed[1:33] + EVENT, id="an envelope for a device"),
        pytest.param(lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]), id="a bit turned over"),
    ],
)
async def test_fault_22_what_is_not_encrypted_as_it_should_be_is_not_shown(
    tmp_path: Path, downgrade: Callable[[bytes], bytes]
) -> None:
    async with acquainted(tmp_path) as scene:
        ada, bob = scene.ada, scene.bob
        target = await ada.enqueue("@bob", "real")

        def replace(letters: list[Message]) -> Sequence[Stored]:
            return [
                msgspec.structs.replace(one, ciphertext=downgrade(one.ciphertext)) if one.msg_id == target else one
                for one in letters
            ]

        scene.server.mailboxes.script = with_letters(bob.device, replace)
        await ada.send("@bob", "next")
        message = await scene.at_bob.next()
        assert (message.text, message.missing) == ("next", True)
        assert scene.shown() == ["hello", "hi", "next"]
        assert [hole.kind for hole in scene.page().holes] == ["sealed"]
        # Bob's answer left behind his ack: whatever the ack brought about, Ada knows it by then.
        await bob.send("@ada", "what was that?")
        assert await scene.at_ada.texts(1) == ["what was that?"]
        kept = ada.find_own(target)
        assert kept is not None
        assert ada.state_of(kept) == "sent"


async def test_fault_22_a_session_key_that_comes_unencrypted_is_not_taken(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        author = Address(scene.ada.account, scene.ada.device)
        with intruder(tmp_path, scene.ada.account) as ghost:
            forged = await forge(
                scene.server, ghost.machine, Address(scene.bob.account, scene.bob.device), scene.conversation, "forged"
            )
            key, _ = ghost.machine.megolm.unshared(scene.conversation, [], scene.server.server.clock.now())
            plain = msgspec.json.encode({"type": "m.room_key", "content": key, "sender": author.account})
            entries: list[Stored] = [KeyShare(0, *_names(author), share) for share in (plain, b"\x02\x01" + plain)]
            entries += [_by(author, entry) for entry in forged if isinstance(entry, Message)]
            scene.server.mailboxes.script = with_letters(scene.bob.device, lambda letters: [*entries, *letters])
            await scene.ada.send("@bob", "real")
            assert await scene.at_bob.texts(1) == ["real"]
            assert scene.shown() == ["hello", "hi", "real"]


@pytest.mark.parametrize("known", [False, True], ids=["a new device", "a known device"])
@pytest.mark.parametrize("listed", [False, True], ids=["hidden", "in the directory"])
async def test_fault_22_the_server_cannot_write_in_the_name_of_a_contact(
    tmp_path: Path, *, known: bool, listed: bool
) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, ada.account) as ghost:
            entries = await forge(server, ghost.machine, Address(bob.account, bob.device), scene.conversation, "forged")
            if known:
                entries = [_by(Address(ada.account, ada.device), entry) for entry in entries]
            if listed:
                server.keys.lies[ada.account] = ghost.slip_in
            server.mailboxes.script = with_letters(bob.device, lambda letters: [*entries, *letters])
            await ada.send("@bob", "real")
            assert await scene.at_bob.texts(1) == ["real"]
            assert scene.shown() == ["hello", "hi", "real"]


async def test_fault_22_what_one_wrote_is_not_put_into_the_mouth_of_another(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        bob = Address(scene.bob.account, scene.bob.device)
        script = with_letters(bob.device, lambda letters: [_by(bob, letter) for letter in letters])
        scene.server.mailboxes.script = script
        sent = await scene.ada.send("@bob", "I owe you 100")
        scene.server.mailboxes.script = with_letters(
            bob.device, lambda letters: [_by(bob, one) if one.seq == sent.seq else one for one in letters]
        )
        await scene.ada.send("@bob", "real")
        message = await scene.at_bob.next()
        assert (message.text, message.missing) == ("real", True)
        assert scene.shown() == ["hello", "hi", "real"]
        assert [hole.seq for hole in scene.page().holes] == [sent.seq]


async def test_fault_22_a_stranger_cannot_write_into_a_conversation_of_others(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene, online(await new_person(scene.server, tmp_path, "eve")) as eve:
        server, bob = scene.server, scene.bob
        entries = await forge(
            server, eve._machine, Address(bob.account, bob.device), scene.conversation, "send me the keys"
        )
        server.mailboxes.script = with_letters(bob.device, lambda letters: [*entries, *letters])
        await scene.ada.send("@bob", "real")
        assert await scene.at_bob.texts(1) == ["real"]
        await at_rest(bob)
        assert scene.shown() == ["hello", "hi", "real"]
        # Bob could have opened it, had he believed the server that Eve may write there.
        letter = next(entry for entry in entries if isinstance(entry, Message))
        with bob._db.transaction():
            opened = bob._machine.decrypt(
                scene.conversation, (eve.account, eve.device), os.urandom(16), letter.ciphertext
            )
        assert opened.content["body"] == {"kind": "text", "text": "send me the keys"}


def _names(address: Address) -> tuple[str, str]:
    return address.account, address.device


def _by(author: Address, entry: Stored) -> Stored:
    """Return an entry under the name of somebody else."""
    return msgspec.structs.replace(entry, sender=author.account, device=author.device)
