"""Events that follow from a change of a head, and who may see them."""

from collections.abc import Iterable, Iterator

from tidings.server.domain.admission import other_member, sees_life, view
from tidings.server.domain.heads import Box, Head, Owner
from tidings.server.domain.marks import Mark
from tidings.wire.events import ConversationChanged, DeviceList, Marks


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


def device_list_change(owner: Owner, shared: list[Head]) -> tuple[DeviceList, list[int]]:
    """Return what everyone who shares a conversation with `owner` is told of its devices, and their boxes."""
    told = {box.id for head in shared for member in head.members.values() for box in member.owner.boxes.values()}
    return DeviceList(owner.name, owner.version), sorted(told)


def is_contact(head: Head, account: int, *, mutual: bool) -> bool:
    """Return whether the account has accepted the other of a direct conversation, and with `mutual` both have."""
    mine, theirs = head.members[account], other_member(head, account)
    accepted = mine.stance == "open" and (theirs.stance == "open" or not mutual)
    return accepted and not (mine.blocked or theirs.blocked)
