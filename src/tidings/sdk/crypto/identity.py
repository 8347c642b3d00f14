"""An account's cross-signing identity, and the device lists that it signs."""

import json

import msgspec

from tidings.sdk.crypto.signing import JsonObject, SigningKey
from tidings.wire import http
from tidings.wire.frames import SignedList


class Identity:
    """The three secret keys of an identity. Held by devices that may add others."""

    def __init__(self, account: str, seeds: tuple[bytes, bytes, bytes] | None = None) -> None:
        self.account = account
        master, self_signing, user_signing = seeds or (None, None, None)
        self.master = SigningKey(master)
        self.self_signing = SigningKey(self_signing)
        self.user_signing = SigningKey(user_signing)

    @property
    def seeds(self) -> tuple[bytes, bytes, bytes]:
        """The secrets, as the constructor takes them."""
        return self.master.seed, self.self_signing.seed, self.user_signing.seed

    def public(self) -> http.Identity:
        """Return the public keys, the lower two signed by the master key."""
        objects = {
            usage: _object(self.account, usage, key)
            for usage, key in (
                ("master", self.master),
                ("self_signing", self.self_signing),
                ("user_signing", self.user_signing),
            )
        }
        for usage in ("self_signing", "user_signing"):
            self.master.sign_object(objects[usage], self.account)
        return http.Identity(**{usage: json.dumps(value) for usage, value in objects.items()})

    def sign_list(self, version: int, devices: dict[str, str]) -> SignedList:
        """Return a device list (id to Ed25519 key in base64)."""
        listed = {
            "account": self.account,
            "devices": dict(sorted(devices.items())),
            "master": self.master.public,
            "version": version,
        }
        text = msgspec.json.encode(listed).decode()
        return SignedList(text, self.master.sign(text.encode()))


def _object(account: str, usage: str, key: SigningKey) -> JsonObject:
    return {"user_id": account, "usage": [usage], "keys": {f"ed25519:{key.public}": key.public}}
