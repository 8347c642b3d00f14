"""Builds a server: the one place that knows every part, and passes each what it needs."""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from tidings import __version__
from tidings.server.domain.permission import STRANGER_MESSAGES
from tidings.server.domain.rates import Buckets
from tidings.server.folder import Folder, FolderInUse
from tidings.server.gateway.gateway import Gateway
from tidings.server.gateway.intake import Bounds, Intake
from tidings.server.gateway.line import Peer
from tidings.server.gateway.listening import Asgi, Late, Web, listen
from tidings.server.gateway.registry import Registry
from tidings.server.gateway.upgrade import Doorway, Front, Upgrade
from tidings.server.gateway.wheel import Wheel
from tidings.server.http.headers import security_headers
from tidings.server.jobs.expiry import Expiry
from tidings.server.jobs.periodic import Job, Jobs
from tidings.server.jobs.seen import Seen
from tidings.server.ports.clock import Clock, Timer
from tidings.server.ports.keys import Keys
from tidings.server.ports.mailboxes import Mailboxes
from tidings.server.services.ack import AckEntries, MarkAsRead
from tidings.server.services.change_members import ChangeGroup
from tidings.server.services.conversations import OpenConversation, RespondToStranger, ShowConversations
from tidings.server.services.credentials import Credentials
from tidings.server.services.devices import Devices
from tidings.server.services.greet import Greet
from tidings.server.services.invites import Invites
from tidings.server.services.keys import AnswerQuery, HandOutKeys, Supply, TakeKeys, TakeSignatures
from tidings.server.services.life import ShowPresence, ShowTyping
from tidings.server.services.passwords import Passwords
from tidings.server.services.rates import Rates
from tidings.server.services.registration import Registration
from tidings.server.services.seeding import Person, Seeded, seed_messages, seed_people
from tidings.server.services.send import SendMessage
from tidings.server.services.share_keys import ShareSessionKeys
from tidings.server.settings import Settings
from tidings.server.storage.memory.presence import MemoryPresence
from tidings.server.storage.sql.accounts import SqlAccounts
from tidings.server.storage.sql.crowd import SqlCrowd
from tidings.server.storage.sql.database import SqlDatabase
from tidings.server.storage.sql.keys import SqlKeys
from tidings.server.storage.sql.sign_ins import SqlLastSeen, SqlSignIns
from tidings.server.storage.sqlite.conversations import SqliteConversations
from tidings.server.storage.sqlite.database import Step
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.server.storage.sqlite.opening import Corrupt, Inspection
from tidings.server.telemetry.log import start_logging
from tidings.server.telemetry.metrics import Metrics
from tidings.server.workers.crew import Crew
from tidings.wire import commands as c
from tidings.wire import http
from tidings.wire.codec import codecs_for_server
from tidings.wire.frames import Limits
from tidings.wire.limits import MAX_CIPHERTEXT

LOG = logging.getLogger("tidings")

__all__ = ["Corrupt", "FolderInUse", "Person", "Seeded", "Server", "Settings", "SystemClock", "seed", "serve"]

STATIC: Final = Path(__file__).parent.parent / "static"
FIRST_SECONDS: Final = 1.0
"""How long the first devices have the processor for themselves."""
LEAVE_SECONDS: Final = 8.0
"""How long devices are given to leave when the server goes down."""
BACKLOG: Final = 4_096
"""Connections that wait to be accepted."""
GARBAGE: Final = 20_000
"""New objects after which the youngest are looked through for garbage in circles."""
COME_BACK_MS: Final = 500
JITTER_MS: Final = 4_000


