"""The keys of this device: what it signs, and the one-time keys that it hands out."""

import json
from typing import Final

import vodozemac

from tidings.sdk.crypto.signing import JsonObject, add_signature, canonical, decode
from tidings.wire.frames import NamedKey

OLM: Final = "m.olm.v1.curve25519-aes-sha2"
MEGOLM: Final = "m.megolm.v1.aes-sha2"
ONE_TIME_KEYS: Final = 50
"""How many one-time keys the server should have of a device."""


class DeviceAccount:
    """A vodozemac account with the names that it signs under."""

    def __init__(self, account: str, device: str, olm: vodozemac.Account) -> None:
        self.account = account
        self.device = device
        self.olm = olm
        self.ed25519 = olm.ed25519_key.to_base64()
        self.curve25519 = olm.curve25519_key.to_base64()

    def sign(self, text: str) -> bytes:
        """Return a signature by the device's key, 64 bytes."""
        return decode(self.olm.sign(text.encode()).to_base64())

    def sign_object(self, value: JsonObject) -> JsonObject:
        """Add this device's signature to an object, and return it."""
        add_signature(value, self.account, self.device, self.olm.sign(canonical(value)).to_base64())
        return value

    def device_keys(self) -> JsonObject:
        """Return the device's public keys, signed by itself."""
        return self.sign_object(
            {
                "user_id": self.account,
                "device_id": self.device,
                "algorithms": [OLM, MEGOLM],
                "keys": {f"curve25519:{self.device}": self.curve25519, f"ed25519:{self.device}": self.ed25519},
            }
        )

    def make_one_time_keys(self, count: int) -> None:
        """Make keys; those not handed to the server yet are in `unpublished`."""
        if count > 0:
            self.olm.generate_one_time_keys(count)

    def unpublished(self) -> list[NamedKey]:
        """Return the one-time keys that the server does not have yet, signed."""
        return [self._named(name, {"key": key.to_base64()}) for name, key in sorted(self.olm.one_time_keys.items())]

    def new_fallback(self) -> NamedKey:
        """Make another fallback key and return it, signed."""
        self.olm.generate_fallback_key()  # type: ignore[attr-defined] # missing in its stub
        ((name, key),) = self.olm.fallback_key.items()  # type: ignore[attr-defined] # missing in its stub
        return self._named(name, {"key": key.to_base64(), "fallback": True})

    def _named(self, name: str, value: JsonObject) -> NamedKey:
        return NamedKey(f"signed_curve25519:{name}", json.dumps(self.sign_object(value)))
