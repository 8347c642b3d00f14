"""What is lost with a mailbox that closes."""

from typing import TYPE_CHECKING

from tidings.server.domain.heads import Box, Head
from tidings.server.domain.marks import needed_before

if TYPE_CHECKING:
    from tidings.server.storage.sqlite.book import Book


def give_up(book: "Book", box: Box) -> list[Head]:
    """Expire what this mailbox alone holds for its account; return the conversations in which that is news."""
    held = _held(book, box)
    others = [other for other in box.account.boxes.values() if other is not box] if held else []
    for other in others:
        for place in _held(book, other):
            held.pop(place, None)
    changed: dict[int, Head] = {}
    for (conversation, seq), lower in sorted(held.items()):
        head = book.head_by_id(conversation)
        if book.mark(head, box.account).expire(lower, seq):
            changed[conversation] = head
    return list(changed.values())


def _held(book: "Book", box: Box) -> dict[tuple[int, int], int]:
    """Return the messages of others that a mailbox holds or could not decrypt, and what was needed before each."""
    waiting = book.rows(
        "select l.conversation, l.seq, l.last_sender, l.run_start"
        " from entry e join letter l on l.id = e.ref where e.box = ? and e.kind = 0 and l.owner != ?",
        (box.id, box.account.id),
    )
    failed = book.rows("select conversation, seq, lower from failed where box = ?", (box.id,))
    held = {(conversation, seq): lower for conversation, seq, lower in failed}
    for conversation, seq, *run in waiting:
        held[conversation, seq] = needed_before(seq, box.account.id, *run)
    return held
