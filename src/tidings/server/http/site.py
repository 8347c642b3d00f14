"""All of HTTP, put together from what a server consists of.

To import Litestar takes longer than all else that a start does. So nothing that a start waits for imports this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar

from tidings.server.http import accounts, admin, devices, health, pages
from tidings.server.http.application import application
from tidings.server.http.callers import Callers
from tidings.server.ports.accounts import Accounts
from tidings.server.ports.keys import Keys
from tidings.server.services.credentials import Credentials
from tidings.server.services.devices import Devices
from tidings.server.services.invites import Invites
from tidings.server.services.life import ShowPresence
from tidings.server.services.rates import Rates
from tidings.server.services.registration import Registration
from tidings.server.telemetry.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the routes need. `refresh` brings the metrics up to date; `static` is where the built client lies."""

    accounts: Accounts
    keys: Keys
    registration: Registration
    invites: Invites
    devices: Devices
    life: ShowPresence
    credentials: Credentials
    rates: Rates
    metrics: Metrics
    refresh: Callable[[], None]
    is_ready: Callable[[], bool]
    is_own_origin: Callable[[str, str], bool]
    client_address: Callable[[str, str | None], str]
    cookie_name: str
    secure: bool
    admin_token: str
    static: Path

    def application(self) -> Litestar:
        """Put the application together."""
        callers = Callers(
            self.credentials,
            self.rates,
            cookie_name=self.cookie_name,
            secure=self.secure,
            admin_token=self.admin_token,
            is_own_origin=self.is_own_origin,
            client_address=self.client_address,
        )
        return application(
            callers,
            [
                accounts.routes(callers, self.registration, self.invites, self.accounts, self.life, self.rates),
                devices.routes(callers, self.devices, self.credentials),
                admin.routes(callers, self.accounts, self.keys, self.invites, self.devices),
                health.routes(self.metrics, self.admin_token, self.is_ready, self.refresh),
                *pages.routes(pages.Pages(self.static)),
            ],
        )
