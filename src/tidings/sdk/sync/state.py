"""What the parts of the engine share."""

import time
from collections.abc import Callable
from typing import Any

from tidings.sdk.crypto.machine import Machine
from tidings.sdk.events import AnyEvent
from tidings.sdk.store.database import Database
from tidings.sdk.transport.link import Disconnected, Link


class State:
    """The store, the keys, the connection if there is one, and who is told of what happens."""

    def __init__(self, database: Database, machine: Machine, emit: Callable[[AnyEvent], None]) -> None:
        self.db = database
        self.machine = machine
        self.emit = emit
        self._link: Link | None = None
        self._ahead = 0

    @property
    def account(self) -> str:
        """This account."""
        return self.machine.account.account

    @property
    def device(self) -> str:
        """This device."""
        return self.machine.account.device

    @property
    def link(self) -> Link:
        """The connection. Raises Disconnected."""
        if self._link is None:
            raise Disconnected
        return self._link

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection on which the device has been greeted."""
        return self._link is not None

    def connected(self, link: Link | None) -> None:
        """Use a connection from now on, or none."""
        self._link = link

    def now(self) -> int:
        """Return milliseconds since 1970 by the server's clock, as far as it is known."""
        return local_now() + self._ahead

    def adjust(self, server_time: int) -> None:
        """Note the server's clock."""
        self._ahead = server_time - local_now()

    async def ask(self, command: Any) -> Any:
        """Send a command and return its reply. Raises Refusal, Disconnected."""
        return await self.link.ask(command)


def local_now() -> int:
    """Return milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000
