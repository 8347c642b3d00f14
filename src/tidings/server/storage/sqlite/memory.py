"""What a database tells whoever remembers something of it."""

from typing import Protocol


class Memory(Protocol):
    """What is remembered of the database: it is told what becomes of transactions. All but `forget` may use it."""

    def forget(self) -> None:
        """Drop everything: what was done in a transaction did not come to be."""

    def begin(self) -> None:
        """Take up a transaction that has begun."""

    def write_down(self) -> None:
        """Write what the transaction has changed in memory alone: it is about to end."""

    def committed(self) -> None:
        """Note that the transaction is durable."""

    def settle(self) -> None:
        """Bring the tables up to date, within a transaction: the log is about to be cut, or the file closed."""


class NoMemory:
    """Nothing is remembered."""

    def forget(self) -> None:
        """See Memory."""

    begin = write_down = committed = settle = forget
