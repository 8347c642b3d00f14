"""The bodies of HTTP requests and answers, all JSON. Which route takes which stands in the OpenAPI page."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidings.wire.frames import KeyObject, NamedKey, Signature, SignedList
from tidings.wire.ids import AccountId, DeviceId, Handle, Millis, Version
from tidings.wire.limits import MAX_ONE_TIME_KEYS

Password = Annotated[str, Meta(min_length=8, max_length=256)]
WantedHandle = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=32,
        pattern="^[A-Za-z0-9._-]+$",
        description="letters, digits, dot, dash and underscore; kept in lower case",
    ),
]
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]
Label = Annotated[str, Meta(max_length=64, description="what the person calls this device")]
Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]


Audience = Literal["everyone", "contacts", "nobody"]


class Body(msgspec.Struct, frozen=True):
    """A JSON object; members that are not known are ignored."""


class NewInvite(Body, frozen=True):
    """How long an invite is good, and for how many people."""

    days: Annotated[int, Meta(ge=1, le=30)] = 7
    uses: Annotated[int, Meta(ge=1, le=100)] = 1


class Invite(Body, frozen=True):
    """An invite. Its link is the server's address and `/#/join/<code>`: a fragment, so that no log holds it."""

    code: Code
    expires: Millis
    uses: int


class InviteInfo(Body, frozen=True):
    """Who invites (nobody: the server itself), and until when."""

    inviter: Handle | None
    expires: Millis
    admin: bool


class NewAccount(Body, frozen=True):
    """Register by invite."""

    invite: Code
    name: WantedHandle
    password: Password


class SignIn(Body, frozen=True):
    """Sign in on a device that has no keys yet."""

    name: Annotated[str, Meta(max_length=64)]
    password: Annotated[str, Meta(max_length=256)]


class Enrolment(Body, frozen=True):
    """Leave to enrol one device within 15 minutes.

    `devices` counts those that the account has now; `version` is that of their list: the new one bears the next.
    """

    account: AccountId
    name: Handle
    server_id: str
    enrolment: str
    devices: int
    version: Version


class Identity(Body, frozen=True):
    """A new cross-signing identity, in the Matrix specification's shape."""

    master: KeyObject
    self_signing: KeyObject
    user_signing: KeyObject


class NewDevice(Body, frozen=True):
    """A device with its keys, signed by the identity's self-signing key, and the device list that names it.

    `identity` is given by an account's first device, or to start again: all other devices are then removed
    and contacts are warned. `cookie` asks for a browser's sign-in.
    """

    device: DeviceId
    label: Label
    keys: KeyObject
    one_time: Annotated[list[NamedKey], Meta(max_length=MAX_ONE_TIME_KEYS)]
    fallback: NamedKey
    device_list: SignedList
    identity: Identity | None = None
    cookie: bool = False


class Renewal(Body, frozen=True):
    """A browser's sign-in is renewed by its device's key, which signs (label, server, account, device, time, nonce)."""

    account: AccountId
    device: DeviceId
    time: Millis
    nonce: Nonce
    signature: Signature


class Device(Body, frozen=True):
    """A device of one's own."""

    device: DeviceId
    label: Label
    created: Millis
    seen: Millis
    current: bool


class Devices(Body, frozen=True):
    """All devices of one's own."""

    devices: list[Device]


class Removal(Body, frozen=True):
    """The signed device list without the device that is to go; none if the identity's keys are not at hand."""

    device_list: SignedList | None = None


class AccountInfo(Body, frozen=True):
    """An account that was found by its exact name."""

    account: AccountId
    name: Handle


class Privacy(Body, frozen=True):
    """Who sees when one is online, and when one was."""

    last_seen: Audience = "contacts"


class Account(Body, frozen=True):
    """An account as its server's admin sees it."""

    account: AccountId
    name: Handle
    admin: bool
    created: Millis
    devices: int


class Accounts(Body, frozen=True):
    """A page of accounts in the order of their names; `more` if others follow."""

    accounts: list[Account]
    more: bool


class Problem(Body, frozen=True):
    """Why a request was refused; `code` is one of the protocol's error codes or of those listed for the route."""

    code: str
    detail: str
    retry_after: int | None = None
    time: Millis | None = None
    """The server's time, where a signature was made by a clock that is too far from it."""
