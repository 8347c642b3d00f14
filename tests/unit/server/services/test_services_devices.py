"""Devices come and go: what the key directory takes, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from support.clock import FakeClock
from support.devices import Identity, RawDevice
from support.household import HeardWakes, Household, household
from tidings.server.domain.identity import BadKeys
from tidings.server.ports.keys import NoLeave, StaleList
from tidings.server.ports.mailboxes import BoxId, Mailboxes, Notice, StoreFailed
from tidings.server.services.devices import Devices, NeedsIdentity
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.errors import Refusal
from tidings.wire.events import DeviceList
from tidings.wire.frames import SignedList
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Household]:
    async with household(tmp_path, clock) as made:
        yield made


async def names(house: Household, device: RawDevice) -> dict[str, bool]:
    """Return the devices of an account, and which of them asks."""
    listed = await house.server.devices.list(device.address)
    return {one.device: one.current for one in listed.devices}


async def test_a_first_device_brings_the_identity_and_further_ones_are_signed_by_it(house: Household) -> None:
    ada = await house.move_in("ada")
    tablet = await house.link(ada, 2)
    assert await names(house, tablet) == {ada.device: False, tablet.device: True}
    for device in (ada, tablet):
        mailbox = await house.server.mailboxes.find(device.address)
        assert mailbox is not None
        assert mailbox.key == device.key.raw


async def test_leave_to_enrol_is_used_up_by_one_device(house: Household) -> None:
    ada = await house.newcomer("ada")
    token = await house.leave_for(ada.account)
    await house.server.devices.enrol(token, ada.enrolment(1, {}))
    tablet = house.device(ada.account, "ada", ada.identity)
    new = tablet.enrolment(2, {ada.device: ada.key.public}, first=False)
    for spent in (token, "never given"):
        with pytest.raises(NoLeave):
            await house.server.devices.enrol(spent, new)
    late = await house.leave_for(ada.account)
    house.clock.advance(1)
    with pytest.raises(NoLeave):
        await house.server.devices.enrol(late, new)


async def test_leave_that_two_use_at_once_is_had_by_one(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await house.newcomer("ada")
    token = await house.leave_for(ada.account)
    server = house.server
    known = await server.accounts.enrolment(token, house.clock.now())
    await server.devices.enrol(token, ada.enrolment(1, {}))

    async def still_known(*_: object) -> str | None:
        return known

    monkeypatch.setattr(server.accounts, "enrolment", still_known)  # read just before the other used it up
    late = house.device(ada.account, "ada", ada.identity)
    with pytest.raises(NoLeave):
        await server.devices.enrol(token, late.enrolment(2, {ada.device: ada.key.public}, first=False))
    assert await names(house, ada) == {ada.device: True}
    assert await server.keys.unsettled() == []


async def test_without_an_identity_nothing_can_sign(house: Household) -> None:
    ada = await house.newcomer("ada")
    with pytest.raises(NeedsIdentity):
        await house.enrol(ada, ada.enrolment(1, {}, first=False))


async def test_starting_again_removes_every_device_and_warns(house: Household) -> None:
    bob = await house.move_in("bob")
    ada = await house.move_in("ada", inviter=bob.account)
    tablet = await house.link(ada, 2)
    wakes = HeardWakes()
    house.server.devices._wakes = wakes
    boxes = [(await house.caller(device)).box for device in (ada, tablet)]
    again = house.device(ada.account, "ada")
    await house.enrol(again, again.enrolment(3, {}))
    assert await names(house, again) == {again.device: True}
    assert sorted(wakes.closed) == [(box, Close.DEVICE_REMOVED) for box in sorted(boxes)]
    warned = {box for box, event in wakes.told if event == DeviceList(ada.account, 3)}
    assert (await house.caller(bob)).box in warned


async def test_lists_must_name_exactly_the_devices_under_the_next_number(house: Household) -> None:
    ada = await house.move_in("ada")
    tablet = house.device(ada.account, "ada", ada.identity)
    both = {ada.device: ada.key.public, tablet.device: tablet.key.public}
    good = tablet.enrolment(2, {ada.device: ada.key.public}, first=False)
    wrong: list[SignedList] = [
        ada.identity.sign_list(3, both),
        ada.identity.sign_list(1, both),
        ada.identity.sign_list(2, {tablet.device: tablet.key.public}),
        ada.identity.sign_list(2, both | {"GHOSTGHOST": ada.key.public}),
        ada.identity.sign_list(2, both | {ada.device: tablet.key.public}),
        Identity(ada.account).sign_list(2, both),
    ]
    for device_list in wrong:
        with pytest.raises(BadKeys):
            await house.enrol(tablet, msgspec.structs.replace(good, device_list=device_list))
    stranger = house.device(ada.account, "ada", Identity(ada.account))
    with pytest.raises(BadKeys):
        await house.enrol(stranger, stranger.enrolment(2, {ada.device: ada.key.public}, first=False))
    with pytest.raises(BadKeys, match="already"):
        await house.enrol(ada, ada.enrolment(2, {}, first=False))
    await house.enrol(tablet, good)


async def test_a_list_that_another_device_has_overtaken_is_stale(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.move_in("ada")
    keys = house.server.keys
    before = await keys.query(ada.account, [ada.account])
    await house.link(ada, 2)

    async def as_it_was(*_: object) -> object:
        return before

    late = house.device(ada.account, "ada", ada.identity)
    monkeypatch.setattr(keys, "query", as_it_was)
    with pytest.raises(StaleList):
        await house.enrol(late, late.enrolment(2, {ada.device: ada.key.public}, first=False))
    with pytest.raises(StaleList):
        await house.server.devices.remove(ada.account, ada.device, None)


async def test_a_device_is_removed_by_a_list_or_by_the_servers_word(house: Household) -> None:
    ada = await house.move_in("ada")
    tablet = await house.link(ada, 2)
    laptop = await house.link(ada, 3, tablet)
    remove = house.server.devices.remove
    for device_list in (
        ada.identity.sign_list(4, {ada.device: ada.key.public}),
        ada.identity.sign_list(5, {ada.device: ada.key.public, laptop.device: laptop.key.public}),
    ):
        with pytest.raises(BadKeys):
            await remove(ada.account, tablet.device, device_list)
    left = {ada.device: ada.key.public, laptop.device: laptop.key.public}
    await remove(ada.account, tablet.device, ada.identity.sign_list(4, left))
    assert set(await names(house, ada)) == {ada.device, laptop.device}
    await remove(ada.account, laptop.device, None)
    assert set(await names(house, ada)) == {ada.device}
    (known,) = await house.server.keys.query(ada.account, [ada.account])
    assert known.version == 5
    assert known.device_list is not None
    assert '"version": 4' in known.device_list.text


async def test_what_is_not_there_cannot_be_removed(house: Household) -> None:
    ada, bob = await house.move_in("ada"), await house.move_in("bob")
    for account, device in [
        (ada.account, bob.device),
        (ada.account, "NOBODYHERE"),
        (ada.account[:-1] + "x", ada.device),
    ]:
        with pytest.raises(Refusal):
            await house.server.devices.remove(account, device, None)


async def test_who_invited_and_who_came_are_contacts_and_who_came_by_the_server_has_none(house: Household) -> None:
    ada = await house.move_in("ada")
    bob = await house.move_in("bob", inviter=ada.account)
    page, _ = await house.server.conversations.page(bob.account, None, 10)
    (conversation,) = page
    assert {member.account for member in conversation.members} == {ada.account, bob.account}
    assert conversation.standing == "open"
    again = house.device(bob.account, "bob")
    await house.enrol(again, again.enrolment(2, {}))
    assert len((await house.server.conversations.page(bob.account, None, 10))[0]) == 1
    carol = await house.newcomer("carol", inviter=ada.account)
    await house.server.accounts.remove(ada.account)
    await house.enrol(carol, carol.enrolment(1, {}))
    assert (await house.server.conversations.page(carol.account, None, 10))[0] == []


async def test_what_a_crash_kept_from_the_mailboxes_is_done_at_the_next_start(house: Household) -> None:
    ada = await house.newcomer("ada")
    server = house.server

    class Crash(Exception):
        pass

    async def crash(*_: object) -> None:
        raise Crash

    class DyingMailboxes:
        set_devices = staticmethod(crash)

    devices = Devices(
        *(server.keys, server.accounts, DyingMailboxes(), server.conversations, HeardWakes(), house.clock)  # type: ignore[arg-type] # it only dies
    )
    with pytest.raises(Crash):
        await devices.enrol(await house.leave_for(ada.account), ada.enrolment(1, {}))
    assert await server.mailboxes.find(ada.address) is None
    await server.devices.settle()
    assert await server.mailboxes.find(ada.address) is not None
    assert await server.keys.unsettled() == []


class FailingMailboxes:
    """The port `Mailboxes`, on a disk that may be full."""

    def __init__(self) -> None:
        self.real: Mailboxes
        self.fails = False

    def around(self, real: Mailboxes) -> Mailboxes:
        """Stand before the real one."""
        self.real = real
        return cast("Mailboxes", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def set_devices(
        self, account: str, version: int, devices: Mapping[str, bytes]
    ) -> tuple[Sequence[BoxId], Sequence[Notice]]:
        """See Mailboxes."""
        if self.fails:
            raise StoreFailed("disk full")
        return await self.real.set_devices(account, version, devices)


async def test_a_removal_is_said_to_be_done_when_the_mailboxes_have_it_too(tmp_path: Path, clock: FakeClock) -> None:
    disk = FailingMailboxes()
    async with household(tmp_path, clock, around_mailboxes=disk.around) as house:
        ada = await house.move_in("ada")
        tablet = await house.link(ada, 2)
        wakes = HeardWakes()
        house.server.devices._wakes = wakes
        box = (await house.caller(tablet)).box
        disk.fails = True
        for _ in range(2):
            with pytest.raises(StoreFailed):
                await house.server.devices.remove(ada.account, tablet.device, None)
        assert wakes.closed == []
        disk.fails = False
        with pytest.raises(Refusal):
            await house.server.devices.remove(ada.account, tablet.device, None)
        assert wakes.closed == [(box, Close.DEVICE_REMOVED)]
        assert await house.server.mailboxes.find(tablet.address) is None


async def test_what_a_failure_kept_from_the_mailboxes_is_repeated_until_it_is_done(
    tmp_path: Path, clock: FakeClock
) -> None:
    disk = FailingMailboxes()
    async with household(tmp_path, clock, around_mailboxes=disk.around) as house:
        ada = await house.move_in("ada")
        tablet = await house.link(ada, 2)
        disk.fails = True
        with pytest.raises(StoreFailed):
            await house.server.devices.remove(ada.account, tablet.device, None)
        with pytest.raises(StoreFailed):
            await house.server.devices.settle_again()
        disk.fails = False
        async with asyncio.timeout(20):
            while await house.server.mailboxes.find(tablet.address) is not None:  # noqa: ASYNC110 - a job does it
                await asyncio.sleep(0.05)
        assert set(await names(house, ada)) == {ada.device}


async def test_an_account_is_removed_with_its_devices_and_their_connections(house: Household) -> None:
    ada = await house.move_in("ada")
    box = (await house.caller(ada)).box
    wakes = HeardWakes()
    house.server.devices._wakes = wakes
    await house.server.devices.remove_account(ada.account)
    assert wakes.closed == [(box, Close.DEVICE_REMOVED)]
    assert await house.server.accounts.by_name("ada") is None
    assert await house.server.mailboxes.find(ada.address) is None
    assert (await house.server.devices.list(Address(ada.account, ada.device))) == http.Devices([])
