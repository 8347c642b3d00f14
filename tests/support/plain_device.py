"""Devices that were seeded into a server's folder and speak through the SDK's link: bytes stand for ciphertext."""

import asyncio
import uuid
from asyncio import Future
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tidings.sdk.transport.link import Link
from tidings.server.app import Person, Settings, seed
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.frames import Conversation
from tidings.wire.ids import account_id, new_device_id, new_msg_id
from tidings.wire.signing import hello_text

SECONDS = 30.0


class PlainDevice:
    """A device of somebody who talks with one other person."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.person = Person(uuid.uuid4(), name, new_device_id(), self._key.public_key().public_bytes_raw())
        self.link: Link
        self.talk: Conversation
        self.last: bytes | None = None
        self.got: dict[int, e.Message] = {}
        """Messages by position."""
        self.delivered: dict[str, int] = {}
        """The highest place that is delivered to an account."""
        self._caught_up = False

    async def connect(self, url: str, time: int) -> None:
        """Sign in, and take what waits. `time` is the clock of new messages (milliseconds)."""
        self._time = time
        self.link = await Link.connect(url.replace("http", "ws", 1) + "/v1/socket")
        (challenge,) = await self.link.next()
        assert isinstance(challenge, e.Challenge)
        self.account = account_id(self.person.key, challenge.server_id)
        text = hello_text(challenge.nonce, challenge.server_id, self.account, self.person.device, b"")
        signature = self._key.sign(text.encode())
        await self.link.ask(c.Hello(0, self.account, self.person.device, b"", 0, 0, signature))
        self._caught_up = False
        await self.until(lambda: self._caught_up)
        found = await self.link.ask(c.ListConversations(0, [], None))
        (self.talk,) = found.conversations

    def next(self, body: bytes) -> c.Send:
        """Return the next message."""
        prev, self.last = self.last, new_msg_id(self._time)
        return c.Send(0, self.last, self.talk.conversation, self.talk.epoch, self.talk.devices, prev, body)

    def send(self, body: bytes) -> "tuple[c.Send, Future[e.Sent]]":
        """Send a message; return it, and the Future of its tick."""
        send = self.next(body)
        return send, self.link.ask(send)

    async def send_all(self, bodies: Sequence[bytes], window: int = 64) -> list[c.Send]:
        """Send messages, all of which must be ticked."""
        sent: list[c.Send] = []
        for start in range(0, len(bodies), window):
            pairs = [self.send(body) for body in bodies[start : start + window]]
            await asyncio.gather(*(tick for _, tick in pairs))
            sent += [send for send, _ in pairs]
        return sent

    def ack(self, pos: int) -> None:
        self.link.tell(c.Ack(pos))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take in events until something holds. Raises TimeoutError, Disconnected."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                for event in await self.link.next():
                    self._take(event)

    def bodies(self) -> list[bytes]:
        """Return what was received, in the order of its places."""
        return [message.ciphertext for message in sorted(self.got.values(), key=lambda message: message.seq)]

    def _take(self, event: Any) -> None:
        match event:
            case e.Message():
                assert self.got.setdefault(event.pos, event) == event
            case e.Marks():
                self.delivered[event.account] = event.delivered
            case e.CaughtUp():
                self._caught_up = True
            case _:
                pass


async def seed_two(data: Path) -> tuple[PlainDevice, PlainDevice]:
    """Make Ada and Bob, who talk with each other, in the folder of a server that does not run."""
    ada, bob = PlainDevice("ada"), PlainDevice("bob")
    await seed(Settings(data=data), [ada.person, bob.person], [(0, 1)])
    return ada, bob
