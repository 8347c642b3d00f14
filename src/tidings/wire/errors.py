"""Why a command was refused: the code says what to do, the fields carry what is needed to do it.

    WireError
    +-- refresh, then send again ... StaleEpoch, OutOfOrder
    +-- the request is at fault .... KeyReused, TooOld, TooLarge, NotAllowed, BadFrame, Unsupported
    +-- come back later ............ MailboxFull, RateLimited, Unavailable
    +-- the outcome is unknown ..... UnknownOutcome (repeat the same bytes)

Codes are part of the protocol and never change their meaning; texts for people live in the clients.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.wire.ids import AccountId, Epoch, MsgId, Version


class ErrorRecord(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    tag=lambda name: "".join("_" + c if c.isupper() else c for c in name)[1:].upper(),
):
    """Anything that a command can be refused with."""


class MemberVersion(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member of a conversation and the version of its device list."""

    account: AccountId
    version: Version


class StaleEpoch(ErrorRecord, frozen=True):
    """Members or devices changed.

    Query those whose version rose, share the key with who came, rotate it if someone left, then send again.
    """

    epoch: Epoch
    devices: Version
    members: list[MemberVersion]


class OutOfOrder(ErrorRecord, frozen=True):
    """`prev` is not this device's last accepted message here. Send again from the one after `last`."""

    last: MsgId | None


class KeyReused(ErrorRecord, frozen=True):
    """Another message was accepted under this `msg_id`. Never send it again."""


class TooOld(ErrorRecord, frozen=True):
    """The `msg_id` is older than the server remembers. Show the message as failed."""


class TooLarge(ErrorRecord, frozen=True):
    """Something is larger than allowed. Do not repeat."""

    limit: int


class NotAllowed(ErrorRecord, frozen=True):
    """Not yours, not there, blocked, declined or deleted: all answer alike. Do not repeat."""


class MailboxFull(ErrorRecord, frozen=True):
    """All devices of the recipient are full. Repeat when the recipient has been back."""


class RateLimited(ErrorRecord, frozen=True):
    """Too many. Repeat after `retry_after` milliseconds."""

    retry_after: Annotated[int, Meta(ge=0, description="milliseconds")]


class Unavailable(ErrorRecord, frozen=True):
    """The server cannot do it now and did nothing. Repeat after `retry_after` milliseconds."""

    retry_after: Annotated[int, Meta(ge=0, description="milliseconds")]


class UnknownOutcome(ErrorRecord, frozen=True):
    """The server cannot tell whether it was done. Repeat the same bytes: it is done once."""


class BadFrame(ErrorRecord, frozen=True):
    """The frame is not valid. Do not repeat it."""

    reason: Annotated[str, Meta(max_length=200)]


class Unsupported(ErrorRecord, frozen=True):
    """This server does not know the command. Do not repeat it."""


WireError = (
    StaleEpoch
    | OutOfOrder
    | KeyReused
    | TooOld
    | TooLarge
    | NotAllowed
    | MailboxFull
    | RateLimited
    | Unavailable
    | UnknownOutcome
    | BadFrame
    | Unsupported
)


class Refusal(Exception):
    """A command was refused with `error`."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error)
        self.error = error
