"""Accounts, invites and sign-ins."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tidings.wire.ids import AccountId, DeviceId, Handle, Millis


class NameTaken(Exception):
    """The handle, or one that looks like it, belongs to somebody."""


class InviteSpent(Exception):
    """There is no such invite, or it was used up or has expired."""


class Account(msgspec.Struct, frozen=True):
    """A person's identity on this server."""

    id: AccountId
    name: Handle
    admin: bool
    created: Millis
    inviter: AccountId | None


class Invite(msgspec.Struct, frozen=True):
    """Leave to register. `code` is a secret, kept as a hash."""

    code: str
    inviter: AccountId | None
    admin: bool
    expires: Millis
    uses: int


class SignIn(msgspec.Struct, frozen=True):
    """What a browser's cookie proves. Secrets are kept as hashes; `renewed` is when the newer one was given out."""

    id: str
    account: AccountId
    device: DeviceId
    secret: bytes
    previous: bytes
    renewed: Millis


class Accounts(Protocol):
    """Who there is. All calls are durable when they return."""

    async def register(self, account: Account, skeleton: str, password: str, invite: str) -> None:
        """Create an account and use the invite once, both or neither. Raises NameTaken, InviteSpent.

        Whether the account is an admin's, and who invited it, is what the invite says.
        """

    async def by_id(self, account: AccountId) -> Account | None:
        """Return an account."""

    async def by_name(self, name: Handle) -> Account | None:
        """Return the account with exactly this handle."""

    async def names(self, accounts: Sequence[AccountId]) -> dict[AccountId, Handle]:
        """Return the handles of accounts; those that are not there are left out."""

    async def password(self, account: AccountId) -> str:
        """Return the hash of an account's password."""

    async def set_password(self, account: AccountId, password: str) -> None:
        """Replace the hash of an account's password."""

    async def has_admin(self) -> bool:
        """Return whether there is an admin."""

    async def page(self, after: Handle, count: int) -> Sequence[Account]:
        """Return accounts behind `after`, in the order of their names."""

    async def remove(self, account: AccountId) -> None:
        """Remove an account with its keys, sign-ins and invites. Its handle is free again."""

    async def add_invite(self, invite: Invite) -> None:
        """Keep an invite."""

    async def invite(self, code: str, now: Millis) -> Invite | None:
        """Return an invite that is good."""

    async def add_enrolment(self, token: str, account: AccountId, expires: Millis) -> None:
        """Keep leave to enrol one device; the token as a hash."""

    async def enrolment(self, token: str, now: Millis) -> AccountId | None:
        """Return whose device may be enrolled with a token. `Keys.enrol` uses it up."""


class SignIns(Protocol):
    """The cookies of browsers."""

    async def add(self, sign_in: SignIn) -> None:
        """Keep a sign-in; one that the same device had is gone."""

    async def find(self, sign_in: str) -> SignIn | None:
        """Return a sign-in."""

    async def of_device(self, account: AccountId, device: DeviceId) -> SignIn | None:
        """Return the sign-in of a device."""

    async def renew(self, sign_in: str, secret: bytes, previous: bytes, now: Millis) -> None:
        """Give a sign-in another secret; the one before is remembered."""

    async def end(self, sign_in: str) -> None:
        """Forget a sign-in."""
