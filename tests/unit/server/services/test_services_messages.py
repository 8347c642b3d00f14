"""The way of a message through the services: greet, open, send, share, ack, read; and who is woken or told."""

import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.clock import FakeClock
from support.devices import RawDevice, Talk
from support.household import HeardWakes, Household, household
from tidings.server.app import Person, Settings, seed
from tidings.server.domain.rates import Buckets, Rate
from tidings.server.services.ack import AckEntries, MarkAsRead
from tidings.server.services.caller import Caller
from tidings.server.services.conversations import OpenConversation, RespondToStranger, ShowConversations
from tidings.server.services.greet import Greet
from tidings.server.services.keys import LOW, HandOutKeys, Supply
from tidings.server.services.life import ShowPresence
from tidings.server.services.rates import Rates
from tidings.server.services.send import SendMessage
from tidings.server.services.share_keys import ShareSessionKeys
from tidings.server.storage.memory.presence import MemoryPresence
from tidings.server.storage.sql.sign_ins import SqlLastSeen
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.errors import KeyReused, MailboxFull, NotAllowed, RateLimited, Refusal
from tidings.wire.frames import Share
from tidings.wire.ids import Address, account_id, new_msg_id

pytestmark = pytest.mark.anyio

NONCE = bytes(range(32))


class Scene(NamedTuple):
    """Ada and Bob, who are contacts, Eve, and what they are told."""

    house: Household
    ada: RawDevice
    bob: RawDevice
    eve: RawDevice
    hers: Caller
    his: Caller
    wakes: HeardWakes
    talk: Talk

    @property
    def conversation(self) -> str:
        name: str = self.talk.conversation.conversation
        return name

    async def send(self, command: c.Send | None = None) -> tuple[c.Send, e.Sent]:
        """Send as the gateway does."""
        command = command or self.talk.send()
        service = SendMessage(
            self.house.server.mailboxes, self.wakes, self.house.server.metrics, self.house.server.rates
        )
        return command, service.reply(command, await service(self.hers, command))


@pytest.fixture
async def scene(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Scene]:
    async with household(tmp_path, clock) as house:
        ada = await house.move_in("ada")
        bob = await house.move_in("bob", inviter=ada.account)
        eve = await house.move_in("eve")
        (view,), _ = await house.server.conversations.page(ada.account, None, 10)
        hers, his = [await house.caller(device) for device in (ada, bob)]
        nowhere: Any = None
        yield Scene(house, ada, bob, eve, hers, his, HeardWakes(), Talk(ada, nowhere, view))


# Greeting


async def test_a_device_that_signs_the_challenge_gets_its_mailbox(scene: Scene) -> None:
    greet = Greet(scene.house.server.mailboxes, scene.house.server_id)
    hello = scene.ada.hello(e.Challenge(NONCE, scene.house.server_id))
    for cookie in (None, scene.ada.address):
        caller, mailbox = await greet(hello, NONCE, cookie)
        assert (caller, mailbox.address) == (scene.hers, scene.ada.address)
    for refused, nonce, cookie in [
        (hello, bytes(32), None),
        (hello, NONCE, scene.bob.address),
        (scene.ada.hello(e.Challenge(NONCE, "t" + "0" * 16)), NONCE, None),
        (scene.bob.hello(e.Challenge(NONCE, scene.house.server_id), device=scene.ada.device), NONCE, None),
    ]:
        with pytest.raises(Refusal) as refusal:
            await greet(refused, nonce, cookie)
        assert refusal.value.error == NotAllowed()


async def test_nobody_but_the_device_itself_ends_its_suspension(scene: Scene) -> None:
    server, bob = scene.house.server, scene.bob
    mailboxes, clock = server.mailboxes, scene.house.clock
    greet = Greet(mailboxes, scene.house.server_id)
    hello = bob.hello(e.Challenge(NONCE, scene.house.server_id))
    clock.advance(31 * 86_400)
    await mailboxes.expire(clock.now())
    with pytest.raises(Refusal):
        await greet(msgspec.structs.replace(hello, signature=bytes(64)), NONCE, None)
    hand_out = HandOutKeys(server.keys, mailboxes, scene.wakes, server.rates, Supply())
    for _ in range(6):
        await hand_out(scene.hers, c.ClaimKeys(1, [bob.address]))
    assert (scene.his.box, e.KeysLow(LOW - 1)) in scene.wakes.told
    command = scene.talk.send()
    with pytest.raises(Refusal) as refusal:
        await scene.send(command)
    assert refusal.value.error == MailboxFull()
    await greet(hello, NONCE, None)
    await scene.send(command)
    assert len((await mailboxes.read(scene.his.box, 0, 9)).entries) == 1


