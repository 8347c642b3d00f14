"""What a benchmark asks of a server of another project (a peer)."""

from pathlib import Path
from typing import Final, Literal, Protocol

HOST: Final = "localhost"  # the domain of all accounts
GROUPS: Final = "groups.localhost"  # the domain of the groups (MUC); the first to join a group makes it
PASSWORD: Final = "secret"  # noqa: S105 - accounts of a server that lives for minutes, on loopback

Transport = Literal["tcp", "websocket"]


class PeerFailed(Exception):
    """A server did not start, or ended by itself; the text holds the end of its log."""


class Peer(Protocol):
    """A server in a folder of its own: XMPP on loopback, without TLS, on one core, without limits of rates.

    Accounts are `u0`, `u1`, ... at HOST, all with PASSWORD; SASL PLAIN is offered.
    """

    @property
    def name(self) -> str:
        """What a table calls it, with the transport and the archive."""
        ...

    @property
    def durability(self) -> str:
        """A sentence for the table: what it stores, and whether that is on the disk before the receiver has it."""
        ...

    @property
    def version(self) -> str:
        """Its name and version, as the program itself tells them."""
        ...

    @property
    def transport(self) -> Transport:
        """How clients reach it; WebSocket means RFC 7395 at the path /ws."""
        ...

    @property
    def port(self) -> int:
        """The port at 127.0.0.1. It stays the same when the server is started again."""
        ...

    @property
    def pid(self) -> int:
        """The server's process. Raises PeerFailed if it is not running."""
        ...

    def start(self, accounts: int = 0) -> None:
        """Start it, make accounts up to that number, and wait until it accepts connections.

        A second start finds what the first left in the folder. Raises PeerFailed.
        """
        ...

    def cpu_seconds(self) -> float:
        """Return the processor time of this start, of all its threads and children."""
        ...

    def memory_bytes(self) -> int:
        """Return the proportional set size of all its processes."""
        ...

    def kill(self) -> None:
        """End it as a failing machine would: SIGKILL, nothing written."""
        ...

    def stop(self) -> None:
        """End it and all its processes. Does nothing if it is not running."""
        ...


class Make(Protocol):
    """Makes a peer whose files are in `folder` and whose processes run on `core` alone."""

    def __call__(self, folder: Path, core: int) -> Peer:
        """Return the peer, not yet started; `folder` is made, and must be on a disk."""
        ...
