"""Rate limits on the clock of the server."""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from typing import Any

from tidings.server.domain.rates import Buckets, Rate
from tidings.server.ports.clock import Clock
from tidings.wire.errors import RateLimited, Refusal
from tidings.wire.frames import Share


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

    def wait(self, rate: str, key: str, tokens: int = 1) -> int:
        """Take tokens of `rate` for `key`; return 0, or in how many milliseconds they are there."""
        seconds = self._buckets.take(rate, key, self._clock.monotonic(), tokens)
        return int(seconds * 1000) + 1 if seconds else 0

    def refuse_shares(self, account: str, shares: Sequence[Share]) -> "Future[Any] | None":
        """Return what refuses the key shares of an account that gives too many bytes of them; None if it may."""
        wait = self.wait("share-bytes", account, sum(len(share.ciphertext) for share in shares))
        if not wait:
            return None
        refused: Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(Refusal(RateLimited(retry_after=wait)))
        return refused

    def rate(self, name: str) -> Rate:
        """Return a limit, for who keeps the bucket itself."""
        return self._buckets.rate(name)

    def forget_full(self) -> None:
        """Free the memory of those that were not seen for a while."""
        self._buckets.forget_full(self._clock.monotonic())
