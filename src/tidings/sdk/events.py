"""What a program is told, in the order in which it happened."""

from typing import Literal

import msgspec

State = Literal["pending", "sent", "delivered", "read", "failed", "expired"]
"""Pending: in the outbox. Sent: one tick. Delivered: two. Failed and expired are final."""


class Incoming(msgspec.Struct, frozen=True):
    """A message of someone else, or of another device of one's own.

    `time` is the sender's clock in milliseconds, clamped to the server's. `missing` is whether messages of this
    sender before it are missing. `trusted` is False if the sender's identity changed and was not accepted yet, if
    the sending device was removed since, or if the server alone says that the sender is in the group.
    """

    account: str
    device: str
    msg_id: bytes
    conversation: str
    seq: int
    time: int
    sender_name: str
    text: str
    missing: bool
    trusted: bool
    own: bool


class Receipt(msgspec.Struct, frozen=True):
    """How far an account got with the messages of a conversation."""

    conversation: str
    account: str
    delivered: int
    read: int
    expired: list[tuple[int, int]]


class StateUpdate(msgspec.Struct, frozen=True):
    """A message of this device left the outbox: the server has it, or it will never be sent."""

    conversation: str
    msg_id: bytes
    state: State


class ConnectionUpdate(msgspec.Struct, frozen=True):
    """There is a connection, and everything that waited has arrived; or there is none any more."""

    connected: bool


class TypingUpdate(msgspec.Struct, frozen=True):
    """Someone types, or has stopped."""

    conversation: str
    account: str
    active: bool


class PresenceUpdate(msgspec.Struct, frozen=True):
    """Whether a watched account is online, and else when it was last (0: not told)."""

    account: str
    online: bool
    last_seen: int


class ConversationUpdate(msgspec.Struct, frozen=True):
    """A conversation is new, or stands differently, or a member's name became known."""

    conversation: str


class ContactChanged(msgspec.Struct, frozen=True):
    """Something is wrong with an account: its identity changed, or the server tells stories about it."""

    account: str
    reason: str


class Missing(msgspec.Struct, frozen=True):
    """Messages of a conversation never arrived: the mailbox was full, or the server kept or repeated them."""

    conversation: str
    account: str | None
    reason: Literal["gap", "full", "repeated"]


AnyEvent = (
    Incoming
    | Receipt
    | StateUpdate
    | ConnectionUpdate
    | TypingUpdate
    | PresenceUpdate
    | ConversationUpdate
    | ContactChanged
    | Missing
)
