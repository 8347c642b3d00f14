"""Receipts, requests from strangers, blocks, lost connections: what two programs see of one another."""

import asyncio
from pathlib import Path

import pytest

from support.sdk import Reader, at_rest, online
from support.server import local_server, new_person, two_people
from tidings.sdk import (
    ConnectionUpdate,
    ConversationUpdate,
    PresenceUpdate,
    Receipt,
    SendFailed,
    ServerRefused,
    TypingUpdate,
)
from tidings.wire.errors import Refusal

pytestmark = pytest.mark.anyio


async def test_receipts_rise_from_sent_to_delivered_to_read(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, online(await new_person(server, tmp_path, "ada")) as ada:
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        at_ada = Reader(ada)
        sent = await ada.send("@bob", "hi")
        assert ada.state_of(sent) == "sent"
        async with online(bob_store) as bob:
            message = await Reader(bob).next()
            while ada.state_of(sent) == "sent":
                await at_ada.hears(Receipt, account=bob.account)
            assert ada.state_of(sent) == "delivered"
            await bob.mark_read(message)
            await at_ada.hears(Receipt, account=bob.account, read=message.seq)
            assert ada.state_of(sent) == "read"
            assert bob.summary(message.conversation).unread == 0  # type: ignore[union-attr] # it is there
        assert ada.page(sent.conversation).messages[-1].state == "read"


async def test_a_lost_connection_is_come_back_from_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        at_bob = Reader(bob)
        sent = [f"message {number}" for number in range(60)]
        for number, text in enumerate(sent):
            await ada.enqueue("@bob", text)
            if number % 20 == 10:
                ada._engine.state.link.cut()
                bob._engine.state.link.cut()
                await at_bob.hears(ConnectionUpdate, connected=True)
                await ada.ready()
        assert await at_bob.texts(60) == sent
        assert [message.body for message in bob.history(bob.conversations()[0].id, 100)] == sent


async def test_typing_and_presence_reach_a_contact(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        await ada.send("@bob", "hi")
        at_bob = Reader(bob)
        assert await at_bob.texts(1) == ["hi"]
        await bob.watch([ada.account])
        await ada.set_online(online=True)
        await at_bob.hears(PresenceUpdate, account=ada.account, online=True)
        conversation = bob.conversations()[0].id
        for active in (True, False):
            await ada.set_typing(conversation, active=active)
            await at_bob.hears(TypingUpdate, account=ada.account, active=active)
        await ada.set_online(online=False)
        gone = await at_bob.hears(PresenceUpdate, account=ada.account, online=False)
        assert gone.last_seen > 0


async def test_a_stranger_may_send_three_messages_until_accepted(tmp_path: Path) -> None:
    async with (
        local_server(tmp_path) as server,
        online(await new_person(server, tmp_path, "ada")) as ada,
        online(await new_person(server, tmp_path, "eve")) as eve,
    ):
        at_ada, at_eve = Reader(ada), Reader(eve)
        sent = [await eve.send("@ada", f"hello {number}") for number in range(3)]
        with pytest.raises(SendFailed) as failed:
            await eve.send("@ada", "one too many")
        assert failed.value.reason == "NOT_ALLOWED"
        assert await at_ada.texts(3) == ["hello 0", "hello 1", "hello 2"]
        (view,) = ada.conversations()
        assert view.standing == "asked"
        assert eve.conversations()[0].standing == "waiting"
        await ada.mark_read(ada.history(view.id)[-1])

        await ada.respond(view.id, "accept")
        while eve.conversations()[0].standing != "open":
            await at_eve.hears(ConversationUpdate)
        assert (await eve.send("@ada", "thank you")).state == "sent"
        assert await at_ada.texts(1) == ["thank you"]
        while eve.state_of(sent[0]) == "sent":
            await at_eve.hears(Receipt, account=ada.account)


async def test_who_is_blocked_is_told_no_more_than_that_it_is_not_allowed(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        at_ada = Reader(ada)
        await bob.send("@ada", "hello")
        assert await at_ada.texts(1) == ["hello"]
        (view,) = ada.conversations()
        await ada.respond(view.id, "block")
        assert ada.conversations()[0].standing == "blocked"
        with pytest.raises(SendFailed, match="NOT_ALLOWED"):
            await bob.send("@ada", "why?")
        failed = bob.history(view.id)[-1]
        assert (failed.body, failed.state) == ("why?", "failed")
        with pytest.raises(SendFailed, match="NOT_ALLOWED"):
            await ada.send("@bob", "and I cannot either")
        await ada.respond(view.id, "unblock")
        msg_id = bob.send_again(failed)
        assert await at_ada.texts(1) == ["why?"]
        await at_rest(bob)
        again = bob.find_own(msg_id)
        assert again is not None
        assert again.state == "sent"
        assert [message.body for message in bob.history(view.id)] == ["hello", "why?"]


async def test_who_is_not_there_and_what_cannot_be_sent_say_so(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, _):
        with pytest.raises(ServerRefused) as unknown:
            await ada.send("@nobody", "hello")
        assert unknown.value.code == "NOT_FOUND"
        with pytest.raises(Refusal):
            await ada.send(ada.account, "to myself")
        for text in ("", "x" * 65_537):
            with pytest.raises(ValueError, match="65536 bytes"):
                await ada.send("@bob", text)
        with pytest.raises(ValueError, match="characters"):
            ada.set_display_name("")


async def test_a_new_name_reaches_contacts_inside_the_encryption(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        at_bob = Reader(bob)
        await ada.send("@bob", "hi")
        assert (await at_bob.next()).sender_name == "Ada"
        ada.set_display_name("Ada Lovelace")
        while bob.display_name(ada.account) != "Ada Lovelace":
            await at_bob.hears(ConversationUpdate)
        await ada.send("@bob", "it is still me")
        assert (await at_bob.next()).sender_name == "Ada Lovelace"
        assert "Lovelace" not in (tmp_path / "server" / "accounts.db").read_bytes().decode(errors="replace")


async def test_everything_that_waits_for_the_engine_ends_with_it(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        waiting = asyncio.create_task(Reader(bob).next())
        await ada.send("@bob", "hi")
        assert (await waiting).text == "hi"
        lost = asyncio.create_task(Reader(ada).next())
        await asyncio.sleep(0)
        await ada._engine.stop()
        with pytest.raises(Exception, match="stopped"):
            await lost
