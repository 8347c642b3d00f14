"""Who may make a member of whom, give roles and take away: the rules of a group. No store, no clock."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.server.domain.admission import check_may_write, stale
from tidings.server.domain.heads import UNKNOWN, Box, Head, Membership, Owner
from tidings.wire.commands import ChangeMembers, Send
from tidings.wire.errors import MemberVersion, NotAllowed, OutOfOrder, Refusal, StaleEpoch
from tidings.wire.frames import Operation, Role, Share
from tidings.wire.ids import conversation_id, uuid_of
from tidings.wire.limits import MAX_MEMBERS


class Plan(NamedTuple):
    """What a change does, once it is allowed."""

    joining: Sequence[tuple[Owner, Role]]
    promoted: Sequence[tuple[Membership, Role]]
    leaving: Sequence[Membership]


def as_send(change: ChangeMembers) -> Send:
    """Return the message of a change: what the members are told."""
    return Send(
        change.id, change.change_id, change.conversation, change.epoch, change.devices, change.prev, change.ciphertext
    )


def admit(
    head: Head, sender: Box, change: ChangeMembers, last: bytes | None, contact: Callable[[str], Owner | None]
) -> Plan:
    """Return what a change of a group comes to. Raises Refusal unless it may be made.

    `last` is the sender's last accepted message here; for `contact` see `plan`.
    """
    membership = head.members.get(sender.account.id)
    if membership is None or head.kind != "group":
        raise Refusal(NotAllowed())
    if change.epoch != head.epoch:
        raise Refusal(stale(head))
    planned = plan(head, membership, change.operations, contact)
    if change.devices != head.devices + sum(owner.version for owner, _ in planned.joining):
        raise Refusal(stale(head))
    if change.prev != last:
        raise Refusal(OutOfOrder(None if last == UNKNOWN else last))
    return planned


def plan(
    head: Head, sender: Membership, operations: Sequence[Operation], contact: Callable[[str], Owner | None]
) -> Plan:
    """Return what `operations` of a member come to. Raises Refusal.

    `contact` returns the account of a name, if the sender and it have accepted each other. Owner and admins add
    contacts of theirs and remove members; the owner also gives roles, and removes admins; everybody may leave. Whoever
    owns the group hands it over in the change by which they leave, unless nobody else is there.
    """
    roles: dict[str, Role] = {member.owner.name: member.role for member in head.members.values()}
    joining: list[tuple[Owner, Role]] = []
    promoted: list[tuple[Membership, Role]] = []
    leaving: list[Membership] = []
    if len({operation.account for operation in operations}) < len(operations):
        raise Refusal(NotAllowed())
    for account, role in ((operation.account, operation.role) for operation in operations):
        member = head.by_name(account)
        if role is None:
            if member is None or not _may_remove(sender, member):
                raise Refusal(NotAllowed())
            leaving.append(member)
            del roles[account]
            continue
        if member is not None:
            if sender.role != "owner":
                raise Refusal(NotAllowed())
            promoted.append((member, role))
        else:
            owner = contact(account) if _may_add(sender, role) else None
            if owner is None:
                raise Refusal(NotAllowed())
            joining.append((owner, role))
        roles[account] = role
    owners = sum(role == "owner" for role in roles.values())
    if len(roles) > MAX_MEMBERS or (roles and owners != 1):
        raise Refusal(NotAllowed())
    return Plan(joining, promoted, leaving)


def admit_new(sender: Box, change: ChangeMembers, server_id: str) -> None:
    """Raise Refusal unless a change makes a group of oneself, under a name that a device may choose."""
    key = uuid_of(change.conversation)
    owner = sender.account
    if key is None or conversation_id(key, server_id) != change.conversation or key.version != 4:
        raise Refusal(NotAllowed())
    if change.epoch or change.prev is not None or change.operations != [Operation(owner.name, "owner")]:
        raise Refusal(NotAllowed())
    if change.devices != owner.version:
        raise Refusal(StaleEpoch(0, owner.version, [MemberVersion(owner.name, owner.version)]))


def share_target(head: Head, sender: Owner, share: Share, contact: Callable[[str], Owner | None]) -> Box:
    """Return the mailbox of a key share. Raises Refusal.

    It is that of a member, or of somebody whom the sender may add: who joins must have the key before the message that
    says so. Whoever may not write to the other of a direct conversation gives it no keys either.
    """
    member = head.by_name(share.account)
    owner: Owner | None = None
    if member is not None:
        owner = member.owner
        if owner is not sender and head.kind == "direct":
            check_may_write(head.members[sender.id], member)
    elif head.kind == "group" and _may_add(head.members[sender.id], "member"):
        owner = contact(share.account)
    box = owner.boxes.get(share.device) if owner is not None else None
    if box is None:
        raise Refusal(NotAllowed())
    return box


def heir(head: Head, leaver: Owner) -> Membership | None:
    """Return who owns a group after an owner who was removed with the account: an admin before others, the eldest."""
    rest = [member for member in head.members.values() if member.owner is not leaver]
    if head.members[leaver.id].role != "owner":
        return None
    return min(rest, key=lambda member: (member.role != "admin", member.since, member.owner.name), default=None)


def _may_add(sender: Membership, role: Role) -> bool:
    return sender.role == "owner" or (sender.role == "admin" and role == "member")


def _may_remove(sender: Membership, member: Membership) -> bool:
    if sender is member or sender.role == "owner":
        return True
    return sender.role == "admin" and member.role == "member"
