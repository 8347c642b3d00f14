"""A whole server without its web, and people who move in without knocking: for its services, one by one."""

import secrets
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.clock import FakeClock
from support.devices import Identity, RawDevice
from tidings.server.app import Server, Settings
from tidings.server.domain import handles
from tidings.server.folder import Folder
from tidings.server.ports.accounts import Account
from tidings.server.ports.mailboxes import Notice
from tidings.server.services.caller import Caller
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.events import Event, Message
from tidings.wire.ids import account_id


class HeardWakes:
    """The port `Wakes`, where everybody is connected and everything is written down."""

    def __init__(self) -> None:
        self.woken: list[int] = []
        self.delivered: list[tuple[int, int]] = []
        self.told: list[tuple[int, Event]] = []
        self.signalled: list[tuple[int, Event]] = []
        self.closed: list[tuple[int, Close]] = []

    def wake(self, boxes: Iterable[int]) -> None:
        self.woken += boxes

    def deliver(self, message: Message, boxes: Sequence[int], places: Iterable[tuple[int, int]]) -> None:
        assert message.pos == 0
        self.woken += boxes
        self.delivered += places

    def tell(self, notices: Iterable[Notice]) -> None:
        self.told += [(box, notice.event) for notice in notices for box in notice.to]

    def signal(self, event: Event, boxes: Iterable[int]) -> None:
        self.signalled += [(box, event) for box in boxes]

    def close(self, boxes: Iterable[int], code: Close) -> None:
        self.closed += [(box, code) for box in boxes]

    def connected(self) -> Collection[int]:
        return ()

    def online(self, boxes: Collection[int]) -> Sequence[int]:
        return list(boxes)


class Household:
    """A server and who lives on it."""

    def __init__(self, server: Server, folder: Folder, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.server_id = folder.server_id

    async def leave_for(self, account: str) -> str:
        """Return a token with which a device of an account may be enrolled."""
        token = secrets.token_urlsafe(16)
        await self.server.accounts.add_enrolment(token, account, self.clock.now() + 1_000)
        return token

    async def newcomer(self, name: str, *, inviter: str | None = None) -> RawDevice:
        """Register an account; return its first device, which is not enrolled yet."""
        wanted = http.NewInvite()
        invites = self.server.invites
        invite = await (invites.create(inviter, wanted) if inviter else invites.create_for_server(wanted, admin=False))
        account = account_id(uuid.uuid4(), self.server_id)
        made = Account(account, name, admin=False, created=self.clock.now(), inviter=None)
        await self.server.accounts.register(made, handles.skeleton(name), "no password", invite.code)
        return self.device(account, name)

    def device(self, account: str, name: str, identity: Identity | None = None) -> RawDevice:
        """Return another device of an account."""
        made = RawDevice(0, http.Enrolment(account, name, self.server_id, "", 0, 0), identity)
        made.now = self.clock.now
        return made

    async def move_in(self, name: str, **options: Any) -> RawDevice:
        """Register an account with one device."""
        device = await self.newcomer(name, **options)
        await self.enrol(device, device.enrolment(1, {}))
        return device

    async def enrol(self, device: RawDevice, new: http.NewDevice) -> None:
        """Enrol a device. Raises what the service raises."""
        await self.server.devices.enrol(await self.leave_for(device.account), new)

    async def link(self, known: RawDevice, version: int, *others: RawDevice) -> RawDevice:
        """Enrol another device of an account, signed by the same identity."""
        device = self.device(known.account, known.name, known.identity)
        listed = {one.device: one.key.public for one in (known, *others)}
        await self.enrol(device, device.enrolment(version, listed, first=False))
        return device

    async def caller(self, device: RawDevice) -> Caller:
        """Return a device as services see it."""
        mailbox = await self.server.mailboxes.find(device.address)
        assert mailbox is not None
        return Caller(mailbox.id, mailbox.address)


@asynccontextmanager
async def household(path: Path, clock: FakeClock, **replaced: Any) -> AsyncIterator[Household]:
    """Start a server that listens to nobody. `replaced` goes to Server."""
    settings = Settings(data=path / "server")
    folder = Folder(settings.data)
    server = Server(settings, folder, clock=clock, **replaced)
    await server.start()
    try:
        yield Household(server, folder, clock)
    finally:
        await server.stop()
        folder.close()
