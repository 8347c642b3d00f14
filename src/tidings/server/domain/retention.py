"""How long things are kept, in milliseconds."""

from typing import Final

SECOND: Final = 1_000
DAY: Final = 86_400 * SECOND
SHARES_LONGER: Final = 8 * DAY
"""Key shares outlive messages: a session is used for seven days at most."""
RECORDS_LONGER: Final = 7 * DAY
"""A message's record outlives the message, so that a late retry is known."""
AHEAD: Final = DAY
"""How far a device's clock may run ahead of the server's in a `msg_id`."""

SEEN_EVERY: Final = 3_600 * SECOND
"""After how long it is worth a write that a device was there again."""


def is_too_old(made: int, now: int, retention: int) -> bool:
    """Return whether the record of a message made at `made` may be gone already."""
    return made < now - retention


def is_from_the_future(made: int, now: int) -> bool:
    """Return whether a message claims a time that its record would not outlive."""
    return made > now + AHEAD
