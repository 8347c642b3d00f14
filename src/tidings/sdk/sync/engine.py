"""The engine: it connects, signs in, catches up, and comes back whenever the connection is lost."""

import asyncio
import contextlib
import logging
import random
from asyncio import Task
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tidings.sdk.errors import Incompatible, NotSignedIn, TidingsError
from tidings.sdk.events import ConnectionUpdate, PresenceUpdate, TypingUpdate
from tidings.sdk.sync.contacts import Contacts
from tidings.sdk.sync.inbox import Inbox
from tidings.sdk.sync.life import Life
from tidings.sdk.sync.outbox import Outbox
from tidings.sdk.sync.readings import Readings
from tidings.sdk.sync.requests import KeyRequests
from tidings.sdk.sync.shares import Shares
from tidings.sdk.sync.state import State
from tidings.sdk.sync.timeline import Timeline
from tidings.sdk.sync.vouching import Vouching
from tidings.sdk.transport.link import Disconnected, Link
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.closes import Close, advice
from tidings.wire.errors import Refusal
from tidings.wire.signing import hello_text

LOG = logging.getLogger("tidings.sdk")

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0
LATER_WAIT: Final = 2.0
"""Seconds before coming back to a server that is going down, with as much again at random."""
BELIEVED: Final = 2
"""How often a hole in the mailbox was there before the time at which it is believed."""


