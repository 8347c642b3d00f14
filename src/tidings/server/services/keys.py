"""The key directory for devices: query, claim, upload, sign."""

from typing import Any, Final

from tidings.server.domain import identity
from tidings.server.domain.identity import BadKeys
from tidings.server.ports.keys import Keys
from tidings.server.ports.mailboxes import Mailboxes, Notice
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.rates import Rates
from tidings.wire import events
from tidings.wire.commands import ClaimKeys, QueryKeys, UploadKeys, UploadSignatures
from tidings.wire.errors import BadFrame, NotAllowed, Refusal
from tidings.wire.frames import AccountKeys, SignedObject
from tidings.wire.ids import Address

LOW: Final = 20
"""Below this many one-time keys a device is told to upload more."""


class Supply:
    """Which devices are low on one-time keys."""

    def __init__(self) -> None:
        self._low: set[Address] = set()

    async def load(self, keys: Keys) -> None:
        """Read which are low, at the start."""
        self._low = set(await keys.low(LOW))

    def note(self, device: Address, count: int) -> None:
        """Note how many keys a device has left."""
        if count < LOW:
            self._low.add(device)
        else:
            self._low.discard(device)

    def is_low(self, device: Address) -> bool:
        """Return whether a device should upload more."""
        return device in self._low


class AnswerQuery:
    """Answers `QueryKeys`."""

    def __init__(self, keys: Keys, rates: Rates) -> None:
        self._keys = keys
        self._rates = rates

    async def __call__(self, caller: Caller, command: QueryKeys) -> events.Keys:
        """Return what the directory holds."""
        self._rates.take("query-keys", caller.address.account)
        found = await self._keys.query(caller.address.account, command.accounts)
        return events.Keys(command.id, list(found))


class HandOutKeys:
    """Answers `ClaimKeys`, and tells owners who run low."""

    def __init__(self, keys: Keys, mailboxes: Mailboxes, wakes: Wakes, rates: Rates, supply: Supply) -> None:
        self._keys = keys
        self._mailboxes = mailboxes
        self._wakes = wakes
        self._rates = rates
        self._supply = supply

    async def __call__(self, caller: Caller, command: ClaimKeys) -> events.Claimed:
        """Take a key of each device that the asker may ask now; the others are left out, as if they had none."""
        asker = caller.address.account
        allowed = [d for d in command.devices if not self._rates.wait("claim", f"{asker} {d.account} {d.device}")]
        claimed = await self._keys.claim(allowed)
        for device in allowed:
            count, _ = await self._keys.count(device)
            if count >= LOW:
                continue
            mailbox = await self._mailboxes.find(device)
            if mailbox is not None:  # anybody may ask for keys of devices that never were
                self._supply.note(device, count)
                self._wakes.tell([Notice(events.KeysLow(count), [mailbox.id])])
        return events.Claimed(command.id, list(claimed))


class TakeKeys:
    """Answers `UploadKeys`."""

    def __init__(self, keys: Keys, rates: Rates, supply: Supply) -> None:
        self._keys = keys
        self._rates = rates
        self._supply = supply

    async def __call__(self, caller: Caller, command: UploadKeys) -> events.KeyCount:
        """Store keys that the device signed."""
        address = caller.address
        self._rates.take("upload-keys", f"{address.account} {address.device}")
        ed25519 = await self._keys.device(address)
        if ed25519 is None:
            raise Refusal(NotAllowed())
        try:
            checked = [
                identity.check_one_time(key, address.account, address.device, ed25519)
                for key in [*command.one_time, *([command.fallback] if command.fallback else [])]
            ]
        except BadKeys as error:
            raise Refusal(BadFrame(str(error)[:200])) from None
        fallback = checked.pop() if command.fallback else None
        count, unused = await self._keys.upload(address, checked, fallback, replace=command.replace)
        self._supply.note(address, count)
        return events.KeyCount(command.id, count, unused)


class TakeSignatures:
    """Answers `UploadSignatures`: by one's self-signing key on own devices, by a device on one's own master key,
    by one's user-signing key on the master keys of others.
    """  # noqa: D205 - one sentence

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def __call__(self, caller: Caller, command: UploadSignatures) -> events.Done:
        """Merge signatures that fit; one that does not refuses the whole command before anything is stored."""
        account = caller.address.account
        wanted = sorted({account, *(signed.account for signed in command.objects)})
        found = {keys.account: keys for keys in await self._keys.query(account, wanted)}
        try:
            merged = [self._merge(account, found, signed) for signed in command.objects]
        except (BadKeys, KeyError) as error:
            raise Refusal(BadFrame(str(error)[:200])) from None
        for signed, (old, new) in zip(command.objects, merged, strict=True):
            if signed.account != account:
                await self._keys.sign_other(account, signed.account, new)
            elif not await self._keys.replace_object(account, signed.key, old, new):
                raise Refusal(NotAllowed())
        return events.Done(command.id)

    def _merge(self, account: str, found: dict[str, AccountKeys], signed: SignedObject) -> tuple[str, str]:
        """Return the stored object and the same with the new signatures on it."""
        target = found[signed.account]
        own = found[account]
        stored = _stored(target, signed.key)
        old, new = identity.parse(stored), identity.parse(signed.object)
        signers = new["signatures"][account]
        if _unsigned(old) != _unsigned(new):
            raise BadKeys("not the object that is stored")
        for name in signers:
            signer = name.removeprefix("ed25519:")
            identity.check_signature(new, account, signer, _key_of(own, signer))
        old.setdefault("signatures", {}).setdefault(account, {}).update(signers)
        return stored, identity.canonical(old)


def _stored(keys: AccountKeys, key: str) -> str:
    """Return the device's keys, or the master key, that `key` names."""
    for device in keys.devices:
        if device.device == key:
            return device.keys
    if keys.master is not None and identity.public_key(identity.parse(keys.master)) == key:
        return keys.master
    raise BadKeys("no such object")


def _key_of(own: AccountKeys, signer: str) -> str:
    """Return the public key (base64) of one's own that signs under the name `signer`."""
    for device in own.devices:
        if device.device == signer:
            return str(identity.parse(device.keys)["keys"][f"ed25519:{signer}"])
    for text in (own.master, own.self_signing, own.user_signing):
        if text is not None and identity.public_key(identity.parse(text)) == signer:
            return signer
    raise BadKeys("signed by an unknown key")


def _unsigned(value: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name not in ("signatures", "unsigned")}
