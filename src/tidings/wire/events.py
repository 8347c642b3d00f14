"""What a server tells a device: replies, which repeat a command's `id`, and events, which nobody asked for."""

from typing import Annotated

from msgspec import Meta

from tidings.wire.errors import WireError
from tidings.wire.frames import (
    AccountId,
    AccountKeys,
    Ciphertext,
    ClaimedKey,
    Conversation,
    ConversationId,
    DeviceId,
    Epoch,
    Frame,
    Limits,
    Member,
    MsgId,
    Pos,
    RequestId,
    Seq,
    ShareCiphertext,
    Version,
)
from tidings.wire.ids import MailboxId, Millis


class Ready(Frame, frozen=True):
    """The device is signed in. `pos` is the highest position that it has ever acknowledged.

    A device whose own `last_pos` is lower was restored from an old copy: it drops its outbound sessions.
    """

    id: RequestId
    mailbox_id: MailboxId
    pos: Pos
    limits: Limits
    time: Millis


class Done(Frame, frozen=True):
    """It is done, and durable."""

    id: RequestId


class Sent(Frame, frozen=True):
    """The message is stored for every addressed device: one tick."""

    id: RequestId
    seq: Seq
    time: Millis


class Keys(Frame, frozen=True):
    """What the key directory holds. Accounts that are not there are left out."""

    id: RequestId
    accounts: list[AccountKeys]


class Claimed(Frame, frozen=True):
    """One key for each device that had one."""

    id: RequestId
    keys: list[ClaimedKey]


class KeyCount(Frame, frozen=True):
    """How many one-time keys of this device are left, and whether its fallback key is unused."""

    id: RequestId
    one_time: int
    fallback: bool


class Conversations(Frame, frozen=True):
    """Conversations of this account; `more` if there are further ones behind the last."""

    id: RequestId
    conversations: list[Conversation]
    more: bool


class Refused(Frame, frozen=True):
    """The command was refused, and nothing was done (but see `UNKNOWN_OUTCOME`). No id: it was unreadable."""

    id: RequestId | None
    error: WireError


class Challenge(Frame, frozen=True):
    """The first frame of every connection: sign `nonce` in `Hello`."""

    nonce: Annotated[bytes, Meta(min_length=32, max_length=32)]
    server_id: str


class Message(Frame, frozen=True):
    """An envelope in this device's mailbox."""

    pos: Pos
    seq: Seq
    conversation: ConversationId
    sender: AccountId
    device: DeviceId
    msg_id: MsgId
    time: Millis
    ciphertext: Ciphertext


class KeyShare(Frame, frozen=True):
    """A key share in this device's mailbox."""

    pos: Pos
    sender: AccountId
    device: DeviceId
    ciphertext: ShareCiphertext


class Gap(Frame, frozen=True):
    """The mailbox was full: messages of this conversation from `first_seq` on are missing here."""

    pos: Pos
    conversation: ConversationId
    first_seq: Seq


class CaughtUp(Frame, frozen=True):
    """Everything that waited has been sent; from here on it is live."""

    pos: Pos


class Marks(Frame, frozen=True):
    """How far an account got in a conversation. Numbers only rise.

    Messages of others with `since < seq <= delivered` are delivered, except those in `expired`
    (pairs of first and last), which no device of the account ever got. Pass the highest `time` in `Hello`.
    """

    conversation: ConversationId
    account: AccountId
    since: Seq
    delivered: Seq
    read: Seq
    expired: list[tuple[Seq, Seq]]
    time: Millis


class DeviceList(Frame, frozen=True):
    """The device list of someone with whom a conversation is shared changed: query it before the next send."""

    account: AccountId
    version: Version


class ConversationChanged(Frame, frozen=True):
    """A conversation is new, or its members or its standing changed."""

    conversation: Conversation


class MembersChanged(Frame, frozen=True):
    """Members of a group came or have another role (`members`), or went (`gone`), which may be oneself."""

    conversation: ConversationId
    epoch: Epoch
    devices: Version
    members: list[Member]
    gone: list[AccountId]


class KeysLow(Frame, frozen=True):
    """Few one-time keys of this device are left: upload more."""

    count: int


class Typing(Frame, frozen=True):
    """Someone types, or has stopped. Never stored."""

    conversation: ConversationId
    account: AccountId
    active: bool


class Presence(Frame, frozen=True):
    """Whether a watched account is online, and else when it was last (0: not told)."""

    account: AccountId
    online: bool
    last_seen: Millis


class Reconnect(Frame, frozen=True):
    """The server is going down: come back after `after` plus a random part of `jitter` milliseconds."""

    after: int
    jitter: int


Reply = Ready | Done | Sent | Keys | Claimed | KeyCount | Conversations | Refused
Stored = Message | KeyShare | Gap
Event = (
    Challenge
    | Stored
    | CaughtUp
    | Marks
    | DeviceList
    | ConversationChanged
    | MembersChanged
    | KeysLow
    | Typing
    | Presence
    | Reconnect
)
ServerFrame = Reply | Event
