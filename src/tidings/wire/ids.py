"""The names that stand on the wire, and how they are made.

An account is `@<uuid>:<server_id>`, a conversation `!<uuid>:<server_id>`: the forms that the encryption
library signs. `server_id` is random and made at a server's first start; it is never a DNS name, so that a
server can move. Shapes are checked by length alone where a frame is decoded; a name that nobody has is
refused by the look-up that follows.
"""

import os
import secrets
import uuid
from typing import Annotated, Final

import msgspec
from msgspec import Meta

SAFE_INTEGER: Final = 2**53 - 1  # the largest integer that a JavaScript number holds exactly

AccountId = Annotated[
    str,
    Meta(title="AccountId", min_length=40, max_length=80, description="`@<uuid>:<server_id>`"),
]
ConversationId = Annotated[
    str,
    Meta(title="ConversationId", min_length=40, max_length=80, description="`!<uuid>:<server_id>`"),
]
DeviceId = Annotated[
    str,
    Meta(title="DeviceId", min_length=8, max_length=24, description="random, made by the device"),
]
Handle = Annotated[
    str,
    Meta(title="Handle", min_length=3, max_length=32, description="the name by which an account is found"),
]
MsgId = Annotated[
    bytes,
    Meta(title="MsgId", min_length=16, max_length=16, description="UUIDv7, made by the sending device"),
]
ShareId = Annotated[
    bytes,
    Meta(title="ShareId", min_length=16, max_length=16, description="random, made by the sending device"),
]
MailboxId = Annotated[
    bytes,
    Meta(title="MailboxId", max_length=16, description="changes when a mailbox starts anew; empty: none yet"),
]
Seq = Annotated[
    int,
    Meta(title="Seq", ge=0, le=SAFE_INTEGER, description="the place of a message in its conversation"),
]
Pos = Annotated[
    int,
    Meta(title="Pos", ge=0, le=SAFE_INTEGER, description="the place of an entry in a mailbox"),
]
Epoch = Annotated[
    int,
    Meta(title="Epoch", ge=0, le=SAFE_INTEGER, description="rises with every change of members or roles"),
]
Version = Annotated[
    int,
    Meta(title="Version", ge=0, le=SAFE_INTEGER, description="rises with every change of a device list"),
]
Millis = Annotated[
    int,
    Meta(title="Millis", ge=0, le=SAFE_INTEGER, description="milliseconds since 1970, by the server's clock"),
]
RequestId = Annotated[
    int,
    Meta(title="RequestId", ge=0, le=SAFE_INTEGER, description="chosen by the device; the reply repeats it"),
]


class Address(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One device of one account."""

    account: AccountId
    device: DeviceId


def new_server_id() -> str:
    """Return the name of a new server: 16 hexadecimal digits behind a letter, a valid host name."""
    return "t" + secrets.token_hex(8)


def account_id(key: uuid.UUID, server_id: str) -> str:
    """Return the wire form of an account."""
    return f"@{key}:{server_id}"


def conversation_id(key: uuid.UUID, server_id: str) -> str:
    """Return the wire form of a conversation."""
    return f"!{key}:{server_id}"


def uuid_of(name: str) -> uuid.UUID | None:
    """Return the UUID inside an account's or a conversation's wire form, or None for any other text."""
    try:
        return uuid.UUID(name[1:37])
    except ValueError:
        return None


def new_device_id() -> str:
    """Return a random device id: ten letters, as the encryption library's users are used to."""
    return "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(10))


def new_msg_id(now: int) -> bytes:
    """Return a UUIDv7 (RFC 9562, section 5.7) for `now` milliseconds: 48 bits of time, 74 random bits."""
    value = (now & (2**48 - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return value.to_bytes(16, "big")


def msg_id_time(msg_id: bytes) -> int:
    """Return the milliseconds that a UUIDv7 was made at."""
    return int.from_bytes(msg_id[:6], "big")
