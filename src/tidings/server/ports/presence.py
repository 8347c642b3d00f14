"""Who is online, and who wants to know. Kept apart from everything else, and never in a message's way."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tidings.server.ports.mailboxes import BoxId
from tidings.wire.http import Audience
from tidings.wire.ids import AccountId, Millis


class Presence(Protocol):
    """The devices on which people look at Tidings now, and the devices that watch them."""

    def set_online(self, account: AccountId, box: BoxId, *, online: bool) -> bool:
        """Note that a device is or is not looked at. Returns whether the account's presence changed by that."""

    def is_online(self, account: AccountId) -> bool:
        """Return whether any device of the account is looked at."""

    def watch(self, box: BoxId, watcher: AccountId, accounts: Sequence[AccountId]) -> None:
        """Let a device watch exactly these accounts."""

    def watchers(self, account: AccountId) -> Sequence[tuple[BoxId, AccountId]]:
        """Return the devices that watch an account, and whose they are."""

    def forget(self, box: BoxId) -> None:
        """Note that a device is gone: it neither watches nor is looked at."""


class LastSeen(Protocol):
    """When people were last online, and whom they let know."""

    async def note(self, seen: Mapping[AccountId, Millis]) -> None:
        """Note when accounts were last online."""

    async def last_seen(self, account: AccountId) -> tuple[Millis, Audience]:
        """Return when an account was last online (0: never), and who may know."""

    async def set_audience(self, account: AccountId, audience: Audience) -> None:
        """Let an account choose who may know."""
