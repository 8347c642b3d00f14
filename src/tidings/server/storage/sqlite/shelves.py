"""What mailboxes hold that is in the journal alone."""

from collections.abc import Iterator, Sequence

from tidings.server.ports.mailboxes import BoxId
from tidings.server.storage.sqlite.journal import Letter
from tidings.wire.ids import SAFE_INTEGER


class Shelf:
    """What a mailbox holds, as far as it is in memory."""

    __slots__ = ("given_up", "known", "letters", "rest")

    def __init__(self, rest: int, given_up: int, known: bytes) -> None:
        self.letters: dict[int, Letter] = {}
        """Letters that are in the journal alone, by position, rising."""
        self.rest = rest
        """A position above which no entry lies in a table."""
        self.given_up = given_up
        """The highest position that was given out and swept."""
        self.known = known
        """No message of this device with a higher msg_id was ever accepted."""


class Shelves:
    """The shelf of each mailbox in memory, and what those see of them who read beside a transaction."""

    def __init__(self) -> None:
        self.by_box: dict[BoxId, Shelf] = {}
        self._resting: dict[BoxId, dict[int, Letter]] = {}
        """Letters that the transaction under way has put into tables, where nobody sees them yet."""
        self._durable = 0
        """The last letter that was there at the last commit."""

    def forget(self) -> None:
        """Drop everything: it may never have come to be."""
        self.by_box.clear()
        self._resting.clear()

    def committed(self, last: int) -> None:
        """Note that the transaction is durable, and with it all letters up to the number `last`."""
        self._durable = last
        if self._resting:
            self._resting.clear()

    def rest(self, letters: Sequence[Letter]) -> None:
        """Note that letters lie in tables now."""
        for letter in letters:
            for number, pos in letter.places:
                shelf = self.by_box.get(number)
                if shelf is not None and shelf.letters.pop(pos, None) is not None:
                    shelf.rest = max(shelf.rest, pos)
                    self._resting.setdefault(number, {})[pos] = letter

    def waiting_above(self, number: BoxId, after: int) -> Iterator[tuple[int, Letter]]:
        """Yield the letters above a position that are not seen in the tables, by position, rising."""
        shelf = self.by_box.get(number)
        for letters in (self._resting.get(number), shelf and shelf.letters):
            if letters:
                for pos, letter in letters.items():
                    if pos > after:
                        yield pos, letter

    def hidden_from(self, number: BoxId) -> int:
        """Return the position from which on a mailbox shows nothing to whoever reads beside a transaction.

        It is that of the first letter that is not durable. What lies in tables behind it may be seen there already:
        a commit has returned for a moment before memory is told.
        """
        shelf, hidden = self.by_box.get(number), SAFE_INTEGER
        for letters in (shelf and shelf.letters, self._resting.get(number)):
            if letters:
                for pos in reversed(letters):
                    if letters[pos].id <= self._durable:
                        break
                    hidden = pos
        return hidden
