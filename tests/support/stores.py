"""A mailbox store under test, and people on it."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from support.clock import FakeClock
from tidings.server.ports.conversations import Conversations
from tidings.server.ports.mailboxes import Appended, Mailboxes, Notice
from tidings.server.storage.memory.conversations import MemoryConversations
from tidings.server.storage.memory.mailboxes import MemoryMailboxes
from tidings.server.storage.sqlite.conversations import SqliteConversations
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Ack, ChangeMembers, MarkRead, Send, ShareKeys
from tidings.wire.events import Marks, Stored
from tidings.wire.frames import Conversation, Operation, Role, Share
from tidings.wire.ids import Address, conversation_id, new_msg_id

Kind = Literal["memory", "sqlite"]
KINDS: Sequence[Kind] = ("memory", "sqlite")
SERVER = "t0000000000000000"
DAY = 86_400_000


def account(name: str) -> str:
    """Return an account id that reads like its name."""
    return f"@{name:0>8}-0000-4000-8000-000000000000:{SERVER}"


def device_key(device: str) -> bytes:
    return hashlib.sha256(device.encode()).digest()


class Store:
    """Both ports over one store, with short calls for tests."""

    def __init__(self, mailboxes: Mailboxes, conversations: Conversations, clock: FakeClock) -> None:
        self.mailboxes = mailboxes
        self.conversations = conversations
        self.clock = clock
        self.last: dict[tuple[int, str], bytes] = {}
        self.versions: dict[str, int] = {}

    async def devices(self, name: str, version: int, *devices: str) -> tuple[Sequence[int], Sequence[Notice]]:
        keys = {device: device_key(device) for device in devices}
        self.versions[name] = max(version, self.versions.get(name, 0))
        return await self.mailboxes.set_devices(account(name), version, keys)

    async def box(self, name: str, device: str) -> int:
        found = await self.mailboxes.find(Address(account(name), device))
        assert found is not None
        return found.id

    async def greet(self, name: str, device: str) -> int:
        """Let a device be there; return its box."""
        box = await self.box(name, device)
        await self.mailboxes.note_seen(box)
        return box

    async def talk(self, one: str, other: str) -> Conversation:
        """Give two people a device each and an open conversation."""
        for name in (one, other):
            await self.devices(name, 1, f"{name.upper()}-PHONE")
        opened = await self.conversations.open_direct(account(one), account(other), accepted=True)
        return opened.conversation

    async def group(self, owner: str, *others: str) -> Conversation:
        """Give people a device each, make the first a contact of the others, and let it make a group of all."""
        for name in (owner, *others):
            await self.devices(name, 1, f"{name.upper()}-PHONE")
        for name in others:
            await self.conversations.open_direct(account(owner), account(name), accepted=True)
        box = await self.box(owner, f"{owner.upper()}-PHONE")
        name = conversation_id(uuid.uuid4(), SERVER)
        await self.change(box, name, {owner: "owner"}, epoch=0, devices=1)
        if others:
            await self.change(box, name, dict.fromkeys(others, "member"))
        return await self.view(owner, name)

    async def change(
        self, box: int, conversation: str, roles: Mapping[str, Role | None], body: bytes = b"change", **fields: Any
    ) -> Appended:
        """Change the members of a group with a view that is current, unless fields say otherwise."""
        if "epoch" not in fields:
            shown = await self.shown(conversation)
            known = {member.account for member in shown.members}
            new = [name for name in roles if account(name) not in known]
            fields = {
                "epoch": shown.epoch,
                "devices": shown.devices + sum(map(self.versions.__getitem__, new)),
            } | fields
        values: dict[str, Any] = {
            "id": 1,
            "change_id": new_msg_id(self.clock.now()),
            "conversation": conversation,
            "prev": self.last.get((box, conversation)),
            "operations": [Operation(account(name), role) for name, role in roles.items()],
            "ciphertext": body,
        }
        change = ChangeMembers(**(values | fields))
        appended = await self.conversations.change_members(change, box)
        self.last[box, conversation] = change.change_id
        return appended

    async def shown(self, conversation: str) -> Conversation:
        """Return a conversation as any of its members sees it."""
        for name in self.versions:
            for found in await self.conversations.fetch(account(name), [conversation]):
                return found
        raise LookupError(conversation)

    async def view(self, name: str, conversation: str) -> Conversation:
        (found,) = await self.conversations.fetch(account(name), [conversation])
        return found

    async def send(self, box: int, conversation: Conversation, body: bytes = b"x", **fields: Any) -> Appended:
        """Send with a view that is current, unless fields say otherwise."""
        fresh = await self.shown(conversation.conversation)
        values: dict[str, Any] = {
            "id": 1,
            "msg_id": new_msg_id(self.clock.now()),
            "conversation": conversation.conversation,
            "epoch": fresh.epoch,
            "devices": fresh.devices,
            "prev": self.last.get((box, conversation.conversation)),
            "ciphertext": body,
        }
        send = Send(**(values | fields))
        appended = await self.mailboxes.append(send, box)
        self.last[box, conversation.conversation] = send.msg_id
        return appended

    async def share(self, box: int, share_id: bytes, conversation: Conversation, *shares: Share) -> Sequence[int]:
        keys = ShareKeys(1, share_id, conversation.conversation, list(shares))
        return await self.mailboxes.share(keys, box)

    async def read(self, box: int, after: int = 0, count: int = 1000) -> Sequence[Stored]:
        return (await self.mailboxes.read(box, after, count)).entries

    async def ack(self, box: int, pos: int, **fields: Any) -> list[Marks]:
        return marks(await self.mailboxes.ack(box, Ack(pos, **fields)))

    async def mark_read(self, box: int, conversation: Conversation, seq: int) -> list[Marks]:
        return marks(await self.mailboxes.mark_read(box, MarkRead(conversation.conversation, seq)))


def marks(notices: Sequence[Notice]) -> list[Marks]:
    return [notice.event for notice in notices if isinstance(notice.event, Marks)]


@asynccontextmanager
async def open_store(
    kind: Kind, folder: Path, clock: FakeClock, *, retention_days: int = 30, box_limit: int = 1000, **more: Any
) -> AsyncIterator[Store]:
    """Open a store of one kind."""
    if kind == "memory":
        memory = MemoryMailboxes(clock, SERVER, retention_ms=retention_days * DAY, box_limit=box_limit)
        yield Store(memory, MemoryConversations(memory), clock)
        return
    sqlite = SqliteMailboxes(
        folder / "mailboxes.db", clock, SERVER, retention_ms=retention_days * DAY, box_limit=box_limit, **more
    )
    await sqlite.start()
    try:
        yield Store(sqlite, SqliteConversations(sqlite), clock)
    finally:
        await sqlite.stop()
