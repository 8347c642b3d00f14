"""Ada and Bob, who have talked, and the server between them that begins to lie."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from support.malicious import Intruder, MaliciousServer, malicious_server
from support.sdk import Reader, at_rest
from support.server import two_people
from tidings.sdk import Client, ContactChanged, Page


class Scene(NamedTuple):
    """Ada and Bob, who have talked through a server that was honest until then."""

    server: MaliciousServer
    ada: Client
    bob: Client
    at_ada: Reader
    at_bob: Reader

    async def refuses(self, reason: str) -> bytes:
        """Let Ada be told of a change for the worse, and write something that must not leave. Return its msg_id."""
        changed = await self.at_ada.hears(ContactChanged, account=self.bob.account)
        assert reason in changed.reason
        sent = len(self.server.mailboxes.sent)
        msg_id = await self.ada.enqueue(self.bob.account, "for Bob alone")
        await at_rest(self.ada)
        assert self.state(msg_id) == "pending"
        concern = self.ada.concern(self.bob.account)
        assert concern is not None
        assert reason in concern.reason
        assert len(self.server.mailboxes.sent) == sent
        return msg_id

    @property
    def conversation(self) -> str:
        """The conversation of the two."""
        (view,) = self.bob.conversations()
        return view.id

    def page(self) -> Page:
        """Return what Bob sees."""
        return self.bob.page(self.conversation)

    def shown(self) -> list[str]:
        """Return the texts that Bob sees."""
        return [message.body for message in self.page().messages if message.body is not None]

    def state(self, msg_id: bytes) -> str:
        """Return how far a message of Ada's got."""
        kept = self.ada.find_own(msg_id)
        assert kept is not None
        return kept.state


@asynccontextmanager
async def acquainted(folder: Path) -> AsyncIterator[Scene]:
    """Let Ada and Bob meet."""
    async with malicious_server(folder) as server, two_people(server, folder) as (ada, bob):
        scene = Scene(server, ada, bob, Reader(ada), Reader(bob))
        await ada.send("@bob", "hello")
        assert await scene.at_bob.texts(1) == ["hello"]
        await bob.send("@ada", "hi")
        assert await scene.at_ada.texts(1) == ["hi"]
        yield scene


@contextmanager
def intruder(folder: Path, account: str, device: str = "GHOSTDEVICE") -> Iterator[Intruder]:
    """Give the server a device of its own under somebody's account."""
    ghost = Intruder(folder, account, device)
    try:
        yield ghost
    finally:
        ghost.close()
