"""A line that garbles: a proxy between devices and their server that repeats, swaps, delays and loses whole frames."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tidings.wire.codec import SUBPROTOCOL

End = ServerConnection | ClientConnection

PATIENCE: Final = 0.05
"""Seconds that a frame is held back for the next one, behind which it is to come."""
LATE: Final = 0.1
"""Seconds by which a frame is late, at most, and all that come behind it."""


class FrameProxy:
    """What becomes of frames is drawn by a seed, until there is `calm`. `done` counts what was done to them.

    A lost frame is the first of all that a connection loses: it ends soon after, as a broken line does.
    """

    def __init__(self, server_port: int, seed: int, chance: float) -> None:
        self._server = f"ws://127.0.0.1:{server_port}/v1/socket"
        self._random = random.Random(seed)
        self._chance = chance
        self.port = 0
        self.calm = False
        self.done: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where devices find it."""
        return f"http://127.0.0.1:{self.port}"

    async def carry(self, device: ServerConnection) -> None:
        """Carry one connection."""
        options = {"compression": None, "ping_interval": None, "max_size": None}
        async with connect(self._server, subprotocols=[Subprotocol(SUBPROTOCOL)], **options) as server:  # type: ignore[arg-type] # they fit
            ways = [
                asyncio.create_task(self._pass_on(device, server)),
                asyncio.create_task(self._pass_on(server, device)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                for end in (device, server):
                    end.transport.abort()

    async def _pass_on(self, source: End, target: End) -> None:
        """Pass one direction on, to its end."""
        try:
            while True:
                frame = await source.recv()
                mischief = self._draw()
                self.done[mischief] += 1
                match mischief:
                    case "lost":
                        await asyncio.sleep(self._random.random() * LATE)
                        return
                    case "repeated":
                        await target.send(frame)
                        await target.send(frame)
                    case "late":
                        await asyncio.sleep(self._random.random() * LATE)
                        await target.send(frame)
                    case "swapped":
                        try:
                            await target.send(await asyncio.wait_for(source.recv(), PATIENCE))
                        except TimeoutError:
                            self.done["not swapped"] += 1
                        await target.send(frame)
                    case _:
                        await target.send(frame)
        except ConnectionClosed:
            return

    def _draw(self) -> str:
        if self.calm or self._random.random() >= self._chance:
            return "passed on"
        return self._random.choice(("repeated", "swapped", "late", "lost"))


@asynccontextmanager
async def frame_proxy(server_port: int, seed: int, chance: float) -> AsyncIterator[FrameProxy]:
    """Run a proxy before a server."""
    proxy = FrameProxy(server_port, seed, chance)
    options = {"compression": None, "ping_interval": None, "max_size": None}
    async with serve(
        proxy.carry,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        **options,  # type: ignore[arg-type] # they fit
    ) as listening:
        (socket,) = listening.sockets
        proxy.port = socket.getsockname()[1]
        yield proxy
