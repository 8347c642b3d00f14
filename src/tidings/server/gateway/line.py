"""The seam between a device's connection and its socket, which may be this process's own or a worker's."""

from typing import Final, Protocol

ROOM: Final = 262_144
"""Bytes waiting for a socket above which its connection is asked to pause writing."""


class Line(Protocol):
    """A WebSocket, as its peer on the server's side sees it. Nothing here waits, and nothing raises when it is gone."""

    is_gone: bool
    """Whether the connection has ended, or is being cut: what is written now goes nowhere."""

    @property
    def waiting(self) -> int:
        """Bytes that wait for the socket."""

    def write(self, data: bytes) -> None:
        """Send a message."""

    def ping(self) -> None:
        """Ask whether the other side is alive; whatever it answers comes as `on_heard`."""

    def pong(self, payload: bytes) -> None:
        """Answer a ping."""

    def hang_up(self, code: int, reason: str = "") -> None:
        """Send a close frame, and nothing more after it. The connection ends when the other side has answered."""

    def cut(self) -> None:
        """End the connection without a word; what waits for the socket is dropped."""

    def pause_reading(self) -> None:
        """Read nothing from the socket until `resume_reading`; what has been read still comes."""

    def resume_reading(self) -> None:
        """Read on."""


class Peer(Protocol):
    """What a line tells of its socket, in the order in which it happened."""

    most: int
    """Bytes of the longest message that is taken now."""

    def on_connected(self, line: Line) -> None:
        """Handle the start of the connection."""

    def on_message(self, data: bytes, *, text: bool) -> None:
        """Handle a whole message."""

    def on_ping(self, payload: bytes) -> None:
        """Handle a ping, which wants a pong."""

    def on_heard(self, idle: int = 0) -> None:
        """Note that the other side is alive: whole frames have come, and have been handled.

        `idle` of them, since the last call, ended no message: pings, pongs, parts.
        """

    def on_violation(self, code: int, reason: str) -> None:
        """End the connection with a side that broke the protocol; nothing that it sends is heard any more."""

    def on_gone(self) -> None:
        """Handle the end of the connection: the last call."""

    def pause_writing(self) -> None:
        """Note that much waits for the socket."""

    def resume_writing(self) -> None:
        """Note that there is room again."""
