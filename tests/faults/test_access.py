"""Faults of access: what belongs to others cannot be told from what is not there; and races of who is a member."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from support.devices import RawDevice, Talk, befriend, join, link, tell, until
from support.raw import Closed, Line, RawSocket
from support.server import LocalInstance, local_server
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.errors import NotAllowed, StaleEpoch
from tidings.wire.frames import Frame, Operation, Share, SignedObject
from tidings.wire.ids import Address, account_id, conversation_id, new_device_id, new_msg_id

pytestmark = pytest.mark.anyio


class World(NamedTuple):
    """Ada and Bob, who talk, and Eve, whom they do not know. All are connected."""

    server: LocalInstance
    ada: RawDevice
    bob: RawDevice
    eve: RawDevice
    hers: RawSocket
    his: RawSocket
    thief: RawSocket
    talk: Talk

    @property
    def conversation(self) -> str:
        """What Ada and Bob have."""
        name: str = self.talk.conversation.conversation
        return name

    @property
    def no_conversation(self) -> str:
        """What nobody has."""
        return conversation_id(uuid.uuid4(), self.ada.server_id)

    @property
    def no_account(self) -> str:
        """Whom nobody knows."""
        return account_id(uuid.uuid4(), self.ada.server_id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(local_server(tmp_path))
        ada, bob = await befriend(server, "ada", "bob")
        eve = await join(server, "eve")
        hers, his, thief = [await enter(device.socket()) for device in (ada, bob, eve)]
        talk = await ada.open_direct(hers, bob)
        await hers.command(talk.send(b"hello"))
        assert (await until(hers, e.Sent)).seq == 1
        assert (await until(his, e.Message)).ciphertext == b"hello"
        yield World(server, ada, bob, eve, hers, his, thief, talk)


async def nothing_came(world: World) -> None:
    """Check that Ada and Bob are told nothing: what they ask for now is answered by the very next frame."""
    for socket in (world.hers, world.his):
        await socket.command(c.ListConversations(99, [world.conversation], None))
        answer = await socket.event()
        assert isinstance(answer, e.Conversations)
        assert (answer.conversations[0].seq, answer.conversations[0].epoch) == (1, world.talk.conversation.epoch)


# 17: others' conversations and messages


def about(conversation: str, world: World) -> list[Any]:
    """Return everything that can be asked about a conversation."""
    share = Share(world.bob.account, world.bob.device, b"key")
    view = world.talk.conversation
    return [
        c.Send(1, new_msg_id(world.ada.now()), conversation, view.epoch, view.devices, None, b"sealed"),
        c.Send(1, new_msg_id(world.ada.now()), conversation, 0, 0, world.talk.last, b"sealed"),
        c.Send(1, world.talk.last or b"", conversation, view.epoch, view.devices, None, b"hello"),
        c.Send(1, new_msg_id(world.ada.now()), conversation, view.epoch, view.devices, None, b"sealed", [share]),
        c.ShareKeys(1, os.urandom(16), conversation, [share]),
        c.ShareKeys(1, os.urandom(16), conversation, [Share(world.no_account, "NOBODYHERE", b"key")]),
        *(
            c.ChangeMembers(1, new_msg_id(world.ada.now()), conversation, view.epoch, view.devices, None, change, b"in")
            for change in ([Operation(world.eve.account, "member")], [Operation(world.bob.account, None)])
        ),
        *(c.Respond(1, conversation, answer) for answer in ("accept", "decline", "block", "unblock")),
    ]


async def test_fault_17_a_conversation_of_others_and_one_that_is_not_there_answer_alike(world: World) -> None:
    for theirs, nobodys in zip(about(world.conversation, world), about(world.no_conversation, world), strict=True):
        first, second = await tell(world.thief, theirs), await tell(world.thief, nobodys)
        assert first == second == e.Refused(1, NotAllowed()), theirs
    for asked in (world.conversation, world.no_conversation):
        assert await tell(world.thief, c.ListConversations(1, [asked], None)) == e.Conversations(1, [], more=False)
        assert await tell(world.thief, c.ListConversations(1, [], asked)) == e.Conversations(1, [], more=False)
        for silent in (c.MarkRead(asked, 1), c.SetTyping(asked, active=True), c.Ack(1), c.Ack(10**9, [1], [1])):
            await world.thief.command(silent)
        await world.thief.command(c.ListConversations(2, [], None))
        assert isinstance(await world.thief.event(), e.Conversations), "and no answer at all to those without an id"
    await nothing_came(world)


async def test_fault_17_ids_that_are_none_answer_like_those_that_nobody_has(world: World) -> None:
    for name in (
        "!" + "x" * 53,
        "@" + "x" * 53,
        world.ada.account,
        "\0" * 40,
        "'" * 50,
        "!" + str(uuid.uuid4()) + ":x" * 10,
    ):
        for command in about(name, world):
            assert await tell(world.thief, command) == e.Refused(1, NotAllowed()), name
        assert await tell(world.thief, c.OpenDirect(1, name.replace("!", "@"))) in (
            e.Refused(1, NotAllowed()),
            *([await tell(world.thief, c.OpenDirect(1, name))] if name == world.ada.account else []),
        )


async def test_fault_17_a_share_goes_to_members_alone(world: World) -> None:
    last = world.talk.last
    for account, device in (
        (world.eve.account, world.eve.device),
        (world.bob.account, new_device_id()),
        (world.no_account, world.bob.device),
    ):
        share = Share(account, device, b"key")
        for command in (
            c.ShareKeys(2, os.urandom(16), world.conversation, [share]),
            world.talk.send(shares=[share], prev=last),
        ):
            assert await tell(world.hers, command) == e.Refused(2, NotAllowed())
    await nothing_came(world)


async def test_fault_17_a_person_who_blocked_one_and_a_person_who_is_gone_answer_alike(world: World) -> None:
    dan = await join(world.server, "dan")
    async with dan.socket() as socket:
        talk = await dan.open_direct(socket, world.bob)
        await socket.command(talk.send(b"it is me"))
        assert isinstance(await until(socket, e.Sent | e.Refused), e.Sent)
        assert await tell(world.his, c.Respond(1, talk.conversation.conversation, "block"))
        refused = [await tell(socket, talk.send(b"still there?", prev=talk.last))]
        assert await tell(world.his, c.Respond(1, talk.conversation.conversation, "unblock"))
        assert await tell(world.his, c.Respond(1, talk.conversation.conversation, "decline"))
        refused.append(await tell(socket, talk.send(b"still there?", prev=talk.last)))
        async with httpx.AsyncClient(base_url=world.server.url, verify=False) as web:
            gone = await web.delete(
                "/v1/admin/accounts/bob", headers={"authorization": f"Bearer {world.server.admin_token}"}
            )
            assert gone.status_code == 204
        refused.append(await tell(socket, talk.send(b"still there?", prev=talk.last)))
        assert refused == [e.Refused(2, NotAllowed())] * 3
        assert await world.his.closed() == Close.DEVICE_REMOVED
        missing = [await tell(socket, c.OpenDirect(1, account)) for account in (world.bob.account, world.no_account)]
        assert missing == [e.Refused(1, NotAllowed())] * 2


# 17: others' mailboxes and devices


async def test_fault_17_a_mailbox_of_others_and_one_that_is_not_there_answer_alike(world: World) -> None:
    for address in (
        world.ada.address,
        Address(world.ada.account, new_device_id()),
        Address(world.no_account, world.ada.device),
        Address(world.eve.account, world.ada.device),
        Address(world.ada.account, world.eve.device),
    ):
        async with RawSocket.connect(world.server.port) as socket:
            challenge = await socket.event()
            assert isinstance(challenge, e.Challenge)
            await socket.command(world.eve.hello(challenge, account=address.account, device=address.device))
            assert await socket.closed() == Close.NOT_SIGNED_IN
    await nothing_came(world)


async def test_fault_17_a_device_of_others_and_one_that_is_not_there_answer_alike(world: World) -> None:
    removal = http.Removal()
    answers = [
        await world.eve.request("POST", f"/v1/devices/{device}/removal", removal)
        for device in (world.ada.device, new_device_id(), "X" * 8, "X" * 24)
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({answer.content for answer in answers}) == 1
    listed = msgspec.json.decode((await world.eve.request("GET", "/v1/devices")).content, type=http.Devices)
    assert [device.device for device in listed.devices] == [world.eve.device]
    unsigned = [
        await tell(world.thief, c.UploadSignatures(1, [SignedObject(account, device, "{}")]))
        for account, device in [
            (world.ada.account, world.ada.device),
            (world.ada.account, new_device_id()),
            (world.no_account, world.ada.device),
        ]
    ]
    assert all(isinstance(reply, e.Refused) for reply in unsigned)
    assert len({type(reply.error) for reply in unsigned}) == 1
    await nothing_came(world)


async def test_fault_17_who_is_no_contact_sees_nothing_of_anothers_life(world: World) -> None:
    await world.hers.command(c.SetPresence(online=True))
    await world.thief.command(c.Watch([world.ada.account]))
    seen = await until(world.thief, e.Presence)
    nobody = world.no_account
    await world.thief.command(c.Watch([nobody]))
    unseen = await until(world.thief, e.Presence)
    assert seen == e.Presence(world.ada.account, online=False, last_seen=0)
    assert unseen == e.Presence(nobody, online=False, last_seen=0)
    await world.his.command(c.Watch([world.ada.account]))
    assert (await until(world.his, e.Presence)).online


async def test_fault_17_what_nobody_has_is_left_out_of_answers(world: World) -> None:
    found = await tell(world.thief, c.QueryKeys(1, [world.no_account, world.eve.account]))
    assert [keys.account for keys in found.accounts] == [world.eve.account]
    claimed = await tell(
        world.thief,
        c.ClaimKeys(2, [Address(world.no_account, "NOBODYHERE"), Address(world.ada.account, new_device_id())]),
    )
    assert claimed.keys == []
    other = await tell(world.thief, c.QueryKeys(3, [world.ada.account]))
    assert other.accounts[0].user_signing is None, "whom one has verified is one's own affair"


async def test_fault_17_the_owners_routes_are_not_there_for_others(world: World) -> None:
    port, token = world.server.port, world.server.admin_token
    bodies = set()
    for shown in (None, "x", token[:-1], token + "x", token.upper()):
        headers = {"authorization": f"Bearer {shown}"} if shown is not None else {}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, verify=False) as web:
            for answer in (
                await web.get("/v1/admin/accounts"),
                await web.post("/v1/admin/invites", json={}),
                await web.delete("/v1/admin/accounts/ada"),
                await web.delete("/v1/admin/accounts/nobody"),
                await web.get("/metrics"),
            ):
                assert answer.status_code == 404
                bodies.add(answer.content)
    assert len(bodies) == 1
    assert (await world.ada.request("GET", "/v1/devices")).status_code == 200


async def test_fault_17_every_route_of_devices_asks_who_calls(world: World) -> None:
    async with Line.open(world.server.port) as line:
        for method, path in [
            ("GET", "/v1/devices"),
            ("POST", f"/v1/devices/{world.ada.device}/removal"),
            ("POST", "/v1/sign-out"),
            ("POST", "/v1/invites"),
            ("GET", "/v1/accounts/ada"),
            ("GET", "/v1/accounts/nobody"),
            ("GET", "/v1/privacy"),
            ("PUT", "/v1/privacy"),
        ]:
            lines = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 2"]
            await line.write("\r\n".join([*lines, "", "{}"]).encode())
            answer = await line.answer()
            assert (answer.status, answer.problem["code"]) == (401, "NOT_SIGNED_IN"), path


# 20: who is a member while a message is under way


async def send_on(talk: Talk, accepted: dict[bytes, int], is_over: Callable[[], bool]) -> None:
    """Send one message after another, each for the devices that are known then; note those by the list's number."""
    while not is_over():
        view = talk.conversation
        send = talk.send(os.urandom(8), prev=talk.last)
        reply = await tell(talk.socket, send)
        if isinstance(reply, e.Sent):
            accepted[send.ciphertext] = view.devices
            continue
        assert isinstance(reply.error, StaleEpoch)
        assert reply.error.devices > view.devices
        talk.conversation = msgspec.structs.replace(view, epoch=reply.error.epoch, devices=reply.error.devices)
        talk.last = send.prev


