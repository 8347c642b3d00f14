"""What the server checks of keys before a device becomes addressable.

The shapes are those of the Matrix specification ("End-to-end encryption", "Signing JSON"): an object is signed
as canonical JSON without its members `signatures` and `unsigned`. Clients check everything again; the server
checks so that an honest one never stores what they would refuse.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidings.wire.frames import NamedKey, SignedList
from tidings.wire.http import Identity

ALGORITHMS: Final = ("m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2")
ONE_TIME: Final = "signed_curve25519:"


class BadKeys(ValueError):
    """Keys that no client would accept."""


class DeviceObject(msgspec.Struct):
    """A device's keys, in canonical JSON, and its Ed25519 key."""

    text: str
    ed25519: bytes


class ListText(msgspec.Struct, forbid_unknown_fields=True):
    """What is inside a signed device list."""

    account: str
    devices: dict[str, str]
    master: str
    version: int


def parse(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`. Raises BadKeys."""
    try:
        value = msgspec.json.decode(text)
        msgspec.json.encode(value, order="sorted")
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise BadKeys(str(error)) from None
    if not isinstance(value, dict):
        raise BadKeys("not an object")
    return value


def canonical(value: dict[str, Any]) -> str:
    """Return an object as canonical JSON."""
    return msgspec.json.encode(value, order="sorted").decode()


def check_signature(value: dict[str, Any], account: str, signer: str, key: str) -> None:
    """Raise BadKeys unless `value` bears a signature by `key` (base64), under the name `ed25519:<signer>`."""
    try:
        signature = decode(value["signatures"][account][f"ed25519:{signer}"], 64)
        signed = {name: member for name, member in value.items() if name not in ("signatures", "unsigned")}
        verify(key, canonical(signed).encode(), signature)
    except (KeyError, TypeError):
        raise BadKeys(f"no signature by {signer}") from None


def verify(key: str, message: bytes, signature: bytes) -> None:
    """Raise BadKeys unless `signature` by `key` (base64) is on `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(decode(key, 32)).verify(signature, message)
    except InvalidSignature:
        raise BadKeys("a signature does not fit") from None


def check_device(text: str, account: str, device: str, self_signing: str) -> DeviceObject:
    """Return a device's keys if they are of this device and signed by it and by `self_signing` (base64)."""
    value = parse(text)
    try:
        ed25519: str = value["keys"][f"ed25519:{device}"]
        decode(value["keys"][f"curve25519:{device}"], 32)
        if (value["user_id"], value["device_id"]) != (account, device):
            raise BadKeys("the keys of another device")
        if not set(ALGORITHMS) <= set(value["algorithms"]):
            raise BadKeys("algorithms are missing")
    except (KeyError, TypeError):
        raise BadKeys("not the keys of a device") from None
    check_signature(value, account, device, ed25519)
    check_signature(value, account, self_signing, self_signing)
    return DeviceObject(canonical(value), decode(ed25519, 32))


def check_identity(identity: Identity, account: str) -> Identity:
    """Return a new identity, in canonical JSON, if its keys are signed by its master key."""
    parts: dict[str, str] = {}
    master = ""
    for usage in ("master", "self_signing", "user_signing"):
        value = parse(getattr(identity, usage))
        key = public_key(value)
        if value.get("user_id") != account or value.get("usage") != [usage]:
            raise BadKeys(f"not a {usage} key of this account")
        if usage == "master":
            master = key
        else:
            check_signature(value, account, master, master)
        parts[usage] = canonical(value)
    return Identity(**parts)


def public_key(value: dict[str, Any]) -> str:
    """Return the one public key of a cross-signing object (base64)."""
    try:
        ((name, key),) = value["keys"].items()
        decode(key, 32)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadKeys("not a cross-signing key") from None
    if name != f"ed25519:{key}":
        raise BadKeys("a key under another name")
    return str(key)


def check_one_time(key: NamedKey, account: str, device: str, ed25519: bytes) -> NamedKey:
    """Return a one-time or fallback key, in canonical JSON, if its device signed it."""
    value = parse(key.key)
    if not key.name.startswith(ONE_TIME):
        raise BadKeys("not a signed key")
    try:
        decode(value["key"], 32)
    except KeyError:
        raise BadKeys("not a one-time key") from None
    check_signature(value, account, device, base64.b64encode(ed25519).decode())
    return NamedKey(key.name, canonical(value))


def check_list(signed: SignedList, account: str, master: str) -> ListText:
    """Return what is in a device list if it is of this account and signed by `master` (base64)."""
    verify(master, signed.text.encode(), signed.signature)
    try:
        listed = msgspec.json.decode(signed.text, type=ListText)
    except msgspec.MsgspecError as error:
        raise BadKeys(str(error)) from None
    if (listed.account, listed.master) != (account, master):
        raise BadKeys("the list of another account")
    return listed


def decode(text: object, size: int) -> bytes:
    """Return `size` bytes of base64, with or without padding. Raises BadKeys."""
    if not isinstance(text, str):
        raise BadKeys("not base64")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadKeys("not base64") from None
    if len(data) != size:
        raise BadKeys(f"{len(data)} bytes instead of {size}")
    return data
