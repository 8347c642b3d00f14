"""The live connections, by mailbox: the fifth step of a message's way (docs/architecture.md)."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from tidings.server.ports.mailboxes import BoxId, Notice
from tidings.wire.closes import Close
from tidings.wire.events import Event, Marks, Message, Reconnect
from tidings.wire.ids import Pos

if TYPE_CHECKING:
    from tidings.server.gateway.connection import Connection


class Registry:
    """The port `Wakes` for the devices that are connected here."""

    def __init__(self) -> None:
        self._connections: dict[BoxId, Connection] = {}
        self._held: set[BoxId] = set()
        """Whose devices are being told of marks that changed while they were away."""
        self._woken: list[Connection] = []
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, box: BoxId, connection: "Connection") -> bool:
        """Note a device's connection. The newest wins. Returns whether it is the only one."""
        older = self._connections.get(box)
        self._connections[box] = connection
        if older is not None:
            older.end(Close.NEWER_CONNECTION)
        return older is None

    def remove(self, box: BoxId, connection: "Connection") -> bool:
        """Forget a connection. Returns whether it was the device's newest."""
        if self._connections.get(box) is not connection:
            return False
        del self._connections[box]
        self._held.discard(box)
        if not self._connections:
            self._empty.set()
        return True

    def hold_marks(self, box: BoxId) -> None:
        """Write no live marks to a device until `let_marks`: it asks the store until nothing is missing."""
        self._held.add(box)

    def let_marks(self, box: BoxId) -> None:
        """Write live marks to a device from now on."""
        self._held.discard(box)

    def wake(self, boxes: Iterable[BoxId]) -> None:
        """See Wakes. However many wakes a commit brings, a connection is drained once for all of them."""
        for box in boxes:
            connection = self._connections.get(box)
            if connection is not None and not connection.woken:
                connection.woken = True
                self._woken.append(connection)
                if len(self._woken) == 1:
                    asyncio.get_running_loop().call_soon(self._drain_woken)

    def wake_all(self) -> None:
        """Let the mailboxes of all who are connected be drained."""
        self.wake(list(self._connections))

    def deliver(self, message: Message, boxes: Sequence[BoxId], places: Iterable[tuple[BoxId, Pos]]) -> None:
        """See Wakes. The message is encoded once; only its position differs."""
        connections, live = self._connections, set[BoxId]()
        codec, before, behind = None, b"", b""
        for box, pos in places:
            connection = connections.get(box)
            if connection is None or not connection.waits_for(pos):
                continue
            if connection.codec is not codec:
                codec = connection.codec
                before, behind = codec.around_pos(message)
            connection.take_live(pos, before + codec.encode_pos(pos) + behind)
            live.add(box)
        if len(live) < len(boxes):
            self.wake(box for box in boxes if box not in live)

    def tell(self, notices: Iterable[Notice]) -> None:
        """See Wakes."""
        for event, boxes in notices:
            self._write(event, boxes, lossy=False)

    def signal(self, event: Event, boxes: Iterable[BoxId]) -> None:
        """See Wakes."""
        self._write(event, boxes, lossy=True)

    def close(self, boxes: Iterable[BoxId], code: Close) -> None:
        """See Wakes."""
        for box in boxes:
            connection = self._connections.get(box)
            if connection is not None:
                connection.end(code)

    def connected(self) -> Collection[BoxId]:
        """See Wakes."""
        return self._connections.keys()

    def online(self, boxes: Collection[BoxId]) -> Sequence[BoxId]:
        """See Wakes."""
        return [box for box in boxes if box in self._connections]

    def load(self) -> tuple[int, int, int]:
        """Return the commands under way, the bytes that wait for sockets, and those that wait for the slowest."""
        connections = self._connections.values()
        waiting = [connection.line.waiting for connection in connections]
        return sum(connection.commands for connection in connections), sum(waiting), max(waiting, default=0)

    async def send_away(self, after: int, jitter: int, seconds: float) -> None:
        """Tell every device to come back later, and wait up to `seconds` until all are gone."""
        self._empty.clear()
        self._write(Reconnect(after, jitter), list(self._connections), lossy=False)
        self.close(list(self._connections), Close.MOVED)
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                for connection in list(self._connections.values()):
                    connection.cut()

    def _write(self, event: Event, boxes: Iterable[BoxId], *, lossy: bool) -> None:
        if self._held and isinstance(event, Marks):
            boxes = [box for box in boxes if box not in self._held]
        encoded: dict[object, bytes] = {}
        for box in boxes:
            connection = self._connections.get(box)
            if connection is None or (lossy and not connection.has_room()):
                continue
            codec = connection.codec
            if codec not in encoded:
                encoded[codec] = codec.encode(event)
            connection.write(encoded[codec])

    def _drain_woken(self) -> None:
        woken, self._woken = self._woken, []
        for connection in woken:
            connection.woken = False
            connection.wake()
