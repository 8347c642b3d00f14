"""Invites: how people come in."""

import secrets
from typing import Final

from tidings.server.domain.retention import DAY
from tidings.server.ports.accounts import Accounts, Invite
from tidings.server.ports.clock import Clock
from tidings.server.services.rates import Rates
from tidings.wire import http
from tidings.wire.ids import AccountId

CODE_BYTES: Final = 16
USES_OF_ANYBODY: Final = 10
"""How many people one invite may bring in, unless an admin made it."""


class Invites:
    """Makes invites and shows who made them."""

    def __init__(self, accounts: Accounts, clock: Clock, rates: Rates) -> None:
        self._accounts = accounts
        self._clock = clock
        self._rates = rates

    async def create(self, inviter: AccountId, wanted: http.NewInvite) -> http.Invite:
        """Make an invite in somebody's name: who accepts it becomes a contact."""
        self._rates.take("invite", inviter)
        account = await self._accounts.by_id(inviter)
        most = wanted.uses if account is not None and account.admin else USES_OF_ANYBODY
        return await self._add(inviter, wanted.days, min(wanted.uses, most), admin=False)

    async def create_for_server(self, wanted: http.NewInvite, *, admin: bool) -> http.Invite:
        """Make an invite in nobody's name; with `admin` it makes an admin."""
        return await self._add(None, wanted.days, wanted.uses, admin=admin)

    async def show(self, code: str, address: str) -> http.InviteInfo | None:
        """Return what is told of an invite before it is accepted."""
        self._rates.take("invite-look-up", address)
        invite = await self._accounts.invite(code, self._clock.now())
        if invite is None:
            return None
        inviter = await self._accounts.by_id(invite.inviter) if invite.inviter else None
        return http.InviteInfo(inviter.name if inviter else None, invite.expires, invite.admin)

    async def _add(self, inviter: AccountId | None, days: int, uses: int, *, admin: bool) -> http.Invite:
        code = secrets.token_urlsafe(CODE_BYTES)
        invite = Invite(code, inviter, admin, self._clock.now() + days * DAY, uses)
        await self._accounts.add_invite(invite)
        return http.Invite(code, invite.expires, uses)
