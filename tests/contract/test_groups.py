"""Every store keeps these promises about groups. Names in brackets are clauses of the delivery rules."""

import uuid
from asyncio import gather, sleep
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support.clock import FakeClock
from support.stores import DAY, KINDS, SERVER, Kind, Store, account, marks, open_store
from tidings.server.domain import retention
from tidings.server.ports.mailboxes import Appended
from tidings.wire.commands import Ack, MarkRead
from tidings.wire.errors import KeyReused, NotAllowed, OutOfOrder, Refusal, StaleEpoch
from tidings.wire.events import ConversationChanged, KeyShare, MembersChanged, Message
from tidings.wire.frames import Conversation, Role, Share
from tidings.wire.ids import conversation_id, new_msg_id

pytestmark = pytest.mark.anyio
LIMIT = 150
"""Messages that a box holds."""


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    kind: Kind = request.param
    async with open_store(kind, tmp_path, clock, box_limit=LIMIT) as opened:
        yield opened


async def refused(awaitable: object) -> object:
    with pytest.raises(Refusal) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value.error


async def phone(store: Store, name: str) -> int:
    return await store.box(name, f"{name.upper()}-PHONE")


async def bodies(store: Store, name: str) -> list[bytes]:
    return [entry.ciphertext for entry in await store.read(await phone(store, name)) if isinstance(entry, Message)]


def roles(conversation: Conversation) -> dict[str, str]:
    return {member.account[1:9].lstrip("0"): member.role for member in conversation.members}


def told(appended: Appended, kind: type) -> list[tuple[object, set[int]]]:
    return [(notice.event, set(notice.to)) for notice in appended.notices if isinstance(notice.event, kind)]


async def test_a_group_begins_with_its_maker_under_a_name_that_the_device_chose(store: Store) -> None:
    await store.devices("ada", 3, "ADA-PHONE", "ADA-LAPTOP")
    ada, laptop = await store.box("ada", "ADA-PHONE"), await store.box("ada", "ADA-LAPTOP")
    name = conversation_id(uuid.uuid4(), SERVER)
    made = await store.change(ada, name, {"ada": "owner"}, b"made", epoch=0, devices=3)
    assert (made.seq, set(made.boxes)) == (1, {laptop})
    view = await store.view("ada", name)
    assert (view.kind, view.standing, view.epoch, view.devices, view.seq) == ("group", "open", 1, 3, 1)
    assert roles(view) == {"ada": "owner"}
    ((event, boxes),) = told(made, ConversationChanged)
    assert (event, boxes) == (ConversationChanged(view), {ada, laptop})
    assert (await store.send(ada, view)).seq == 2


async def test_what_makes_no_group_is_refused_and_leaves_nothing(store: Store) -> None:
    await store.devices("ada", 1, "ADA-PHONE")
    await store.devices("bob", 1, "BOB-PHONE")
    await store.conversations.open_direct(account("ada"), account("bob"), accepted=True)
    ada = await phone(store, "ada")
    name = conversation_id(uuid.uuid4(), SERVER)
    for conversation, made, fields in (
        (name, {"bob": "owner"}, {}),
        (name, {"ada": "admin"}, {}),
        (name, {"ada": "owner", "bob": "member"}, {}),
        (name, {"ada": "owner"}, {"epoch": 1}),
        (name, {"ada": "owner"}, {"prev": bytes(16)}),
        (name.upper(), {"ada": "owner"}, {}),
        (conversation_id(uuid.uuid4(), "another"), {"ada": "owner"}, {}),
        (conversation_id(uuid.uuid1(), SERVER), {"ada": "owner"}, {}),
        ("!" + "x" * 50, {"ada": "owner"}, {}),
    ):
        change = store.change(ada, conversation, made, **({"epoch": 0, "devices": 1} | fields))  # type: ignore[arg-type]
        assert await refused(change) == NotAllowed()
    stale = await refused(store.change(ada, name, {"ada": "owner"}, epoch=0, devices=2))
    assert isinstance(stale, StaleEpoch)
    assert (stale.epoch, stale.devices) == (0, 1)
    assert await store.conversations.fetch(account("ada"), [name]) == []


