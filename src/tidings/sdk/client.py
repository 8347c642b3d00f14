"""The client of a program: everything that a person can do, without the person."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tidings.sdk.crypto.machine import Machine
from tidings.sdk.errors import Distrusted, NotSignedIn
from tidings.sdk.events import AnyEvent, Incoming
from tidings.sdk.events import State as MessageState
from tidings.sdk.store.database import Database
from tidings.sdk.sync import enrolment
from tidings.sdk.sync.contacts import STRANGER, View
from tidings.sdk.sync.engine import Engine
from tidings.sdk.sync.groups import Groups
from tidings.sdk.sync.overview import Overview, Page, Summary
from tidings.sdk.sync.state import State
from tidings.sdk.sync.timeline import Kept
from tidings.sdk.transport.http import Http
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire import http
from tidings.wire.commands import Answer
from tidings.wire.content import MAX_NAME, Text
from tidings.wire.limits import MAX_TEXT


class Client(Groups):
    """One device of one account. Make it by `register`, `sign_in` or `open`."""

    def __init__(self, database: Database, **options: Any) -> None:
        self._db = database
        self._options = options
        self._subscribers: list[asyncio.Queue[AnyEvent]] = []
        self._arrived = asyncio.Event()
        self._http = Http(database.setting("url"), options.get("verify", True))
        self._machine = Machine(database)
        self._state = State(database, self._machine, self._emit)
        link_options = {"ssl_context": options["verify"]} if not isinstance(options.get("verify", True), bool) else {}
        source = options.get("random") or random.SystemRandom()
        super().__init__(
            Engine(self._state, options.get("socket_url") or database.setting("url"), link_options, source)
        )
        self._overview = Overview(database, self._engine.timeline, self._state.account)

    # Coming and going

    @classmethod
    async def register(cls, path: Path | str, invite: str, name: str, password: str, **options: Any) -> Self:
        """Register by an invite link and keep the device in a new store at `path`. Not connected yet.

        Options: display_name, label, verify (ssl.SSLContext). Raises ServerRefused, Unreachable, StoreTaken,
        ValueError if the link is none.
        """
        url, code = enrolment.split_invite(invite)
        async with Http(url, options.get("verify", True)) as web:
            leave = await enrolment.register(web, code, name, password)
            return cls(await enrolment.enrol(Path(path), web, leave, options), **options)

    @classmethod
    async def sign_in(
        cls, path: Path | str, url: str, name: str, password: str, *, start_again: bool = False, **options: Any
    ) -> Self:
        """Sign in with a new store. Where there are other devices, `start_again` removes them: the identity is new.

        A store that this account used before keeps its messages. Raises ServerRefused (OTHER_DEVICES without
        `start_again`, WRONG_PASSWORD), Unreachable, StoreTaken.
        """
        async with Http(url, options.get("verify", True)) as web:
            leave = await enrolment.sign_in(web, name, password, start_again=start_again)
            return cls(await enrolment.enrol(Path(path), web, leave, options), **options)

    @staticmethod
    async def invitation(invite: str, verify: Any = True) -> http.InviteInfo:  # noqa: FBT002 - as in httpx
        """Return who invites by a link. Raises ServerRefused (INVITE_SPENT), Unreachable, ValueError."""
        url, code = enrolment.split_invite(invite)
        async with Http(url, verify) as web:
            return await web.ask("GET", f"/v1/invites/{code}", http.InviteInfo)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | str, **options: Any) -> AsyncIterator[Self]:
        """Open a store, and connect. What is written before there is a connection waits for it.

        Raises StoreInUse, NotSignedIn if no device was ever enrolled here.
        """
        if not Path(path).exists():  # noqa: ASYNC240 - as quick as opening it
            raise NotSignedIn(f"{path} holds no device")
        database = Database(Path(path))
        try:
            if not database.setting("enrolled"):
                raise NotSignedIn(f"{path} holds no device")
            async with cls(database, **options) as client:
                yield client
        finally:
            database.close()

    async def __aenter__(self) -> Self:
        self._engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.stop()
        await self._http.close()

    def close(self) -> None:
        """Close the store of a client that was registered or signed in but is not used further."""
        self._db.close()

    async def sign_out(self) -> None:
        """Remove this device from the account. The store is of no use afterwards."""
        try:
            body = await self._removal(self._state.device)
        except Distrusted:
            body = http.Removal()  # nothing is signed on the word of a server that lies, but one may leave it
        await self._ask_signed("POST", "/v1/sign-out", type(None), body)

    # Oneself

    @property
    def account(self) -> str:
        """This account's id."""
        return self._state.account

    @property
    def device(self) -> str:
        """This device's id."""
        return self._state.device

    @property
    def name(self) -> str:
        """This account's handle."""
        return str(self._db.setting("handle"))

    @property
    def own_name(self) -> str:
        """The name that others see."""
        return str(self._db.setting("name"))

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._db.setting("url"))

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, and everything that waited has arrived."""
        return self._engine.is_caught_up

    async def ready(self) -> None:
        """Wait until everything that waited on the server has arrived. Raises NotSignedIn."""
        await self._engine.ready()

    def set_display_name(self, name: str) -> None:
        """Choose the name that others see. It reaches them inside the encryption."""
        if not 0 < len(name) <= MAX_NAME:
            raise ValueError(f"a name has 1 to {MAX_NAME} characters")
        with self._db.transaction():
            self._db.set(name=name)
            self._db.run("update conversation set greeted = 0")
        for view in self._engine.contacts.views():
            if view.standing == "open":
                self._engine.outbox.greet(view)

    async def invite(self, days: int = 7, uses: int = 1) -> str:
        """Return a link by which others can register; they become contacts."""
        made: http.Invite = await self._ask_signed("POST", "/v1/invites", http.Invite, http.NewInvite(days, uses))
        return f"{self._db.setting('url')}/#/join/{made.code}"

    async def devices(self) -> Sequence[http.Device]:
        """Return one's own devices."""
        found: http.Devices = await self._ask_signed("GET", "/v1/devices", http.Devices)
        return found.devices

    async def remove_device(self, device: str) -> None:
        """Sign out another of one's own devices. Raises ServerRefused, Distrusted if the server makes up others."""
        await self._ask_signed("POST", f"/v1/devices/{device}/removal", type(None), await self._removal(device))

    def remember(self, name: str, value: str) -> None:
        """Keep something small of the program's own in the store, such as a choice that its person made."""
        with self._db.transaction():
            self._db.set(**{f"program {name}": value})

    def recall(self, name: str) -> str | None:
        """Return what was kept under a name."""
        kept: str | None = self._db.setting(f"program {name}")
        return kept

    # Others

    async def find(self, name: str) -> str:
        """Return the account with an exact name. Raises ServerRefused(NOT_FOUND), Distrusted if two bear it."""
        handle = name.removeprefix("@").lower()
        known = self._machine.directory.by_handle(handle)
        if known is not None:
            return known
        found: http.AccountInfo = await self._ask_signed(
            "GET", f"/v1/accounts/{quote(handle, safe='')}", http.AccountInfo
        )
        return found.account

    async def conversation_with(self, who: str) -> View:
        """Return the direct conversation with an account or @name, opened if there is none.

        Raises Refusal, Distrusted if the server shows one with somebody else.
        """
        account = who if who.startswith("@") and ":" in who else await self.find(who)
        known = self._engine.contacts.direct_with(account)
        if known is not None:
            return known
        reply: e.Conversations = await self._engine.ask(lambda: c.OpenDirect(0, account))
        for view in self._engine.contacts.take(reply.conversations):
            if account in view.members:
                return view
        raise Distrusted(account, STRANGER)

    async def respond(self, conversation: str, answer: Answer) -> None:
        """Accept, decline, block or unblock. Raises Refusal."""
        reply: e.Conversations = await self._engine.ask(lambda: c.Respond(0, conversation, answer))
        for view in self._engine.contacts.take(reply.conversations):
            if view.standing == "open":
                self._engine.outbox.greet(view)

    def conversations(self) -> Sequence[View]:
        """Return all conversations that are known here."""
        return self._engine.contacts.views()

    def display_name(self, account: str) -> str:
        """Return the name of an account as far as it is known."""
        return self._machine.directory.name(account)

    def handle(self, account: str) -> str:
        """Return the handle of an account, or its id while that is all that is known."""
        return self._machine.directory.handle(account)

    def concern(self, account: str) -> Distrusted | None:
        """Return why nothing is sent to an account, if so. IdentityChanged is settled by `trust`."""
        try:
            self._machine.directory.check(account)
        except Distrusted as concern:
            return concern
        return None

    def trust(self, account: str) -> None:
        """Accept an account's new identity, after its owner was asked by another way. What was held back is sent."""
        self._engine.contacts.trust(account)
        self._engine.outbox.wake()

    async def watch(self, accounts: Sequence[str]) -> None:
        """Ask to be told when accounts come and go, by this and every later connection; replaces those before."""
        self._engine.life.watch(accounts)

    async def set_online(self, *, online: bool) -> None:
        """Tell that the person looks at Tidings, or has turned away; every later connection is told, too."""
        self._engine.life.set_online(online=online)

    async def set_privacy(self, last_seen: http.Audience) -> None:
        """Choose who sees when one is online."""
        await self._ask_signed("PUT", "/v1/privacy", http.Privacy, http.Privacy(last_seen))

    # Messages

    async def send(self, to: str, text: str) -> Kept:
        """Send a text to a conversation, an account or @name; return it when the server has it (one tick).

        It is in the outbox, and will be sent whatever happens, as soon as this is awaited. Raises SendFailed,
        Refusal if the conversation cannot be opened. If the identity of the other changed, it waits for `trust`.
        """
        msg_id = await self.enqueue(to, text)
        kept = self.find_own(msg_id)
        if kept is not None and kept.state == "pending":
            await self._engine.while_running(self._engine.outbox.outcome(msg_id))
        sent = self.find_own(msg_id)
        assert sent is not None
        return sent

    async def enqueue(self, to: str, text: str) -> bytes:
        """Put a text into the outbox, durable when this returns; return its msg_id."""
        if not 0 < len(text.encode()) <= MAX_TEXT:
            raise ValueError(f"a text has 1 to {MAX_TEXT} bytes")
        conversation = to if to.startswith("!") else (await self.conversation_with(to)).id
        return self._engine.outbox.put(conversation, Text(text))

    def send_again(self, message: Kept) -> bytes:
        """Put a text that failed into the outbox anew, instead of the one that failed; return its new msg_id."""
        if message.state != "failed" or message.body is None:
            raise ValueError("only a text that failed is sent again")
        with self._db.transaction():
            self._engine.timeline.forget(message.msg_id)
            return self._engine.outbox.put(message.conversation, Text(message.body))

    def find_own(self, msg_id: bytes) -> Kept | None:
        """Return a message that was sent from here."""
        return self._engine.timeline.find(self._state.account, self._state.device, msg_id)

    def state_of(self, message: Kept) -> MessageState:
        """Return how far a message of one's own got."""
        return self._engine.timeline.state(message)

    def history(self, conversation: str, count: int = 50) -> Sequence[Kept]:
        """Return the last messages of a conversation, the newest last."""
        return self._engine.timeline.latest(conversation, count)

    def overview(self) -> Sequence[Summary]:
        """Return all conversations with their last message and how much is unread, in no order."""
        return [self._overview.summary(view) for view in self._engine.contacts.views()]

    def summary(self, conversation: str) -> Summary | None:
        """Return one conversation as `overview` does."""
        view = self._engine.contacts.view(conversation)
        return self._overview.summary(view) if view is not None else None

    def page(self, conversation: str, before: int | None = None, count: int = 50) -> Page:
        """Return the last messages of a conversation, or the last before a place."""
        return self._overview.page(conversation, before, count)

    def stretch(self, conversation: str, first: int) -> Page:
        """Return a conversation from a place on to its end."""
        return self._overview.stretch(conversation, first)

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield messages of others, each once, even over restarts: it counts as taken when the next is asked for."""
        while True:
            self._arrived.clear()
            untaken = self._engine.timeline.untaken(100)
            for number, kept in untaken:
                yield self._engine.timeline.incoming(kept, self.display_name(kept.account))
                self._engine.timeline.take(number)
                await asyncio.sleep(0)  # many that waited must not keep the connection waiting
            if not untaken:
                await self._engine.while_running(self._arrived.wait())

    def events(self) -> AsyncIterator[AnyEvent]:
        """Yield everything that happens from this call on. Raises NotSignedIn when the device was signed out."""
        queue: asyncio.Queue[AnyEvent] = asyncio.Queue()
        self._subscribers.append(queue)
        return self._follow(queue)

    async def mark_read(self, message: Incoming | Kept) -> None:
        """Note that a message, and all before it, was read; the sender is told when there is a connection."""
        if message.seq is not None:
            self._engine.readings.note(message.conversation, message.seq)

    async def set_typing(self, conversation: str, *, active: bool) -> None:
        """Tell that the person types, or has stopped. Lost without a connection: it would come too late."""
        self._engine.life.set_typing(conversation, active=active)

    # Inside

    async def _follow(self, queue: "asyncio.Queue[AnyEvent]") -> AsyncIterator[AnyEvent]:
        try:
            while True:
                yield await self._engine.while_running(queue.get())
        finally:
            self._subscribers.remove(queue)

    def _emit(self, event: AnyEvent) -> None:
        if isinstance(event, Incoming):
            self._arrived.set()
        for queue in self._subscribers:
            queue.put_nowait(event)

    async def _ask_signed(self, method: str, path: str, answer: Any, body: http.Body | None = None) -> Any:
        signer = self._machine.account, self._db.setting("server_id"), self._state.now()
        return await self._http.ask(method, path, answer, body=body, signer=signer)

    async def _removal(self, gone: str) -> http.Removal:
        """Return the list of one's own devices without one of them, signed. Raises Distrusted."""
        identity = self._machine.identity
        if identity is None:
            return http.Removal()
        await self._engine.learn(self.account)
        directory = self._machine.directory
        rest = {device.id: device.ed25519 for device in directory.devices(self.account) if device.id != gone}
        return http.Removal(identity.sign_list(directory.version(self.account) + 1, rest))
