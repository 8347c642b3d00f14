"""Coming in: names, invites, passwords, and the credentials that come of it."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from argon2 import PasswordHasher

from support.clock import FakeClock
from support.devices import PASSWORD, RawDevice
from support.household import HeardWakes, Household, household
from tidings.server.domain.rates import RATES
from tidings.server.ports.accounts import InviteSpent, NameTaken
from tidings.server.services.credentials import COOKIE_MS, GRACE_MS, WINDOW_MS, Credentials, NotSignedIn, WrongTime
from tidings.server.services.invites import USES_OF_ANYBODY
from tidings.server.services.passwords import Passwords
from tidings.server.services.registration import BadName, Registration, WrongPassword
from tidings.server.storage.sql.sign_ins import SqlSignIns
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.errors import RateLimited, Refusal

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"


class Door(NamedTuple):
    """Where people come in."""

    house: Household
    registration: Registration
    credentials: Credentials
    wakes: HeardWakes

    async def invite(self, uses: int = 1) -> str:
        wanted = http.NewInvite(uses=uses)
        return (await self.house.server.invites.create_for_server(wanted, admin=False)).code

    async def register(self, name: str, invite: str | None = None) -> http.Enrolment:
        new = http.NewAccount(invite or await self.invite(), name, PASSWORD)
        return await self.registration.register(new, HERE)


@pytest.fixture
async def door(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Door]:
    """With hashes that cost next to nothing, and are still dearer than those of the past."""
    async with household(tmp_path, clock) as house:
        server, wakes = house.server, HeardWakes()
        passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
        registration = Registration(
            *(server.accounts, server.keys, passwords, clock, server.rates, server.metrics),
            server_id=house.server_id,
        )
        credentials = Credentials(
            *(SqlSignIns(server.database), server.mailboxes, wakes, clock), server_id=house.server_id
        )
        yield Door(house, registration, credentials, wakes)


# Names and invites


async def test_an_invite_brings_in_as_many_as_it_says(door: Door) -> None:
    invite = await door.invite(uses=2)
    first = await door.register("Ada", invite)
    assert (first.name, first.devices, first.version) == ("ada", 0, 0)
    await door.register("bob", invite)
    for spent in (invite, "never-made"):
        with pytest.raises(InviteSpent):
            await door.register("carol", spent)


async def test_a_name_that_is_taken_reserved_or_none_uses_no_invite_up(door: Door, clock: FakeClock) -> None:
    await door.register("ada.l")
    invite = await door.invite()
    for name in ("ada.l", "ADA.L", "@Ada_L", "ada-l", "admin", "ADM1N"):
        with pytest.raises(NameTaken):
            await door.register(name, invite)
    clock.advance(600)
    for name in ("..a", "a..", "-ada-", "äda"):
        with pytest.raises(BadName):
            await door.register(name, invite)
    await door.register("grace", invite)


async def test_an_invite_shows_who_made_it_until_it_expires(door: Door, clock: FakeClock) -> None:
    ada = await door.register("ada")
    invites = door.house.server.invites
    made = await invites.create(ada.account, http.NewInvite(days=1, uses=100))
    assert made.uses == USES_OF_ANYBODY, "only admins invite crowds"
    shown = await invites.show(made.code, HERE)
    assert shown == http.InviteInfo("ada", made.expires, admin=False)
    for_admin = await invites.create_for_server(http.NewInvite(uses=100), admin=True)
    assert await invites.show(for_admin.code, HERE) == http.InviteInfo(None, for_admin.expires, admin=True)
    boss = await door.register("boss", for_admin.code)
    assert (await invites.create(boss.account, http.NewInvite(uses=100))).uses == 100
    clock.advance(86_400)
    assert await invites.show(made.code, HERE) is None
    assert await invites.show("never-made", HERE) is None
    for _ in range(RATES["invite-look-up"].burst - 2):
        assert await invites.show("guess", HERE) is None
    with pytest.raises(Refusal) as refusal:
        await invites.show("guess", HERE)
    assert isinstance(refusal.value.error, RateLimited)


# Passwords


async def test_the_right_password_gives_leave_to_enrol_and_no_other_does(door: Door) -> None:
    ada = await door.register("ada")
    again = await door.registration.sign_in(http.SignIn("@ADA", PASSWORD), HERE)
    assert (again.account, again.enrolment == ada.enrolment) == (ada.account, False)
    for name, password in (("ada", PASSWORD + "!"), ("ada", ""), ("nobody", PASSWORD), ("", PASSWORD)):
        with pytest.raises(WrongPassword):
            await door.registration.sign_in(http.SignIn(name, password), HERE)
    sign_ins = door.house.server.metrics.sign_ins
    assert [sign_ins.labels(outcome).value for outcome in ("right", "wrong")] == [1, 4]


async def test_a_password_that_was_hashed_in_the_past_is_hashed_anew(door: Door) -> None:
    ada = await door.register("ada")
    accounts = door.house.server.accounts
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await accounts.set_password(ada.account, weak)
    await door.registration.sign_in(http.SignIn("ada", PASSWORD), HERE)
    kept = await accounts.password(ada.account)
    assert kept != weak
    assert "m=16,t=2,p=1" in kept
    await door.registration.sign_in(http.SignIn("ada", PASSWORD), HERE)
    assert await accounts.password(ada.account) == kept


async def test_passwords_are_hashed_as_rfc_9106_advises_where_memory_is_scarce() -> None:
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in await Passwords().hash(PASSWORD)


# Cookies


async def test_a_cookie_and_the_one_before_it_are_good_and_older_ones_end_the_sign_in(
    door: Door, clock: FakeClock
) -> None:
    ada = await door.house.move_in("ada")
    box = (await door.house.caller(ada)).box
    oldest = await door.credentials.issue(ada.address)
    older = await door.credentials.renew(ada.renewal())
    newest = await door.credentials.renew(ada.renewal())
    for cookie in (newest, older):
        assert await door.credentials.by_cookie(cookie) == ada.address
    with pytest.raises(NotSignedIn):
        await door.credentials.by_cookie(oldest)
    assert door.wakes.closed == [(box, Close.NOT_SIGNED_IN)]
    with pytest.raises(NotSignedIn):
        await door.credentials.by_cookie(newest)
    fresh = await door.credentials.renew(ada.renewal())
    later = await door.credentials.renew(ada.renewal())
    clock.advance(GRACE_MS / 1000)
    assert await door.credentials.by_cookie(later) == ada.address
    with pytest.raises(NotSignedIn):
        await door.credentials.by_cookie(fresh)


async def test_a_cookie_of_yesterday_is_not_good_and_ends_nothing(door: Door, clock: FakeClock) -> None:
    ada = await door.house.move_in("ada")
    cookie = await door.credentials.issue(ada.address)
    clock.advance(COOKIE_MS / 1000)
    for shown in (cookie, "", ".", "x.y", cookie.partition(".")[2]):
        with pytest.raises(NotSignedIn):
            await door.credentials.by_cookie(shown)
    assert door.wakes.closed == []
    renewed = await door.credentials.renew(ada.renewal())
    assert renewed.partition(".")[0] == cookie.partition(".")[0], "the same sign-in"


async def test_a_stolen_cookie_of_a_device_that_is_gone_ends_no_connection(door: Door) -> None:
    ada = await door.house.move_in("ada")
    first = await door.credentials.issue(ada.address)
    await door.credentials.renew(ada.renewal())
    newest = await door.credentials.renew(ada.renewal())
    # Gone from the mailboxes, while its sign-in is still written down.
    await door.house.server.mailboxes.set_devices(ada.account, 2, {})
    with pytest.raises(NotSignedIn):
        await door.credentials.by_cookie(first)
    assert door.wakes.closed == []
    with pytest.raises(NotSignedIn):
        await door.credentials.by_cookie(newest)


# Signatures


async def test_a_signature_is_taken_once_within_a_minute_and_of_a_device_that_is_here(
    door: Door, clock: FakeClock
) -> None:
    ada = await door.house.move_in("ada")
    clock.advance(10 * WINDOW_MS / 1000)

    async def ask(device: RawDevice, **changed: Any) -> None:
        header = device.signature("GET", "/v1/devices", **changed).removeprefix("Tidings ")
        assert await door.credentials.by_signature(header, "GET", "/v1/devices", b"") == device.address

    nonce = bytes(16)
    await ask(ada, nonce=nonce)
    for _ in range(3):  # however often the generations of nonces turn while it is still good
        with pytest.raises(NotSignedIn):
            await ask(ada, nonce=nonce)
        await ask(ada)
        clock.advance(WINDOW_MS / 1000)
    for away in (WINDOW_MS + 1, -WINDOW_MS - 1):
        with pytest.raises(WrongTime) as wrong:
            await ask(ada, time=clock.now() + away)
        assert wrong.value.now == clock.now()
    stranger = door.house.device(ada.account, "ada")
    for device in (stranger, door.house.device("@" + "x" * 53, "nobody")):
        with pytest.raises(NotSignedIn):
            await ask(device)
    stranger.device = ada.device
    with pytest.raises(NotSignedIn):
        await ask(stranger)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "!",
        "é",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"[" * 5_000).decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
        base64.urlsafe_b64encode(msgspec.json.encode({"account": "@" + "x" * 53})).decode(),
    ],
)
async def test_what_is_no_credential_is_none(door: Door, header: str) -> None:
    with pytest.raises(NotSignedIn):
        await door.credentials.by_signature(header, "GET", "/", b"")
