"""The peers by name, as a run picks them."""

from collections.abc import Mapping
from typing import Final

from bench.peers.peer import Make

PEERS: Final[Mapping[str, Make]] = {}


def missing() -> list[str]:
    """Return the Debian packages that the peers need and this machine lacks."""
    return []
