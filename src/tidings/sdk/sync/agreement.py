"""When what was refused for a stale view is encrypted anew: as soon as server and device see the conversation alike.

Most often the server knew more, and one question settles it. But a server that was restored from a backup, or whose
mailboxes and directory come apart, may know less than the device, and for long. All that is encrypted then would be
refused, and wear out one session after the other: so nothing is, and the server is asked again, less and less often.
"""

import asyncio
from typing import Final

import msgspec

from tidings.sdk.sync.contacts import Contacts
from tidings.wire.errors import StaleEpoch

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds before the server is asked again."""
APART: Final = "the server contradicts itself about the devices"


class _Refused(msgspec.Struct):
    """The last refusal in a conversation, and the epoch and the sum of versions of what was refused."""

    sent: tuple[int, int]
    stale: StaleEpoch
    pause: float = FIRST_PAUSE
    repeated: bool = False
    """Whether the same was refused before."""
    is_new: bool = True


class Agreement:
    """Finds out when this device and its server see a conversation alike again."""

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        self._refused: dict[str, _Refused] = {}

    def refused(self, conversation: str, sent: tuple[int, int], stale: StaleEpoch) -> None:
        """Note that something for an epoch and a sum of versions was refused."""
        before = self._refused.get(conversation)
        repeated = before is not None and before.sent == sent
        pause = before.pause if before is not None else FIRST_PAUSE
        self._refused[conversation] = _Refused(sent, stale, pause, repeated)

    def accepted(self, conversation: str) -> None:
        """Note that something was accepted."""
        self._refused.pop(conversation, None)

    def clear(self) -> None:
        """Forget what was refused: the next connection may be to a server that knows better."""
        self._refused.clear()

    async def reach(self, conversation: str) -> None:
        """After a refusal, wait until the same would not be refused again. Raises Distrusted, Refusal."""
        refused = self._refused.get(conversation)
        if refused is None or not refused.is_new:
            return
        refused.is_new = False
        stale = refused.stale
        await self._contacts.take_stale(conversation, stale)
        agreed = await self._contacts.compare(conversation, stale.epoch, stale.members) is None
        agreed = agreed or await self._apart(conversation) is None
        # To see it alike is not enough if the same was refused before.
        while not agreed or refused.repeated:
            await asyncio.sleep(refused.pause)
            refused.pause, refused.repeated = min(refused.pause * 2, LONGEST_PAUSE), False
            apart = await self._apart(conversation)
            agreed = apart is None
            for account in apart or ():
                self._contacts.doubt(account, APART)

    async def _apart(self, conversation: str) -> list[str] | None:
        """Compare what is known with what the server shows now, if it does; see `Contacts.compare`."""
        shown = next(
            (one for one in await self._contacts.fetch([conversation]) if one.conversation == conversation), None
        )
        return await self._contacts.compare(conversation, shown.epoch, shown.members) if shown is not None else None
