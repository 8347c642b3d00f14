"""When devices were last there, collected and written down together: a storm of sign-ins costs one write."""

from tidings.server.ports.clock import Clock
from tidings.server.ports.keys import Keys
from tidings.server.services.caller import Caller
from tidings.wire.ids import Address, Millis


class Seen:
    """Collects sign-ins."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._seen: dict[Address, Millis] = {}

    def note(self, caller: Caller) -> None:
        """Note that a device is there."""
        self._seen[caller.address] = self._clock.now()

    async def __call__(self) -> None:
        """Write down what was collected."""
        seen, self._seen = self._seen, {}
        if seen:
            await self._keys.note_seen(seen)
