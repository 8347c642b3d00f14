"""What tests ask of the SDK again and again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from support.server import PASSWORD
from tidings.sdk import Client, Incoming
from tidings.sdk.crypto.directory import Device
from tidings.sdk.events import AnyEvent
from tidings.sdk.sync import enrolment
from tidings.sdk.transport.http import Http

E = TypeVar("E", bound=AnyEvent)
SECONDS = 20.0


class Reader:
    """Takes the messages of others from a client, and hears what happens to it."""

    def __init__(self, client: Client) -> None:
        self._messages = client.messages()
        self._events = client.events()

    async def next(self) -> Incoming:
        """Take the next message."""
        async with asyncio.timeout(SECONDS):
            return await anext(self._messages)

    async def texts(self, count: int) -> list[str]:
        """Take so many messages."""
        return [(await self.next()).text for _ in range(count)]

    async def hears(self, kind: type[E], **fields: object) -> E:
        """Return the next event of a kind with these fields; what came before it is passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await anext(self._events)
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                    return event


async def at_rest(client: Client) -> None:
    """Wait until a client has sent, or holds back, everything in its outbox."""
    async with asyncio.timeout(SECONDS):
        while lanes := list(client._engine.outbox._lanes.values()):
            await asyncio.wait(lanes)


@asynccontextmanager
async def online(store: Path) -> AsyncIterator[Client]:
    """Open a store, and wait until everything has arrived."""
    async with Client.open(store) as client:
        async with asyncio.timeout(SECONDS):
            await client.ready()
        yield client


async def link(client: Client, store: Path) -> Path:
    """Enrol a second device of a client's account, signed by the same identity, in a new store."""
    async with Http(client.url) as web:
        leave = await enrolment.sign_in(web, client.name, PASSWORD, start_again=True)
        known = {client.device: client._machine.account.ed25519}
        database = await enrolment.enrol(store, web, leave, {}, identity=client._machine.identity, others=known)
    database.close()
    return store


def own_device(client: Client) -> Device:
    """Return a client's device as others know it."""
    account = client._machine.account
    return Device(account.account, account.device, account.ed25519, account.curve25519)
