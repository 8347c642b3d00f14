"""One device's connection: the first and the last step of a message's way (docs/architecture.md)."""

import asyncio
import logging
import os
from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from tidings.server.gateway.gateway import Finish, Gateway
from tidings.server.gateway.line import Line
from tidings.server.gateway.protocol import Dialogue, Hangup
from tidings.server.ports.mailboxes import BoxId, Mailbox, StoreFailed, StoreUnavailable
from tidings.server.services.caller import Caller
from tidings.server.services.drain import Drain
from tidings.wire.closes import Close
from tidings.wire.codec import Codec
from tidings.wire.commands import Ack, Command, Hello, MarkRead
from tidings.wire.errors import Refusal, Unavailable, UnknownOutcome, WireError
from tidings.wire.events import CaughtUp, KeysLow, Ready, Refused, ServerFrame, Stored
from tidings.wire.ids import Address, Millis, Pos
from tidings.wire.limits import MAX_FRAME

LOG = logging.getLogger("tidings.gateway")

GREETING_SECONDS: Final = 10.0
MAX_GREETING: Final = 4_096
"""Bytes of the longest message before a device is known: nobody else may fill the memory."""
IDLE_SECONDS: Final = 20.0
SILENCE_SECONDS: Final = 25.0
CLOSING_SECONDS: Final = 1.0
MOST_WAITING: Final = 1_048_576
"""Bytes waiting for the socket above which the device is a slow consumer."""
NEVER_SO_MUCH: Final = 2 * MOST_WAITING
MOST_COMMANDS: Final = 256
"""Commands of one connection under way; beyond that it is not read."""
RETRY_MS: Final = 1_000


