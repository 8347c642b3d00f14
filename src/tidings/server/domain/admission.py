"""The rules of a send: what must hold for it to be accepted, and whom it goes to. See docs/protocol.md, "Send"."""

from tidings.server.domain import retention
from tidings.server.domain.heads import UNKNOWN, Box, Head, Membership
from tidings.server.domain.permission import may_see_life, may_write, standing
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
)
from tidings.wire.frames import Conversation, Member
from tidings.wire.ids import msg_id_time


def admit(head: Head, sender: Box, send: Send, last: bytes | None) -> None:
    """Raise Refusal unless the message may be appended. `last` is the sender's last accepted message here."""
    membership = head.members.get(sender.account.id)
    if membership is None:
        raise Refusal(NotAllowed())
    if head.kind == "direct":
        check_may_write(membership, other_member(head, sender.account.id))
    if send.epoch != head.epoch or send.devices != head.devices:
        raise Refusal(stale(head))
    if send.prev != last:
        raise Refusal(OutOfOrder(None if last == UNKNOWN else last))
    for share in send.shares:
        box_of(head, share.account, share.device)


def check_may_write(sender: Membership, other: Membership) -> None:
    """Raise Refusal unless a member of a direct conversation may write to the other."""
    blocked = sender.blocked or other.blocked or other.owner.removed
    if not may_write(other.stance, blocked=blocked, strange=other.strange):
        raise Refusal(NotAllowed())


def check_age(msg_id: bytes, now: int, keep: int) -> None:
    """Raise Refusal if the record of such a message may be gone already, or would not outlive its retries."""
    made = msg_id_time(msg_id)
    if now - keep <= made <= now:
        return
    if retention.is_too_old(made, now, keep):
        raise Refusal(TooOld())
    if retention.is_from_the_future(made, now):
        raise Refusal(BadFrame("msg_id is from the future"))


def recipients(head: Head, sender: Box, limit: int) -> tuple[list[Box], list[Box]]:
    """Return the boxes that a message goes to, and those that are full: every device of every member but this one.

    `limit` is how many messages may wait in a box. Raises Refusal if a direct message would reach nobody.
    """
    reached: list[Box] = []
    full: list[Box] = []
    mine, alone = sender.account, True
    for member in head.members.values():
        owner = member.owner
        for box in owner.boxes.values():
            if box is sender or box.suspended:
                continue
            if box.stored >= limit:
                full.append(box)
                continue
            reached.append(box)
            if owner is not mine:
                alone = False
    if alone and head.kind == "direct":
        raise Refusal(MailboxFull())
    return reached, full


def unreachable(head: Head, sender: Box, reached: list[Box]) -> list[Membership]:
    """Return the other members of whom no device is reached."""
    accounts = {box.account.id for box in reached}
    return [m for number, m in head.members.items() if number != sender.account.id and number not in accounts]


def box_of(head: Head, account: str, device: str) -> Box:
    """Return a member's box by its wire names. Raises Refusal if there is none."""
    member = head.by_name(account)
    box = member.owner.boxes.get(device) if member is not None else None
    if box is None:
        raise Refusal(NotAllowed())
    return box


def stale(head: Head) -> StaleEpoch:
    """Return what a sender with an old view needs to refresh it."""
    members = [MemberVersion(member.owner.name, member.owner.version) for member in _by_name(head)]
    return StaleEpoch(epoch=head.epoch, devices=head.devices, members=members)


def other_member(head: Head, account: int) -> Membership:
    """Return the other member of a direct conversation."""
    for number, member in head.members.items():
        if number != account:
            return member
    raise LookupError(account)


def sees_life(head: Head, viewer: int, viewed: int) -> bool:
    """Return whether member `viewer` may see receipts and typing of member `viewed`."""
    if viewer == viewed:
        return True
    if head.kind == "group":
        return True
    theirs, mine = head.members[viewed], head.members[viewer]
    return may_see_life(theirs.stance, blocked=theirs.blocked or mine.blocked)


def view(head: Head, account: int) -> Conversation:
    """Return a conversation as its member `account` sees it."""
    mine = head.members[account]
    theirs = "open" if head.kind == "group" else other_member(head, account).stance
    return Conversation(
        conversation=head.name,
        kind=head.kind,
        standing=standing(mine.stance, theirs, blocked_by_me=mine.blocked),
        epoch=head.epoch,
        devices=head.devices,
        seq=head.seq,
        members=[Member(m.owner.name, m.owner.version, m.since, m.role) for m in _by_name(head)],
    )


def _by_name(head: Head) -> list[Membership]:
    return sorted(head.members.values(), key=lambda member: member.owner.name)
