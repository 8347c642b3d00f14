"""Rate limits on the clock of the server."""

from tidings.server.domain.rates import Buckets, Rate
from tidings.server.ports.clock import Clock
from tidings.wire.errors import RateLimited, Refusal


class Rates:
    """Takes tokens, and refuses when there are none."""

    def __init__(self, buckets: Buckets, clock: Clock) -> None:
        self._buckets = buckets
        self._clock = clock

    def take(self, rate: str, key: str) -> None:
        """Take a token of `rate` for `key`. Raises Refusal(RateLimited)."""
        wait = self.wait(rate, key)
        if wait:
            raise Refusal(RateLimited(retry_after=wait))

    def wait(self, rate: str, key: str) -> int:
        """Take a token of `rate` for `key`; return 0, or in how many milliseconds there is one."""
        seconds = self._buckets.take(rate, key, self._clock.monotonic())
        return int(seconds * 1000) + 1 if seconds else 0

    def rate(self, name: str) -> Rate:
        """Return a limit, for who keeps the bucket itself."""
        return self._buckets.rate(name)

    def forget_full(self) -> None:
        """Free the memory of those that were not seen for a while."""
        self._buckets.forget_full(self._clock.monotonic())
