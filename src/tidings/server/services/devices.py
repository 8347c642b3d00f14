"""Devices come and go: enrolment, the list of one's own, removal."""

from tidings.server.domain import identity
from tidings.server.domain.identity import BadKeys
from tidings.server.ports.accounts import Accounts
from tidings.server.ports.clock import Clock
from tidings.server.ports.conversations import Conversations
from tidings.server.ports.keys import Addressable, Keys, NewKeys, NoLeave
from tidings.server.ports.mailboxes import Mailboxes
from tidings.server.ports.wakes import Wakes
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.frames import AccountKeys, SignedList
from tidings.wire.ids import AccountId, Address, DeviceId


class NeedsIdentity(Exception):
    """The account has no identity that could sign this device: start again with a new one."""


class Devices:
    """Keeps the key directory and, following it, the mailboxes of an account's devices."""

    def __init__(
        self,
        keys: Keys,
        accounts: Accounts,
        mailboxes: Mailboxes,
        conversations: Conversations,
        wakes: Wakes,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._mailboxes = mailboxes
        self._conversations = conversations
        self._wakes = wakes
        self._clock = clock
        self._lagging = False
        """Whether the mailboxes may not have what was changed in the directory."""

    async def enrol(self, token: str, new: http.NewDevice) -> Address:
        """Add a device to the account that the enrolment is of. Raises NoLeave, NeedsIdentity, BadKeys, StaleList."""
        account = await self._accounts.enrolment(token, self._clock.now())
        if account is None:
            raise NoLeave
        (known,) = await self._keys.query(account, [account])
        checked = self._check(account, new, known)
        await self._follow(await self._keys.enrol(checked, token))
        if known.version == 0:
            await self._meet_inviter(account)
        return Address(account, new.device)

    async def list(self, caller: Address) -> http.Devices:
        """Return the caller's devices."""
        devices = await self._keys.devices(caller.account)
        return http.Devices(
            [http.Device(d.device, d.label, d.created, d.seen, current=d.device == caller.device) for d in devices]
        )

    async def remove(self, account: AccountId, device: DeviceId, device_list: SignedList | None) -> None:
        """Remove a device with its connection and its mailbox. Raises Refusal(NotAllowed), StaleList, BadKeys."""
        (known,) = await self._keys.query(account, [account]) or (None,)
        if known is None or device not in {entry.device for entry in known.devices}:
            await self._settle(account)  # who asks again takes this for the word that it is done
            raise Refusal(NotAllowed())
        version = known.version + 1
        if device_list is not None:
            rest = {
                entry.device: _ed25519(entry.keys, entry.device) for entry in known.devices if entry.device != device
            }
            _check_list(device_list, account, _master(known), version, rest)
        await self._follow(await self._keys.remove(account, device, device_list, version))

    async def remove_account(self, account: AccountId) -> None:
        """Remove an account with everything that the server has of it."""
        boxes, notices = await self._conversations.remove_account(account)
        self._wakes.close(boxes, Close.DEVICE_REMOVED)
        self._wakes.tell(notices)
        await self._accounts.remove(account)

    async def settle(self) -> None:
        """Repeat what a crash may have kept from the mailboxes. Called before anybody is served."""
        await self._settle(None)

    async def settle_again(self) -> None:
        """Repeat what a failure has kept from the mailboxes, if there was one."""
        if not self._lagging:
            return
        self._lagging = False
        try:
            await self.settle()
        except BaseException:
            self._lagging = True
            raise

    async def _settle(self, account: AccountId | None) -> None:
        for addressable in await self._keys.unsettled(account):
            await self._follow(addressable)

    async def _follow(self, addressable: Addressable) -> None:
        account, version = addressable.account, addressable.version
        try:
            closed, notices = await self._mailboxes.set_devices(account, version, addressable.devices)
            self._wakes.close(closed, Close.DEVICE_REMOVED)
            self._wakes.tell(notices)
            await self._keys.settled(account, version)
        except BaseException:
            self._lagging = True
            raise

    async def _meet_inviter(self, account: AccountId) -> None:
        """Make who invited a contact of who came: each has accepted the other by that."""
        found = await self._accounts.by_id(account)
        inviter = await self._accounts.by_id(found.inviter) if found and found.inviter else None
        if inviter is not None:
            changed = await self._conversations.open_direct(inviter.id, account, accepted=True)
            self._wakes.tell(changed.notices)

    def _check(self, account: AccountId, new: http.NewDevice, known: AccountKeys) -> NewKeys:
        if new.identity is None and known.master is None:
            raise NeedsIdentity
        fresh = identity.check_identity(new.identity, account) if new.identity else None
        master = identity.public_key(identity.parse(fresh.master)) if fresh else _master(known)
        signer = fresh.self_signing if fresh else str(known.self_signing)
        device = identity.check_device(new.keys, account, new.device, identity.public_key(identity.parse(signer)))
        others = {} if fresh else {entry.device: _ed25519(entry.keys, entry.device) for entry in known.devices}
        if new.device in others:
            raise BadKeys("there is such a device already")
        version = known.version + 1
        _check_list(new.device_list, account, master, version, others | {new.device: device.ed25519})
        return NewKeys(
            account=account,
            device=new.device,
            label=new.label,
            created=self._clock.now(),
            keys=device.text,
            ed25519=device.ed25519,
            one_time=[identity.check_one_time(key, account, new.device, device.ed25519) for key in new.one_time],
            fallback=identity.check_one_time(new.fallback, account, new.device, device.ed25519),
            device_list=new.device_list,
            version=version,
            identity=fresh,
        )


def _check_list(
    signed: SignedList, account: AccountId, master: str, version: int, devices: dict[DeviceId, bytes]
) -> None:
    listed = identity.check_list(signed, account, master)
    if listed.version != version:
        raise BadKeys(f"the list is number {listed.version}, not {version}")
    if {name: identity.decode(key, 32) for name, key in listed.devices.items()} != devices:
        raise BadKeys("the list names other devices")


def _ed25519(keys: str, device: DeviceId) -> bytes:
    return identity.decode(identity.parse(keys)["keys"][f"ed25519:{device}"], 32)


def _master(known: AccountKeys) -> str:
    assert known.master is not None, "who has devices has an identity"
    return identity.public_key(identity.parse(known.master))
