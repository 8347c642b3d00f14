"""Sessions that carry messages: whose they are, who is given their keys, and what an older store knows of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec
import pytest
import vodozemac

from tidings.sdk.crypto.directory import Device
from tidings.sdk.crypto.identity import Identity
from tidings.sdk.crypto.machine import ROOM_KEY, Arrived, Machine
from tidings.sdk.crypto.olm import CannotOpen
from tidings.sdk.crypto.signing import decode, encode
from tidings.sdk.errors import IdentityChanged
from tidings.sdk.store.database import SCHEMA, Database
from tidings.wire.content import KEY_ANSWER, KeyAnswer, KeyRequest, Megolm, Olm, unpack
from tidings.wire.frames import AccountKeys, ClaimedKey, DeviceKeys

SERVER = "55555555-5555-4555-8555-555555555555"
GROUP = f"!33333333-3333-4333-8333-333333333333:{SERVER}"
NOW = 1_700_000_000_000


class Person:
    """Somebody with one device."""

    def __init__(self, folder: Path, name: str, *, account: int, device: str) -> None:
        self.account = f"@{account:08}-1111-4111-8111-111111111111:{SERVER}"
        self.name = name
        self._database = Database(folder / f"{name}.db")
        Machine.create(self._database, self.account, device)
        self.machine = Machine(self._database)
        self.identity = Identity(self.account)
        self.machine.set_identity(self.identity)
        self._one_time = iter(self.machine.keys_to_publish(0))

    def close(self) -> None:
        self._database.close()

    @property
    def device(self) -> Device:
        """Their device as others know it."""
        own = self.machine.account
        return Device(own.account, own.device, own.ed25519, own.curve25519)

    def keys(self, version: int = 1, *, without: bool = False) -> AccountKeys:
        """Return their account as an honest server shows it; on request as if they had no device."""
        public = self.identity.public()
        devices = (
            [] if without else [DeviceKeys(self.device.id, self.machine.signed_device_keys(self.identity.self_signing))]
        )
        listed = {} if without else {self.device.id: self.device.ed25519}
        return AccountKeys(
            account=self.account,
            name=self.name,
            version=version,
            master=public.master,
            self_signing=public.self_signing,
            user_signing=None,
            device_list=self.identity.sign_list(version, listed),
            devices=devices,
        )

    def meets(self, *others: "Person") -> None:
        """Learn of others, and be able to tell their devices something."""
        for other in (self, *others):
            self.machine.directory.learn(other.keys())
        for other in others:
            self.machine.start_sessions([ClaimedKey(other.account, other.device.id, next(other._one_time))])

    def shares(self, *others: "Person") -> list[bytes]:
        """Return what tells others the key to what is written next; nothing for those who have it."""
        return [share.ciphertext for share in self.machine.share_key(GROUP, [other.device for other in others], NOW)]

    def writes(self, text: str) -> bytes:
        """Return an envelope."""
        return self.machine.megolm.encrypt(GROUP, json.dumps({"text": text}))

    def hears(self, sender: "Person", ciphertext: bytes) -> Arrived:
        """Take what somebody's device sent to this one."""
        return self.machine.open_share(sender.account, ciphertext)

    def reads(self, sender: "Person", msg_id: int, envelope: bytes) -> str:
        """Return the text of a message. Raises CannotOpen."""
        who = sender.account, sender.device.id
        return str(self.machine.decrypt(GROUP, who, msg_id.to_bytes(16), envelope).content["text"])

    def asks(self, other: "Person", envelope: bytes) -> tuple[Device, KeyRequest]:
        """Return the request for the key to an envelope, as it arrives at another device."""
        share = self.machine.request_key(other.device, KeyRequest(GROUP, session_of(envelope)))
        request = other.hears(self, share.ciphertext).request
        assert request is not None
        return request


def session_of(envelope: bytes) -> str:
    opened = unpack(envelope)
    assert isinstance(opened, Megolm)
    return encode(opened.session)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Callable[..., Person]]:
    made: list[Person] = []

    def make(name: str, account: int, device: str = "PHONEPHONE") -> Person:
        made.append(Person(tmp_path, name, account=account, device=device))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_fault_21_a_replaced_identity_is_given_no_key_under_the_name_of_a_device_that_was(
    person: Callable[..., Person],
) -> None:
    """Neither while it is doubted nor when it is accepted: what was written before was for the other device."""
    ada, bob, thief = person("ada", 1), person("bob", 2), person("thief", 2)
    ada.meets(bob)
    (share,) = ada.shares(bob)
    before = ada.writes("for Bob alone")
    ada.machine.directory.learn(thief.keys(2))
    with pytest.raises(IdentityChanged):
        ada.machine.directory.check(bob.account)
    thief.meets(ada)
    assert ada.machine.answer_request(*thief.asks(ada, before)) is None
    ada.machine.directory.trust(bob.account)
    assert ada.machine.answer_request(*thief.asks(ada, before)) is None
    # What is written now is for the one who was accepted, and by another session.
    (share,) = ada.shares(thief)
    thief.hears(ada, share)
    after = ada.writes("for who is Bob now")
    assert session_of(after) != session_of(before)
    assert thief.reads(ada, 1, after) == "for who is Bob now"
    with pytest.raises(CannotOpen):
        thief.reads(ada, 2, before)


