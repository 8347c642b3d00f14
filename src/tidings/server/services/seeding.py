"""People made on the server itself, for measurements: their devices can sign in, their conversations are open."""

import asyncio
import itertools
import json
import os
import time
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from tidings.server.domain import handles
from tidings.server.ports.accounts import Account
from tidings.server.ports.conversations import Conversations
from tidings.server.ports.crowd import Crowd, Settler
from tidings.server.ports.keys import NewKeys
from tidings.server.ports.mailboxes import Mailboxes
from tidings.wire.commands import Send
from tidings.wire.frames import Conversation, NamedKey, SignedList
from tidings.wire.http import Identity
from tidings.wire.ids import Address, account_id, new_msg_id

AT_ONCE: Final = 500
"""How many share a transaction."""
CIPHERTEXT_BYTES: Final = 300


class Person(NamedTuple):
    """A person with one device; `ed25519` is its public key (32 bytes)."""

    key: uuid.UUID
    name: str
    device: str
    ed25519: bytes


class Seeded(NamedTuple):
    """The conversations that were made: of each pair its name, of each group what its first member sees of it."""

    pairs: list[str]
    groups: list[Conversation]


async def seed_people(
    people: Sequence[Person],
    pairs: Sequence[tuple[int, int]],
    groups: Sequence[Sequence[int]],
    crowd: Crowd,
    mailboxes: Mailboxes,
    conversations: Conversations,
    *,
    server_id: str,
) -> Seeded:
    """Make people, and a conversation for each pair and each group (their numbers)."""
    names = [account_id(person.key, server_id) for person in people]
    for start in range(0, len(people), AT_ONCE):
        some = list(zip(names, people, strict=True))[start : start + AT_ONCE]
        # In this order nothing is left to settle.
        await asyncio.gather(*(mailboxes.set_devices(name, 1, {one.device: one.ed25519}) for name, one in some))
        await crowd.move_in([_settler(*one) for one in some])
    found: list[str] = []
    for start in range(0, len(pairs), AT_ONCE):
        together = [(names[one], names[other]) for one, other in pairs[start : start + AT_ONCE]]
        opened = await asyncio.gather(*(conversations.open_direct(*both, accepted=True) for both in together))
        found += [change.conversation.conversation for change in opened]
    made = [(await conversations.open_group([names[one] for one in group])).conversation for group in groups]
    return Seeded(found, made)


async def seed_messages(
    people: Sequence[Person],
    pairs: Sequence[tuple[int, int]],
    found: Seeded,
    count: int,
    mailboxes: Mailboxes,
    *,
    server_id: str,
) -> None:
    """Let the first of each pair write to the second, in turn, until so many messages wait."""
    boxes = []
    for sender, _ in pairs[:count]:
        mailbox = await mailboxes.find(Address(account_id(people[sender].key, server_id), people[sender].device))
        assert mailbox is not None
        boxes.append(mailbox.id)
    last: list[bytes | None] = [None] * len(pairs)
    turns = itertools.islice(itertools.cycle(range(len(pairs))), count)
    while some := list(itertools.islice(turns, AT_ONCE)):
        sends = []
        for pair in some:
            msg_id = new_msg_id(time.time_ns() // 1_000_000)
            ciphertext = b"\x01" + os.urandom(CIPHERTEXT_BYTES - 1)
            send = Send(0, msg_id, found.pairs[pair], epoch=1, devices=2, prev=last[pair], ciphertext=ciphertext)
            sends.append(mailboxes.append(send, boxes[pair]))
            last[pair] = msg_id
        await asyncio.gather(*sends)


def _settler(account: str, person: Person) -> Settler:
    """Return an account with keys that nobody encrypts for: measurements send bytes that stand for ciphertext."""
    empty = json.dumps({"user_id": account})
    identity = Identity(empty, empty, empty)
    keys = NewKeys(
        account=account,
        device=person.device,
        label="measurement",
        created=1,
        keys=empty,
        ed25519=person.ed25519,
        one_time=[],
        fallback=NamedKey("signed_curve25519:AAAAAAAAAAA", empty),
        device_list=SignedList("{}", bytes(64)),
        version=1,
        identity=identity,
    )
    made = Account(account, person.name, admin=False, created=1, inviter=None)
    return Settler(made, handles.skeleton(person.name), identity, keys)