# Conversations


async def test_a_conversation_is_opened_once_and_with_somebody_who_is_there(scene: Scene) -> None:
    server = scene.house.server
    opening = OpenConversation(server.conversations, server.accounts, scene.wakes, server.rates)
    first = await opening(scene.hers, c.OpenDirect(1, scene.eve.account))
    again = await opening(scene.hers, c.OpenDirect(2, scene.eve.account))
    assert first.conversations == again.conversations
    assert first.conversations[0].standing == "waiting"
    for nobody in (account_id(uuid.uuid4(), scene.house.server_id), scene.ada.account):
        with pytest.raises(Refusal) as refusal:
            await opening(scene.hers, c.OpenDirect(3, nobody))
        assert refusal.value.error == NotAllowed()


async def test_an_answer_to_a_stranger_changes_how_a_conversation_stands(scene: Scene) -> None:
    server = scene.house.server
    life = ShowPresence(
        *(MemoryPresence(), SqlLastSeen(server.database), server.conversations, scene.wakes, scene.house.clock)
    )
    respond = RespondToStranger(server.conversations, scene.wakes, life)
    for answer, standing in (("block", "blocked"), ("unblock", "open"), ("decline", "declined"), ("accept", "open")):
        reply = await respond(scene.his, c.Respond(1, scene.conversation, answer))  # type: ignore[arg-type] # one of them
        assert reply.conversations[0].standing == standing
    assert {scene.hers.box, scene.his.box} <= {box for box, _ in scene.wakes.told}


async def test_conversations_are_shown_by_name_or_page(scene: Scene) -> None:
    show = ShowConversations(scene.house.server.conversations)
    view = scene.talk.conversation
    by_name = await show(scene.hers, c.ListConversations(1, [scene.conversation, "!" + "x" * 53], None))
    assert by_name == e.Conversations(1, [view], more=False)
    assert await show(scene.hers, c.ListConversations(2, [], None)) == e.Conversations(2, [view], more=False)
    assert (await show(scene.hers, c.ListConversations(3, [], scene.conversation))).conversations == []
    eves = await scene.house.caller(scene.eve)
    assert (await show(eves, c.ListConversations(4, [scene.conversation], None))).conversations == []


# Messages


async def test_a_message_is_counted_once_and_wakes_whom_it_waits_for(scene: Scene, clock: FakeClock) -> None:
    command, sent = await scene.send()
    assert sent == e.Sent(command.id, 1, clock.now())
    assert scene.wakes.woken == [scene.his.box]
    clock.advance(5)
    _, again = await scene.send(command)
    assert again == sent, "a repeat is answered as the first was"
    assert scene.wakes.woken == [scene.his.box], "and wakes nobody"
    assert scene.house.server.metrics.messages.value == 1
    with pytest.raises(Refusal) as refusal:
        await scene.send(scene.talk.send(b"other", msg_id=command.msg_id, prev=None))
    assert refusal.value.error == KeyReused()


async def test_who_writes_to_a_stranger_accepts_by_that_and_both_are_told(scene: Scene) -> None:
    server, nowhere = scene.house.server, scene.talk.socket
    eves = await scene.house.caller(scene.eve)
    opened = await server.conversations.open_direct(scene.eve.account, scene.ada.account, accepted=False)
    first = Talk(scene.eve, nowhere, opened.conversation).send(b"may I?")
    service = SendMessage(server.mailboxes, scene.wakes, server.metrics, server.rates)
    service.reply(first, await service(eves, first))
    assert scene.wakes.told == []
    await scene.send(Talk(scene.ada, nowhere, opened.conversation).send(b"do"))
    changed = {box: event for box, event in scene.wakes.told if isinstance(event, e.ConversationChanged)}
    assert {box: event.conversation.standing for box, event in changed.items()} == {
        scene.hers.box: "open",
        eves.box: "open",
    }


async def test_a_message_that_a_full_device_misses_is_told_to_its_sender(tmp_path: Path, clock: FakeClock) -> None:
    async with household(tmp_path, clock) as house:
        ada = await house.move_in("ada")
        bob = await house.move_in("bob", inviter=ada.account)
        house.server.store._box_limit = 1
        tablet = await house.link(bob, 2)
        hers, full, other = [await house.caller(device) for device in (ada, bob, tablet)]
        (view,), _ = await house.server.conversations.page(ada.account, None, 10)
        nowhere: Any = None
        scene = Scene(house, ada, bob, ada, hers, full, HeardWakes(), Talk(ada, nowhere, view))
        await scene.send()
        (entry,) = (await house.server.mailboxes.read(other.box, 0, 10)).entries
        ack = AckEntries(house.server.mailboxes, scene.wakes)
        ack.reply(c.Ack(entry.pos), await ack(other, c.Ack(entry.pos)))
        scene.wakes.woken.clear()
        await scene.send()
        assert set(scene.wakes.woken) == {full.box, other.box}, "the full one learns of the gap"


