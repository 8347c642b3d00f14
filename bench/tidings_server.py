"""Tidings as one of the servers: `tidings serve` through the installed command, as shipped, on people made before."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.load import Conversation, Person, write_people
from bench.machine import free_port
from bench.peers.program import Program
from bench.servers import ADDRESSES, Layout, MakeServer, Server
from tidings import __version__
from tidings.cli.benching import BenchFailed
from tidings.cli.benching.device import DEVICES, EPOCH
from tidings.cli.benching.people import Identity
from tidings.cli.benching.server import Limits
from tidings.server import app
from tidings.server.app import Settings, seed

READY: Final = b"Tidings is running"
LARGE: Final = 32 * 1024 * 1024
"""Bytes of a database above which the server looks through it after the start, which costs processor time once."""
LOOKED_THROUGH: Final = b"a large database was looked through"
READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.005
PASSED_ON: Final = {"PYTHONPATH"}
"""Of the environment, so that another tree than the installed one can be measured."""
COMMAND: Final = Path(sys.executable).with_name("tidings")


class TidingsServer:
    """See Server. With `workers`, that many processes on the cores together."""

    durability = "every message and receipt, fsynced before the sender's tick and before the receiver has it"
    protocol = "tidings"

    def __init__(self, folder: Path, cores: Sequence[int], workers: int = 1) -> None:
        self.version = f"Tidings {__version__}"
        self.people = folder / "people"
        self.data = folder / "data"
        self.limits: dict[str, float] = {}
        self.workers = workers
        self._options: list[str] = []
        self._port = free_port()
        self._began_at = 0
        (folder / "server").mkdir(parents=True, exist_ok=True)
        self._program = Program(folder / "server", cores)

    @property
    def target(self) -> str:
        """See Server."""
        return f"127.0.0.1:{self._port}"

    def start(self, layout: Layout) -> None:
        """See Server."""
        settle(self.data, layout, self.people)
        limits = limits_for(layout)
        self.limits = limits.raised
        self._options = limits.options
        self.start_again()

    def start_again(self) -> None:
        """See Server."""
        command = [str(COMMAND), "serve", "--data", str(self.data), "--port", str(self._port), *self._options]
        if self.workers > 1:
            command += ["--workers", str(self.workers)]
        log = self._log
        before = log.stat().st_size if log.exists() else 0
        self._program.run(command, {name: os.environ[name] for name in PASSED_ON & os.environ.keys()})
        self._began_at = before
        self._until_logged(READY)

    def until_looked_through(self) -> None:
        """Wait until the server has looked through a large database."""
        if (self.data / "mailboxes.db").stat().st_size > LARGE:
            self._until_logged(LOOKED_THROUGH)

    def _until_logged(self, words: bytes) -> None:
        until = time.monotonic() + READY_SECONDS
        while words not in self._log.read_bytes()[self._began_at :]:
            _ = self._program.pid  # raises if it has ended
            if time.monotonic() > until:
                raise BenchFailed(f"Tidings did not start: {self._program.log_tail()}")
            time.sleep(POLL_SECONDS)

    @property
    def _log(self) -> Path:
        return self._program.folder / "output.log"

    def cpu_seconds(self) -> float:
        """See Server."""
        return self._program.cpu_seconds()

    def memory_bytes(self) -> int:
        """See Server."""
        return self._program.memory_bytes()

    def kill(self) -> None:
        """See Server."""
        self._program.kill()

    def stop(self) -> None:
        """See Server."""
        self._program.stop()


def limits_for(layout: Layout) -> Limits:
    """Return what lets all people in without a wait, as often as they come; no limit but those per address."""
    shipped = Settings(data=Path())
    most = max(Counter(number % ADDRESSES for number in range(layout.people)).values())
    connections = max(most, shipped.connections_per_address)
    rate = -(-most * layout.sign_ins // shipped.rates["connect"].burst)
    return Limits(connections, max(shipped.address_rate, rate))


def settle(data: Path, layout: Layout, file: Path) -> None:
    """Fill a data folder with people and conversations, and write the load generator's file of them."""
    people = [Identity(number) for number in range(layout.people)]
    persons = [app.Person(one.uuid, one.name, one.device, one.key.public_key().public_bytes_raw()) for one in people]
    pairs = [(members[0], members[1]) for members in layout.conversations if len(members) == 2]
    groups = [members for members in layout.conversations if len(members) > 2]
    made = asyncio.run(seed(Settings(data=data), persons, pairs, groups))
    server_id = json.loads((data / "server.json").read_text())["server_id"]
    told = [Person(one.account(server_id), one.device, one.key.private_bytes_raw().hex()) for one in people]
    direct = [
        Conversation(name, pair, epoch=EPOCH, devices=DEVICES) for name, pair in zip(made.pairs, pairs, strict=True)
    ]
    grouped = [
        Conversation(group.conversation, members, group=True, epoch=group.epoch, devices=group.devices)
        for group, members in zip(made.groups, groups, strict=True)
    ]
    write_people(file, told, [*direct, *grouped])


def tidings(cores: Sequence[int], workers: int = 1) -> MakeServer:
    """Return how Tidings is made on some cores."""

    def made(folder: Path) -> Server:
        return TidingsServer(folder, cores, workers)

    return made
