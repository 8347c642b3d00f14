"""Signed JSON of the Matrix specification ("Signing JSON"), and the keys that sign it."""

import base64
import binascii
import json
from typing import Any

import vodozemac
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

JsonObject = dict[str, Any]


class BadSignature(ValueError):
    """Something is not signed by whom it should be."""


def encode(data: bytes) -> str:
    """Return base64 without padding, as the specification writes it."""
    return base64.b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return what base64, with or without padding, stands for. Raises BadSignature."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("not base64") from None


def canonical(value: JsonObject) -> bytes:
    """Return an object as canonical JSON, without its signatures."""
    signed = {name: member for name, member in value.items() if name not in ("signatures", "unsigned")}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def verify(key: str, message: bytes, signature: str) -> None:
    """Raise BadSignature unless `signature` by `key` (both base64) is on `message`."""
    try:
        public = vodozemac.Ed25519PublicKey.from_base64(key)
        public.verify_signature(message, vodozemac.Ed25519Signature.from_base64(signature))
    except ValueError as error:
        raise BadSignature(str(error)) from None


def verify_object(value: JsonObject, account: str, signer: str, key: str) -> None:
    """Raise BadSignature unless `value` is signed by `key` under the name `ed25519:<signer>`."""
    try:
        signature = value["signatures"][account][f"ed25519:{signer}"]
    except (KeyError, TypeError):
        raise BadSignature(f"no signature by {signer}") from None
    verify(key, canonical(value), signature)


def parse(text: str) -> JsonObject:
    """Return the JSON object in `text`. Raises BadSignature."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSignature("not JSON") from None
    if not isinstance(value, dict):
        raise BadSignature("not an object")
    return value


def public_key(value: JsonObject) -> str:
    """Return the one public key of a cross-signing object. Raises BadSignature."""
    try:
        ((name, key),) = value["keys"].items()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadSignature("not a cross-signing key") from None
    if name != f"ed25519:{key}":
        raise BadSignature("a key under another name")
    return str(key)


class SigningKey:
    """An Ed25519 key of an identity (vodozemac gives out none)."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed) if seed else Ed25519PrivateKey.generate()
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = encode(self._key.public_key().public_bytes(*raw))

    @property
    def seed(self) -> bytes:
        """The secret, 32 bytes."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return a signature, 64 bytes."""
        return self._key.sign(message)

    def sign_object(self, value: JsonObject, account: str) -> None:
        """Add a signature to an object."""
        add_signature(value, account, self.public, encode(self.sign(canonical(value))))


def add_signature(value: JsonObject, account: str, signer: str, signature: str) -> None:
    """Add a signature under the name `ed25519:<signer>`."""
    value.setdefault("signatures", {}).setdefault(account, {})[f"ed25519:{signer}"] = signature
