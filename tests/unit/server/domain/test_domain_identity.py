"""What the server checks of keys: everything that a client would refuse, whatever shape it comes in."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.devices import Identity, RawDevice, Signer, base64_of
from tidings.server.domain import identity
from tidings.server.domain.identity import BadKeys
from tidings.wire import http
from tidings.wire.frames import NamedKey, SignedList

ACCOUNT = "@00000ada-0000-4000-8000-000000000000:t0000000000000000"
OTHER = "@00000bob-0000-4000-8000-000000000000:t0000000000000000"
DEVICE = RawDevice(1, http.Enrolment(ACCOUNT, "ada", "t0000000000000000", "leave", 0, 0))
IDENTITY = DEVICE.identity
ED25519 = DEVICE.key.raw

Change = Callable[[dict[str, Any]], object]


def changed(value: dict[str, Any], change: Change) -> str:
    """Return an object as JSON, after something was done to it."""
    change(value)
    return json.dumps(value)


# A device's keys


def check_device(text: str) -> identity.DeviceObject:
    return identity.check_device(text, ACCOUNT, DEVICE.device, IDENTITY.self_signing.public)


def test_the_keys_of_a_device_are_taken_in_canonical_form() -> None:
    value = DEVICE.object()
    checked = check_device(json.dumps(value, indent=4))
    assert checked.ed25519 == ED25519
    assert checked.text == json.dumps(value, separators=(",", ":"), sort_keys=True)


def resigned(change: Change) -> str:
    """Return the keys of a device that were changed before the device and its account signed them."""
    value = DEVICE.object()
    del value["signatures"]
    change(value)
    DEVICE.key.sign_object(value, ACCOUNT, DEVICE.device)
    return json.dumps(IDENTITY.self_signing.sign_object(value, ACCOUNT))


SIGNED_BUT_WRONG: dict[str, Change] = {
    "of another account": lambda v: v.update(user_id=OTHER),
    "of another device": lambda v: v.update(device_id="OTHERDEVICE"),
    "without Olm": lambda v: v.update(algorithms=["m.megolm.v1.aes-sha2"]),
    "with algorithms that are no list": lambda v: v.update(algorithms=7),
    "with algorithms that are lists": lambda v: v.update(algorithms=[[]]),
    "without a Curve25519 key": lambda v: v["keys"].pop(f"curve25519:{DEVICE.device}"),
    "with a Curve25519 key of another length": lambda v: v["keys"].update({f"curve25519:{DEVICE.device}": "AAAA"}),
    "with a Curve25519 key that is a number": lambda v: v["keys"].update({f"curve25519:{DEVICE.device}": 7}),
    "without an Ed25519 key": lambda v: v["keys"].pop(f"ed25519:{DEVICE.device}"),
    "without keys": lambda v: v.pop("keys"),
    "with keys that are a list": lambda v: v.update(keys=[]),
    "with keys that are a text": lambda v: v.update(keys="none"),
}


@pytest.mark.parametrize("why", SIGNED_BUT_WRONG)
def test_signed_keys_are_refused(why: str) -> None:
    with pytest.raises(BadKeys):
        check_device(resigned(SIGNED_BUT_WRONG[why]))


UNSIGNED: dict[str, Change] = {
    "changed behind their signatures": lambda v: v.update(algorithms=[*v["algorithms"], "more"]),
    "not signed": lambda v: v.pop("signatures"),
    "not signed by the device": lambda v: v["signatures"][ACCOUNT].pop(f"ed25519:{DEVICE.device}"),
    "not signed by the account": lambda v: v["signatures"][ACCOUNT].pop(f"ed25519:{IDENTITY.self_signing.public}"),
    "signed under another account": lambda v: v.update(signatures={OTHER: v["signatures"][ACCOUNT]}),
    "signed by a list": lambda v: v.update(signatures=[]),
    "signed by a list inside": lambda v: v.update(signatures={ACCOUNT: []}),
    "signed by a number": lambda v: v["signatures"][ACCOUNT].update({f"ed25519:{DEVICE.device}": 7}),
    "signed by what is not base64": lambda v: v["signatures"][ACCOUNT].update({f"ed25519:{DEVICE.device}": "é"}),
    "signed by too little": lambda v: v["signatures"][ACCOUNT].update({f"ed25519:{DEVICE.device}": "AAAA"}),
    "signed by something else": lambda v: v["signatures"][ACCOUNT].update(
        {f"ed25519:{DEVICE.device}": base64_of(DEVICE.key.sign("something else"))}
    ),
}


@pytest.mark.parametrize("why", UNSIGNED)
def test_keys_are_refused_that_are(why: str) -> None:
    with pytest.raises(BadKeys):
        check_device(changed(DEVICE.object(), UNSIGNED[why]))


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{", '"x"', "[" * 5000, '{"a":1} x', '{"a":"\\ud800"}'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(BadKeys):
        identity.parse(text)


# An identity


def test_an_identity_is_taken_in_canonical_form() -> None:
    checked = identity.check_identity(IDENTITY.public(), ACCOUNT)
    assert identity.public_key(identity.parse(checked.master)) == IDENTITY.master.public
    assert ": " not in checked.master + checked.self_signing + checked.user_signing


def test_an_identity_of_another_account_is_refused() -> None:
    with pytest.raises(BadKeys):
        identity.check_identity(Identity(OTHER).public(), ACCOUNT)


def test_an_identity_whose_parts_stand_in_each_others_place_is_refused() -> None:
    public = IDENTITY.public()
    with pytest.raises(BadKeys):
        identity.check_identity(http.Identity(public.master, public.user_signing, public.self_signing), ACCOUNT)


def test_an_identity_that_another_master_signed_is_refused() -> None:
    public, foreign = IDENTITY.public(), Identity(ACCOUNT).public()
    with pytest.raises(BadKeys):
        identity.check_identity(http.Identity(public.master, foreign.self_signing, public.user_signing), ACCOUNT)


@pytest.mark.parametrize(
    "keys", [{}, {"a": "b", "c": "d"}, [], "x", None, 7, {"ed25519:AAAA": "AAAA"}, {"ed25519:x": 7}]
)
def test_what_is_no_cross_signing_key_is_refused(keys: object) -> None:
    with pytest.raises(BadKeys):
        identity.public_key({"keys": keys})


def test_a_key_under_another_name_is_refused() -> None:
    key = Signer().public
    assert identity.public_key({"keys": {f"ed25519:{key}": key}}) == key
    with pytest.raises(BadKeys):
        identity.public_key({"keys": {f"ed25519:{Signer().public}": key}})


# One-time keys


def test_a_one_time_key_is_taken_if_its_device_signed_it() -> None:
    key = DEVICE.one_time()
    checked = identity.check_one_time(key, ACCOUNT, DEVICE.device, ED25519)
    assert (checked.name, json.loads(checked.key)) == (key.name, json.loads(key.key))


def test_other_one_time_keys_are_refused() -> None:
    good = DEVICE.one_time()
    foreign = RawDevice(1, http.Enrolment(ACCOUNT, "ada", "t0", "leave", 0, 0)).one_time()
    bare = {"key": base64_of(bytes(32))}
    for key in (
        NamedKey("curve25519:AAAA", good.key),
        NamedKey(good.name, foreign.key),
        NamedKey(good.name, json.dumps(bare)),
        NamedKey(good.name, json.dumps(DEVICE.key.sign_object({"key": "AAAA"}, ACCOUNT, DEVICE.device))),
        NamedKey(good.name, json.dumps(DEVICE.key.sign_object({"other": "AAAA"}, ACCOUNT, DEVICE.device))),
    ):
        with pytest.raises(BadKeys):
            identity.check_one_time(key, ACCOUNT, DEVICE.device, ED25519)


# Device lists


def test_a_list_is_taken_if_the_master_key_signed_it() -> None:
    signed = IDENTITY.sign_list(3, {"DEVICEDEVI": "key"})
    listed = identity.check_list(signed, ACCOUNT, IDENTITY.master.public)
    assert (listed.version, listed.devices) == (3, {"DEVICEDEVI": "key"})


def test_other_lists_are_refused() -> None:
    good = IDENTITY.sign_list(3, {})
    not_a_list = '{"account": 7}'
    foreign = Identity(OTHER)
    foreign.master = IDENTITY.master
    for signed in (
        SignedList(good.text + " ", good.signature),
        SignedList(good.text, bytes(64)),
        SignedList(not_a_list, IDENTITY.master.sign(not_a_list)),
        Identity(ACCOUNT).sign_list(3, {}),
        foreign.sign_list(3, {}),
    ):
        with pytest.raises(BadKeys):
            identity.check_list(signed, ACCOUNT, IDENTITY.master.public)


# Everything else


@given(data=st.binary(max_size=80))
def test_base64_comes_with_or_without_padding(data: bytes) -> None:
    padded = base64.b64encode(data).decode()
    assert identity.decode(padded, len(data)) == identity.decode(padded.rstrip("="), len(data)) == data


@given(text=st.text(max_size=12))
def test_any_text_is_base64_of_the_right_length_or_refused(text: str) -> None:
    try:
        decoded: bytes | None = identity.decode(text, 3)
    except BadKeys:
        decoded = None
    is_good = re.fullmatch(r"[A-Za-z0-9+/]{4}", text)
    assert (decoded is not None) == bool(is_good)
    assert decoded is None or base64.b64encode(decoded).decode() == text


def test_what_is_no_text_is_not_base64() -> None:
    for value in (7, None, b"AAAA", ["AAAA"]):
        with pytest.raises(BadKeys):
            identity.decode(value, 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("keys",),
    ("keys", f"ed25519:{DEVICE.device}"),
    ("keys", f"curve25519:{DEVICE.device}"),
    ("signatures",),
    ("signatures", ACCOUNT),
    ("signatures", ACCOUNT, f"ed25519:{DEVICE.device}"),
    ("algorithms",),
    ("user_id",),
    ("device_id",),
]


@settings(max_examples=300)
@given(place=st.sampled_from(PLACES), put=JSON)
def test_fault_11_whatever_stands_in_a_devices_keys_they_are_taken_or_refused(place: tuple[str, ...], put: Any) -> None:
    value = inner = DEVICE.object()
    for name in place[:-1]:
        inner = inner[name]
    if inner[place[-1]] == put:
        return
    inner[place[-1]] = put
    with pytest.raises(BadKeys):
        check_device(json.dumps(value))


@settings(max_examples=300)
@given(value=JSON)
def test_fault_11_whatever_is_shown_as_keys_nothing_but_bad_keys_comes_of_it(value: Any) -> None:
    text = json.dumps(value)
    with pytest.raises(BadKeys):
        check_device(text)
    with pytest.raises(BadKeys):
        identity.check_identity(http.Identity(text, text, text), ACCOUNT)
    with pytest.raises(BadKeys):
        identity.check_one_time(NamedKey("signed_curve25519:A", text), ACCOUNT, DEVICE.device, ED25519)
    signed = SignedList(text, IDENTITY.master.sign(text))
    with pytest.raises(BadKeys):
        identity.check_list(signed, ACCOUNT, IDENTITY.master.public)