class Connection:
    """A line and the device behind it (see Peer). `on_closed` is told the `address` that it was from."""

    __slots__ = (
        *("_address", "_cookie", "_dialogue", "_drain", "_ending", "_frames", "_gateway", "_heard", "_moved"),
        *("_on_closed", "_paused", "_pinged", "_resting", "_room", "_settled_at", "_waiting", "caller", "codec"),
        *("commands", "line", "most", "woken"),
    )

    def __init__(
        self,
        gateway: Gateway,
        codec: Codec[Command],
        cookie: Address | None,
        address: str,
        on_closed: Callable[[str], None],
    ) -> None:
        self.line: Line
        self._address = address
        self._on_closed = on_closed
        self._gateway = gateway
        self.codec = codec
        self._cookie = cookie
        self._dialogue: Dialogue | None = None
        self._drain: Drain | None = None
        self.caller: Caller | None = None
        self.woken = False
        self.commands = 0  # under way
        self._paused = False
        self._pinged = False
        self._resting = False
        self._room: Future[None] | None = None  # what waits for it before the mailbox is drained
        self._settled_at = 0.0  # when the bucket of this device's frames is full again
        self._ending = False
        self._heard = self._moved = gateway.wheel.now
        self._waiting = 0
        self._frames = 0  # frames that no token has been taken for yet
        self.most = MAX_GREETING

    # From the socket (see Peer)

    def on_connected(self, line: Line) -> None:
        """Challenge the device."""
        self.line = line
        self._dialogue = Dialogue(self.codec, os.urandom(32))
        self._gateway.metrics.connections.inc()
        self._gateway.wheel.add(self, GREETING_SECONDS)
        self.write(self._dialogue.opening(self._gateway.server_id))

    def on_heard(self, idle: int = 0) -> None:
        """Note that the device is alive, and how much it has sent."""
        self._frames += idle
        self._heard = self._gateway.wheel.now
        self._pinged = False
        if self._frames:
            self._pace()

    def on_ping(self, payload: bytes) -> None:
        """Answer, unless the device does not read what it is sent: pongs would pile up beyond all bounds."""
        if not self._paused:
            self.line.pong(payload)

    def on_message(self, data: bytes, *, text: bool) -> None:
        """Run the command in a message."""
        assert self._dialogue is not None
        self._frames += 1
        try:
            command = self._dialogue.receive(data, text=text)
        except Hangup as hangup:
            self.end(hangup.code)
            return
        if isinstance(command, Refused):
            self._count(command.error)
            self._send(command)
        elif self.caller is not None:
            self._run(self.caller, command)
        elif isinstance(command, Hello) and not self.commands:
            self.commands = 1
            self._gateway.run(self._greet(command, self._dialogue))

    def on_gone(self) -> None:
        """Forget the device, unless it is here by another connection."""
        gateway, caller = self._gateway, self.caller
        self._ending = True
        self._let_on()
        self._on_closed(self._address)
        gateway.metrics.connections.dec()
        if caller is not None and gateway.registry.remove(caller.box, self):
            gateway.metrics.devices.dec()
            gateway.run(gateway.on_leave(caller))

    def pause_writing(self) -> None:
        """Let the mailbox wait until the socket has room."""
        self._paused = True
        self._waiting, self._moved = NEVER_SO_MUCH, self._gateway.wheel.now

    def resume_writing(self) -> None:
        """Drain on."""
        self._paused = False
        self._let_on()
        self.wake()

    def _let_on(self) -> None:
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    # To the socket

    def write(self, data: bytes) -> None:
        """Write an encoded frame. A device that does not read what waits for it is cut off; it loses nothing."""
        self.line.write(data)
        if self._paused and self.line.waiting > MOST_WAITING:
            self._cut_for(Close.SLOW_CONSUMER)

    def end(self, code: Close) -> None:
        """Say goodbye; the connection is cut when the device has answered, or soon."""
        self.on_violation(code, "")

    def on_violation(self, code: int, reason: str) -> None:
        """See Peer: an answer is given its time, as after every goodbye."""
        if not self._ending:
            self._ending = True
            self._gateway.metrics.closed.labels(str(int(code))).inc()
            self.line.hang_up(code, reason)
            self._gateway.wheel.add(self, CLOSING_SECONDS)

    def cut(self) -> None:
        """End the connection without a word."""
        self._ending = True
        self.line.cut()

    def _cut_for(self, reason: Close) -> None:
        """End the connection with a device that would not read why."""
        self._gateway.metrics.closed.labels(str(reason.value)).inc()
        self.cut()

    def _is_stuck(self, now: float) -> bool:
        """Return whether what waits for the socket has not become less for as long as a silence may last."""
        waiting = self.line.waiting
        if waiting < self._waiting:
            self._waiting, self._moved = waiting, now
        return now - self._moved >= SILENCE_SECONDS

    def look(self, now: float) -> float:
        """See Watched: end what is silent, ping what is idle."""
        if self.line.is_gone:
            return 0.0
        silent = now - self._heard
        if self._ending:
            self.cut()
        elif self.caller is None:
            self.end(Close.NOT_SIGNED_IN)
        elif silent >= SILENCE_SECONDS:
            self._cut_for(Close.SILENT)
        elif self._paused and self._is_stuck(now):
            self._cut_for(Close.SLOW_CONSUMER)
        elif silent >= IDLE_SECONDS:
            if not self._pinged:
                self._pinged = True
                self.line.ping()
            return SILENCE_SECONDS - silent
        else:
            return IDLE_SECONDS - silent
        return 0.0

    # The mailbox (see services.drain.Sink)

    def wake(self) -> None:
        """Drain the mailbox if there is room."""
        if self._drain is not None and not self._ending:
            self._drain.wake()

    def has_room(self) -> bool:
        """See Sink."""
        return not (self._paused or self._ending)

    def waits_for(self, pos: Pos) -> bool:
        """Return whether the device has been sent everything before a position, and can take more."""
        return self._drain is not None and self._drain.waits_for(pos)

    def take_live(self, pos: Pos, frame: bytes) -> None:
        """Write the entry at a position that the device waits for: the last step of a message's way on the server."""
        assert self._drain is not None
        self._drain.cursor = pos
        self.write(frame)
        self._gateway.metrics.entries.inc()

    def take(self, entries: Sequence[Stored]) -> None:
        """See Sink: the last step, where a message had to wait."""
        encode = self.codec.encode
        for entry in entries:
            self.write(encode(entry))
        self._gateway.metrics.entries.inc(len(entries))

    def caught_up(self, pos: int) -> None:
        """See Sink."""
        self._send(CaughtUp(pos))

    def failed(self, error: BaseException) -> None:
        """See Sink. A mailbox that refuses is closed: its device was removed a moment ago."""
        self.end(Close.DEVICE_REMOVED if isinstance(error, Refusal) else Close.REPLACED_BY_RESTART)

    # Commands

    async def _greet(self, hello: Hello, dialogue: Dialogue) -> None:
        gateway = self._gateway
        try:
            caller, mailbox = await gateway.greet(hello, dialogue.nonce, self._cookie)
        except Refusal:
            self.end(Close.NOT_SIGNED_IN)
            return
        except (StoreFailed, StoreUnavailable):
            self.end(Close.MOVED)
            return
        if self._ending:
            return
        self.commands = 0
        dialogue.greeted = True
        dialogue.nonce = b""  # it was answered, and is never asked again
        self.caller = caller
        self.most = MAX_FRAME
        if gateway.registry.add(caller.box, self):
            gateway.metrics.devices.inc()
        gateway.on_seen(caller)
        await self._catch_up(hello, caller, mailbox)

    async def _catch_up(self, hello: Hello, caller: Caller, mailbox: Mailbox) -> None:
        gateway = self._gateway
        same = hello.mailbox_id == mailbox.mailbox_id
        self._send(Ready(hello.id, mailbox.mailbox_id, mailbox.acked, gateway.limits, gateway.clock.now()))
        try:
            await self._tell_marks(caller.box, hello.marks_since if same else 0)
        except (Refusal, StoreFailed, StoreUnavailable) as error:
            self.failed(error)
            return
        if self._ending:
            return
        if gateway.supply.is_low(caller.address):
            self._send(KeysLow(0))
        self._drain = Drain(gateway.mailboxes, caller.box, hello.last_pos if same else 0, self)
        self.wake()

    async def _tell_marks(self, box: BoxId, since: Millis) -> None:
        """Write the marks that changed, as the socket takes them.

        They go in the order of their times, and no live one among them: the device goes on behind the last that it got.
        """
        registry, waited = self._gateway.registry, True
        registry.hold_marks(box)
        while waited and not self._ending:
            waited = False
            marks = await self._gateway.mailboxes.marks_since(box, since)
            for mark in sorted(marks, key=lambda mark: mark.time):
                while self._paused and not self._ending:
                    waited = True  # and others may have changed meanwhile
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
                self._send(mark)
                since = mark.time
        if not self._ending:
            registry.let_marks(box)

    def _run(self, caller: Caller, command: Command) -> None:
        gateway = self._gateway
        call, finish = gateway.handlers[type(command)]
        self.commands += 1
        if self.commands == MOST_COMMANDS:
            self.line.pause_reading()
        gateway.run(call(caller, command)).add_done_callback(partial(self._finish, command, finish))

    def _pace(self) -> None:
        """Read nothing from a device that has sent too much, until it may send again."""
        rate, now = self._gateway.frames, self._gateway.clock.monotonic()
        self._settled_at = rate.charge(self._settled_at, now, self._frames)
        self._frames = 0
        wait = rate.wait(self._settled_at, now)
        if wait and not self._resting:
            self._resting = True
            self.line.pause_reading()
            self._gateway.clock.call_later(wait, self._read_on)

    def _read_on(self) -> None:
        wait = self._gateway.frames.wait(self._settled_at, self._gateway.clock.monotonic())
        if self.line.is_gone:
            return
        if wait:  # more had been read already when the rest began
            self._gateway.clock.call_later(wait, self._read_on)
            return
        self._resting = False
        if self.commands < MOST_COMMANDS:
            self.line.resume_reading()

    def _finish(self, command: Command, finish: Finish | None, outcome: "Future[Any]") -> None:
        self.commands -= 1
        if self.commands == MOST_COMMANDS // 2 and not (self._ending or self._resting):
            self.line.resume_reading()
        error = outcome.exception()
        if error is not None:
            self._refuse(command, _reason(error))
            return
        reply = finish(command, outcome.result()) if finish else outcome.result()
        if reply is not None:
            self._send(reply)

    def _refuse(self, command: Command, error: WireError) -> None:
        self._count(error)
        number = getattr(command, "id", None)
        if number is not None:
            self._send(Refused(number, error))
        elif isinstance(command, Ack | MarkRead) and isinstance(error, Unavailable | UnknownOutcome):
            self.end(Close.MOVED)  # it is told of no answer, and would not know that it has to say it again

    def _count(self, error: WireError) -> None:
        self._gateway.metrics.refused.labels(type(error).__struct_config__.tag).inc()

    def _send(self, frame: ServerFrame) -> None:
        if not self._ending:
            self.write(self.codec.encode(frame))


def _reason(error: BaseException) -> WireError:
    """Return what a device is told of an error."""
    match error:
        case Refusal():
            return error.error
        case StoreUnavailable():
            return Unavailable(RETRY_MS)
        case StoreFailed():
            return UnknownOutcome()
        case _:
            LOG.error("a command failed", exc_info=error)
            return Unavailable(RETRY_MS)
