"""The devices of one load process, and what they are made to do together."""

import asyncio
import time
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from picows import WSError, ws_connect

from tidings.cli.benching import BenchFailed
from tidings.cli.benching.device import Device
from tidings.cli.benching.people import Identity, Pair
from tidings.wire.codec import SUBPROTOCOL

T = TypeVar("T")

AT_ONCE: Final = 32
"""Devices of one load process that sign in at the same time, and pairs of one that exchange messages."""
SIGN_IN_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 30.0
"""How long the last receipts may take."""
TICK_SECONDS: Final = 0.001
READ_BUFFER: Final = 2048


class Window(NamedTuple):
    """When to begin, and from when to when (exclusive) to measure; monotonic seconds, which all processes share."""

    begin: float
    start: float
    end: float


class Crew:
    """Devices in pairs. Whatever is asked of them raises BenchFailed as soon as one of them fails."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Device, Device]] = []
        self._to_ack: list[Device] = []
        self._under_way = 0
        self._on_delivered: Callable[[Device, float], None] = lambda _device, _started: None
        self._failure: Future[None] = asyncio.get_running_loop().create_future()
        self._quiet: Future[None] = asyncio.get_running_loop().create_future()

    # What the devices do

    async def sign_in(self, url: str, pairs: Sequence[Pair]) -> None:
        """Connect both devices of each pair to a server's socket."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(identity: Identity, conversation: str) -> Device:
            async with turns:
                return await self._connect(url, identity, conversation)

        people = [(identity, pair.conversation) for pair in pairs for identity in pair.people]
        devices = await self._unless_failed(asyncio.gather(*(one(*person) for person in people)))
        self._pairs = list(zip(devices[::2], devices[1::2], strict=True))

    async def exchange(self) -> None:
        """Let each device send a message to the other of its pair, and wait for the receipts; a few at a time."""
        for start in range(0, len(self._pairs), AT_ONCE):
            for pair in self._pairs[start : start + AT_ONCE]:
                for device in pair:
                    self._send(device, time.monotonic())
            await self._receipts()

    async def closed_loop(self, window: Window, in_flight: int) -> list[float]:
        """Let the first of each pair send whenever a receipt comes back, with `in_flight` messages under way.

        Return how long (seconds) each message took whose receipt came within the window.
        """
        took: list[float] = []

        def delivered(device: Device, started: float) -> None:
            now = time.monotonic()
            if window.start <= now < window.end:
                took.append(now - started)
            if now < window.end:
                self._send(device, now)

        self._on_delivered = delivered
        await self._until(window.begin)
        for sender, _ in self._pairs:
            for _ in range(in_flight):
                self._send(sender, time.monotonic())
        await self._until(window.end)
        await self._receipts()
        return took

    async def open_loop(self, window: Window, rate: float) -> list[float]:
        """Send `rate` messages a second, one pair after the other, whether receipts come back or not.

        Return how long (seconds) each message took that was due within the window. Messages are due in ticks of a
        millisecond; one that is sent late, because server or load process are busy, has been waiting since it was due.
        """
        took: list[float] = []

        def delivered(device: Device, started: float) -> None:
            del device
            if window.start <= started < window.end:
                took.append(time.monotonic() - started)

        self._on_delivered = delivered
        sent, tick = 0, 0
        while (due := window.begin + tick * TICK_SECONDS) < window.end:
            await self._until(due)
            while sent < rate * (due - window.begin):
                self._send(self._pairs[sent % len(self._pairs)][0], min(due, time.monotonic()))
                sent += 1
            tick += 1
        await self._receipts()
        return took

    async def leave(self) -> None:
        """Disconnect all."""
        for pair in self._pairs:
            for device in pair:
                device.leave()
        await asyncio.gather(*(device.transport.wait_disconnected() for pair in self._pairs for device in pair))
        self._pairs = []

    # What devices tell (see device.Surroundings)

    def acks(self, device: Device) -> None:
        """See Surroundings: devices that got something in the same turn of the loop ack at its end."""
        if not self._to_ack:
            asyncio.get_running_loop().call_soon(self._ack)
        if device not in self._to_ack[-1:]:
            self._to_ack.append(device)

    def delivered(self, device: Device, started: float) -> None:
        """See Surroundings."""
        self._under_way -= 1
        self._on_delivered(device, started)
        if not self._under_way and not self._quiet.done():
            self._quiet.set_result(None)

    def failed(self, reason: str) -> None:
        """See Surroundings."""
        if not self._failure.done():
            self._failure.set_exception(BenchFailed(reason))
            self._failure.exception()  # whoever waits for something finds it

    # How it is done

    async def _connect(self, url: str, identity: Identity, conversation: str) -> Device:
        device = Device(identity, conversation, self)
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                await ws_connect(
                    lambda: device,
                    url,
                    extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                    logger_name="tidings.bench",
                    read_buffer_init_size=READ_BUFFER,
                    local_addr=(identity.address, 0),
                )
                await device.signed_in
        except (WSError, OSError, TimeoutError) as error:
            raise BenchFailed(f"device {identity.device} could not sign in: {error!r}") from error
        return device

    def _send(self, device: Device, started: float) -> None:
        self._under_way += 1
        device.send(started)

    def _ack(self) -> None:
        to_ack, self._to_ack = self._to_ack, []
        for device in to_ack:
            device.ack()

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        if self._failure.done():
            self._failure.result()

    async def _receipts(self) -> None:
        """Wait until every message has its receipt."""
        if self._under_way:
            self._quiet = asyncio.get_running_loop().create_future()
            try:
                await self._unless_failed(asyncio.wait_for(self._quiet, DRAIN_SECONDS))
            except TimeoutError:
                raise BenchFailed(f"{self._under_way} messages have no receipt") from None

    async def _unless_failed(self, awaitable: Awaitable[T]) -> T:
        """Return a result, unless a device fails before."""
        task = asyncio.ensure_future(awaitable)
        await asyncio.wait((task, self._failure), return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            task.cancel()
            self._failure.result()
        return task.result()
