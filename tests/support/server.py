"""Real servers: as a process of their own, or in the test's own loop where the test must stand between its parts."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from argon2 import PasswordHasher

from tidings.cli.local import LocalServer
from tidings.sdk import Client
from tidings.server.app import Server, Settings
from tidings.server.folder import Folder
from tidings.server.gateway.listening import Web, listen
from tidings.server.services.passwords import Passwords

START_SECONDS = 30.0
PASSWORD = "correct horse battery"
PORTS = random.SystemRandom()
"""Other programs choose their ports at the same time, which no seed may make the same."""
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def free_port() -> int:
    """Return a port of the loopback that nobody has now.

    It is none of those that the system gives to connections that go out (from 32768 on): one of them could take it
    before a server does, or while a server is down that comes back. Browsers refuse some below 11,000.
    """
    while True:
        port = PORTS.randrange(11_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """`tidings serve` as a process."""

    def __init__(self, data: Path, port: int, options: tuple[str, ...]) -> None:
        self.data = data
        self.port = port
        self._options = options
        self.process: Process

    @classmethod
    async def start(cls, data: Path, *options: str, port: int | None = None) -> Self:
        """Start a server and wait until it accepts connections."""
        server = cls(data, port or free_port(), options)
        await server.begin()
        return server

    async def begin(self) -> None:
        """Start it, on the same folder and port as before."""
        self.output = ""
        command = [sys.executable, "-m", "tidings", "serve", "--data", str(self.data), "--port", str(self.port)]
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        try:
            self.process = await asyncio.create_subprocess_exec(*command, *self._options, stdout=PIPE, stderr=log)
        finally:
            log.close()
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while "Tidings is running" not in self.output:
                line = await self.process.stdout.readline()
                assert line, f"the server ended: {self.log()}"
                self.output += line.decode()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://localhost:{self.port}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def log(self) -> str:
        """Return what it has logged."""
        return (self.data.parent / f"{self.data.name}.log").read_text()

    async def kill(self) -> None:
        """Kill it as a power cut of the process does (SIGKILL)."""
        os.kill(self.pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop, and wait; return the exit code."""
        # asyncio's own terminate() takes the exit code of a process that has just ended away from who waits for it.
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()

    async def invite(self, *, uses: int = 1, admin: bool = False) -> str:
        """Return an invite link."""
        async with LocalServer.at(self.data) as local:
            return await local.invite(uses=uses, admin=admin)


@asynccontextmanager
async def server_process(folder: Path, *options: str) -> AsyncIterator[ServerProcess]:
    """Run a server in a process, on a folder of its own below `folder`."""
    server = await ServerProcess.start(folder / "server", *options)
    try:
        yield server
    finally:
        await server.stop()


class LocalInstance:
    """A server in the test's own loop."""

    def __init__(self, server: Server, folder: Folder) -> None:
        self.server = server
        self.folder = folder

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.settings.url

    @property
    def port(self) -> int:
        """Its port."""
        return self.server.settings.port

    @property
    def admin_token(self) -> str:
        """The token of its owner."""
        return self.folder.admin_token

    async def invite(self, *, uses: int = 1) -> str:
        """Return an invite link."""
        async with LocalServer.at(self.folder.path) as local:
            return await local.invite(uses=uses)


@asynccontextmanager
async def local_server(
    path: Path, *, settings: dict[str, Any] | None = None, **replaced: Any
) -> AsyncIterator[LocalInstance]:
    """Run a server in the running loop. `replaced` goes to Server: a clock, something around a port, more sockets.

    Its passwords are hashed in next to no time, since hundreds of tests register people and few are about passwords.
    """
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    chosen = Settings(data=path / "server", port=port, **(settings or {}))
    folder = Folder(chosen.data)
    server = Server(chosen, folder, **{"passwords": Passwords(CHEAP)} | replaced)
    await server.start()
    folder.announce(chosen.url)
    web = Web(server.uvicorn_config(), server.leave)
    serving = asyncio.create_task(web.serve([listening]))
    while not web.started:  # noqa: ASYNC110 - uvicorn tells it by nothing else
        await asyncio.sleep(0.005)
    try:
        yield LocalInstance(server, folder)
    finally:
        web.should_exit = True
        await serving
        await server.stop()
        folder.close()


async def new_person(server: ServerProcess | LocalInstance, folder: Path, name: str, invite: str | None = None) -> Path:
    """Register somebody by the SDK; return the store."""
    store = folder / f"{name}.db"
    link = invite or await server.invite()
    client = await Client.register(store, link, name, PASSWORD, display_name=name.capitalize())
    client.close()
    return store


@asynccontextmanager
async def two_people(server: ServerProcess | LocalInstance, folder: Path) -> AsyncIterator[tuple[Client, Client]]:
    """Let Ada and Bob, whom she invited, be online."""
    ada_store = await new_person(server, folder, "ada")
    async with Client.open(ada_store) as ada:
        await ada.ready()
        bob_store = await new_person(server, folder, "bob", await ada.invite())
        async with Client.open(bob_store) as bob:
            await bob.ready()
            yield ada, bob


def server_json(data: Path) -> dict[str, str]:
    """Return what a server keeps about itself."""
    known: dict[str, str] = json.loads((data / "server.json").read_text())
    return known