def test_fault_21_a_device_that_its_owner_removed_is_answered_no_more(person: Callable[..., Person]) -> None:
    ada, bob = person("ada", 1), person("bob", 2)
    ada.meets(bob)
    bob.meets(ada)
    ada.shares(bob)
    before = ada.writes("lost on its way")
    request = bob.asks(ada, before)
    ada.machine.directory.learn(bob.keys(2, without=True))
    assert ada.machine.answer_request(*request) is None
    ada.machine.directory.learn(bob.keys(3))
    answer = ada.machine.answer_request(*request)
    assert answer is not None
    arrived = bob.hears(ada, answer.ciphertext)
    assert arrived.answer is not None
    assert bob.machine.take_answer(*arrived.answer) == (GROUP, session_of(before))
    assert bob.reads(ada, 1, before) == "lost on its way"


@pytest.mark.parametrize("first", ["theirs", "hers"])
def test_fault_22_nobody_takes_anothers_session_away_by_handing_its_key_on(
    person: Callable[..., Person], first: str
) -> None:
    """Mallory has the key, and gives it to Carol as if it were of a session of hers."""
    alice, mallory, carol = person("alice", 1), person("mallory", 2), person("carol", 3)
    alice.meets(mallory, carol)
    mallory.meets(alice, carol)
    carol.meets(alice, mallory)
    (to_mallory,) = alice.shares(mallory)
    envelope = unpack(to_mallory)
    assert isinstance(envelope, Olm)
    stolen = mallory.machine.olm.encrypt(
        carol.device, ROOM_KEY, mallory.machine.olm.open(alice.account, envelope).content
    )
    (own,) = alice.shares(mallory, carol)
    shares = [(mallory, stolen), (alice, own)]
    for sender, share in shares if first == "theirs" else shares[::-1]:
        assert carol.hears(sender, share).session is not None
    message = alice.writes("to both")
    assert carol.reads(mallory, 9, message) == "to both"  # what she can read she can say herself
    assert carol.reads(alice, 1, message) == "to both"


def test_fault_22_an_answer_that_somebody_made_up_does_not_stand_in_the_way_of_the_true_one(
    person: Callable[..., Person],
) -> None:
    """An answer carries no proof of whose session it is, and its inside may be anything."""
    alice, mallory, carol = person("alice", 1), person("mallory", 2), person("carol", 3)
    alice.meets(carol)
    mallory.meets(carol)
    carol.meets(alice, mallory)
    (own,) = alice.shares(carol)
    message = alice.writes("hello")
    other = vodozemac.InboundGroupSession(vodozemac.GroupSession().session_key).export_at(0)
    assert other is not None
    inside = bytearray(decode(other.to_base64()))
    opened = unpack(message)
    assert isinstance(opened, Megolm)
    inside[-32:] = opened.session  # behind the version, the index and the ratchet: the public key, which is the name
    made_up = KeyAnswer(GROUP, session_of(message), encode(bytes(inside)))
    told = mallory.machine.olm.encrypt(carol.device, KEY_ANSWER, msgspec.to_builtins(made_up))
    arrived = carol.hears(mallory, told)
    assert arrived.session is None  # it is for the inbox to say whether it was asked for
    assert arrived.answer is not None
    assert carol.machine.take_answer(*arrived.answer) == (GROUP, session_of(message))
    with pytest.raises(CannotOpen):
        carol.reads(mallory, 1, message)
    carol.hears(alice, own)
    assert carol.reads(alice, 2, message) == "hello"


def test_a_store_of_before_keys_were_written_down_reads_on_and_answers_nobody(tmp_path: Path) -> None:
    old = apsw.Connection(str(tmp_path / "a.db"))
    for script in SCHEMA[:5]:
        old.execute(script)
    old.execute("pragma user_version = 5")
    old.execute(
        "insert into account values ('@b', 'bob', null, 'M', 'M', 'S', 1, 1, null, ?, null)",
        (json.dumps({"PHONE": ["ed", "curve"]}),),
    )
    for name, account, device in (("s1", "@b", "PHONE"), ("s2", "@b", "GONE"), ("s3", "@c", "PHONE")):
        old.execute("insert into inbound values ('!a', ?, ?, ?, 'pickle')", (name, account, device))
    old.execute("insert into entitled values ('s0', '@b', 'PHONE', 0, 1)")
    old.execute("insert into used_index values ('s1', 7, x'01'), ('lost', 1, x'02')")
    old.close()
    database = Database(tmp_path / "a.db")
    assert database.rows("select * from entitled") == []
    assert database.rows("select id, account, device, curve25519, pickle from inbound order by id") == [
        ("s1", "@b", "PHONE", "curve", "pickle"),
        ("s2", "@b", "GONE", "", "pickle"),
        ("s3", "@c", "PHONE", "", "pickle"),
    ]
    assert database.rows("select * from used_index") == [("s1", "@b", "PHONE", 7, b"\x01")]
    database.close()
