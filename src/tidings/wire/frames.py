"""What all frames have in common, and the records inside them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidings.wire.ids import (
    AccountId,
    ConversationId,
    DeviceId,
    Epoch,
    Handle,
    MsgId,
    Pos,
    RequestId,
    Seq,
    ShareId,
    Version,
)
from tidings.wire.limits import MAX_CIPHERTEXT, MAX_KEY_OBJECT, MAX_SHARE

__all__ = [
    "AccountId",
    "AccountKeys",
    "Ciphertext",
    "ClaimedKey",
    "Conversation",
    "ConversationId",
    "ConversationKind",
    "DeviceId",
    "DeviceKeys",
    "Epoch",
    "Frame",
    "KeyObject",
    "Limits",
    "Member",
    "MsgId",
    "NamedKey",
    "Operation",
    "Pos",
    "RequestId",
    "Role",
    "Seq",
    "Share",
    "ShareId",
    "Signature",
    "SignedList",
    "SignedObject",
    "Standing",
    "Version",
]


def _snake(name: str) -> str:
    return "".join("_" + c if c.isupper() else c for c in name)[1:].lower()


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=_snake):
    """One socket message: an array that begins with its tag.

    Fields that a newer version adds at the end are ignored by an older one.
    """


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a frame: an array of exactly these fields."""


Ciphertext = Annotated[
    bytes,
    Meta(title="Ciphertext", min_length=1, max_length=MAX_CIPHERTEXT, description="an envelope's opaque bytes"),
]
ShareCiphertext = Annotated[
    bytes,
    Meta(title="ShareCiphertext", min_length=1, max_length=MAX_SHARE, description="an Olm message"),
]
Signature = Annotated[
    bytes,
    Meta(title="Signature", min_length=64, max_length=64, description="Ed25519, RFC 8032"),
]
KeyObject = Annotated[
    str,
    Meta(
        title="KeyObject",
        min_length=2,
        max_length=MAX_KEY_OBJECT,
        description="a signed JSON object of the Matrix specification, section End-to-end encryption",
    ),
]


class Share(Record, frozen=True):
    """A Megolm session's key, encrypted by Olm for one device."""

    account: AccountId
    device: DeviceId
    ciphertext: ShareCiphertext


class NamedKey(Record, frozen=True):
    """A one-time or fallback key and its name, such as `signed_curve25519:AAAAAQ`."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    key: KeyObject


class SignedList(Record, frozen=True):
    """A device list: the JSON text `{"account", "devices": {id: ed25519}, "master", "version"}` and its signature.

    The account's master key signs the bytes of `text` as they stand. A device that knows a list never
    accepts one with a lower version, nor another text of the same version (rollback and fork).
    """

    text: Annotated[str, Meta(min_length=2, max_length=MAX_KEY_OBJECT)]
    signature: Signature


class DeviceKeys(Record, frozen=True):
    """The signed keys of one device."""

    device: DeviceId
    keys: KeyObject


class AccountKeys(Record, frozen=True):
    """What the key directory holds of one account; `user_signing` only for oneself.

    `version` counts every change of the devices; the next signed list bears the number behind it. It is above that
    of `device_list` where the server removed a device for which nobody could sign.
    """

    account: AccountId
    name: Handle
    version: Version
    master: KeyObject | None
    self_signing: KeyObject | None
    user_signing: KeyObject | None
    device_list: SignedList | None
    devices: list[DeviceKeys]


class ClaimedKey(Record, frozen=True):
    """A one-time (or fallback) key that nobody else was given."""

    account: AccountId
    device: DeviceId
    key: NamedKey


class SignedObject(Record, frozen=True):
    """A key object with new signatures on it: a device's (`key` is its id) or a master key (`key` is the key)."""

    account: AccountId
    key: Annotated[str, Meta(min_length=1, max_length=80)]
    object: KeyObject


Standing = Literal["open", "asked", "waiting", "declined", "blocked"]
"""`open`: both may write. `asked`: a stranger wrote; accept, decline or block. `waiting`: the other has not
accepted yet. `declined` and `blocked`: by oneself; what the other did is never told."""

ConversationKind = Literal["direct", "group"]


Role = Literal["owner", "admin", "member"]
"""A group has one owner, who may do everything; admins add members, and remove those of role `member`.
In a direct conversation both are `member`."""


class Member(Record, frozen=True):
    """A member of a conversation. Messages up to `since` were sent before it came."""

    account: AccountId
    version: Version
    since: Seq
    role: Role


class Conversation(Record, frozen=True):
    """A conversation as one of its members sees it. `devices` is the sum of the members' versions."""

    conversation: ConversationId
    kind: ConversationKind
    standing: Standing
    epoch: Epoch
    devices: Version
    seq: Seq
    members: list[Member]


class Operation(Record, frozen=True):
    """Let an account have a role in a group, and be a member by that; or, without one, be no member any more."""

    account: AccountId
    role: Role | None


class Limits(Record, frozen=True):
    """What this server allows."""

    ciphertext: int
    retention: Annotated[int, Meta(description="days that an undelivered message is kept")]
    stranger_messages: int
