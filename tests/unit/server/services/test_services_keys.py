"""The key directory: signatures that are added, keys that are handed out, and who is told."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.devices import RawDevice, Signer
from support.household import HeardWakes, Household, household
from tidings.server.services.caller import Caller
from tidings.server.services.keys import LOW, AnswerQuery, HandOutKeys, Supply, TakeKeys, TakeSignatures
from tidings.wire import events
from tidings.wire.commands import ClaimKeys, QueryKeys, UploadKeys, UploadSignatures
from tidings.wire.errors import BadFrame, NotAllowed, Refusal
from tidings.wire.frames import AccountKeys, SignedObject
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Household]:
    async with household(tmp_path, clock) as made:
        yield made


async def known(house: Household, asker: RawDevice, account: str) -> AccountKeys:
    """Return what somebody finds about an account."""
    query = AnswerQuery(house.server.keys, house.server.rates)
    reply = await query(await house.caller(asker), QueryKeys(1, [account]))
    (found,) = reply.accounts
    return found


async def sign(house: Household, signer: RawDevice, *objects: SignedObject) -> events.Done:
    take = TakeSignatures(house.server.keys)
    return await take(await house.caller(signer), UploadSignatures(1, list(objects)))


def signatures(text: str | None, account: str) -> set[str]:
    """Return the names under which an account has signed an object."""
    return set(json.loads(text or "{}")["signatures"].get(account, {}))


def master(device: RawDevice) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(device.identity.public().master)
    return found


# Signatures


async def test_a_device_signs_its_own_master_key(house: Household) -> None:
    ada = await house.move_in("ada")
    signed = ada.key.sign_object(master(ada), ada.account, ada.device)
    key = ada.identity.master.public
    assert await sign(house, ada, SignedObject(ada.account, key, json.dumps(signed))) == events.Done(1)
    assert signatures((await known(house, ada, ada.account)).master, ada.account) == {f"ed25519:{ada.device}"}


async def test_the_self_signing_key_signs_a_device_again(house: Household) -> None:
    ada = await house.move_in("ada")
    (device,) = (await known(house, ada, ada.account)).devices
    value = json.loads(device.keys)
    again = ada.identity.self_signing.sign_object(value, ada.account)
    again["unsigned"] = {"signed": "by nobody"}
    await sign(house, ada, SignedObject(ada.account, ada.device, json.dumps(again)))
    (device,) = (await known(house, ada, ada.account)).devices
    assert signatures(device.keys, ada.account) == {
        f"ed25519:{ada.device}",
        f"ed25519:{ada.identity.self_signing.public}",
    }


async def test_whom_one_has_verified_is_seen_by_oneself_alone(house: Household) -> None:
    ada, bob = await house.move_in("ada"), await house.move_in("bob")
    signed = ada.identity.user_signing.sign_object(master(bob), ada.account)
    await sign(house, ada, SignedObject(bob.account, bob.identity.master.public, json.dumps(signed)))
    mine, his = [(await known(house, asker, bob.account)).master for asker in (ada, bob)]
    assert signatures(mine, ada.account) == {f"ed25519:{ada.identity.user_signing.public}"}
    assert "signatures" not in json.loads(his or "")
    again = house.device(bob.account, "bob")
    await house.enrol(again, again.enrolment(2, {}))
    assert "signatures" not in json.loads((await known(house, ada, bob.account)).master or ""), "of a key that is gone"


async def test_signatures_that_do_not_fit_are_refused_all_together(house: Household) -> None:
    ada, bob = await house.move_in("ada"), await house.move_in("bob")
    key = ada.identity.master.public
    good = SignedObject(ada.account, key, json.dumps(ada.key.sign_object(master(ada), ada.account, ada.device)))
    stranger = Signer()
    bad = {
        "by a key of nobody": SignedObject(
            ada.account, key, json.dumps(stranger.sign_object(master(ada), ada.account))
        ),
        "in another's name": SignedObject(
            ada.account, key, json.dumps(stranger.sign_object(master(ada), ada.account, ada.device))
        ),
        "on another object": SignedObject(
            ada.account, key, json.dumps(ada.key.sign_object(master(ada) | {"x": 1}, ada.account, ada.device))
        ),
        "on an object that is not there": SignedObject(ada.account, "NOBODYHERE", good.object),
        "of an account that is not there": SignedObject("@" + "x" * 53, key, good.object),
        "by another account": SignedObject(
            ada.account, key, json.dumps(bob.key.sign_object(master(ada), bob.account, bob.device))
        ),
        "on no object": SignedObject(ada.account, key, "[]"),
        "on nothing": SignedObject(ada.account, key, "{}"),
    }
    for why, signed in bad.items():
        with pytest.raises(Refusal) as refusal:
            await sign(house, ada, good, signed)
        assert isinstance(refusal.value.error, BadFrame), why
    assert "signatures" not in json.loads((await known(house, ada, ada.account)).master or "")


async def test_an_object_that_has_changed_meanwhile_is_not_overwritten(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.move_in("ada")
    keys = house.server.keys
    before = await keys.query(ada.account, [ada.account])
    again = house.device(ada.account, "ada")
    await house.enrol(again, again.enrolment(2, {}))

    async def as_it_was(*_: object) -> object:
        return before

    monkeypatch.setattr(keys, "query", as_it_was)
    signed = ada.key.sign_object(master(ada), ada.account, ada.device)
    with pytest.raises(Refusal) as refusal:
        await sign(house, again, SignedObject(ada.account, ada.identity.master.public, json.dumps(signed)))
    assert refusal.value.error == NotAllowed()


# Keys


async def test_a_key_is_handed_out_once_and_the_owner_is_told_when_few_are_left(house: Household) -> None:
    ada, bob = await house.move_in("ada"), await house.move_in("bob")
    wakes, supply = HeardWakes(), Supply()
    server = house.server
    hand_out = HandOutKeys(server.keys, server.mailboxes, wakes, server.rates, supply)
    asker, owner = await house.caller(ada), await house.caller(bob)
    claimed = [(await hand_out(asker, ClaimKeys(1, [bob.address]))).keys[0].key.name for _ in range(6)]
    assert len(set(claimed)) == 6
    assert wakes.told == [(owner.box, events.KeysLow(LOW - 1))]
    assert supply.is_low(bob.address)
    gone = Address(bob.account, "NOBODYHERE")
    assert (await hand_out(asker, ClaimKeys(2, [gone]))).keys == []
    assert len(wakes.told) == 1, "nobody is told of a device that is not there"
    assert not supply.is_low(gone), "and nothing is kept about names that somebody made up"


async def test_uploaded_keys_are_counted_and_end_a_shortage(house: Household) -> None:
    bob = await house.move_in("bob")
    supply = Supply()
    supply.note(bob.address, LOW - 1)
    take = TakeKeys(house.server.keys, house.server.rates, supply)
    caller = await house.caller(bob)
    fresh = [bob.one_time() for _ in range(3)]
    assert await take(caller, UploadKeys(1, fresh, None, replace=False)) == events.KeyCount(1, 28, fallback=True)
    assert not supply.is_low(bob.address)
    replaced = UploadKeys(2, fresh, bob.one_time(fallback=True), replace=True)
    assert await take(caller, replaced) == events.KeyCount(2, 3, fallback=True)
    assert supply.is_low(bob.address)
    fresh_supply = Supply()
    await fresh_supply.load(house.server.keys)
    assert fresh_supply.is_low(bob.address), "as it is read again at the next start"


async def test_keys_of_others_and_of_devices_that_are_gone_are_refused(house: Household) -> None:
    ada, bob = await house.move_in("ada"), await house.move_in("bob")
    take = TakeKeys(house.server.keys, house.server.rates, Supply())
    caller = await house.caller(bob)
    for foreign in (
        UploadKeys(1, [ada.one_time()], None, replace=True),
        UploadKeys(1, [], ada.one_time(), replace=True),
    ):
        with pytest.raises(Refusal) as refusal:
            await take(caller, foreign)
        assert isinstance(refusal.value.error, BadFrame)
    gone = Caller(caller.box, Address(bob.account, "NOBODYHERE"))
    with pytest.raises(Refusal) as refusal:
        await take(gone, UploadKeys(1, [], None, replace=False))
    assert refusal.value.error == NotAllowed()
