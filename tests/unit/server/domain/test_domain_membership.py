"""The rules of a group: who may add, remove and give roles; who is told of a change and of receipts."""

import uuid

import pytest

from tidings.server.domain import announce, membership
from tidings.server.domain.heads import UNKNOWN, Box, Head, Membership, Owner
from tidings.server.domain.marks import Mark
from tidings.server.domain.membership import Plan
from tidings.wire.commands import ChangeMembers
from tidings.wire.errors import NotAllowed, OutOfOrder, Refusal, StaleEpoch, WireError
from tidings.wire.events import ConversationChanged, MembersChanged
from tidings.wire.frames import Operation, Role, Share
from tidings.wire.ids import Address, conversation_id
from tidings.wire.limits import MAX_MEMBERS

NAME = conversation_id(uuid.uuid4(), "here")


def owner(number: int) -> Owner:
    made = Owner(number, f"@{number}", version=1)
    address = Address(made.name, "PHONE")
    made.boxes["PHONE"] = Box(number * 10, made, address, b"box", bytes(32))
    return made


def group(*roles: Role) -> Head:
    """Return a group whose members are numbered from 1."""
    head = Head(1, NAME, "group")
    for number, role in enumerate(roles, 1):
        head.members[number] = Membership(owner(number), "open", number - 1, role)
    return head


def box(head: Head, number: int) -> Box:
    return head.members[number].owner.boxes["PHONE"]


def change(head: Head, changed: dict[int, Role | None], **fields: object) -> ChangeMembers:
    new = sum(number not in head.members for number in changed)
    values: dict[str, object] = {
        "id": 1,
        "change_id": bytes(16),
        "conversation": head.name,
        "epoch": head.epoch,
        "devices": head.devices + new,
        "prev": None,
        "operations": [Operation(f"@{number}", role) for number, role in changed.items()],
        "ciphertext": b"x",
    }
    return ChangeMembers(**(values | fields))  # type: ignore[arg-type] # as the test says


def contact(name: str) -> Owner | None:
    """Everybody up to 1,100 is a contact of everybody."""
    number = int(name[1:])
    return owner(number) if number <= 1_100 else None


def admitted(head: Head, sender: int, changed: dict[int, Role | None], **fields: object) -> Plan:
    return membership.admit(head, box(head, sender), change(head, changed, **fields), None, contact)


def refused(head: Head, sender: int, changed: dict[int, Role | None], **fields: object) -> WireError:
    with pytest.raises(Refusal) as caught:
        admitted(head, sender, changed, **fields)
    return caught.value.error


def test_what_is_allowed_comes_to_a_plan() -> None:
    head = group("owner", "admin", "member")
    plan = admitted(head, 1, {3: "admin", 2: None, 4: "member"})
    assert [(one.id, role) for one, role in plan.joining] == [(4, "member")]
    assert plan.promoted == [(head.members[3], "admin")]
    assert plan.leaving == [head.members[2]]


@pytest.mark.parametrize(
    ("sender", "changed"),
    [
        (3, {4: "member"}),
        (3, {2: None}),
        (3, {3: "admin"}),
        (2, {1: None}),
        (2, {4: "admin"}),
        (2, {3: "admin"}),
        (1, {1: None}),
        (1, {2: "owner"}),
        (1, {4: "owner"}),
        (1, {4: None}),
        (1, {1_200: "member"}),
    ],
)
def test_what_is_not_allowed_is_refused(sender: int, changed: dict[int, Role | None]) -> None:
    assert refused(group("owner", "admin", "member"), sender, changed) == NotAllowed()


def test_nobody_is_named_twice_and_nobody_is_the_thousand_and_first() -> None:
    head = group("owner", "member")
    twice = [Operation("@2", None), Operation("@2", "member")]
    assert refused(head, 1, {}, operations=twice) == NotAllowed()
    full: dict[int, Role | None] = dict.fromkeys(range(3, MAX_MEMBERS + 1), "member")
    assert len(admitted(head, 1, full).joining) == MAX_MEMBERS - 2
    assert refused(head, 1, full | {MAX_MEMBERS + 1: "member"}) == NotAllowed()


def test_an_old_view_of_members_devices_or_ones_own_messages_is_refused() -> None:
    head = group("owner", "member")
    assert isinstance(refused(head, 1, {3: "member"}, epoch=7), StaleEpoch)
    assert isinstance(refused(head, 1, {3: "member"}, devices=2), StaleEpoch)
    assert refused(head, 1, {2: None}, prev=bytes(16)) == OutOfOrder(None)
    with pytest.raises(Refusal) as caught:
        membership.admit(head, box(head, 1), change(head, {2: None}), b"last", contact)
    assert caught.value.error == OutOfOrder(b"last")
    with pytest.raises(Refusal) as caught:
        membership.admit(head, box(head, 1), change(head, {2: None}), UNKNOWN, contact)
    assert caught.value.error == OutOfOrder(None)


