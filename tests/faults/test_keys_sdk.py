"""Keys that are lost, devices that come, stores that are rolled back: between programs nothing stays unreadable."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from support.malicious import malicious_server
from support.scene import acquainted
from support.sdk import Reader, link, online
from support.server import new_person, two_people
from tidings.sdk import Incoming, Receipt
from tidings.sdk.crypto.olm import CannotOpen
from tidings.sdk.crypto.signing import encode
from tidings.wire.content import KeyRequest, Olm, unpack

pytestmark = pytest.mark.anyio


def copy_store(store: Path, to: Path) -> None:
    """Copy a store with everything that belongs to it, as a backup of the folder does."""
    for suffix in ("", "-wal", "-shm"):
        part = store.with_name(store.name + suffix)
        if part.exists():
            shutil.copy(part, to.with_name(to.name + suffix))


async def delivered(at_ada: Reader, bob: str, seq: int | None) -> None:
    """Wait until Ada hears that a message was delivered."""
    assert seq is not None
    while (await at_ada.hears(Receipt, account=bob)).delivered < seq:
        pass


async def has_read(reader: Reader, account: str, seq: int | None) -> None:
    """Wait until somebody hears that a message was read."""
    assert seq is not None
    while (await reader.hears(Receipt, account=account)).read < seq:
        pass


async def test_a_lost_key_is_asked_for_and_the_message_read_then(tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        server.mailboxes.loses = lambda _sender, _share: True
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        at_ada = Reader(ada)
        sent = await ada.send("@bob", "the key to this gets lost")
        assert len(server.mailboxes.shared) == 1
        server.mailboxes.loses = lambda _sender, _share: False
        async with online(bob_store) as bob:
            at_bob = Reader(bob)
            assert await at_bob.texts(1) == ["the key to this gets lost"]
            await delivered(at_ada, bob.account, sent.seq)
            assert bob.page(sent.conversation).holes == []
            assert ada.state_of(sent) == "delivered"
            assert bob.device in {address.device for address, _ in server.mailboxes.shared}
            assert len(server.mailboxes.given(bob.device)) == 2
            # The session that was mended serves on.
            await ada.send("@bob", "and on")
            message = await at_bob.next()
            assert (message.text, message.missing) == ("and on", False)
            assert len(server.mailboxes.given(bob.device)) == 2


async def test_a_device_that_came_later_is_given_no_key_to_what_was_written_before(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        earlier = [send.ciphertext for address, send in server.mailboxes.sent if address.device == ada.device]
        async with online(await link(bob, tmp_path / "bob.laptop.db")) as laptop:
            at_laptop = Reader(laptop)
            await ada.send("@bob", "to both")
            assert await at_laptop.texts(1) == ["to both"]
            (session,) = server.mailboxes.sessions(ada.device)  # that of the earlier messages, too
            target = laptop._machine.directory.device(ada.account, ada.device)
            assert target is not None
            given = len(server.mailboxes.given(laptop.device))
            await laptop._engine.requests._ask(target, KeyRequest(scene.conversation, encode(session)))
            await server.mailboxes.until_given(laptop.device, given + 1)
            await ada.send("@bob", "and on")
            assert await at_laptop.texts(1) == ["and on"]
            for ciphertext in earlier:
                with pytest.raises(CannotOpen), laptop._db.transaction():
                    laptop._machine.decrypt(scene.conversation, (ada.account, ada.device), bytes(16), ciphertext)


async def test_every_cross_signed_device_reads_and_what_one_wrote_is_ones_own_at_the_other(tmp_path: Path) -> None:
    async with acquainted(tmp_path) as scene:
        ada, bob = scene.ada, scene.bob
        async with online(await link(bob, tmp_path / "bob.laptop.db")) as laptop:
            at_laptop = Reader(laptop)
            sent = await ada.send("@bob", "to both")
            assert await scene.at_bob.texts(1) == ["to both"]
            message = await at_laptop.next()
            assert (message.text, message.own, message.missing) == ("to both", False, False)

            own = await laptop.send("@ada", "from the laptop")
            assert await scene.at_ada.texts(1) == ["from the laptop"]
            shown = await scene.at_bob.hears(Incoming, text="from the laptop")
            assert (shown.own, shown.device, shown.seq) == (True, laptop.device, own.seq)
            again = bob.history(own.conversation)[-1]
            assert (again.body, again.account, again.seq) == ("from the laptop", bob.account, own.seq)
            await ada.mark_read(again)
            for reader in (at_laptop, scene.at_bob):
                await has_read(reader, ada.account, own.seq)
            assert bob.state_of(again) == laptop.state_of(own) == "read"
            assert sent.state == "sent"

            # The one that is removed gets nothing further, and the session is another one.
            before = scene.server.mailboxes.sessions(ada.device)
            given = len(scene.server.mailboxes.given(laptop.device))
            await bob.remove_device(laptop.device)
            await ada.send("@bob", "to the telephone alone")
            assert await scene.at_bob.texts(1) == ["to the telephone alone"]
            assert scene.server.mailboxes.sessions(ada.device)[: len(before)] == before
            assert len(scene.server.mailboxes.sessions(ada.device)) == len(before) + 1
            assert len(scene.server.mailboxes.given(laptop.device)) == given


@pytest.mark.parametrize("answered", [False, True], ids=["after sending alone", "after receiving too"])
async def test_a_store_that_was_rolled_back_writes_with_another_session(tmp_path: Path, *, answered: bool) -> None:
    """The copy is of a store in use: the session in it was written with further, by the same run of the program."""
    async with malicious_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        copy = tmp_path / "copy.db"
        async with online(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with online(bob_store) as bob:
                at_bob = Reader(bob)
                await ada.send("@bob", "before the copy")
                copy_store(ada_store, copy)
                for number in range(3):
                    await ada.send("@bob", f"after the copy {number}")
                if answered:
                    await bob.send("@ada", "I heard you")
                    assert await Reader(ada).texts(1) == ["I heard you"]
                    assert await at_bob.texts(4) == ["before the copy", *(f"after the copy {n}" for n in range(3))]
        before = server.mailboxes.sessions(ada.device)
        async with online(copy) as ada, online(bob_store) as bob:
            await ada.send("@bob", "from the copy")
            at_bob = Reader(bob)
            while (await at_bob.next()).text != "from the copy":
                pass
            assert server.mailboxes.sessions(ada.device)[-1] not in before
            server.mailboxes.assert_no_index_twice(ada.device)
            await bob.send("@ada", "welcome back")
            assert await Reader(ada).texts(1) == ["welcome back"]


async def test_every_run_of_a_program_writes_with_a_session_of_its_own(tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with online(ada_store) as ada:
            await new_person(server, tmp_path, "bob", await ada.invite())
            await ada.send("@bob", "one")
        for number in range(3):
            async with online(ada_store) as ada:
                await ada.send("@bob", f"again {number}")
        assert len(server.mailboxes.sessions(ada.device)) == 4
        server.mailboxes.assert_no_index_twice(ada.device)


async def test_a_session_is_worn_out_after_a_hundred_messages(tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        for number in range(230):
            await ada.enqueue("@bob", str(number))
        assert await Reader(bob).texts(230) == [str(number) for number in range(230)]
        counts = Counter(session for session, _ in server.mailboxes.uses(ada.device))
        assert max(counts.values()) == 100
        server.mailboxes.assert_no_index_twice(ada.device)
        given = server.mailboxes.given(bob.device)
        assert len({share.ciphertext for share in given}) == len(given) == len(counts)
        assert all(isinstance(unpack(share.ciphertext), Olm) for share in given)
