"""How far the person has read: kept here at once, told to the server when there is one."""

from typing import Final

from tidings.sdk.sync.state import State
from tidings.sdk.transport.link import Disconnected
from tidings.wire import commands as c

TIMES: Final = 2
"""How often a place is told: `MarkRead` has no answer, so the next connection repeats what this one said."""


class Readings:
    """Keeps and tells places."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._db = state.db

    def note(self, conversation: str, seq: int) -> None:
        """Note that everything up to `seq` was read, durable when this returns."""
        with self._db.transaction():
            self._db.run(
                "insert into reading values (?, ?, ?) on conflict do update set seq = excluded.seq, due = excluded.due"
                " where excluded.seq > seq",
                *(conversation, seq, TIMES),
            )
            if not self._db.changes():
                return
        self._tell("select conversation, seq from reading where conversation = ? and due > 0", conversation)

    def repeat(self) -> None:
        """Tell what a new connection is to be told."""
        self._tell("select conversation, seq from reading where due > 0")

    def _tell(self, query: str, *values: str) -> None:
        rows = self._db.rows(query, *values)
        if not rows or not self._state.is_connected:
            return
        try:
            for conversation, seq in rows:
                self._state.link.tell(c.MarkRead(conversation, seq))
        except Disconnected:
            return
        with self._db.transaction():
            self._db.many("update reading set due = due - 1 where conversation = ?", [row[:1] for row in rows])
