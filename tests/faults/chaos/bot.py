"""A bot: a device that writes, displays, and keeps a journal of all that happens to it. A process of its own.

It is told on its standard input what to do, a word a line, and answers each with a line when it is done:

    finish ... write no more, and wait until everything in the outbox has its tick
    settle ... come back on a new connection and stay until nothing is missing, acknowledged or asked for any more
    close .... end

It begins to write as soon as it runs. When its input ends, so does it.
"""

import asyncio
import contextlib
import hashlib
import random
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from faults import oracle
from faults.chaos.board import Board
from faults.chaos.journal import Journal
from tidings.sdk import Client, Incoming, Missing, Receipt
from tidings.sdk.events import AnyEvent, StateUpdate
from tidings.sdk.transport.link import Link
from tidings.wire import events as e

PATIENCE: Final = 45.0
"""Seconds after which a bot says what it has, done or not: the oracle will find what is missing."""
BURST: Final = 12
BEHIND: Final = 100
"""A bot that has not displayed so many messages writes no more for now."""
FAULTS: Final = ("display twice",)
"""What can be planted into a bot."""


class Options(msgspec.Struct, frozen=True):
    """What a bot is told at its start. `rate` is messages a second in each conversation, `window` how many wait."""

    name: str
    store: str
    journal: str
    board: str
    slot: int
    socket: str
    seed: int
    rate: float = 100.0
    window: int = 48
    fault: str = ""


def name_of(device: str, msg_id: bytes) -> str:
    """Return a message's K as the oracle writes it."""
    return f"{device}:{msg_id.hex()}"


