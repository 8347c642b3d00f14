"""Programs come in, sign in elsewhere, sign out; whatever goes wrong says what it is."""

import asyncio
from pathlib import Path

import pytest

from support.sdk import Reader, online
from support.server import PASSWORD, free_port, local_server, new_person
from tidings.sdk import (
    Client,
    ContactChanged,
    IdentityChanged,
    NotSignedIn,
    ServerRefused,
    StoreInUse,
    StoreTaken,
    TidingsError,
    Unreachable,
)

pytestmark = pytest.mark.anyio


def assert_readable(error: BaseException) -> None:
    """Assert that an error is of the SDK's own, and says something to a person."""
    assert isinstance(error, TidingsError)
    assert len(str(error).split()) >= 2, repr(error)


async def test_registering_with_what_does_not_work_says_why(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        link = await server.invite()
        with pytest.raises(ValueError, match="invite link"):
            await Client.register(tmp_path / "a.db", f"{server.url}/welcome", "ada", PASSWORD)
        for invite, name, password, code in (
            (f"{server.url}/#/join/none", "ada", PASSWORD, "INVITE_SPENT"),
            (link, "...", PASSWORD, "BAD_NAME"),
            (link, "admin", PASSWORD, "NAME_TAKEN"),
        ):
            with pytest.raises(ServerRefused) as refused:
                await Client.register(tmp_path / "a.db", invite, name, password)
            assert_readable(refused.value)
            assert refused.value.code == code
        assert not (tmp_path / "a.db").exists()

        (await Client.register(tmp_path / "a.db", link, "ada", PASSWORD, display_name="Ada")).close()
        with pytest.raises(ServerRefused) as refused:
            await Client.register(tmp_path / "b.db", link, "bob", PASSWORD)
        assert refused.value.code == "INVITE_SPENT"
        again = await server.invite()
        with pytest.raises(ServerRefused) as refused:
            await Client.register(tmp_path / "b.db", again, "Ada", PASSWORD)
        assert refused.value.code == "NAME_TAKEN"
        info = await Client.invitation(again)
        assert (info.inviter, info.admin) == (None, False)


async def test_a_server_that_is_not_there_is_unreachable_and_what_is_written_waits(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable) as unreachable:
        await Client.sign_in(tmp_path / "a.db", nowhere, "ada", PASSWORD)
    assert_readable(unreachable.value)
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        await new_person(server, tmp_path, "bob", await ada.invite())
        conversation = (await ada.conversation_with("@bob")).id
    async with Client.open(tmp_path / "ada.db") as ada:
        assert not ada.is_connected
        msg_id = await ada.enqueue(conversation, "for later")
        with pytest.raises(Unreachable):
            await ada.devices()
    async with Client.open(tmp_path / "ada.db") as ada:
        kept = ada.find_own(msg_id)
        assert kept is not None
        assert (kept.state, kept.body) == ("pending", "for later")


async def test_a_store_is_of_one_account_and_of_one_process(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        store = await new_person(server, tmp_path, "ada")
        with pytest.raises(NotSignedIn) as nobody:
            async with Client.open(tmp_path / "nobody.db"):
                pass
        assert_readable(nobody.value)
        assert not (tmp_path / "nobody.db").exists()
        invite = await server.invite()
        async with online(store):
            with pytest.raises(StoreInUse) as in_use:
                async with Client.open(store):
                    pass
            assert_readable(in_use.value)
        with pytest.raises(StoreTaken) as taken:
            await Client.register(store, invite, "bob", PASSWORD)
        assert_readable(taken.value)
        async with online(store) as ada:  # which is as it was
            assert ada.name == "ada"


async def test_signing_in_elsewhere_starts_again_and_contacts_are_warned(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            at_ada = Reader(ada)
            await bob.send("@ada", "from the old device")
            assert await at_ada.texts(1) == ["from the old device"]
            with pytest.raises(ServerRefused) as wrong:
                await Client.sign_in(tmp_path / "new.db", server.url, "bob", "not the password")
            assert wrong.value.code == "WRONG_PASSWORD"
            assert_readable(wrong.value)
            with pytest.raises(ServerRefused) as others:
                await Client.sign_in(tmp_path / "new.db", server.url, "bob", PASSWORD)
            assert others.value.code == "OTHER_DEVICES"
            assert_readable(others.value)

            signed_in = await Client.sign_in(
                tmp_path / "new.db", server.url, "bob", PASSWORD, start_again=True, display_name="Somebody"
            )
            signed_in.close()
            # The device that was there before is told, wherever it waits.
            with pytest.raises(NotSignedIn) as signed_out:
                await anext(bob.messages())
            assert_readable(signed_out.value)
            with pytest.raises(NotSignedIn):
                await bob.send("@ada", "too late")
        await at_ada.hears(ContactChanged, account=bob.account, reason="the identity changed")
        assert isinstance(ada.concern(bob.account), IdentityChanged)
        waiting = asyncio.create_task(ada.send("@bob", "is it you?"))
        async with online(tmp_path / "new.db") as bob:
            await bob.send("@ada", "it is me")
            message = await at_ada.next()
            assert (message.text, message.trusted) == ("it is me", False)
            assert message.sender_name == "Bob"  # nobody takes another's name before being accepted
            assert not waiting.done()
            ada.trust(bob.account)
            assert (await waiting).state == "sent"
            assert await Reader(bob).texts(1) == ["is it you?"]


async def test_what_was_sent_before_starting_again_arrives_at_who_was_away_meanwhile(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with online(ada_store) as ada:
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with online(bob_store) as bob:
                await bob.send("@ada", "hello")
                assert await Reader(ada).texts(1) == ["hello"]
        async with online(bob_store) as bob:
            assert (await bob.send("@ada", "from the old device")).state == "sent"
        signed_in = await Client.sign_in(tmp_path / "new.db", server.url, "bob", PASSWORD, start_again=True)
        signed_in.close()
        async with online(tmp_path / "new.db") as bob:
            await bob.send("@ada", "it is me")
        async with online(ada_store) as ada:
            at_ada = Reader(ada)
            messages = [await at_ada.next() for _ in range(3)]  # the first was not taken to the end
            assert [(message.text, message.trusted) for message in messages] == [
                ("hello", True),
                ("from the old device", False),
                ("it is me", False),
            ]
            assert isinstance(ada.concern(messages[0].account), IdentityChanged)


async def test_a_store_that_is_signed_in_again_keeps_its_messages_and_what_was_not_sent(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await bob.send("@ada", "before")
            await bob.sign_out()
            with pytest.raises(NotSignedIn):
                await anext(bob.messages())
            await bob.enqueue("@ada", "written while signed out")
        signed_in = await Client.sign_in(bob_store, server.url, "bob", PASSWORD)
        signed_in.close()
        at_ada = Reader(ada)
        async with online(bob_store) as bob:
            assert bob.history(bob.conversations()[0].id)[0].body == "before"
            assert await at_ada.texts(2) == ["before", "written while signed out"]
            assert bob.device in {device.device for device in await bob.devices()}
