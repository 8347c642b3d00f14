"""What the server says of an account is believed if its owner signed it, and if it is not older than what is known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidings.sdk.crypto.account import DeviceAccount
from tidings.sdk.crypto.directory import Directory
from tidings.sdk.crypto.identity import Identity
from tidings.sdk.crypto.machine import Machine
from tidings.sdk.errors import Distrusted, IdentityChanged
from tidings.sdk.store.database import Database
from tidings.wire.frames import AccountKeys, DeviceKeys, SignedList

ME = "@00000000-0000-0000-0000-000000000001:there"
BOB = "@00000000-0000-0000-0000-000000000002:there"


class Account:
    """An account with devices of its own making."""

    def __init__(self, folder: Path, account: str = BOB) -> None:
        self._folder = folder
        self.account = account
        self.identity = Identity(account)
        self.devices: dict[str, DeviceAccount] = {}

    def add(self, name: str) -> None:
        """Make a device."""
        database = Database(self._folder / f"{name}.db")
        Machine.create(database, self.account, name)
        self.devices[name] = Machine(database).account
        database.close()

    def listed(self, version: int, *names: str) -> SignedList:
        """Return a signed list of some devices."""
        return self.identity.sign_list(version, {name: self.devices[name].ed25519 for name in names})

    def keys(self, version: int, *names: str, **changed: Any) -> AccountKeys:
        """Return what an honest server would say when the account has some of these devices."""
        public = self.identity.public()
        devices = []
        for name in names:
            value = self.devices[name].device_keys()
            self.identity.self_signing.sign_object(value, self.account)
            devices.append(DeviceKeys(name, msgspec.json.encode(value).decode()))
        said = AccountKeys(
            account=self.account,
            name="bob",
            version=version,
            master=public.master,
            self_signing=public.self_signing,
            user_signing=None,
            device_list=self.listed(version, *names),
            devices=devices,
        )
        return msgspec.structs.replace(said, **changed)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    database = Database(tmp_path / "mine.db")
    yield Directory(database, ME)
    database.close()


@pytest.fixture
def bob(tmp_path: Path) -> Account:
    account = Account(tmp_path)
    for name in ("PHONEPHONE", "LAPTOPTOPS", "GHOSTGHOST"):
        account.add(name)
    return account


def names(directory: Directory) -> list[str]:
    return sorted(device.id for device in directory.devices(BOB))


def test_the_devices_of_a_signed_list_are_learned(directory: Directory, bob: Account) -> None:
    assert directory.learn(bob.keys(1, "PHONEPHONE"))
    assert names(directory) == ["PHONEPHONE"]
    assert not directory.learn(bob.keys(1, "PHONEPHONE"))
    assert directory.learn(bob.keys(2, "PHONEPHONE", "LAPTOPTOPS"))
    assert names(directory) == ["LAPTOPTOPS", "PHONEPHONE"]
    assert directory.version(BOB) == 2


def test_a_device_that_the_server_removed_for_want_of_a_signature_is_gone(directory: Directory, bob: Account) -> None:
    directory.learn(bob.keys(2, "PHONEPHONE", "LAPTOPTOPS"))
    left = bob.keys(3, "PHONEPHONE", device_list=bob.listed(2, "PHONEPHONE", "LAPTOPTOPS"))
    directory.learn(left)
    assert names(directory) == ["PHONEPHONE"]


Lie = Callable[[Account], AccountKeys]
LIES: dict[str, tuple[Lie, str]] = {
    "without identity": (lambda bob: bob.keys(3, "PHONEPHONE", master=None), "no identity"),
    "without list": (lambda bob: bob.keys(3, "PHONEPHONE", device_list=None), "no identity"),
    "a list that nobody signed": (
        lambda bob: bob.keys(3, "PHONEPHONE", device_list=SignedList(bob.listed(3, "PHONEPHONE").text, bytes(64))),
        "signature",
    ),
    "a list of the future": (
        lambda bob: bob.keys(3, "PHONEPHONE", device_list=bob.listed(4, "PHONEPHONE")),
        "of the future",
    ),
    "a device that is not listed": (
        lambda bob: bob.keys(3, "PHONEPHONE", "GHOSTGHOST", device_list=bob.listed(3, "PHONEPHONE")),
        "did not sign",
    ),
    "a listed device that is hidden": (
        lambda bob: bob.keys(3, "PHONEPHONE", device_list=bob.listed(3, "PHONEPHONE", "LAPTOPTOPS")),
        "hides a device",
    ),
    "an older list": (
        lambda bob: bob.keys(3, "PHONEPHONE", device_list=bob.listed(1, "PHONEPHONE")),
        "old device list",
    ),
    "an older version": (lambda bob: bob.keys(1, "PHONEPHONE"), "old device list"),
    "another list of the same number": (
        lambda bob: bob.keys(2, "LAPTOPTOPS"),
        "two different device lists",
    ),
    "keys that are no JSON": (lambda bob: bob.keys(3, "PHONEPHONE", master="{"), "not JSON"),
    "the identity of somebody else": (
        lambda bob: bob.keys(3, "PHONEPHONE", master=Identity(ME).public().master),
        "another account",
    ),
    "a self-signing key that the master key did not sign": (
        lambda bob: bob.keys(3, "PHONEPHONE", self_signing=Identity(BOB).public().self_signing),
        "no signature",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_fault_21_what_nobody_signed_or_what_is_older_is_refused_and_what_was_known_stays(
    directory: Directory, bob: Account, lie: str
) -> None:
    directory.learn(bob.keys(2, "PHONEPHONE", "LAPTOPTOPS"))
    say, reason = LIES[lie]
    assert directory.learn(say(bob))
    with pytest.raises(Distrusted, match=reason) as refused:
        directory.devices(BOB)
    assert not isinstance(refused.value, IdentityChanged)
    assert sorted(device.id for device in directory.known_devices(BOB)) == ["LAPTOPTOPS", "PHONEPHONE"]
    directory.learn(bob.keys(3, "PHONEPHONE"))
    assert names(directory) == ["PHONEPHONE"]


def test_fault_21_a_new_identity_is_held_until_it_is_trusted_and_then_pinned(
    directory: Directory, bob: Account, tmp_path: Path
) -> None:
    directory.learn(bob.keys(2, "PHONEPHONE"))
    folder = tmp_path / "again"
    folder.mkdir()
    for version, name in ((3, "NEWPHONE01"), (4, "NEWPHONE02")):
        again = Account(folder)
        again.add(name)
        directory.learn(again.keys(version, name))
        with pytest.raises(IdentityChanged):
            directory.devices(BOB)
        assert not directory.is_trusted(BOB, name, again.devices[name].curve25519)
        directory.trust(BOB)
        assert names(directory) == [name]
        assert directory.is_trusted(BOB, name, again.devices[name].curve25519)
        assert not directory.is_trusted(BOB, name, bob.devices["PHONEPHONE"].curve25519)
        assert not directory.is_trusted(BOB, "PHONEPHONE", bob.devices["PHONEPHONE"].curve25519)


def test_what_a_removed_device_sent_before_is_still_known_to_be_of_its_owner(
    directory: Directory, bob: Account
) -> None:
    directory.learn(bob.keys(2, "PHONEPHONE", "LAPTOPTOPS"))
    directory.learn(bob.keys(3, "PHONEPHONE"))
    assert names(directory) == ["PHONEPHONE"]
    assert sorted(device.id for device in directory.senders(BOB)) == ["LAPTOPTOPS", "PHONEPHONE"]
    assert directory.knows(BOB, "LAPTOPTOPS")
    assert not directory.knows(BOB, "GHOSTDEVICE")
    assert directory.is_trusted(BOB, "PHONEPHONE", bob.devices["PHONEPHONE"].curve25519)
    assert not directory.is_trusted(BOB, "LAPTOPTOPS", bob.devices["LAPTOPTOPS"].curve25519)


def test_fault_21_another_identity_for_oneself_is_never_accepted(directory: Directory, tmp_path: Path) -> None:
    mine, other = Account(tmp_path, ME), Account(tmp_path, ME)
    mine.add("MYDEVICE01")
    other.add("MYDEVICE02")
    directory.learn(mine.keys(1, "MYDEVICE01"))
    directory.learn(other.keys(2, "MYDEVICE02"))
    with pytest.raises(Distrusted, match="another identity for this account"):
        directory.devices(ME)


def test_an_account_that_nobody_told_of_is_not_sent_to(directory: Directory) -> None:
    with pytest.raises(Distrusted, match="not known"):
        directory.devices(BOB)
    assert directory.version(BOB) == 0
    assert directory.name(BOB) == BOB
