"""The people of a measurement. Each has one device, and everything of it follows from a number."""

import hashlib
import uuid
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tidings.wire.ids import account_id

ADDRESSES: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Where devices come from, in turn."""


class Identity:
    """A device, its account, and the address that it connects from."""

    def __init__(self, number: int) -> None:
        digest = hashlib.sha256(b"tidings bench %d" % number).digest()
        self.key = Ed25519PrivateKey.from_private_bytes(digest)
        self.uuid = uuid.UUID(bytes=digest[:16], version=4)
        self.name = f"bench-{number}"
        self.device = f"BENCH{number:07d}"
        self.address = ADDRESSES[number % len(ADDRESSES)]

    def account(self, server_id: str) -> str:
        """Return the account's wire form."""
        return account_id(self.uuid, server_id)


class Pair(NamedTuple):
    """Two people, numbered twice `number` and one above, and their conversation."""

    number: int
    conversation: str

    @property
    def people(self) -> tuple[Identity, Identity]:
        """Who they are."""
        return Identity(2 * self.number), Identity(2 * self.number + 1)
