"""The key directory: identities, device keys, device lists, one-time keys. All public; all signed by their owners."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tidings.wire.frames import AccountKeys, ClaimedKey, KeyObject, NamedKey, SignedList
from tidings.wire.http import Device, Identity
from tidings.wire.ids import AccountId, Address, DeviceId, Millis, Version


class StaleList(Exception):
    """Another device list came first: build on that one."""


class NoLeave(Exception):
    """The enrolment is unknown, used up or expired."""


class NewKeys(msgspec.Struct, frozen=True):
    """A device that enrols, with everything that was checked about it.

    With `identity` the account starts again: every other device is removed.
    """

    account: AccountId
    device: DeviceId
    label: str
    created: Millis
    keys: KeyObject
    ed25519: bytes
    one_time: Sequence[NamedKey]
    fallback: NamedKey
    device_list: SignedList
    version: Version
    identity: Identity | None


class Addressable(msgspec.Struct, frozen=True):
    """The devices of an account that messages go to, by their Ed25519 keys, and the version of that list."""

    account: AccountId
    version: Version
    devices: dict[DeviceId, bytes]


class Keys(Protocol):
    """What `QueryKeys`, `ClaimKeys` and `UploadKeys` are about.

    The mailbox store follows the directory. A change leaves a note beside it, in the same transaction, until
    `settled` says that the mailbox store has it too: after a crash or a failure, `unsettled` tells what to repeat.
    """

    async def enrol(self, new: NewKeys, token: str) -> Addressable:
        """Add a device, and use up the leave to enrol that `token` is, together.

        Raises NoLeave if it was used up before, StaleList if `version` is not the next one.
        """

    async def remove(
        self, account: AccountId, device: DeviceId, device_list: SignedList | None, version: Version
    ) -> Addressable:
        """Remove a device, with the list that says so if there is one. Raises StaleList."""

    async def settled(self, account: AccountId, version: Version) -> None:
        """Note that the mailbox store has what an earlier call returned."""

    async def unsettled(self, account: AccountId | None = None) -> Sequence[Addressable]:
        """Return the accounts (or of one, if it is one of them) whose last change the mailbox store may not have."""

    async def query(self, asker: AccountId, accounts: Sequence[AccountId]) -> Sequence[AccountKeys]:
        """Return what is known of accounts. Signatures by a user-signing key are shown to its owner alone."""

    async def claim(self, devices: Sequence[Address]) -> Sequence[ClaimedKey]:
        """Take one key of each device, oldest first, each once; else the fallback key, which is then used."""

    async def upload(
        self, device: Address, one_time: Sequence[NamedKey], fallback: NamedKey | None, *, replace: bool
    ) -> tuple[int, bool]:
        """Add keys. Returns how many one-time keys there are and whether the fallback key is unused."""

    async def count(self, device: Address) -> tuple[int, bool]:
        """Return how many one-time keys there are and whether the fallback key is unused."""

    async def replace_object(self, account: AccountId, key: str, old: KeyObject, new: KeyObject) -> bool:
        """Replace a device's keys or a master key by the same with more signatures. False if `old` has changed."""

    async def sign_other(self, signer: AccountId, account: AccountId, signed: KeyObject) -> None:
        """Keep someone's master key as signed by the user-signing key of `signer`."""

    async def devices(self, account: AccountId) -> Sequence[Device]:
        """Return an account's devices, none marked as current."""

    async def device(self, address: Address) -> bytes | None:
        """Return the Ed25519 key of an enrolled device."""

    async def note_seen(self, seen: Mapping[Address, Millis]) -> None:
        """Note when devices were last there."""

    async def low(self, threshold: int) -> Sequence[Address]:
        """Return the devices that have fewer than `threshold` one-time keys."""
