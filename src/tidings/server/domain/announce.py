"""Events that follow from a change of a head, and who may see them."""

from collections.abc import Iterable, Iterator, Sequence

from tidings.server.domain.admission import other_member, sees_life, view
from tidings.server.domain.heads import Box, Head, Membership, Owner
from tidings.server.domain.marks import Mark
from tidings.server.domain.membership import Plan
from tidings.wire.events import ConversationChanged, DeviceList, Event, Marks, MembersChanged
from tidings.wire.frames import Member


def marks_event(head: Head, owner: Owner, mark: Mark) -> Marks:
    """Return the event that tells how far an account got."""
    return Marks(
        conversation=head.name,
        account=owner.name,
        since=mark.since,
        delivered=mark.delivered,
        read=mark.read,
        expired=list(mark.expired),
        time=mark.changed,
    )


def told_of_mark(head: Head, account: int, mark: Mark, but: Box | None) -> list[int]:
    """Return the boxes, except `but`, that are told of a mark which changed. It counts as told then.

    In a group these are the account's own, and those of members who wrote above the place up to which the mark stood:
    nobody else waits for it (docs/adr/0016).
    """
    if head.kind == "direct":
        return viewers(head, account, but)
    news = head.members[account].tell(mark)
    if news is None:
        return []
    waiting = [account, *(speaker for speaker in waiting_above(head, news) if speaker != account)]
    return [box.id for number in waiting for box in head.members[number].owner.boxes.values() if box is not but]


def waiting_above(head: Head, place: int) -> Iterator[int]:
    """Yield the members of a group who wrote something above a place. It looks at no others."""
    for speaker in reversed(head.speakers):
        if head.speakers[speaker] <= place:
            return
        yield speaker


def sees_mark(head: Head, viewer: int, viewed: int) -> bool:
    """Return whether a device that comes back is told how far a member got."""
    if head.kind == "direct" or viewer == viewed:
        return sees_life(head, viewer, viewed)
    return head.speakers.get(viewer, 0) > head.members[viewed].since


def viewers(head: Head, account: int, but: Box | None = None) -> list[int]:
    """Return the boxes, except `but`, of those who see how far `account` got."""
    return [
        box.id
        for viewer, member in head.members.items()
        if sees_life(head, viewer, account)
        for box in member.owner.boxes.values()
        if box is not but
    ]


def audience(head: Head, account: int) -> list[int]:
    """Return the boxes of the others who may see `account` type."""
    return [
        box.id
        for viewer, member in head.members.items()
        if viewer != account and sees_life(head, viewer, account)
        for box in member.owner.boxes.values()
    ]


def conversation_changes(head: Head, only: int | None = None) -> Iterator[tuple[ConversationChanged, list[int]]]:
    """Yield what each member (or `only` one) is told of a changed conversation, and the boxes that are told."""
    for account, member in head.members.items():
        if only in (None, account):
            yield ConversationChanged(view(head, account)), [box.id for box in member.owner.boxes.values()]


def arrival(head: Head, owners: Iterable[Owner]) -> tuple[ConversationChanged, list[int]]:
    """Return what accounts that came into a group are told, and their boxes. All see the same, so it is made once."""
    boxes = [box.id for owner in owners for box in owner.boxes.values()]
    return ConversationChanged(view(head, next(iter(head.members)))), boxes


def carried_out(head: Head, plan: Plan) -> Iterator[tuple[Event, list[int]]]:
    """Yield what follows from a change of a group's members that was carried out, and the boxes that are told.

    All of the old members are told the difference, and all of the new ones the whole, so that it is encoded twice.
    """
    joined = [owner for owner, _ in plan.joining]
    changed = [head.members[owner.id] for owner in joined] + [member for member, _ in plan.promoted]
    yield members_change(head, changed, [member.owner for member in plan.leaving], joined)
    if joined:
        yield arrival(head, joined)


def members_change(
    head: Head, changed: Iterable[Membership], gone: Sequence[Owner], arrived: Sequence[Owner] = ()
) -> tuple[MembersChanged, list[int]]:
    """Return what those who were in a group before a change of its members are told of it, and their boxes."""
    members = [Member(member.owner.name, member.owner.version, member.since, member.role) for member in changed]
    event = MembersChanged(head.name, head.epoch, head.devices, members, [owner.name for owner in gone])
    new = set(arrived)
    owners = [*(member.owner for member in head.members.values() if member.owner not in new), *gone]
    return event, [box.id for owner in owners for box in owner.boxes.values()]


def device_list_change(owner: Owner, shared: list[Head]) -> tuple[DeviceList, list[int]]:
    """Return what everyone who shares a conversation with `owner` is told of its devices, and their boxes."""
    told = {box.id for head in shared for member in head.members.values() for box in member.owner.boxes.values()}
    return DeviceList(owner.name, owner.version), sorted(told)


def is_contact(head: Head, account: int, *, mutual: bool) -> bool:
    """Return whether the account has accepted the other of a direct conversation, and with `mutual` both have."""
    mine, theirs = head.members[account], other_member(head, account)
    accepted = mine.stance == "open" and (theirs.stance == "open" or not mutual)
    return accepted and not (mine.blocked or theirs.blocked)
