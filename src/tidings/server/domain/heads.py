"""The state that decides a send: accounts with their boxes, and conversations with their members.

Both mailbox stores hold these objects in memory; the durable ones write every change before they tell of it.
Numbers (`id`) are a store's own and never leave the server.
"""

from collections.abc import Sequence
from typing import Final

from tidings.server.domain.marks import Interval, Mark
from tidings.server.domain.permission import Stance
from tidings.wire.frames import ConversationKind, Role
from tidings.wire.ids import Address

NONE: Final[frozenset[int]] = frozenset()
NOBODY: Final[dict[int, int]] = {}
"""Who spoke in a direct conversation: it is not kept. One for all of them, since there are many."""
Told = tuple[int, int, Sequence[Interval]]
UNTOLD: Final[Told] = (0, 0, ())
UNKNOWN = b""
"""The last message of a device is not in memory."""


class Box:
    """The mailbox of one addressable device."""

    __slots__ = (
        *("account", "acked", "address", "gaps", "id", "key"),
        *("mailbox_id", "pos", "seen", "stored", "suspended"),
    )

    def __init__(self, number: int, account: "Owner", address: Address, mailbox_id: bytes, key: bytes) -> None:
        self.id = number
        self.account = account
        self.address = address
        self.mailbox_id = mailbox_id
        self.key = key
        self.pos = 0
        """The highest position given out."""
        self.acked = 0
        """The highest position that the device acknowledged."""
        self.stored = 0
        """How many messages wait (key shares do not count)."""
        self.seen = 0
        """When the device was last there, in milliseconds since 1970."""
        self.suspended = False
        """Unseen for the whole retention: not addressed until it returns."""
        self.gaps: frozenset[int] = NONE
        """Conversations that this box has been told to miss messages of, since it was last not full."""


class Owner:
    """An account, with the boxes of its addressable devices by device id."""

    __slots__ = ("boxes", "id", "name", "removed", "version")

    def __init__(self, number: int, name: str, version: int) -> None:
        self.id = number
        self.name = name
        self.version = version
        self.removed = False
        """Deleted for good: nobody may write to it."""
        self.boxes: dict[str, Box] = {}


class Membership:
    """What a conversation knows of one member."""

    __slots__ = ("blocked", "mark", "owner", "role", "since", "stance", "strange", "told")

    def __init__(self, owner: Owner, stance: Stance, since: int, role: Role = "member") -> None:
        self.owner = owner
        self.stance = stance
        self.since = since
        self.role = role
        self.blocked = False
        self.strange = 0
        """Messages that others sent while this member had not accepted yet."""
        self.mark: Mark | None = None
        """How far the member got, if a store has looked it up here."""
        self.told: Told = (since, since, ()) if since else UNTOLD
        """What others were told of it: the places up to which all is delivered and read, and what expired."""

    def tell(self, mark: Mark) -> int | None:
        """Note that others are told of a mark; return the lowest place above which that is news, None if none is."""
        delivered, read, expired = self.told
        self.told = mark.delivered, mark.read, mark.expired
        news = [old for old, new in ((delivered, mark.delivered), (read, mark.read)) if new > old]
        if mark.expired != expired:
            news.append(min(interval[0] for interval in mark.expired if interval not in expired) - 1)
        return min(news, default=None)


class Head:
    """A conversation: its members by account number, its epoch and its last place."""

    __slots__ = (
        *("_devices", "_named", "epoch", "id", "kind", "last_sender", "members"),
        *("name", "run_start", "seq", "speakers", "tails"),
    )

    def __init__(self, number: int, name: str, kind: ConversationKind) -> None:
        self.id = number
        self.name = name
        self.kind = kind
        self.epoch = 1
        self.seq = 0
        self.members: dict[int, Membership] = {}
        self.last_sender = 0
        """The account whose messages end the conversation, and"""
        self.run_start = 0
        """the place where this unbroken run of them began."""
        self.tails: dict[int, bytes | None] = {}
        """The last accepted message of each box, as far as known."""
        self.speakers = {} if kind == "group" else NOBODY
        """Of a group: the members who wrote, and the place of the last message of each; the latest stands last."""
        self._devices: int | None = None
        self._named: dict[str, Membership] | None = None

    @property
    def devices(self) -> int:
        """The sum of the members' device-list versions. It is not counted anew for every message."""
        if self._devices is None:
            self._devices = sum(member.owner.version for member in self.members.values())
        return self._devices

    def by_name(self, account: str) -> Membership | None:
        """Return the member with a name. A thousand key shares look for a thousand members."""
        if self._named is None:
            self._named = {member.owner.name: member for member in self.members.values()}
        return self._named.get(account)

    def changed(self) -> None:
        """Note that members came or went, or that the version of one of them rose."""
        self._devices = self._named = None

    def drop(self, owner: Owner) -> None:
        """Let an account be no member any more."""
        del self.members[owner.id]
        self.speakers.pop(owner.id, None)
        self.changed()

    def advance(self, sender: int) -> int:
        """Take the next place for a message of the account `sender`, and return it."""
        self.seq += 1
        if self.last_sender != sender:
            self.last_sender = sender
            self.run_start = self.seq
        if self.kind == "group":
            self.speakers.pop(sender, None)
            self.speakers[sender] = self.seq
        return self.seq
