"""Who is online, in the memory of the one process that knows."""

from collections.abc import Sequence


class MemoryPresence:
    """The port `Presence`."""

    def __init__(self) -> None:
        self._online: dict[str, set[int]] = {}
        self._account_of: dict[int, str] = {}
        self._watching: dict[int, tuple[str, frozenset[str]]] = {}
        self._watchers: dict[str, set[int]] = {}

    def set_online(self, account: str, box: int, *, online: bool) -> bool:
        """See Presence."""
        before = self.is_online(account)
        boxes = self._online.setdefault(account, set())
        if online:
            boxes.add(box)
            self._account_of[box] = account
        else:
            boxes.discard(box)
            self._account_of.pop(box, None)
        if not boxes:
            del self._online[account]
        return before != self.is_online(account)

    def is_online(self, account: str) -> bool:
        """See Presence."""
        return account in self._online

    def watch(self, box: int, watcher: str, accounts: Sequence[str]) -> None:
        """See Presence."""
        self._unwatch(box)
        self._watching[box] = watcher, frozenset(accounts)
        for account in accounts:
            self._watchers.setdefault(account, set()).add(box)

    def watchers(self, account: str) -> Sequence[tuple[int, str]]:
        """See Presence."""
        return [(box, self._watching[box][0]) for box in sorted(self._watchers.get(account, ()))]

    def forget(self, box: int) -> None:
        """See Presence."""
        self._unwatch(box)
        account = self._account_of.get(box)
        if account is not None:
            self.set_online(account, box, online=False)

    def _unwatch(self, box: int) -> None:
        _, accounts = self._watching.pop(box, ("", frozenset()))
        for account in accounts:
            watchers = self._watchers[account]
            watchers.discard(box)
            if not watchers:
                del self._watchers[account]
