"""Who asks: the signed-in device behind a command."""

from typing import NamedTuple

from tidings.server.ports.mailboxes import BoxId
from tidings.wire.ids import Address


class Caller(NamedTuple):
    """A device whose key has answered the challenge."""

    box: BoxId
    address: Address
