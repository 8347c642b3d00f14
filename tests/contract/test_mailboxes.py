"""Every store of mailboxes keeps these promises. Names in brackets are clauses of the delivery rules."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.clock import FakeClock
from support.stores import DAY, KINDS, Kind, Store, account, marks, open_store
from tidings.wire.commands import Send
from tidings.wire.errors import (
    BadFrame,
    KeyReused,
    MailboxFull,
    NotAllowed,
    OutOfOrder,
    Refusal,
    StaleEpoch,
    TooOld,
)
from tidings.wire.events import DeviceList, Gap, KeyShare, Marks, Message
from tidings.wire.frames import Share
from tidings.wire.ids import Address, new_msg_id

pytestmark = pytest.mark.anyio


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    kind: Kind = request.param
    async with open_store(kind, tmp_path, clock, box_limit=5) as opened:
        yield opened


async def refused(awaitable: object) -> object:
    with pytest.raises(Refusal) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value.error


async def test_a_message_reaches_every_device_but_its_own_in_order(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("ada", 2, "ADA-PHONE", "ADA-LAPTOP")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    phone = await store.box("ada", "ADA-PHONE")
    first = await store.send(phone, talk, b"one")
    second = await store.send(phone, talk, b"two")
    assert (first.seq, second.seq) == (1, 2)
    others = [
        await store.box(*device) for device in (("ada", "ADA-LAPTOP"), ("bob", "BOB-PHONE"), ("bob", "BOB-TABLET"))
    ]
    assert sorted(first.boxes) == sorted(others)
    for box in others:
        messages = await store.read(box)
        assert [(m.pos, m.seq, m.ciphertext) for m in messages if isinstance(m, Message)] == [
            (1, 1, b"one"),
            (2, 2, b"two"),
        ]
        assert {m.device for m in messages if isinstance(m, Message)} == {"ADA-PHONE"}
    assert await store.read(phone) == []


async def test_the_answer_to_a_send_holds_the_entries_that_it_made(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    boxes = [await store.box("bob", device) for device in ("BOB-PHONE", "BOB-TABLET")]
    key = Share(account("bob"), "BOB-TABLET", b"key")
    msg_id = new_msg_id(store.clock.now())
    appended = await store.send(ada, talk, b"one", msg_id=msg_id, shares=[key])
    assert appended.message is not None
    assert (appended.message.pos, sorted(appended.places)) == (0, [(boxes[0], 1), (boxes[1], 2)])
    for box, pos in appended.places:
        assert (await store.read(box))[-1] == replace(appended.message, pos=pos)
    again = await store.send(ada, talk, b"one", msg_id=msg_id)
    assert (again.message, list(again.places)) == (None, [])


async def test_d4_a_repeat_is_answered_as_before_and_stored_once(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    msg_id = new_msg_id(store.clock.now())
    first = await store.send(ada, talk, b"one", msg_id=msg_id)
    store.clock.advance(5)
    again = await store.send(ada, talk, b"one", msg_id=msg_id, prev=None)
    assert (again.seq, again.time) == (first.seq, first.time)
    assert not again.boxes
    assert len(await store.read(bob)) == 1
    await store.ack(bob, 1)
    late = await store.send(ada, talk, b"one", msg_id=msg_id, epoch=99)
    assert late.seq == first.seq
    assert await store.read(bob, 1) == []


async def test_d4_another_body_under_the_same_key_is_refused(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada = await store.box("ada", "ADA-PHONE")
    msg_id = new_msg_id(store.clock.now())
    await store.send(ada, talk, b"one", msg_id=msg_id)
    assert await refused(store.send(ada, talk, b"two", msg_id=msg_id)) == KeyReused()


async def test_two_devices_may_use_the_same_msg_id(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    msg_id = new_msg_id(store.clock.now())
    assert (await store.send(ada, talk, msg_id=msg_id)).seq == 1
    assert (await store.send(bob, talk, msg_id=msg_id)).seq == 2


async def test_a_stale_view_is_refused_with_the_members_and_stores_nothing(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.devices("bob", 3, "BOB-PHONE", "BOB-TABLET")
    error = await refused(store.send(ada, talk, devices=talk.devices))
    assert isinstance(error, StaleEpoch)
    assert (error.epoch, error.devices) == (1, 4)
    assert {member.account: member.version for member in error.members} == {account("ada"): 1, account("bob"): 3}
    assert isinstance(await refused(store.send(ada, talk, epoch=0)), StaleEpoch)
    assert await store.read(bob) == []
    assert (await store.send(ada, talk)).seq == 1


async def test_d6_a_message_behind_one_that_was_not_accepted_is_held_back(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada = await store.box("ada", "ADA-PHONE")
    missing = new_msg_id(store.clock.now())
    assert await refused(store.send(ada, talk, prev=missing)) == OutOfOrder(None)
    first = new_msg_id(store.clock.now())
    await store.send(ada, talk, msg_id=first)
    assert await refused(store.send(ada, talk, prev=None)) == OutOfOrder(first)
    assert (await store.send(ada, talk, prev=first)).seq == 2


async def test_a_message_from_long_ago_or_from_the_future_is_refused(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada = await store.box("ada", "ADA-PHONE")
    old = new_msg_id(store.clock.now() - 31 * DAY)
    assert await refused(store.send(ada, talk, msg_id=old)) == TooOld()
    coming = new_msg_id(store.clock.now() + 2 * DAY)
    assert isinstance(await refused(store.send(ada, talk, msg_id=coming)), BadFrame)


async def test_who_is_no_member_or_has_no_box_gets_nowhere(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("eve", 1, "EVE-PHONE")
    eve, bob = await store.box("eve", "EVE-PHONE"), await store.box("bob", "BOB-PHONE")
    assert await refused(store.send(eve, talk)) == NotAllowed()
    assert await refused(store.send(bob + 1000, talk)) == NotAllowed()
    send = Send(1, new_msg_id(store.clock.now()), "!00000000-0000-4000-8000-000000000000:none", 1, 2, None, b"x")
    assert await refused(store.mailboxes.append(send, bob)) == NotAllowed()
    share = Share(account("bob"), "BOB-PHONE", b"key")
    assert await refused(store.share(eve, bytes(16), talk, share)) == NotAllowed()
    assert await store.mark_read(eve, talk, 1) == []
    assert await store.mailboxes.find(Address(account("bob"), "NO-SUCH-ONE")) is None
    assert await store.mailboxes.find(Address(account("nobody"), "BOB-PHONE")) is None


async def test_key_shares_come_once_and_before_the_message_they_ride_on(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    share = Share(account("bob"), "BOB-PHONE", b"key")
    assert await store.share(ada, b"s" * 16, talk, share) == [bob]
    assert await store.share(ada, b"s" * 16, talk, share) == []
    await store.send(ada, talk, shares=[share])
    entries = await store.read(bob)
    assert [type(entry) for entry in entries] == [KeyShare, KeyShare, Message]
    assert [entry.pos for entry in entries] == [1, 2, 3]
    stranger = Share(account("bob"), "NO-SUCH-ONE", b"key")
    assert await refused(store.share(ada, b"t" * 16, talk, share, stranger)) == NotAllowed()
    assert await refused(store.send(ada, talk, shares=[stranger])) == NotAllowed()
    assert len(await store.read(bob)) == 3


async def test_pages_are_as_long_as_asked_and_tell_if_there_is_more(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for _ in range(4):
        await store.send(ada, talk)
    page = await store.mailboxes.read(bob, 0, 3)
    assert ([entry.pos for entry in page.entries], page.top, page.more) == ([1, 2, 3], 3, True)
    page = await store.mailboxes.read(bob, 3, 3)
    assert ([entry.pos for entry in page.entries], page.top, page.more) == ([4], 4, False)
    await store.ack(bob, 4)
    page = await store.mailboxes.read(bob, 0, 3)
    assert (list(page.entries), page.top, page.more) == ([], 4, False)


async def test_d7_positions_only_rise_even_when_the_box_is_empty(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    await store.ack(bob, 1)
    await store.ack(bob, 700)
    await store.send(ada, talk)
    assert [entry.pos for entry in await store.read(bob)] == [2]


async def test_d3_acks_deliver_and_tell_the_sender_once(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    phone, tablet = await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")
    await store.send(ada, talk)
    await store.send(ada, talk)
    (told,) = await store.ack(phone, 1)
    assert (told.account, told.delivered, told.read) == (account("bob"), 1, 0)
    assert await store.ack(phone, 1) == []
    assert await store.ack(tablet, 1) == []
    (told,) = await store.ack(tablet, 2)
    assert told.delivered == 2
    (told,) = await store.mark_read(phone, talk, 9)
    assert (told.delivered, told.read) == (2, 2)
    assert await store.mark_read(tablet, talk, 1) == []


async def test_d3_what_could_not_be_decrypted_is_not_delivered_until_it_is(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for _ in range(3):
        await store.send(ada, talk)
    (told,) = await store.ack(bob, 3, failed=[2])
    assert told.delivered == 1
    assert await store.read(bob) == []
    (told,) = await store.ack(bob, 3, recovered=[2])
    assert told.delivered == 3
    assert await store.ack(bob, 3, recovered=[2, 77]) == []


async def test_own_messages_leave_no_holes(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    await store.send(bob, talk)
    await store.send(bob, talk)
    await store.send(ada, talk)
    (told,) = await store.ack(bob, 2)
    assert (told.account, told.delivered) == (account("bob"), 4)
    (told,) = await store.ack(ada, 2)
    assert (told.account, told.delivered) == (account("ada"), 3)


async def test_marks_that_changed_while_away_can_be_asked_for(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    before = store.clock.now()
    store.clock.advance(60)
    (told,) = await store.ack(bob, 1)
    assert told.time == store.clock.now()
    assert told in await store.mailboxes.marks_since(ada, before)
    assert told in await store.mailboxes.marks_since(ada, told.time)
    assert told not in await store.mailboxes.marks_since(ada, told.time + 1)
    store.clock.jump(-DAY)
    (later,) = await store.mark_read(bob, talk, 1)
    assert later.time >= told.time


async def test_d9_a_removed_device_gets_nothing_more_and_a_new_one_only_what_comes(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, phone = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    closed, notices = await store.devices("bob", 2, "BOB-TABLET")
    tablet = await store.box("bob", "BOB-TABLET")
    assert list(closed) == [phone]
    (notice,) = [notice for notice in notices if isinstance(notice.event, DeviceList)]
    assert [told.expired for told in marks(notices)] == [[(1, 1)]]
    assert notice.event == DeviceList(account("bob"), 2)
    assert set(notice.to) >= {ada, tablet}
    assert await refused(store.read(phone)) == NotAllowed()
    assert await refused(store.ack(phone, 1)) == NotAllowed()
    assert await store.mailboxes.find(Address(account("bob"), "BOB-PHONE")) is None
    assert await refused(store.mailboxes.note_seen(phone)) == NotAllowed()
    await store.send(ada, talk, b"later")
    assert [entry.ciphertext for entry in await store.read(tablet) if isinstance(entry, Message)] == [b"later"]


async def test_d9_devices_that_are_removed_together_are_told_of_no_receipts_of_each_other(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada = await store.box("ada", "ADA-PHONE")
    await store.send(ada, talk)
    await store.devices("bob", 2, "BOB-PHONE", "BOB-LAPTOP")
    await store.send(ada, talk)
    closed, notices = await store.devices("bob", 3)
    assert len(closed) == 2
    assert {told.expired[-1][-1] for told in marks(notices)} == {1, 2}
    assert not {box for notice in notices if isinstance(notice.event, Marks) for box in notice.to} & set(closed)


async def test_an_old_device_list_changes_nothing_and_the_same_one_nothing_more(store: Store) -> None:
    await store.talk("ada", "bob")
    phone = await store.box("bob", "BOB-PHONE")
    await store.devices("bob", 5, "BOB-PHONE", "BOB-TABLET")
    assert await store.devices("bob", 4) == ([], [])
    assert await store.devices("bob", 5, "BOB-PHONE", "BOB-TABLET") == ([], [])
    assert await store.box("bob", "BOB-PHONE") == phone
    closed, _ = await store.mailboxes.set_devices(account("bob"), 6, {"BOB-PHONE": b"another key".ljust(32)})
    assert phone in closed
    assert await store.box("bob", "BOB-PHONE") != phone


async def test_a_full_box_never_stops_others_and_is_told_of_the_gap_once(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    phone, tablet = await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")
    for _ in range(5):
        await store.send(ada, talk)
    await store.ack(tablet, 5)
    told = await store.send(ada, talk)
    assert (sorted(told.boxes), list(told.places)) == (sorted([phone, tablet]), [(tablet, 6)])
    await store.send(ada, talk)
    entries = await store.read(phone)
    assert [type(entry) for entry in entries] == [Message] * 5 + [Gap]
    gap = entries[-1]
    assert isinstance(gap, Gap)
    assert (gap.conversation, gap.first_seq) == (talk.conversation, 6)
    assert len(await store.read(tablet)) == 2
    await store.ack(phone, 6)
    await store.send(ada, talk)
    assert [type(entry) for entry in await store.read(phone)] == [Message]


async def test_a_direct_message_is_refused_when_all_devices_are_full_or_gone(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for _ in range(5):
        await store.send(ada, talk)
    assert await refused(store.send(ada, talk)) == MailboxFull()
    share = Share(account("bob"), "BOB-PHONE", b"key")
    assert await store.share(ada, bytes(16), talk, share) == [bob]
    await store.ack(bob, 6)
    assert (await store.send(ada, talk)).seq == 6
    await store.devices("bob", 2)
    assert await refused(store.send(ada, talk)) == MailboxFull()


async def test_a_box_that_the_sweep_made_room_in_is_told_of_the_next_gap_too(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    phone, tablet = await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")

    async def send(count: int) -> None:
        for _ in range(count):
            seq = (await store.send(ada, talk)).seq
            await store.ack(tablet, seq)

    await send(7)
    store.clock.advance(31 * 86_400)
    for name, device in (("ada", "ADA-PHONE"), ("bob", "BOB-PHONE"), ("bob", "BOB-TABLET")):
        await store.greet(name, device)
    assert (await store.mailboxes.expire(store.clock.now())).envelopes == 5
    await send(7)
    entries = await store.read(phone)
    assert [type(entry) for entry in entries] == [Gap, *[Message] * 5, Gap]
    assert [entry.first_seq for entry in entries if isinstance(entry, Gap)] == [6, 13]


async def test_a_suspended_device_forgets_of_which_gaps_it_was_told_and_is_told_of_new_ones(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    phone, tablet = await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")
    for _ in range(6):
        await store.send(ada, talk)
        await store.ack(tablet, 9)
    assert [type(entry) for entry in await store.read(phone)] == [*[Message] * 5, Gap]
    store.clock.advance(31 * 86_400)
    for name, device in (("ada", "ADA-PHONE"), ("bob", "BOB-TABLET")):
        await store.greet(name, device)
    assert (await store.mailboxes.expire(store.clock.now())).suspended == 1
    assert await store.read(phone) == []
    assert await store.greet("bob", "BOB-PHONE") == phone
    for _ in range(6):
        await store.send(ada, talk)
        await store.ack(tablet, 19)
    entries = await store.read(phone)
    assert [(entry.pos, type(entry)) for entry in entries] == [*((pos, Message) for pos in range(7, 12)), (12, Gap)]


async def test_d8_what_nobody_fetches_expires_and_the_sender_is_told(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada = await store.box("ada", "ADA-PHONE")
    phone, tablet = await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")
    await store.share(ada, bytes(16), talk, Share(account("bob"), "BOB-PHONE", b"key"))
    await store.send(ada, talk)
    await store.ack(tablet, 1)
    await store.send(ada, talk)
    store.clock.advance(20 * 86_400)
    await store.send(ada, talk)
    store.clock.advance(11 * 86_400)
    await store.greet("bob", "BOB-PHONE")
    expired = await store.mailboxes.expire(store.clock.now())
    assert (expired.envelopes, expired.shares) == (3, 0)
    (told,) = [notice.event for notice in expired.notices]
    assert (told.account, told.delivered, told.expired) == (account("bob"), 2, [(2, 2)])  # type: ignore[union-attr]
    assert [type(entry) for entry in await store.read(phone)] == [KeyShare, Message]
    store.clock.advance(8 * 86_400)
    assert (await store.mailboxes.expire(store.clock.now())).shares == 1
    ada = await store.box("ada", "ADA-PHONE")
    await store.send(ada, talk)
    assert [entry.pos for entry in await store.read(phone)] == [4, 5]


async def test_d9_what_a_removed_device_alone_held_has_expired_and_what_follows_is_delivered(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada, tablet = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-TABLET")
    await store.send(ada, talk)
    await store.ack(tablet, 1)
    await store.send(ada, talk)
    _, notices = await store.devices("bob", 3, "BOB-TABLET")
    assert marks(notices) == [], "the other device may still fetch it"
    _, notices = await store.devices("bob", 4, "BOB-LAPTOP")
    (told,) = marks(notices)
    assert (told.account, told.delivered, told.expired) == (account("bob"), 2, [(2, 2)])
    laptop = await store.box("bob", "BOB-LAPTOP")
    await store.send(ada, talk)
    (told,) = await store.ack(laptop, 1)
    assert (told.delivered, told.expired) == (3, [(2, 2)])


async def test_d8_records_outlive_messages_by_a_week(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    msg_id = new_msg_id(store.clock.now())
    await store.send(ada, talk, b"one", msg_id=msg_id)
    store.clock.advance(36 * 86_400)
    assert (await store.mailboxes.expire(store.clock.now())).records == 0
    assert (await store.send(ada, talk, b"one", msg_id=msg_id, prev=None)).seq == 1
    store.clock.advance(2 * 86_400)
    assert (await store.mailboxes.expire(store.clock.now())).records == 1
    await store.box("bob", "BOB-PHONE")
    assert await refused(store.send(ada, talk, b"one", msg_id=msg_id)) == TooOld()
    assert await store.read(bob) == []


async def test_what_could_not_be_decrypted_expires_too(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    await store.ack(bob, 1, failed=[1])
    store.clock.advance(31 * 86_400)
    (notice,) = (await store.mailboxes.expire(store.clock.now())).notices
    assert notice.event.expired == [(1, 1)]  # type: ignore[union-attr]
    assert await store.ack(bob, 1, recovered=[1]) == []


async def test_a_device_unseen_for_the_whole_retention_is_suspended_until_it_returns(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
    ada, phone = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    store.clock.advance(31 * 86_400)
    await store.greet("ada", "ADA-PHONE")
    await store.greet("bob", "BOB-TABLET")
    assert await store.box("bob", "BOB-PHONE") == phone, "anybody may look for it"
    assert (await store.mailboxes.expire(store.clock.now())).suspended == 1
    assert await store.box("bob", "BOB-PHONE") == phone
    await store.send(ada, talk)
    assert await store.read(phone) == []
    assert await store.greet("bob", "BOB-PHONE") == phone
    await store.send(ada, talk)
    assert [entry.seq for entry in await store.read(phone) if isinstance(entry, Message)] == [2]


async def test_a_device_that_is_connected_is_seen_however_quiet_it_is(store: Store) -> None:
    talk = await store.talk("ada", "bob")
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")

    async def suspended(days: int, *online: int) -> int:
        store.clock.advance(days * 86_400)
        await store.greet("ada", "ADA-PHONE")
        return (await store.mailboxes.expire(store.clock.now(), online)).suspended

    assert await suspended(31, ada, bob) == 0
    await store.send(ada, talk, b"to who is there")
    assert len(await store.read(bob)) == 1
    for _ in range(40):
        assert await suspended(1, ada, bob) == 0
    assert await suspended(28) == 0, "it was there until then"
    assert await suspended(3) == 1
