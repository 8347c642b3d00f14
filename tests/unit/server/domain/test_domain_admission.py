"""The rules of a send, for direct conversations and for groups."""

import pytest

from tidings.server.domain import admission, announce
from tidings.server.domain.heads import UNKNOWN, Box, Head, Owner
from tidings.server.domain.heads import Membership as Seat
from tidings.server.domain.retention import DAY
from tidings.wire.commands import Send
from tidings.wire.errors import (
    BadFrame,
    MailboxFull,
    MemberVersion,
    NotAllowed,
    OutOfOrder,
    Refusal,
    StaleEpoch,
    TooOld,
    WireError,
)
from tidings.wire.frames import ConversationKind, Share
from tidings.wire.ids import Address, new_msg_id

NOW = 1_790_000_000_000
LIMIT = 3


def conversation(*devices: int, kind: ConversationKind = "direct") -> Head:
    """Return a conversation whose members have so many devices each; account and box numbers tell who is who."""
    head = Head(1, "!talk", kind)
    for number, count in enumerate(devices, 1):
        owner = Owner(number, f"@{number}", version=1)
        for place in range(count):
            name = f"DEVICE-{number}{place}"
            owner.boxes[name] = Box(number * 10 + place, owner, Address(owner.name, name), b"box", bytes(32))
        head.members[number] = Seat(owner, "open", 0)
    return head


def box(head: Head, number: int) -> Box:
    return next(b for seat in head.members.values() for b in seat.owner.boxes.values() if b.id == number)


def send(head: Head, **changed: object) -> Send:
    values: dict[str, object] = {
        "id": 1,
        "msg_id": new_msg_id(NOW),
        "conversation": head.name,
        "epoch": head.epoch,
        "devices": head.devices,
        "prev": None,
        "ciphertext": b"x",
    }
    return Send(**(values | changed))  # type: ignore[arg-type] # as the test says


def refused(head: Head, sender: Box, command: Send, last: bytes | None = None) -> WireError:
    with pytest.raises(Refusal) as caught:
        admission.admit(head, sender, command, last)
    return caught.value.error


def test_a_current_view_is_admitted_in_both_kinds_of_conversation() -> None:
    for kind in ("direct", "group"):
        head = conversation(1, 2, kind=kind)
        share = Share("@2", "DEVICE-21", b"key")
        admission.admit(head, box(head, 10), send(head, shares=[share]), None)


def test_who_is_no_member_is_refused() -> None:
    head, elsewhere = conversation(1, 1), conversation(1, 1, 1)
    assert refused(head, box(elsewhere, 30), send(head)) == NotAllowed()


def test_a_stale_view_is_refused_with_what_refreshes_it() -> None:
    head = conversation(1, 2)
    expected = StaleEpoch(1, 2, [MemberVersion("@1", 1), MemberVersion("@2", 1)])
    assert refused(head, box(head, 10), send(head, epoch=0)) == expected
    assert refused(head, box(head, 10), send(head, devices=1)) == expected


def test_a_message_out_of_its_senders_order_is_refused() -> None:
    head, last = conversation(1, 1), new_msg_id(NOW)
    assert refused(head, box(head, 10), send(head), last) == OutOfOrder(last)
    assert refused(head, box(head, 10), send(head, prev=last)) == OutOfOrder(None)
    assert refused(head, box(head, 10), send(head, prev=last), UNKNOWN) == OutOfOrder(None)
    admission.admit(head, box(head, 10), send(head, prev=last), last)


def test_a_share_for_a_device_that_is_not_there_is_refused() -> None:
    head = conversation(1, 1)
    for account, device in (("@2", "DEVICE-29"), ("@9", "DEVICE-20")):
        assert refused(head, box(head, 10), send(head, shares=[Share(account, device, b"key")])) == NotAllowed()


def test_nobody_writes_to_a_removed_account_nor_past_a_block() -> None:
    for change in ("removed", "theirs", "mine"):
        head = conversation(1, 1)
        if change == "removed":
            head.members[2].owner.removed = True
        else:
            head.members[2 if change == "theirs" else 1].blocked = True
        assert refused(head, box(head, 10), send(head)) == NotAllowed()


