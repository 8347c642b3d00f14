"""What is too old goes, and its bytes leave the disk."""

import logging

from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Mailboxes
from tidings.server.ports.wakes import Wakes

LOG = logging.getLogger("tidings.jobs")


class Expiry:
    """Sweeps the mailboxes and tells the senders of what expired."""

    def __init__(self, mailboxes: Mailboxes, wakes: Wakes, clock: Clock) -> None:
        self._mailboxes = mailboxes
        self._wakes = wakes
        self._clock = clock

    async def __call__(self) -> None:
        """Sweep until nothing old is left; others have their turns in between."""
        count, more = 0, True
        while more:
            expired = await self._mailboxes.expire(self._clock.now(), self._wakes.connected())
            self._wakes.tell(expired.notices)
            count += expired.envelopes + expired.shares
            more = expired.more
        if count:
            LOG.info("expired", extra={"count": count})