class RestlessClock(FakeClock):
    """Goes on by a millisecond whenever it is looked at."""

    def now(self) -> int:
        self.jump(1)
        return super().now()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("edge", [retention.AHEAD, -30 * DAY])
async def test_a_change_at_the_edge_of_time_is_made_as_a_whole_or_not_at_all(
    kind: Kind, edge: int, tmp_path: Path
) -> None:
    async with open_store(kind, tmp_path, RestlessClock()) as store:
        group = await store.group("ada", "bob")
        ada = await phone(store, "ada")
        outcomes = set()
        for step in range(-8, 8):
            before = await store.view("ada", group.conversation)
            change_id = new_msg_id(store.clock.now() + edge + step)
            try:
                await store.change(ada, group.conversation, {"bob": "admin"}, change_id=change_id)
            except Refusal:
                outcomes.add("refused")
                assert await store.view("ada", group.conversation) == before
            else:
                outcomes.add("made")
                await store.change(ada, group.conversation, {"bob": "member"})
        assert outcomes == {"refused", "made"}


async def test_d10_who_joins_gets_nothing_from_before_and_who_is_removed_nothing_from_after(store: Store) -> None:
    talk = await store.group("ada", "bob")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    await store.send(ada, talk, b"before")
    await store.devices("cem", 1, "CEM-PHONE")
    await store.conversations.open_direct(account("cem"), account("ada"), accepted=True)
    cem = await phone(store, "cem")
    added = await store.change(ada, talk.conversation, {"cem": "member"}, b"cem comes")
    await store.send(bob, talk, b"between")
    removed = await store.change(ada, talk.conversation, {"bob": None}, b"bob goes")
    await store.send(cem, talk, b"after")
    assert await bodies(store, "bob") == [b"change", b"before", b"cem comes", b"bob goes"]
    assert await bodies(store, "cem") == [b"cem comes", b"between", b"bob goes"]
    assert await bodies(store, "ada") == [b"between", b"after"]
    assert await refused(store.send(bob, talk)) == NotAllowed()
    assert await refused(store.share(bob, bytes(16), talk, Share(account("ada"), "ADA-PHONE", b"key"))) == NotAllowed()
    assert await store.conversations.fetch(account("bob"), [talk.conversation]) == []
    assert {m.account: m.since for m in (await store.view("cem", talk.conversation)).members} == {
        account("ada"): 0,
        account("cem"): added.seq - 1,
    }
    assert removed.seq == added.seq + 2