def digest_of(text: str) -> str:
    """Return what stands for a text in journals."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Bot:
    """One bot, over the lives of its client."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.journal = Journal(Path(options.journal))
        self.board = Board(Path(options.board))
        self.random = random.Random(f"{options.seed} {options.name}")
        self.number = 0
        self.shown: list[Incoming] = []
        self.recent: deque[bytes] = deque(maxlen=3)
        self.pending: set[bytes] = set()
        self.behind = 0
        self.changed = asyncio.Event()
        """Something happened that somebody may wait for."""
        self.tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # A life

    def open(self) -> Any:
        """Return the client, to be entered."""
        return Client.open(self.options.store, socket_url=self.options.socket)

    def begin(self, me: Client) -> None:
        """Watch a client that was just opened, and take up what an earlier life left."""
        self.journal.write(oracle.Began())
        self._tap(me)
        own = [kept for view in me.conversations() for kept in me.history(view.id, 1 << 40) if kept.device == me.device]
        self.behind = len(me._engine.timeline.untaken(1 << 40))
        self.number = max((int((kept.body or "").split()[1]) for kept in own), default=0)
        self.pending = {kept.msg_id for kept in own if kept.state == "pending"}
        self._start(self._follow(me, me.events()))

    async def end(self) -> None:
        """Stop what runs beside."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def run(self, me: Client) -> None:
        """Write and display until told to stop."""
        for view in me.conversations():
            self._start(self._write(me, view.id))
        self._start(self._display(me))

    async def finish(self, me: Client) -> None:
        """Stop writing, and wait for the ticks."""
        writers = [task for task in self.tasks if task.get_name() == "_write"]
        for task in writers:
            task.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        await self._until(lambda: not self.pending)
        await self.end()
        await self._drain(me)

    async def settle(self) -> str:
        """Come back, and stay until everything is here. Return what is still missing, in words for people."""
        async with self.open() as me:
            self.begin(me)
            await me.ready()
            await self._until(lambda: not (self.pending or self._count(me, "sealed") or self._count(me, "share")))
            # Commands of a connection are done in their order: when this is answered, the acks before it are durable.
            await me._engine.contacts.fetch_all()
            await self._drain(me)
            await self.end()
            return f"{len(self.pending)} pending, {self._count(me, 'sealed')} sealed"

    # What it does

    async def _write(self, me: Client, conversation: str) -> None:
        while True:
            await asyncio.sleep(self.random.expovariate(self.options.rate))
            for _ in range(BURST if self.random.random() < 1 / BURST else 1):
                while len(self.pending) >= self.options.window or self.behind > BEHIND:
                    self.changed.clear()
                    await self.changed.wait()
                self.number += 1
                text = f"{self.options.name} {self.number} {'x' * self.random.randrange(200)}"
                number = self.number
                msg_id = await me.enqueue(conversation, text)
                self.pending.add(msg_id)
                self.journal.write(
                    oracle.Enqueued(name_of(me.device, msg_id), conversation, number, digest_of(text)),
                )

    async def _display(self, me: Client) -> None:
        async for message in me.messages():
            self._show(me, message)

    async def _drain(self, me: Client) -> None:
        """Display everything that is there. Each is taken when the next is asked for, the last one too."""
        messages = me.messages()
        while True:
            coming = asyncio.ensure_future(anext(messages))
            while not coming.done() and me._engine.timeline.untaken(1):  # noqa: ASYNC110 - see Client.messages
                await asyncio.sleep(0)
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
                return
            self._show(me, coming.result())

    def _show(self, me: Client, message: Incoming) -> None:
        k = name_of(message.device, message.msg_id)
        self.journal.write(oracle.Displayed(k, message.seq, message.conversation, digest_of(message.text)))
        self.shown.append(message)
        self.behind -= 1
        self.changed.set()
        if self.random.random() < 0.05:
            self._start(me.mark_read(message))
        if self.options.fault in FAULTS and len(self.shown) == 20:
            # What was taken before is on offer again, as if nobody had noted that it was taken.
            me._db.run("update message set taken = 0 where msg_id = ?", self.shown[10].msg_id)

    async def _follow(self, me: Client, events: Any) -> None:
        async for event in events:
            self._note(me, event)
            self.changed.set()

    def _note(self, me: Client, event: AnyEvent) -> None:
        match event:
            case Incoming():
                self.journal.write(oracle.Announced(name_of(event.device, event.msg_id)))
                self.behind += 1
            case StateUpdate() if event.msg_id in self.pending:
                self.pending.discard(event.msg_id)
                self._note_outcome(me, event)
            case Receipt():
                lines: list[oracle.AnyLine] = [
                    oracle.Marked(event.conversation, event.account, event.delivered, event.read)
                ]
                for msg_id in self.recent:
                    kept = me.find_own(msg_id)
                    assert kept is not None
                    lines.append(oracle.Rose(name_of(me.device, msg_id), me.state_of(kept)))
                self.journal.write(*lines)
            case Missing():
                self.journal.write(oracle.Missed(event.conversation, event.reason))
            case _:
                pass

    def _note_outcome(self, me: Client, event: StateUpdate) -> None:
        k = name_of(me.device, event.msg_id)
        kept = me.find_own(event.msg_id)
        assert kept is not None
        if kept.seq is None:
            self.journal.write(oracle.Failed(k, kept.state))
            return
        self.journal.write(oracle.Ticked(k, kept.seq))
        self.recent.append(event.msg_id)
        self.board.tick(self.options.slot)

    # Inside

    def _tap(self, me: Client) -> None:
        """Write down what arrives, before the client takes it in."""
        engine = me._engine
        greet, take = engine._greet, engine._take

        async def tapped_greet(link: Link) -> list[e.Event]:
            events = await greet(link)
            self.journal.write(
                oracle.Connected(me._db.setting("mailbox_id").hex(), me._db.setting("last_pos", 0)),
            )
            return events

        async def tapped_take(events: Sequence[e.Event]) -> None:
            self.journal.write(*(line for event in events for line in _arrival(event)))
            self.journal.sample([event.ciphertext for event in events if isinstance(event, e.Message | e.KeyShare)])
            await take(events)

        engine._greet = tapped_greet  # type: ignore[method-assign] # a tap
        engine._take = tapped_take  # type: ignore[method-assign] # a tap

    def _count(self, me: Client, table: str) -> int:
        (count,) = me._db.row(f"select count(*) from {table}")
        return int(count)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=getattr(work, "__name__", ""))
        self.tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def _until(self, holds: Any) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds() and asyncio.get_running_loop().time() < deadline:
            self.changed.clear()
            with contextlib.suppress(TimeoutError):  # a table of the store tells nobody that it changed: look again
                await asyncio.wait_for(self.changed.wait(), 0.1)


def _arrival(event: e.Event) -> list[oracle.AnyLine]:
    match event:
        case e.Message():
            return [oracle.Arrived(event.pos, name_of(event.device, event.msg_id), event.seq, event.conversation)]
        case e.KeyShare() | e.Gap():
            return [oracle.Arrived(event.pos)]
        case e.CaughtUp():
            return [oracle.Caughtup(event.pos)]
        case _:
            return []


def say(line: str) -> None:
    """Answer whoever started the bot."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def obey(options: Options) -> None:
    """Live as a bot."""
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    bot = Bot(options)

    async def hear() -> str:
        """Return the next word, empty when there is nobody to hear from. Raises what went wrong meanwhile."""
        coming = asyncio.ensure_future(words.readline())
        either: set[asyncio.Future[Any]] = {coming, bot.failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if bot.failed.done():
            bot.failed.result()
        return (await coming).decode().strip()

    async with bot.open() as me:
        bot.begin(me)
        bot.run(me)
        say("running")
        if await hear() != "finish":
            return
        await bot.finish(me)
        say("finished")
    while await hear() == "settle":
        say(f"settled: {await bot.settle()}")


if __name__ == "__main__":
    uvloop.run(obey(msgspec.json.decode(sys.argv[1], type=Options)))
