"""Many accounts at once, for measurements: what `Accounts` and `Keys` hold of each, written in one go."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tidings.server.ports.accounts import Account
from tidings.server.ports.keys import NewKeys
from tidings.wire.http import Identity


class Settler(NamedTuple):
    """An account with its identity and its only device, whose key the mailbox store has already."""

    account: Account
    skeleton: str
    identity: Identity
    keys: NewKeys


class Crowd(Protocol):
    """What `Accounts.register` and `Keys.enrol` do for one, without an invite and a password, for many."""

    async def move_in(self, settlers: Sequence[Settler]) -> None:
        """Make accounts with their first devices, all or nothing. Raises NameTaken."""