async def test_a_change_is_told_to_the_old_as_a_difference_and_to_the_new_as_a_whole(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem")
    await store.devices("dan", 1, "DAN-PHONE")
    await store.conversations.open_direct(account("ada"), account("dan"), accepted=True)
    ada, bob, cem, dan = [await phone(store, name) for name in ("ada", "bob", "cem", "dan")]
    changed = await store.change(ada, talk.conversation, {"dan": "member", "cem": "admin", "bob": None})
    assert set(changed.boxes) == {bob, cem, dan}
    view = await store.view("dan", talk.conversation)
    assert (view.epoch, view.devices) == (talk.epoch + 1, 3)
    assert roles(view) == {"ada": "owner", "cem": "admin", "dan": "member"}
    assert told(changed, ConversationChanged) == [(ConversationChanged(view), {dan})]
    ((event, boxes),) = told(changed, MembersChanged)
    assert isinstance(event, MembersChanged)
    assert boxes == {ada, bob, cem}
    assert (event.epoch, event.devices, event.gone) == (view.epoch, 3, [account("bob")])
    assert {member.account: member.role for member in event.members} == {
        account("dan"): "member",
        account("cem"): "admin",
    }


async def test_d4_a_change_is_made_once_however_often_it_is_asked_for(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem")
    ada = await phone(store, "ada")
    change_id, prev = new_msg_id(store.clock.now()), store.last[ada, talk.conversation]
    again: dict[str, Any] = {"change_id": change_id, "prev": prev, "epoch": talk.epoch, "devices": talk.devices}
    first = await store.change(ada, talk.conversation, {"bob": None}, **again)
    repeated = await store.change(ada, talk.conversation, {"bob": None}, **again)
    assert (repeated.seq, repeated.time, list(repeated.boxes), list(repeated.notices)) == (
        first.seq,
        first.time,
        [],
        [],
    )
    assert (await store.view("ada", talk.conversation)).epoch == talk.epoch + 1
    assert await refused(store.change(ada, talk.conversation, {"bob": None}, b"other", **again)) == KeyReused()


async def test_a_send_or_a_change_with_an_old_view_is_refused_and_stores_nothing(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    await store.change(ada, talk.conversation, {"cem": None})
    stale = await refused(store.send(bob, talk, epoch=talk.epoch, devices=talk.devices))
    assert isinstance(stale, StaleEpoch)
    assert (stale.epoch, stale.devices, {m.account for m in stale.members}) == (
        talk.epoch + 1,
        2,
        {account("ada"), account("bob")},
    )
    old: dict[str, Any] = {"epoch": talk.epoch, "devices": talk.devices}
    assert isinstance(await refused(store.change(bob, talk.conversation, {"bob": None}, **old)), StaleEpoch)
    short = store.change(ada, talk.conversation, {"cem": "member"}, devices=2)
    assert isinstance(await refused(short), StaleEpoch), "the devices of who joins count"
    assert await refused(store.change(ada, talk.conversation, {"bob": None}, prev=None)) == OutOfOrder(
        store.last[ada, talk.conversation]
    )
    assert roles(await store.view("ada", talk.conversation)) == {"ada": "owner", "bob": "member"}
    assert (await store.view("ada", talk.conversation)).seq == 3


async def test_new_devices_of_a_member_are_news_to_whoever_sends_next(store: Store) -> None:
    talk = await store.group("ada", "bob")
    await store.devices("bob", 5, "BOB-PHONE", "BOB-TABLET")
    ada = await phone(store, "ada")
    stale = await refused(store.send(ada, talk, devices=talk.devices))
    assert isinstance(stale, StaleEpoch)
    assert (stale.epoch, stale.devices) == (talk.epoch, 6)
    assert len((await store.send(ada, talk)).boxes) == 2


async def test_roles_say_who_may_do_what(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem", "dan")
    await store.devices("eve", 1, "EVE-PHONE")
    for name in ("ada", "bob", "cem"):
        await store.conversations.open_direct(account(name), account("eve"), accepted=True)
    name = talk.conversation
    ada, bob, cem = [await phone(store, who) for who in ("ada", "bob", "cem")]
    await store.change(ada, name, {"bob": "admin"})
    for box, change in (
        (cem, {"eve": "member"}),
        (cem, {"dan": None}),
        (cem, {"cem": "admin"}),
        (bob, {"eve": "admin"}),
        (bob, {"cem": "admin"}),
        (bob, {"ada": None}),
        (ada, {"ada": None}),
        (ada, {"bob": "owner"}),
        (ada, {"ada": "admin"}),
        (ada, {"eve": "owner"}),
        (await phone(store, "eve"), {"eve": "member"}),
    ):
        assert await refused(store.change(box, name, change)) == NotAllowed(), change  # type: ignore[arg-type]
    await store.change(bob, name, {"eve": "member", "cem": None})
    await store.change(ada, name, {"bob": "owner", "ada": None})
    assert roles(await store.view("bob", name)) == {"bob": "owner", "dan": "member", "eve": "member"}


async def test_only_contacts_can_be_added_and_given_keys_before(store: Store) -> None:
    talk = await store.group("ada", "bob")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    for name in ("cem", "dan", "eve"):
        await store.devices(name, 1, f"{name.upper()}-PHONE")
    await store.conversations.open_direct(account("ada"), account("cem"), accepted=False)
    await store.conversations.open_direct(account("ada"), account("dan"), accepted=True)
    direct = (await store.conversations.open_direct(account("dan"), account("ada"), accepted=True)).conversation
    for name in ("cem", "eve", "nobody"):
        change = store.change(ada, talk.conversation, {name: "member"}, epoch=talk.epoch, devices=3)
        assert await refused(change) == NotAllowed()
    assert await refused(store.share(ada, bytes(16), talk, Share(account("cem"), "CEM-PHONE", b"key"))) == NotAllowed()
    share = Share(account("dan"), "DAN-PHONE", b"key")
    assert await refused(store.share(bob, bytes(16), talk, share)) == NotAllowed()
    assert await store.share(ada, bytes(16), talk, share) == [await phone(store, "dan")]
    await store.change(ada, talk.conversation, {"dan": "member"})
    assert [type(entry) for entry in await store.read(await phone(store, "dan"))] == [KeyShare, Message]
    await store.conversations.respond(account("dan"), direct.conversation, "block")
    assert (await store.send(ada, talk)).boxes, "in a group a block only hides, on the device"
    assert b"x" in await bodies(store, "dan")


async def test_who_leaves_last_leaves_nothing_that_anybody_could_enter(store: Store) -> None:
    talk = await store.group("ada", "bob")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    await store.change(bob, talk.conversation, {"bob": None})
    await store.change(ada, talk.conversation, {"ada": None})
    assert await store.conversations.fetch(account("ada"), [talk.conversation]) == []
    back = store.change(ada, talk.conversation, {"ada": "owner"}, epoch=0, devices=1, prev=None)
    assert await refused(back) == NotAllowed()
    assert await refused(store.conversations.audience(account("ada"), talk.conversation)) == NotAllowed()


async def test_receipts_are_told_to_those_alone_who_wrote_what_was_received(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem", "dan")
    await store.devices("dan", 2, "DAN-PHONE", "DAN-TABLET")
    ada, bob, cem, dan = [await phone(store, name) for name in ("ada", "bob", "cem", "dan")]
    tablet = await store.box("dan", "DAN-TABLET")
    await store.send(ada, talk)
    await store.send(bob, talk)

    async def told_of_ack(pos: int) -> set[int]:
        (notice,) = await store.mailboxes.ack(dan, Ack(pos))
        return set(notice.to)

    assert await told_of_ack(1) == {ada, bob, tablet}, "what ada's change says, and above it"
    assert await told_of_ack(2) == {ada, bob, tablet}
    assert await told_of_ack(3) == {bob, tablet}, "ada wrote nothing above"
    (notice,) = await store.mailboxes.mark_read(dan, MarkRead(talk.conversation, 3))
    assert set(notice.to) == {ada, bob, tablet}
    (notice,) = await store.mailboxes.mark_read(dan, MarkRead(talk.conversation, 4))
    assert set(notice.to) == {bob, tablet}
    seen = {
        box: [m.account for m in await store.mailboxes.marks_since(box, 0) if m.conversation == talk.conversation]
        for box in (ada, cem, tablet)
    }
    assert seen == {ada: [account("dan")], cem: [], tablet: [account("dan")]}


async def test_a_hole_tells_nobody_until_it_closes(store: Store) -> None:
    talk = await store.group("ada", "bob")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    for _ in range(2):
        await store.send(ada, talk)
    (notice,) = await store.mailboxes.ack(bob, Ack(3, [2]))
    assert (marks([notice])[0].delivered, set(notice.to)) == (2, {ada})
    await store.send(ada, talk)
    assert [list(notice.to) for notice in await store.mailboxes.ack(bob, Ack(4))] == [[]]
    (notice,) = await store.mailboxes.ack(bob, Ack(4, [], [2]))
    assert (marks([notice])[0].delivered, set(notice.to)) == (5, {ada})


async def test_who_was_removed_acks_what_came_before_and_nobody_is_told(store: Store) -> None:
    talk = await store.group("ada", "bob")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    await store.send(ada, talk)
    await store.change(ada, talk.conversation, {"bob": None})
    assert await store.ack(bob, 2, failed=[2]) == []
    assert await store.ack(bob, 3, recovered=[2]) == []
    assert await store.mark_read(bob, talk, 2) == []
    await store.change(ada, talk.conversation, {"bob": "member"})
    assert [mark.since for mark in await store.ack(bob, 4)] == [4]
    store.clock.advance(40 * 86_400)
    assert [list(notice.to) for notice in (await store.mailboxes.expire(store.clock.now())).notices] == []


async def test_an_account_that_is_deleted_is_in_no_group_and_an_admin_inherits(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem")
    ada, bob, cem = [await phone(store, name) for name in ("ada", "bob", "cem")]
    await store.change(ada, talk.conversation, {"cem": "admin"})
    _, notices = await store.conversations.remove_account(account("ada"))
    view = await store.view("bob", talk.conversation)
    assert (view.epoch, roles(view)) == (talk.epoch + 2, {"bob": "member", "cem": "owner"})
    ((event, boxes),) = [(n.event, set(n.to)) for n in notices if isinstance(n.event, MembersChanged)]
    assert (event.gone, boxes) == ([account("ada")], {bob, cem})
    assert [(member.account, member.role) for member in event.members] == [(account("cem"), "owner")]
    assert (await store.send(bob, talk)).boxes == [cem]


async def test_a_full_box_in_a_group_is_told_of_the_gap_and_its_senders_of_what_expired(store: Store) -> None:
    talk = await store.group("ada", "bob", "cem")
    ada, bob = await phone(store, "ada"), await phone(store, "bob")
    cem = await phone(store, "cem")
    for _ in range(LIMIT - 1):
        await store.send(ada, talk)
    await store.ack(cem, LIMIT)
    sent = await store.send(ada, talk)
    (notice,) = sent.notices
    (mark,) = marks([notice])
    assert (mark.account, mark.expired, set(notice.to)) == (account("bob"), [(LIMIT + 2, LIMIT + 2)], {ada, bob})
    assert set(sent.boxes) == {bob, cem}


async def test_d10_changes_and_messages_stand_in_one_order_however_they_race(store: Store) -> None:
    names = ("ada", "bob", "cem", "dan", "eve")
    for name in names:
        await store.devices(name, 1, f"{name.upper()}-PHONE")
        if name != "ada":
            await store.conversations.open_direct(account("ada"), account(name), accepted=True)
    talk = await store.group("ada", "bob", "cem")
    random = Random(20)
    boxes = {name: await phone(store, name) for name in names}
    changes: dict[int, dict[str, Role | None]] = {}
    places: dict[int, str] = {}

    async def say(name: str) -> None:
        for number in range(12):
            with suppress(Refusal):
                done = await store.send(boxes[name], talk, f"{name} {number}".encode())
                places[done.seq] = name
            store.clock.advance(0.001)

    async def change() -> None:
        for _ in range(25):
            who = random.choice(names[1:])
            there = who in roles(await store.view("ada", talk.conversation))
            wanted: dict[str, Role | None] = {who: None if there else "member"}
            with suppress(Refusal):
                done = await store.change(boxes["ada"], talk.conversation, wanted, b"change")
                changes[done.seq] = wanted
            await sleep(0)

    await gather(change(), *(say(name) for name in names[1:] for _ in range(2)))
    assert len(changes) > 5
    assert len(places) > 10
    members = {"ada", "bob", "cem"}
    reached: dict[str, list[int]] = {name: [] for name in names}
    for seq in range(3, max([*changes, *places]) + 1):
        addressed = set(members)
        for name, role in changes.get(seq, {}).items():
            addressed.add(name)
            (members.add if role else members.discard)(name)
        assert (seq in changes) != (seq in places), "each place is taken once"
        assert places.get(seq, "ada") in addressed, "nobody speaks who is not there"
        for name in addressed - {places.get(seq, "ada")}:
            reached[name].append(seq)
    for name in names:
        got = [e.seq for e in await store.read(boxes[name]) if isinstance(e, Message) and e.seq > 2]
        assert got == reached[name], name