def test_a_group_asks_nobody_for_leave() -> None:
    head = conversation(1, 1, 1, kind="group")
    head.members[2].blocked = True
    head.members[3].stance = "declined"
    admission.admit(head, box(head, 10), send(head), None)


def test_the_age_of_a_message_is_bounded_on_both_sides() -> None:
    admission.check_age(new_msg_id(NOW), NOW, 30 * DAY)
    with pytest.raises(Refusal) as caught:
        admission.check_age(new_msg_id(NOW - 31 * DAY), NOW, 30 * DAY)
    assert caught.value.error == TooOld()
    with pytest.raises(Refusal) as caught:
        admission.check_age(new_msg_id(NOW + 2 * DAY), NOW, 30 * DAY)
    assert isinstance(caught.value.error, BadFrame)


def test_a_message_goes_to_every_device_but_the_one_that_sent_it() -> None:
    head = conversation(2, 2, 1, kind="group")
    reached, full = admission.recipients(head, box(head, 10), LIMIT)
    assert ([b.id for b in reached], full) == ([11, 20, 21, 30], [])


def test_a_suspended_device_is_passed_over() -> None:
    head = conversation(1, 2)
    box(head, 21).suspended = True
    assert [b.id for b in admission.recipients(head, box(head, 10), LIMIT)[0]] == [20]


def test_a_full_device_stops_no_send_that_reaches_another() -> None:
    head = conversation(1, 2)
    box(head, 20).stored = LIMIT
    reached, full = admission.recipients(head, box(head, 10), LIMIT)
    assert ([b.id for b in reached], [b.id for b in full]) == ([21], [20])


def test_a_direct_message_is_refused_when_all_devices_of_the_other_are_full_and_one_in_a_group_is_not() -> None:
    direct, group = conversation(2, 1), conversation(2, 1, 1, kind="group")
    for head in (direct, group):
        box(head, 20).stored = LIMIT
    with pytest.raises(Refusal) as caught:
        admission.recipients(direct, box(direct, 10), LIMIT)
    assert caught.value.error == MailboxFull()
    assert [b.id for b in admission.recipients(group, box(group, 10), LIMIT)[0]] == [11, 30]


def test_members_of_a_group_see_each_others_receipts_and_those_of_a_direct_one_if_they_were_accepted() -> None:
    group, direct = conversation(1, 1, 1, kind="group"), conversation(1, 1)
    assert all(admission.sees_life(group, viewer, viewed) for viewer in (1, 2, 3) for viewed in (1, 2, 3))
    assert announce.viewers(group, 2) == [10, 20, 30]
    assert announce.viewers(group, 2, but=box(group, 20)) == [10, 30]
    assert announce.audience(group, 2) == [10, 30]
    direct.members[2].stance = "asked"
    assert [admission.sees_life(direct, 1, viewed) for viewed in (1, 2)] == [True, False]
    assert announce.audience(direct, 2) == []
    assert announce.audience(direct, 1) == [20]


def test_a_group_stands_as_its_member_stands() -> None:
    head = conversation(1, 1, 1, kind="group")
    head.members[2].stance = "declined"
    assert admission.view(head, 1).standing == "open"
    assert admission.view(head, 2).standing == "declined"
    assert [member.account for member in admission.view(head, 1).members] == ["@1", "@2", "@3"]


def test_a_change_is_told_to_each_member_as_that_member_sees_it() -> None:
    head = conversation(1, 2)
    head.members[2].stance = "asked"
    told = {tuple(boxes): event.conversation.standing for event, boxes in announce.conversation_changes(head)}
    assert told == {(10,): "waiting", (20, 21): "asked"}
    assert [boxes for _, boxes in announce.conversation_changes(head, only=2)] == [[20, 21]]


def test_places_rise_and_a_run_of_one_sender_is_known_by_its_beginning() -> None:
    head = conversation(1, 1)
    runs = [(head.advance(sender), head.run_start) for sender in (1, 1, 2, 2, 2, 1)]
    assert runs == [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (6, 6)]
