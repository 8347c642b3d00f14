"""Every rate limit, in one table, and the token bucket that keeps them."""

from typing import Final, NamedTuple


class Rate(NamedTuple):
    """`burst` at once, then `every` seconds for each further one."""

    burst: int
    every: float

    def charge(self, full_at: float, now: float, tokens: int = 1) -> float:
        """Take tokens from a bucket that is full at `full_at`, even if none is there; return when it is full again."""
        return max(full_at, now) + tokens * self.every

    def wait(self, full_at: float, now: float) -> float:
        """Return how many seconds it takes until no token is missing in such a bucket; 0.0 if none is."""
        wait = full_at - now - self.burst * self.every
        return wait if wait > 1e-9 else 0.0


RATES: Final[dict[str, Rate]] = {
    # per address
    "http": Rate(300, 0.05),
    "connect": Rate(300, 0.05),
    "register": Rate(10, 60.0),
    "password": Rate(20, 3.0),
    "invite-look-up": Rate(30, 1.0),
    # per account
    "password-of-account": Rate(10, 30.0),
    "invite": Rate(20, 60.0),
    "look-up": Rate(60, 2.0),
    "open-direct": Rate(60, 5.0),
    "change-members": Rate(60, 1.0),
    "query-keys": Rate(300, 0.1),
    "share-bytes": Rate(33_554_432, 0.00003),
    # per device
    "frame": Rate(4_000, 0.0005),
    "signal": Rate(60, 0.2),
    "upload-keys": Rate(30, 5.0),
    # per asking account and asked device
    "claim": Rate(20, 60.0),
}

PER_ADDRESS: Final = frozenset({"http", "connect", "register", "password", "invite-look-up"})


class Buckets:
    """Token buckets, made when they are first asked for and forgotten when they are full again."""

    def __init__(self, rates: dict[str, Rate]) -> None:
        self._rates = rates
        self._full_at: dict[tuple[str, str], float] = {}

    def take(self, rate: str, key: str, now: float, tokens: int = 1) -> float:
        """Take tokens; return 0.0, or how many seconds until they are there. `now` is monotonic seconds.

        More than the burst are never there.
        """
        limit = self._rates[rate]
        full_at = limit.charge(self._full_at.get((rate, key), now), now, tokens)
        wait = limit.wait(full_at, now)
        if not wait:
            self._full_at[rate, key] = full_at
        return wait

    def rate(self, name: str) -> Rate:
        """Return a limit of the table, for who keeps the bucket itself."""
        return self._rates[name]

    def forget_full(self, now: float) -> None:
        """Forget buckets that are full again."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}

    def __len__(self) -> int:
        return len(self._full_at)
