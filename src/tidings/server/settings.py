"""Every setting of a server, with defaults that need no thought."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tidings.server.domain.rates import PER_ADDRESS, RATES, Rate
from tidings.server.domain.retention import DAY


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `tidings serve` is told."""

    data: Path
    """The folder for everything that is kept."""
    host: str = "127.0.0.1"
    port: int = 8440
    tls_cert: Path | None = None
    tls_key: Path | None = None
    origins: Sequence[str] = ()
    """Further origins (https://name) under which a proxy shows the pages."""
    proxies: Sequence[str] = ()
    """Addresses of proxies that are believed about whom they speak for."""
    retention_days: int = 30
    """How long an undelivered message is kept, 1 to 90."""
    box_limit: int = 50_000
    """Messages that may wait for one device."""
    connections_per_address: int = 1_000
    address_rate: float = 1.0
    """Factor on the rate limits per address, for measurements from one machine."""
    workers: int = 1
    """Processes that hold the sockets; with 1 the server's own process does."""
    log_level: str = "info"
    checkpoint_seconds: float = 20.0
    """How often deleted bytes are cut from the disk when the store is idle."""

    @property
    def secure(self) -> bool:
        """Whether this process serves TLS itself."""
        return self.tls_cert is not None

    @property
    def retention_ms(self) -> int:
        """The retention in milliseconds."""
        return self.retention_days * DAY

    @property
    def rates(self) -> dict[str, Rate]:
        """The rate limits."""
        return {
            name: Rate(int(rate.burst * self.address_rate), rate.every / self.address_rate)
            if name in PER_ADDRESS
            else rate
            for name, rate in RATES.items()
        }

    @property
    def cookie_name(self) -> str:
        """The name of a browser's sign-in: bound to the host under TLS, told apart by port without."""
        return "__Host-tidings" if self.secure else f"tidings-{self.port}"

    @property
    def url(self) -> str:
        """Where the server's pages are, as seen from this machine."""
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::", "::1", "") else self.host  # noqa: S104 - compared
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"
