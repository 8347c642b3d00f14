"""The plaintext inside the ciphertext, and the envelope around it. The server never imports this module.

What Megolm encrypts is the JSON object of a Matrix room event, as the encryption library builds it:
`{"type": EVENT_TYPE, "room_id": <conversation>, "content": <Content>}`.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tidings.wire.frames import Role
from tidings.wire.ids import ConversationId, Epoch, Millis
from tidings.wire.limits import MAX_TEXT

EVENT_TYPE: Final = "tidings.message"
KEY_REQUEST: Final = "tidings.key_request"
KEY_ANSWER: Final = "tidings.key_answer"
MAX_NAME: Final = 64
MOST_CHANGED: Final = 50
"""Members whom a change of a group names."""

Name = Annotated[str, Meta(title="Name", min_length=1, max_length=MAX_NAME, description="a display name")]


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="kind"):
    """What a person wrote."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class Profile(msgspec.Struct, frozen=True, tag="profile", tag_field="kind"):
    """Nothing but the sender's name, which stands in `Content.name`: sent when a conversation opens."""


class Members(msgspec.Struct, frozen=True, tag="members", tag_field="kind"):
    """Who is in a group from `epoch` on, by the word of the member who changed it; `digest` is by `members_digest`.

    `changed` has the roles of those who came or have another one, and null for those who went. It is empty where these
    are many: a thousand names need not be sent to a thousand members, who get them from the server.
    """

    epoch: Epoch
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]
    changed: Annotated[dict[str, Role | None], Meta(max_length=MOST_CHANGED)]


Body = Text | Profile | Members


class Chain(msgspec.Struct, frozen=True):
    """What ties a message to the one before from the same device in the same conversation.

    `count` is 1 for a device's first message there; `prev` is the SHA-256 of the previous ciphertext.
    A server that drops, repeats or reorders messages is found out by the next one.
    """

    count: Annotated[int, Meta(ge=1)]
    prev: Annotated[bytes, Meta(min_length=32, max_length=32)] | None


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as its sender's device wrote it. `time` is the sender's clock; `name` if it may be new."""

    chain: Chain
    time: Millis
    body: Body
    name: Name | None = None


class KeyRequest(msgspec.Struct, frozen=True):
    """Ask the sending device for the key of a session, encrypted by Olm: an envelope could not be opened."""

    conversation: ConversationId
    session: Annotated[str, Meta(max_length=64)]


class KeyAnswer(msgspec.Struct, frozen=True):
    """The key of a session in Megolm's export format, encrypted by Olm for a device that was addressed."""

    conversation: ConversationId
    session: Annotated[str, Meta(max_length=64)]
    key: Annotated[str, Meta(max_length=1024)]


class SignedDevices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a signed device list: every device of an account and its Ed25519 key."""

    account: str
    devices: dict[str, str]
    master: str
    version: Annotated[int, Meta(ge=1)]


class Megolm(msgspec.Struct, frozen=True):
    """An envelope for a conversation: byte 1, the session (32 bytes), the Megolm message."""

    session: bytes
    message: bytes


class Olm(msgspec.Struct, frozen=True):
    """An envelope for one device: byte 2, 0 or 1 (with or without a pre-key), the sender's key (32 bytes), the message."""  # noqa: E501 - one sentence

    kind: int
    sender_key: bytes
    message: bytes


def members_digest(conversation: str, epoch: int, roles: Mapping[str, Role]) -> bytes:
    """Return the SHA-256 of lines, joined by newlines: a label, the group, the epoch, then each account and its role.

    The accounts are sorted by their characters' numbers.
    """
    lines = ["tidings members v1", conversation, str(epoch), *(f"{name} {roles[name]}" for name in sorted(roles))]
    return hashlib.sha256("\n".join(lines).encode()).digest()


class NoEnvelope(ValueError):
    """These bytes are no envelope that this version can read."""


def pack(envelope: Megolm | Olm) -> bytes:
    """Return the bytes of an envelope."""
    if isinstance(envelope, Megolm):
        return b"\x01" + envelope.session + envelope.message
    return bytes((2, envelope.kind)) + envelope.sender_key + envelope.message


def unpack(data: bytes) -> Megolm | Olm:
    """Return the envelope in `data`. Raises NoEnvelope."""
    if len(data) > 33 and data[0] == 1:
        return Megolm(data[1:33], data[33:])
    if len(data) > 34 and data[0] == 2 and data[1] in (0, 1):
        return Olm(data[1], data[2:34], data[34:])
    raise NoEnvelope(f"protocol {data[0] if data else None}, {len(data)} bytes")
