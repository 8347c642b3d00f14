"""Who may write to whom, and what each of them is told about it."""

from typing import Final, Literal

from tidings.wire.frames import Standing

Stance = Literal["open", "asked", "declined"]
"""What a member said to a conversation: yes, nothing yet, no."""

STRANGER_MESSAGES: Final = 3
"""How many messages a stranger may send before being accepted."""


def may_write(theirs: Stance, *, blocked: bool, strange: int) -> bool:
    """Return whether a message in a direct conversation is accepted.

    `blocked` is whether either has blocked the other; `strange` counts the messages that waited for `theirs`.
    The writer's own stance forbids nothing: whoever writes accepts by that.
    """
    if blocked or theirs == "declined":
        return False
    return theirs == "open" or strange < STRANGER_MESSAGES


def standing(mine: Stance, theirs: Stance, *, blocked_by_me: bool) -> Standing:
    """Return how a conversation stands for a member. What the other refused is never told."""
    if blocked_by_me:
        return "blocked"
    if mine != "open":
        return mine
    return "open" if theirs == "open" else "waiting"


def may_see_life(theirs: Stance, *, blocked: bool) -> bool:
    """Return whether one sees another's receipts, typing and presence: only who was accepted does."""
    return theirs == "open" and not blocked