class SystemClock:
    """The port `Clock`, as the machine has it."""

    def now(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """See Clock."""
        return asyncio.get_running_loop().call_later(delay, callback)


class Server:
    """Everything that runs in one process. Made within the event loop that it runs on.

    Tests replace the clock and the hashing of passwords, stand between a port and who uses it (`around_...`), watch
    commits and add sockets.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        *,
        clock: Clock | None = None,
        passwords: Passwords | None = None,
        around_mailboxes: Callable[[Mailboxes], Mailboxes] = lambda mailboxes: mailboxes,
        around_keys: Callable[[Keys], Keys] = lambda keys: keys,
        on_step: Step | None = None,
        extra_sockets: dict[str, Callable[[], Peer]] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.metrics = Metrics()
        self.database = SqlDatabase.at(folder.path / "accounts.db")
        self.store = SqliteMailboxes(
            folder.path / "mailboxes.db",
            self.clock,
            folder.server_id,
            retention_ms=settings.retention_ms,
            box_limit=settings.box_limit,
            on_step=on_step,
        )
        self.metrics.commits = self.store.database.commits
        self.mailboxes = around_mailboxes(self.store)
        self.inspections = [Inspection(folder.path / name) for name in ("mailboxes.db", "accounts.db")]
        self.conversations = SqliteConversations(self.store)
        self.accounts = SqlAccounts(self.database)
        self.keys = around_keys(SqlKeys(self.database))
        last_seen = SqlLastSeen(self.database)

        self.registry = Registry()
        self.rates = Rates(Buckets(settings.rates), self.clock)
        self.supply = Supply()
        self.seen = Seen(self.keys, self.clock)
        self.invites = Invites(self.accounts, self.clock, self.rates)
        self.devices = Devices(self.keys, self.accounts, self.mailboxes, self.conversations, self.registry, self.clock)
        self.life = ShowPresence(MemoryPresence(), last_seen, self.conversations, self.registry, self.clock)
        credentials = Credentials(
            SqlSignIns(self.database), self.mailboxes, self.registry, self.clock, server_id=folder.server_id
        )
        registration = Registration(
            *(self.accounts, self.keys, passwords or Passwords(), self.clock, self.rates, self.metrics),
            server_id=folder.server_id,
        )

        self.wheel = Wheel(self.clock, on_turn=self.metrics.lag.observe)
        self.bounds = Bounds(self.wheel, settings.connections_per_address, settings.proxies)
        self.crew = Crew(settings.workers) if settings.workers > 1 else None
        self.doorway = Doorway(
            self._gateway(folder.server_id),
            credentials,
            self.bounds,
            Front(
                cookie_name=settings.cookie_name,
                origins=settings.origins,
                proxies=settings.proxies,
                secure=settings.secure,
                headers=security_headers(secure=settings.secure),
            ),
            extra=extra_sockets,
            take=self.crew.take if self.crew else None,
        )
        self.application = Late(partial(self._make_application, folder.admin_token, credentials, registration))
        self.jobs = Jobs(
            [
                Job("expiry", 60.0, Expiry(self.mailboxes, self.registry, self.clock)),
                Job("seen", 60.0, self.seen),
                Job("last seen", 60.0, self.life.keep),
                Job("checkpoint", settings.checkpoint_seconds, self._checkpoint),
                Job("rates", 10.0, self._forget_rates),
                Job("devices", 2.0, self.devices.settle_again),
            ]
        )

    @property
    def is_ready(self) -> bool:
        """Whether messages can be taken."""
        return self.store.database.ready and not self.store.database.full

    async def start(self) -> None:
        """Open the stores, finish what a crash interrupted, begin to work. Raises Corrupt."""
        await self.store.start(on_recovered=self.registry.wake_all)
        await self.database.start()
        await self.devices.settle()
        await self.supply.load(self.keys)
        if self.crew is not None:
            await self.crew.start()
        self.wheel.start()
        self.jobs.start()

    async def come_up(self) -> None:
        """Do what a start does not wait for, when the first devices are in. Raises Corrupt."""
        await asyncio.sleep(FIRST_SECONDS)
        await self.application.made()
        for inspection in self.inspections:
            await inspection.run()

    async def first_invite(self) -> http.Invite | None:
        """Return an invite for the first admin, or None if there is one."""
        if await self.accounts.has_admin():
            return None
        return await self.invites.create_for_server(http.NewInvite(), admin=True)

    async def leave(self) -> None:
        """Send all devices away, in an orderly manner (D13)."""
        LOG.info("leaving", extra={"count": len(self.registry)})
        await self.registry.send_away(COME_BACK_MS, JITTER_MS, LEAVE_SECONDS)

    async def stop(self) -> None:
        """Finish commits and close the stores."""
        for inspection in self.inspections:
            inspection.stop()
        self.wheel.stop()
        await self.jobs.stop()
        for keep in (self.life.keep, self.seen):
            try:
                await keep()
            except Exception:
                LOG.exception("when people were last here could not be written down")
        if self.crew is not None:
            await self.crew.stop()
        await self.store.stop()
        await self.database.stop()

    def uvicorn_config(self) -> uvicorn.Config:
        """Return how uvicorn serves this server: its HTTP, our bounds, our sockets."""
        settings = self.settings
        return uvicorn.Config(
            self.application,
            http=partial(Intake, bounds=self.bounds),  # type: ignore[arg-type] # called like the class
            ws=lambda **_: Upgrade(self.doorway),  # type: ignore[arg-type] # called like the class
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=security_headers(secure=settings.secure),
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            backlog=BACKLOG,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )

    def _make_application(self, token: str, credentials: Credentials, registration: Registration) -> Asgi:
        # Half of what a start would import.
        from tidings.server.http.site import Site  # noqa: PLC0415

        return Site(
            accounts=self.accounts,
            keys=self.keys,
            registration=registration,
            invites=self.invites,
            devices=self.devices,
            life=self.life,
            credentials=credentials,
            rates=self.rates,
            metrics=self.metrics,
            refresh=self._refresh,
            is_ready=lambda: self.is_ready,
            is_own_origin=self.doorway.is_own_origin,
            client_address=self.doorway.client_address,
            cookie_name=self.settings.cookie_name,
            secure=self.settings.secure,
            admin_token=token,
            static=STATIC,
        ).application()

    def _gateway(self, server_id: str) -> Gateway:
        send = SendMessage(self.mailboxes, self.registry, self.metrics, self.rates)
        share = ShareSessionKeys(self.mailboxes, self.registry, self.rates)
        ack = AckEntries(self.mailboxes, self.registry)
        read = MarkAsRead(self.mailboxes, self.registry)
        hand_out = HandOutKeys(self.keys, self.mailboxes, self.registry, self.rates, self.supply)
        return Gateway(
            handlers={
                c.Send: (send, send.reply),
                c.ShareKeys: (share, share.reply),
                c.Ack: (ack, ack.reply),
                c.MarkRead: (read, read.reply),
                c.ChangeMembers: (ChangeGroup(self.conversations, self.registry, self.rates), None),
                c.SetTyping: (ShowTyping(self.conversations, self.registry, self.rates), None),
                c.SetPresence: (self.life.set_presence, None),
                c.Watch: (self.life.watch, None),
                c.QueryKeys: (AnswerQuery(self.keys, self.rates), None),
                c.ClaimKeys: (hand_out, None),
                c.UploadKeys: (TakeKeys(self.keys, self.rates, self.supply), None),
                c.UploadSignatures: (TakeSignatures(self.keys), None),
                c.OpenDirect: (OpenConversation(self.conversations, self.accounts, self.registry, self.rates), None),
                c.Respond: (RespondToStranger(self.conversations, self.registry, self.life), None),
                c.ListConversations: (ShowConversations(self.conversations), None),
            },
            codecs=codecs_for_server(),
            mailboxes=self.mailboxes,
            registry=self.registry,
            wheel=self.wheel,
            greet=Greet(self.mailboxes, server_id),
            rates=self.rates,
            frames=self.rates.rate("frame"),
            supply=self.supply,
            metrics=self.metrics,
            limits=Limits(MAX_CIPHERTEXT, self.settings.retention_days, STRANGER_MESSAGES),
            server_id=server_id,
            clock=self.clock,
            on_seen=self.seen.note,
            on_leave=self.life.leave,
        )

    def _refresh(self) -> None:
        database = self.store.database
        self.metrics.batches.set(database.batches)
        self.metrics.jobs.set(database.jobs)
        self.metrics.set_load(database.waiting, *self.registry.load())
        self.metrics.log_bytes.set(database.log_size)
        self.metrics.ready.set(self.is_ready)

    async def _checkpoint(self) -> None:
        if self.store.database.log_size:
            await self.store.database.checkpoint()

    async def _forget_rates(self) -> None:
        self.rates.forget_full()


async def serve(settings: Settings, on_ready: Callable[[Settings, http.Invite | None], None], **replaced: Any) -> None:
    """Run a server until it is told to stop. Raises FolderInUse, Corrupt, OSError if the port is taken.

    `on_ready` is called when connections are accepted, with the port that was chosen for port 0, and with an
    invite if there is no admin yet. `replaced` goes to Server.
    """
    start_logging(settings.log_level)
    folder = Folder(settings.data)
    listening = listen(settings.host, settings.port)
    try:
        settings = msgspec.structs.replace(settings, port=listening.getsockname()[1])
        server = Server(settings, folder, **replaced)
        await server.start()
        gc.collect()
        gc.freeze()  # what lives as long as the server need not be looked at again and again
        gc.set_threshold(GARBAGE)  # and messages leave none
        invite = await server.first_invite()
        folder.announce(settings.url)
        LOG.info("serving", extra={"port": settings.port, "version": __version__})
        web = Web(server.uvicorn_config(), server.leave)
        coming_up = asyncio.create_task(server.come_up())
        coming_up.add_done_callback(web.end_if_failed)
        serving = asyncio.create_task(web.serve([listening]))
        listening.listen(BACKLOG)  # who is told where the server is may connect at once, and waits for uvicorn
        await asyncio.sleep(0)  # until it minds the signals: who is told that it runs may stop it at once
        on_ready(settings, invite)
        await serving
        await server.stop()
        coming_up.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await coming_up
    finally:
        listening.close()
        folder.close()


async def seed(
    settings: Settings,
    people: Sequence[Person],
    pairs: Sequence[tuple[int, int]],
    groups: Sequence[Sequence[int]] = (),
    messages: int = 0,
) -> Seeded:
    """Fill a data folder that no server runs on with people, for measurements. Return their conversations.

    So many messages wait then, each from the first of a pair for the second.
    """
    folder = Folder(settings.data)
    server = Server(settings, folder)
    await server.store.start()
    await server.database.start()
    try:
        crowd = SqlCrowd(server.database)
        seeded = await seed_people(
            *(people, pairs, groups, crowd, server.mailboxes, server.conversations), server_id=folder.server_id
        )
        await seed_messages(people, pairs, seeded, messages, server.mailboxes, server_id=folder.server_id)
        return seeded
    finally:
        await server.store.stop()
        await server.database.stop()
        folder.close()