async def test_a_share_wakes_its_device_and_is_answered(scene: Scene) -> None:
    share = ShareSessionKeys(scene.house.server.mailboxes, scene.wakes, scene.house.server.rates)
    command = c.ShareKeys(9, bytes(16), scene.conversation, [Share(scene.bob.account, scene.bob.device, b"key")])
    for _ in range(2):
        assert share.reply(command, await share(scene.hers, command)) == e.Done(9)
    assert scene.wakes.woken[0] == scene.his.box
    (entry,) = (await scene.house.server.mailboxes.read(scene.his.box, 0, 10)).entries
    assert isinstance(entry, e.KeyShare)


async def test_keys_that_are_given_are_paced_by_their_bytes(scene: Scene, clock: FakeClock) -> None:
    server = scene.house.server
    rates = Rates(Buckets({"share-bytes": Rate(250, 0.01)}), clock)
    give = ShareSessionKeys(server.mailboxes, scene.wakes, rates)
    send = SendMessage(server.mailboxes, scene.wakes, server.metrics, rates)
    shares = [Share(scene.bob.account, scene.bob.device, bytes(50))] * 2

    async def given(number: int) -> Sequence[int]:
        return await give(scene.hers, c.ShareKeys(number, bytes([number]) * 16, scene.conversation, shares))

    assert [await given(number) for number in range(2)] == [[scene.his.box] * 2] * 2
    letter = scene.talk.send()
    laden = msgspec.structs.replace(letter, shares=shares)
    for refused in (lambda: given(2), lambda: send(scene.hers, laden)):
        with pytest.raises(Refusal) as refusal:
            await refused()
        assert refusal.value.error == RateLimited(501)
    assert (await send(scene.hers, letter)).seq == 1, "a message without keys is not held back"
    clock.advance(0.501)
    assert await given(2) == [scene.his.box] * 2


async def test_acks_and_reads_are_told_to_who_waits_for_them(scene: Scene) -> None:
    await scene.send()
    ack = AckEntries(scene.house.server.mailboxes, scene.wakes)
    read = MarkAsRead(scene.house.server.mailboxes, scene.wakes)
    acked, seen = c.Ack(1), c.MarkRead(scene.conversation, 1)
    ack.reply(acked, await ack(scene.his, acked))
    read.reply(seen, await read(scene.his, seen))
    marks = [event for box, event in scene.wakes.told if box == scene.hers.box and isinstance(event, e.Marks)]
    assert [(mark.account, mark.delivered, mark.read) for mark in marks] == [
        (scene.bob.account, 1, 0),
        (scene.bob.account, 1, 1),
    ]
    assert (await scene.house.server.mailboxes.read(scene.his.box, 0, 10)).entries == []


# People for measurements


async def test_people_who_are_seeded_can_greet_and_their_conversations_are_open(
    tmp_path: Path, clock: FakeClock
) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(3)]
    people = [
        Person(uuid.uuid4(), f"person{number}", f"DEVICE000{number}", key.public_key().public_bytes_raw())
        for number, key in enumerate(keys)
    ]
    made, (group,) = await seed(Settings(data=tmp_path / "server"), people, [(0, 1), (1, 2)], [[0, 1, 2]])
    assert len(set(made)) == 2
    assert (group.kind, group.epoch, group.devices, len(group.members)) == ("group", 1, 3, 3)
    async with household(tmp_path, clock) as house:
        for person in people:
            found = await house.server.accounts.by_name(person.name)
            assert found is not None
            assert found.id == account_id(person.key, house.server_id)
        middle = account_id(people[1].key, house.server_id)
        page, _ = await house.server.conversations.page(middle, None, 10)
        assert {conversation.conversation for conversation in page} == {*made, group.conversation}
        assert {conversation.standing for conversation in page} == {"open"}
        assert await house.server.keys.unsettled() == []
        box = await house.server.mailboxes.find(Address(middle, people[1].device))
        assert box is not None
        command = c.Send(1, new_msg_id(clock.now()), group.conversation, group.epoch, group.devices, None, b"to both")
        assert len((await house.server.mailboxes.append(command, box.id)).boxes) == 2
