"""Presence and typing: signals that are worth something now or never. None of them is stored."""

import contextlib
from collections.abc import Sequence

from tidings.sdk.sync.state import State
from tidings.sdk.transport.link import Disconnected
from tidings.wire import commands as c


class Life:
    """Tells the server who is watched and whether the person is here, and tells every new connection again."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._watched: list[str] = []
        self._online = False

    def watch(self, accounts: Sequence[str]) -> None:
        """Ask to be told when accounts come and go; replaces those that were asked for before."""
        self._watched = list(accounts)
        self._tell(c.Watch(self._watched))

    def set_online(self, *, online: bool) -> None:
        """Tell that the person looks at Tidings, or has turned away."""
        self._online = online
        self._tell(c.SetPresence(online))

    def set_typing(self, conversation: str, *, active: bool) -> None:
        """Tell that the person types, or has stopped."""
        self._tell(c.SetTyping(conversation, active))

    def repeat(self) -> None:
        """Tell a new connection what the one before knew."""
        if self._watched:
            self._tell(c.Watch(self._watched))
        if self._online:
            self._tell(c.SetPresence(self._online))

    def _tell(self, command: c.Watch | c.SetPresence | c.SetTyping) -> None:
        with contextlib.suppress(Disconnected):
            self._state.link.tell(command)
