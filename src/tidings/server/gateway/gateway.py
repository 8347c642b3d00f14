"""What all connections of a gateway share."""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tidings.server.domain.rates import Rate
from tidings.server.gateway.registry import Registry
from tidings.server.gateway.wheel import Wheel
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Mailboxes
from tidings.server.services.caller import Caller
from tidings.server.services.greet import Greet
from tidings.server.services.keys import Supply
from tidings.server.services.rates import Rates
from tidings.server.telemetry.metrics import Metrics
from tidings.wire.codec import Codec
from tidings.wire.commands import Command
from tidings.wire.events import Reply
from tidings.wire.frames import Limits

Call = Callable[[Caller, Any], Awaitable[Any]]
Finish = Callable[[Any, Any], Reply | None]


@dataclass
class Gateway:
    """What all connections share."""

    handlers: dict[type, tuple[Call, Finish | None]]
    codecs: dict[str, Codec[Command]]
    mailboxes: Mailboxes
    registry: Registry
    wheel: Wheel
    greet: Greet
    rates: Rates
    frames: Rate
    supply: Supply
    metrics: Metrics
    limits: Limits
    server_id: str
    clock: Clock
    on_seen: Callable[[Caller], None]
    on_leave: Callable[[Caller], Awaitable[None]]
    tasks: set[Future[Any]] = field(default_factory=set)

    def run(self, awaitable: Awaitable[Any]) -> "Future[Any]":
        """Return the Future of a call; one that is a coroutine is started, and kept until it is done."""
        if isinstance(awaitable, Future):
            return awaitable
        task = asyncio.ensure_future(awaitable)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