async def listen(device: RawDevice, listening: asyncio.Event) -> list[bytes]:
    """Return what a device gets until it is removed."""
    got: list[bytes] = []
    try:
        async with RawSocket.connect(device.port) as socket:
            got += [event.ciphertext for event in await device.greet(socket) if isinstance(event, e.Message)]
            listening.set()
            while True:
                event = await socket.event()
                if isinstance(event, e.Message):
                    got.append(event.ciphertext)
    except Closed as closed:
        return got if closed.code == Close.DEVICE_REMOVED else [b"closed for another reason"]


async def test_fault_20_no_message_goes_to_a_device_that_its_sender_did_not_know_or_knew_as_gone(world: World) -> None:
    world.talk.last = None
    ada = await link(world.server, world.ada, 2)  # a sender with nothing behind it
    accepted: dict[bytes, int] = {}
    over = False
    async with ada.socket() as socket:
        reply = await tell(socket, c.ListConversations(1, [world.conversation], None))
        talk = Talk(ada, socket, reply.conversations[0])
        sending = asyncio.create_task(send_on(talk, accepted, lambda: over))
        start = talk.conversation.devices
        heard: list[tuple[int, list[bytes]]] = []
        for change in range(4):
            tablet = await link(world.server, world.bob, 2 * change + 2)
            there = asyncio.Event()
            listening = asyncio.create_task(listen(tablet, there))
            await there.wait()
            before = len(accepted)
            while len(accepted) < before + 50:  # noqa: ASYNC110 - of its own sends this test knows by nothing else
                await asyncio.sleep(0)
            left = http.Removal(world.bob.identity.sign_list(2 * change + 3, {world.bob.device: world.bob.key.public}))
            removed = await world.bob.request("POST", f"/v1/devices/{tablet.device}/removal", left)
            assert removed.status_code == 204
            heard.append((start + 2 * change + 1, await listening))
        over = True
        await sending
    for version, got in heard:
        meant = [ciphertext for ciphertext, devices in accepted.items() if devices == version]
        assert meant
        assert got == meant[: len(got)], "in order, from the first that was meant for it, and nothing else"
        assert len(got) >= 40
    theirs = [(await until(world.his, e.Message)).ciphertext for _ in accepted]
    assert theirs == list(accepted), "the device that stayed has everything"
    print(f"{len(accepted)} messages for {len(heard)} devices that came and went")