class Engine:
    """Everything that happens between a device and its server."""

    def __init__(self, state: State, url: str, link_options: dict[str, Any], random_source: random.Random) -> None:
        self.state = state
        self.contacts = Contacts(state)
        self.timeline = Timeline(state.db, state.account, state.device)
        self.shares = Shares(state, self.contacts)
        self.requests = KeyRequests(state, self.shares)
        self.inbox = Inbox(state, self.contacts, self.timeline, self.requests)
        self.outbox = Outbox(state, self.contacts, self.shares, self.timeline)
        self.contacts.on_agreed = self.outbox.wake
        self.vouching = Vouching(state, self.contacts, self.outbox, random_source)
        self.contacts.on_unsaid = lambda view: self.vouching.consider(view) if self.is_caught_up else None
        self.readings = Readings(state)
        self.life = Life(state)
        self._url = url.replace("http", "ws", 1).rstrip("/") + "/v1/socket"
        self._link_options = link_options
        self._random = random_source
        self._caught_up = asyncio.Event()
        self._stopped: BaseException | None = None
        self._task: Task[None] | None = None
        self._came_back = False
        self._hole: tuple[int, int] | None = None
        self._seen = 0
        """How often that hole was there."""

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the connection; what is in the outbox waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ready(self) -> None:
        """Wait until everything that waited has arrived. Raises NotSignedIn."""
        await self.while_running(self._caught_up.wait())

    async def while_running(self, awaitable: Any) -> Any:
        """Return what an awaitable gives, or raise why the engine stopped."""
        assert self._task is not None
        waiting = asyncio.ensure_future(awaitable)
        try:
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()  # who waited may have been cancelled
        raise self._stopped or TidingsError("the engine was stopped")

    @property
    def is_caught_up(self) -> bool:
        """Whether there is a connection, and everything that waited has arrived."""
        return self._caught_up.is_set()

    async def ask(self, make: Callable[[], Any]) -> Any:
        """Send a command and return its reply, waiting for a connection as long as it takes. Raises Refusal."""
        return await self._persist(lambda: self.state.ask(make()))

    async def learn(self, account: str) -> None:
        """Ask for the devices of an account, waiting for a connection as long as it takes."""
        await self._persist(lambda: self.contacts.learn([account]))

    async def _persist(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            await self.ready()
            try:
                return await attempt()
            except Disconnected:
                await asyncio.sleep(FIRST_WAIT)

    async def _run(self) -> None:
        try:
            await self._live_on()
        except (NotSignedIn, Incompatible) as stopped:
            self._stopped = stopped
        except Exception as error:
            LOG.exception("the engine stopped")
            self._stopped = error
            raise

    async def _live_on(self) -> None:
        """Live through one connection after the other. Raises NotSignedIn, Incompatible."""
        wait = 0.0
        while True:
            try:
                await self._live()
            except Disconnected as gone:
                wait = self._next_wait(wait, gone.code)
            except (OSError, Refusal):
                wait = self._next_wait(wait, 1006)  # what was refused is asked again by the next connection
            finally:
                self.state.connected(None)
                self._leave()
                await self.vouching.stop()
                await self.outbox.stop()
            if self._came_back:
                wait, self._came_back = FIRST_WAIT * self._random.random(), False
            await asyncio.sleep(wait)

    def _next_wait(self, wait: float, code: int) -> float:
        """Return how long to wait after a connection ended with `code`. Raises NotSignedIn, Incompatible."""
        if code == Close.PROTOCOL:
            raise Incompatible("the server and this version do not understand each other")
        match advice(code):
            case "sign-in":
                raise NotSignedIn("this device was signed out")
            case "stop":
                raise NotSignedIn("this device connected from elsewhere")
            case "later" if code != 1006:
                self._came_back = False
                return LATER_WAIT * (1 + self._random.random())
            case _:
                return min(max(wait * 2, FIRST_WAIT), LONGEST_WAIT) * (0.5 + self._random.random() / 2)

    async def _live(self) -> None:
        """Live through one connection. Raises Disconnected, NotSignedIn, OSError."""
        link = await Link.connect(self._url, **self._link_options)
        helpers: list[Task[None]] = []
        try:
            pending = await self._greet(link)
            self.state.connected(link)
            self._came_back = True
            await self.shares.flush()
            helpers.append(asyncio.create_task(self.requests.run()))
            self.outbox.wake()
            while True:
                await self._take(pending or await link.next())
                pending = []
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            link.cut()

    async def _greet(self, link: Link) -> list[e.Event]:
        """Answer the challenge; return the events that came along."""
        events = await link.next()
        if not events or not isinstance(events[0], e.Challenge):
            raise Disconnected
        challenge = events[0]
        db, account = self.state.db, self.state.machine.account
        if challenge.server_id != db.setting("server_id"):
            raise NotSignedIn("another server answers at this address")
        mailbox_id: bytes = db.setting("mailbox_id", b"")
        last_pos: int = db.setting("last_pos", 0)
        text = hello_text(challenge.nonce, challenge.server_id, account.account, account.device, mailbox_id)
        hello = c.Hello(
            0, account.account, account.device, mailbox_id, last_pos, db.setting("marks_since", 0), account.sign(text)
        )
        try:
            ready: e.Ready = await link.ask(hello)
        except Refusal:
            raise Disconnected from None
        self.state.adjust(ready.time)
        with db.transaction():
            if ready.mailbox_id != mailbox_id:
                db.set(mailbox_id=ready.mailbox_id, last_pos=0)
                db.run("delete from sealed")
                db.run("delete from recovered")
            elif ready.pos > last_pos:
                self._was_restored(ready.pos)
        for ack in self.inbox.unheard(ready.pos):
            link.tell(ack)
        return events[1:]

    def _was_restored(self, pos: int) -> None:
        """Start anew where the store is an old copy: the server has seen more acknowledged than it knows of."""
        LOG.warning("the store was restored from an older copy")
        self.state.machine.was_restored()
        self.state.db.set(last_pos=pos, restored=1)

    async def _take(self, events: Sequence[e.Event]) -> None:
        """Take in what arrived, in order; entries of the mailbox together."""
        stored: list[e.Stored] = []
        for event in events:
            if isinstance(event, e.Message | e.KeyShare | e.Gap):
                stored.append(event)
                continue
            await self._keep(stored)
            stored = []
            await self._take_one(event)
        await self._keep(stored)

    async def _keep(self, entries: list[e.Stored]) -> None:
        """Keep what is new. Raises Disconnected where a position was left out.

        Only what expired leaves a hole in a mailbox. It may as well have been the line that lost or swapped entries,
        and an ack would take them from the server: come back, and believe in the hole when it was there often enough.
        """
        known: int = self.state.db.setting("last_pos", 0)
        fresh: list[e.Stored] = []
        hole: tuple[int, int] | None = None
        for entry in entries:
            if entry.pos > known + 1 and (self._hole != (known, entry.pos) or self._seen < BELIEVED):
                hole = known, entry.pos
                break
            if entry.pos > known:
                fresh.append(entry)
                known = entry.pos
        if fresh:
            await self.inbox.take(fresh)
        if hole:
            self._seen = self._seen + 1 if hole == self._hole else 1
            self._hole = hole
            raise Disconnected

    async def _take_one(self, event: e.Event) -> None:
        db, emit = self.state.db, self.state.emit
        match event:
            case e.Marks():
                with db.transaction():
                    receipt = self.timeline.raise_mark(event)
                    db.set(marks_since=max(event.time, db.setting("marks_since", 0)))
                emit(receipt)
            case e.CaughtUp():
                await self._on_caught_up()
            case e.DeviceList():
                with db.transaction():
                    self.contacts.heard_of(event.account, event.version)
                if event.account == self.state.account or self.contacts.direct_with(event.account) is not None:
                    await self._attempt(self.contacts.learn([event.account]))  # of others before something is sent
                self.outbox.wake()  # what was held back for doubt may go now
            case e.ConversationChanged():
                self._meet(self.contacts.take([event.conversation]))
            case e.MembersChanged():
                if not self.contacts.change(event):
                    await self._attempt(self.contacts.fetch([event.conversation]))
            case e.KeysLow():
                await self._attempt(self._supply_keys())
            case e.Typing():
                emit(TypingUpdate(event.conversation, event.account, event.active))
            case e.Presence():
                emit(PresenceUpdate(event.account, event.online, event.last_seen))
            case _:
                pass  # Reconnect: the close that follows says it again; Challenge: greeted already

    async def _on_caught_up(self) -> None:
        if not self.state.db.setting("listed", 0):
            await self.contacts.fetch_all()
            with self.state.db.transaction():
                self.state.db.set(listed=1)
        if self.state.db.setting("restored", 0):
            await self._attempt(self._replace_keys())
        self._meet(self.contacts.views())
        await self._attempt(self.contacts.settle(self.contacts.rosters.pending()))
        self.requests.wake()
        self.readings.repeat()
        self.life.repeat()
        self._caught_up.set()
        self.vouching.start()
        self.state.emit(ConnectionUpdate(connected=True))

    def _leave(self) -> None:
        if self._caught_up.is_set():
            self._caught_up.clear()
            self.state.emit(ConnectionUpdate(connected=False))

    def _meet(self, views: Sequence[Any]) -> None:
        for view in views:
            if view.standing == "open":
                self.outbox.greet(view)

    async def _supply_keys(self) -> None:
        """Hand the server more one-time keys, and another fallback key if the last one was used."""
        count: e.KeyCount = await self.state.ask(c.UploadKeys(0, [], None, replace=False))
        with self.state.db.transaction():
            keys = self.state.machine.keys_to_publish(count.one_time)
            fallback = None if count.fallback else self.state.machine.new_fallback()
        if keys or fallback:
            await self.state.ask(c.UploadKeys(0, keys, fallback, replace=False))
            with self.state.db.transaction():
                self.state.machine.published()

    async def _replace_keys(self) -> None:
        """After the store was restored: keys that the server holds may be unknown here."""
        with self.state.db.transaction():
            keys = self.state.machine.keys_to_publish(0)
            fallback = self.state.machine.new_fallback()
        await self.state.ask(c.UploadKeys(0, keys, fallback, replace=True))
        with self.state.db.transaction():
            self.state.machine.published()
            self.state.db.set(restored=0)

    async def _attempt(self, work: Any) -> None:
        """Do something that the next connection would do again if it is refused now."""
        with contextlib.suppress(Refusal):
            await work