def test_only_members_change_a_group_and_a_direct_conversation_nobody() -> None:
    head, outside = group("owner"), owner(5)
    for where, sender in ((head, outside.boxes["PHONE"]), (Head(2, "!direct", "direct"), outside.boxes["PHONE"])):
        with pytest.raises(Refusal) as caught:
            membership.admit(where, sender, change(where, {5: None}), None, contact)
        assert caught.value.error == NotAllowed()


def test_a_group_is_made_of_oneself_under_a_name_of_that_server() -> None:
    head = group("owner")
    fresh = change(head, {1: "owner"}, epoch=0, devices=1)
    membership.admit_new(box(head, 1), fresh, "here")
    for name in ("!x", NAME.upper(), conversation_id(uuid.uuid1(), "here"), conversation_id(uuid.uuid4(), "there")):
        with pytest.raises(Refusal) as caught:
            membership.admit_new(box(head, 1), change(head, {1: "owner"}, epoch=0, conversation=name), "here")
        assert caught.value.error == NotAllowed()
    for fields in ({"epoch": 1}, {"epoch": 0, "prev": bytes(16)}, {"epoch": 0, "operations": [Operation("@1", None)]}):
        with pytest.raises(Refusal) as caught:
            membership.admit_new(box(head, 1), change(head, {1: "owner"}, **fields), "here")
        assert caught.value.error == NotAllowed()
    with pytest.raises(Refusal) as caught:
        membership.admit_new(box(head, 1), change(head, {1: "owner"}, epoch=0, devices=2), "here")
    assert isinstance(caught.value.error, StaleEpoch)
    send = membership.as_send(fresh)
    assert (send.msg_id, send.epoch, send.devices, send.ciphertext) == (bytes(16), 0, 1, b"x")


def test_keys_go_to_members_and_to_those_whom_one_may_add() -> None:
    head = group("owner", "member")
    mine, other = head.members[1].owner, head.members[2].owner

    def target(sender: Owner, number: int, device: str = "PHONE") -> Box | None:
        try:
            return membership.share_target(head, sender, Share(f"@{number}", device, b"key"), contact)
        except Refusal:
            return None

    assert target(other, 1) is box(head, 1)
    assert target(other, 1, "TABLET") is None
    found = target(mine, 3)
    assert found is not None
    assert found.id == 30
    assert target(mine, 1_200) is None
    assert target(other, 3) is None


def test_the_eldest_admin_inherits_or_else_the_eldest() -> None:
    head = group("owner", "member", "admin", "admin")
    first = head.members[1].owner
    assert membership.heir(head, first) is head.members[3]
    assert membership.heir(head, head.members[2].owner) is None
    for alone in (group("owner"), group("owner", "member")):
        inherits = membership.heir(alone, alone.members[1].owner)
        assert inherits is alone.members.get(2)


def test_the_old_are_told_a_difference_and_the_new_the_whole() -> None:
    head = group("owner", "member")
    gone = head.members[2]
    head.drop(gone.owner)
    head.members[3] = Membership(owner(3), "open", 9, "member")
    head.changed()
    told = list(announce.carried_out(head, Plan([(head.members[3].owner, "member")], [], [gone])))
    (difference, old), (whole, new) = told
    assert isinstance(difference, MembersChanged)
    assert isinstance(whole, ConversationChanged)
    assert ([member.account for member in difference.members], difference.gone) == (["@3"], ["@2"])
    assert (sorted(old), new) == ([10, 20], [30])
    assert len(list(announce.carried_out(head, Plan([], [], [gone])))) == 1


def test_how_far_somebody_got_is_told_to_those_who_wrote_above_that() -> None:
    head = group("owner", "member", "member", "member")
    for sender in (1, 2, 2, 1, 3):
        head.advance(sender)
    assert list(announce.waiting_above(head, 0)) == [3, 1, 2]
    assert list(announce.waiting_above(head, 3)) == [3, 1]
    assert list(announce.waiting_above(head, 5)) == []
    mark = Mark.starting(3)
    reader = head.members[4]
    assert announce.told_of_mark(head, 4, mark, None) == []
    mark.deliver(3, 4)
    assert announce.told_of_mark(head, 4, mark, None) == [40, 30, 10]
    assert announce.told_of_mark(head, 4, mark, None) == [], "it was told"
    mark.see(4, 5)
    assert announce.told_of_mark(head, 4, mark, reader.owner.boxes["PHONE"]) == [30, 10]
    mark.expire(4, 5)
    assert announce.told_of_mark(head, 4, mark, None) == [40, 30]
    assert announce.sees_mark(head, 1, 4)
    assert announce.sees_mark(head, 4, 4)
    assert not announce.sees_mark(head, 4, 1)
    assert not announce.sees_mark(head, 2, 4), "who came after one's last message has nothing to tell of it"
    head.drop(head.members[1].owner)
    assert list(announce.waiting_above(head, 0)) == [3, 2]


def test_an_expired_stretch_that_grew_is_told_from_its_beginning() -> None:
    member = group("owner").members[1]
    mark = Mark.starting(0)
    mark.expire(0, 1)
    assert member.tell(mark) == 0
    mark.expire(1, 2)
    assert mark.expired == ((1, 2),)
    assert member.tell(mark) == 0
