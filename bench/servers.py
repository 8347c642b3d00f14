"""What a workload needs of a server, whichever it is; the peers of other projects, fitted to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from bench.load import Conversation, Person, write_people
from bench.peers.peer import GROUPS, HOST, PASSWORD, Make, Peer

ADDRESSES: Final = 4
"""From so many addresses (127.0.0.1 and following) the devices come, in turn."""


class Layout(NamedTuple):
    """Who is there: how many people, and which of them (by number) share a conversation. Two are a pair."""

    people: int
    conversations: Sequence[Sequence[int]]
    sign_ins: int = 1
    """How often each comes in, in the whole of the workload."""


def pairs(count: int, sign_ins: int = 1) -> Layout:
    """Return people in pairs."""
    return Layout(2 * count, [(2 * number, 2 * number + 1) for number in range(count)], sign_ins)


def some(people: Path, first: int, count: int) -> Path:
    """Write a people file of some of those of another one, with the conversations that are theirs alone; return it."""
    wanted = range(first, first + count)
    part = people.with_name(f"{people.name}-{first}-{count}")
    with people.open() as lines, part.open("w") as file:
        number = 0
        for line in lines:
            if line.startswith("person "):
                if number in wanted:
                    file.write(line)
                number += 1
            elif line.startswith("conversation "):
                words = line.split()
                members = [int(member) for member in words[5:]]
                if all(member in wanted for member in members):
                    print(*words[:5], *(member - first for member in members), file=file)
    return part


class Server(Protocol):
    """A server in an empty folder of its own, and the file that tells the load generator of its people."""

    durability: str
    version: str
    """Known when it has started."""
    protocol: str
    """How it is spoken to: a word of the load generator's."""
    people: Path
    limits: dict[str, float]
    """The limits that differ from those that are shipped."""

    @property
    def target(self) -> str:
        """ADDRESS:PORT."""
        ...

    def start(self, layout: Layout) -> None:
        """Make people and conversations, and start it; write the people file."""
        ...

    def start_again(self) -> None:
        """Start it on what it left."""
        ...

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes since it was started."""
        ...

    def memory_bytes(self) -> int:
        """Return the proportional set size of all its processes."""
        ...

    def kill(self) -> None:
        """SIGKILL."""
        ...

    def stop(self) -> None:
        """End it. Does nothing if it is not running."""
        ...


class MakeServer(Protocol):
    """Makes a server whose files are in a folder, on a disk."""

    def __call__(self, folder: Path) -> Server:
        """Return a server that was not started yet."""
        ...


class XmppServer:
    """A peer. See Server."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.durability = peer.durability
        self.version = ""
        self.protocol = "xmpp" if peer.transport == "tcp" else "xmpp-websocket"
        self.people = folder / "people"
        self.limits: dict[str, float] = {}
        self._peer = peer

    @property
    def target(self) -> str:
        """See Server."""
        return f"127.0.0.1:{self._peer.port}"

    def start(self, layout: Layout) -> None:
        """See Server."""
        self._peer.start(layout.people)
        self.version = f"{self._peer.version}: {self._peer.name}"
        people = [Person(f"u{number}@{HOST}", "bench", PASSWORD) for number in range(layout.people)]
        conversations = [
            Conversation(f"c{number}@{GROUPS}", members, group=len(members) > 2)
            for number, members in enumerate(layout.conversations)
        ]
        write_people(self.people, people, conversations)

    def start_again(self) -> None:
        """See Server."""
        self._peer.start()

    def cpu_seconds(self) -> float:
        """See Server."""
        return self._peer.cpu_seconds()

    def memory_bytes(self) -> int:
        """See Server."""
        return self._peer.memory_bytes()

    def kill(self) -> None:
        """See Server."""
        self._peer.kill()

    def stop(self) -> None:
        """See Server."""
        self._peer.stop()


def fitted(make: Make, core: int) -> MakeServer:
    """Return how a peer is made that works on a core."""

    def made(folder: Path) -> Server:
        return XmppServer(make(folder / "server", core), folder)

    return made