async def test_fault_20_once_a_block_is_answered_no_message_comes(world: World) -> None:
    sent = 0
    for _ in range(100):
        await world.hers.command(world.talk.send(os.urandom(8)))
    await world.his.command(c.Respond(7, world.conversation, "block"))
    while not (isinstance(event := await world.his.event(), e.Conversations) and event.id == 7):
        sent += isinstance(event, e.Message)
    stored = event.conversations[0].seq - 1
    replies = [await until(world.hers, e.Sent | e.Refused) for _ in range(100)]
    outcome = [isinstance(reply, e.Sent) for reply in replies]
    assert outcome == [True] * stored + [False] * (100 - stored), "accepted up to a point, and none behind it"
    while sent < stored:
        assert isinstance(await until(world.his, e.Message), e.Message)
        sent += 1
    assert isinstance(await tell(world.hers, world.talk.send(prev=None)), e.Refused)
    await world.his.command(c.ListConversations(8, [world.conversation], None))
    assert isinstance(await world.his.event(), e.Conversations)


async def test_fault_20_a_sender_whose_view_is_old_is_refused_whatever_it_claims(world: World) -> None:
    view = world.talk.conversation
    for epoch, devices in [
        (view.epoch + 1, view.devices),
        (view.epoch, view.devices + 1),
        (view.epoch, view.devices - 1),
        (0, 0),
        (2**53 - 1, 2**53 - 1),
    ]:
        refused = await tell(world.hers, world.talk.send(epoch=epoch, devices=devices, prev=world.talk.last))
        assert isinstance(refused, e.Refused), (epoch, devices)
        assert isinstance(refused.error, StaleEpoch | NotAllowed) or (epoch, devices) == (view.epoch, view.devices)
        error = refused.error
        assert isinstance(error, StaleEpoch)
        assert {member.account: member.version for member in error.members} == {
            world.ada.account: 1,
            world.bob.account: 1,
        }
    await nothing_came(world)


def test_every_command_is_asked_by_somebody_who_must_not() -> None:
    asked: set[type[Frame]] = {c.Send, c.ShareKeys, c.Respond, c.ListConversations, c.MarkRead, c.SetTyping, c.Ack}
    asked |= {c.Hello, c.UploadSignatures, c.Watch, c.QueryKeys, c.ClaimKeys, c.OpenDirect, c.ChangeMembers}
    own = {c.SetPresence, c.UploadKeys}  # these name nothing of anybody else
    assert asked | own == set(c.Command.__args__)
