"""Coming in: register by invite, or sign in with a password. Both end with leave to enrol one device."""

import secrets
import uuid
from typing import Final

from tidings.server.domain import handles
from tidings.server.ports.accounts import Account, Accounts, NameTaken
from tidings.server.ports.clock import Clock
from tidings.server.ports.keys import Keys
from tidings.server.services.passwords import Passwords
from tidings.server.services.rates import Rates
from tidings.server.telemetry.metrics import Metrics
from tidings.wire import http
from tidings.wire.ids import account_id

ENROLMENT_MS: Final = 15 * 60_000


class BadName(Exception):
    """Nobody can have this handle."""


class WrongPassword(Exception):
    """There is no such account, or this is not its password."""


class Registration:
    """Registers and signs in."""

    def __init__(
        self,
        accounts: Accounts,
        keys: Keys,
        passwords: Passwords,
        clock: Clock,
        rates: Rates,
        metrics: Metrics,
        *,
        server_id: str,
    ) -> None:
        self._accounts = accounts
        self._keys = keys
        self._passwords = passwords
        self._clock = clock
        self._rates = rates
        self._metrics = metrics
        self._server_id = server_id

    async def register(self, new: http.NewAccount, address: str) -> http.Enrolment:
        """Create an account. Raises BadName, NameTaken, InviteSpent, Refusal(RateLimited)."""
        self._rates.take("register", address)
        name = handles.fold(new.name)
        if name is None:
            raise BadName
        if handles.is_reserved(name):
            raise NameTaken
        password = await self._passwords.hash(new.password)
        key = account_id(uuid.uuid4(), self._server_id)
        account = Account(key, name, admin=False, created=self._clock.now(), inviter=None)
        await self._accounts.register(account, handles.skeleton(name), password, new.invite)
        return await self._enrolment(account)

    async def sign_in(self, wanted: http.SignIn, address: str) -> http.Enrolment:
        """Check a password. Raises WrongPassword, Refusal(RateLimited)."""
        self._rates.take("password", address)
        name = handles.fold(wanted.name)
        self._rates.take("password-of-account", name or "")
        account = await self._accounts.by_name(name) if name else None
        kept = await self._accounts.password(account.id) if account else None
        matches = await self._passwords.matches(wanted.password, kept)
        self._metrics.sign_ins.labels("right" if matches else "wrong").inc()
        if account is None or kept is None or not matches:
            raise WrongPassword
        if self._passwords.is_outdated(kept):
            await self._accounts.set_password(account.id, await self._passwords.hash(wanted.password))
        return await self._enrolment(account)

    async def _enrolment(self, account: Account) -> http.Enrolment:
        token = secrets.token_urlsafe(32)
        await self._accounts.add_enrolment(token, account.id, self._clock.now() + ENROLMENT_MS)
        (known,) = await self._keys.query(account.id, [account.id])
        return http.Enrolment(
            account=account.id,
            name=account.name,
            server_id=self._server_id,
            enrolment=token,
            devices=len(known.devices),
            version=known.version,
        )
