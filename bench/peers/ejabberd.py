"""ejabberd: one core, one scheduler, no Erlang distribution, and so neither cookie nor `epmd`."""

import platform
import sqlite3
from enum import Enum
from functools import partial
from pathlib import Path
from string import Template
from typing import Final, assert_never

from bench.machine import free_port
from bench.peers.peer import PeerFailed, Transport
from bench.peers.program import Program, accepts

HERE: Final = Path(__file__).parent
LIBRARIES: Final = Path(f"/usr/lib/{platform.machine()}-linux-gnu")
SCHEMA: Final = Path("/usr/share/ejabberd/sql/lite.sql")
READY: Final = HERE / "ejabberd.ready.erl"
# Schedulers that never spin while they wait: processor time is then that of work alone, which is in ejabberd's favour.
FLAGS: Final = (
    *("-noinput", "+S", "1:1", "+SDcpu", "1:1", "+P", "250000", "+Q", "131072"),
    *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
)


class Store(Enum):
    """What it stores; the value is the middle of the configuration file's name."""

    MEMORY = "memory"
    MNESIA = "mnesia"
    SQLITE = "sqlite"

    @property
    def words(self) -> str:
        """The end of the server's name in a table."""
        match self:
            case Store.MEMORY:
                return ""
            case Store.MNESIA:
                return ", archive in Mnesia"
            case Store.SQLITE:
                return ", archive in SQLite"
            case _:
                assert_never(self)

    @property
    def durability(self) -> str:
        """A sentence for the table."""
        match self:
            case Store.MEMORY:
                return "Not stored for who is online; for who is offline in Mnesia, which is synced later."
            case Store.MNESIA:
                return "Archived and kept for who is offline in Mnesia, which is synced later than the delivery."
            case Store.SQLITE:
                return (
                    "Archived and kept for who is offline in SQLite, which is synced before the delivery, as shipped."
                )
            case _:
                assert_never(self)


class Ejabberd(Program):
    """An ejabberd in a folder: its configuration, its Mnesia, its SQLite and its logs.

    A `lean` one has no module but those that the workloads need.
    """

    def __init__(
        self, folder: Path, core: int, *, store: Store, transport: Transport = "tcp", lean: bool = False
    ) -> None:
        super().__init__(folder, (core,))
        words = ", no module that could be left out" if lean else store.words
        self.name = f"ejabberd, {'TCP' if transport == 'tcp' else 'WebSocket'}{words}"
        self.durability = store.durability
        self.transport: Transport = transport
        self._parts = ("yml", *(() if lean else ("debian.yml",)), f"{store.value}.yml")
        self._store = store
        self._accounts = 0
        self._ports = {"tcp": free_port(), "websocket": free_port()}

    @property
    def port(self) -> int:
        """The port at 127.0.0.1."""
        return self._ports[self.transport]

    @property
    def version(self) -> str:
        """Its name and version; known once it has started."""
        return f"ejabberd {self._ready.read_text()}"

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    def start(self, accounts: int = 0) -> None:
        """Start it, have it make accounts, and wait until it accepts connections. Raises PeerFailed."""
        self.folder.mkdir(exist_ok=True)
        self._configure()
        self._ready.unlink(missing_ok=True)
        environment = {
            "ERL_LIBS": str(LIBRARIES),
            "ERL_CRASH_DUMP_BYTES": "0",
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "PEER_FROM": str(self._accounts),
            "PEER_TO": str(max(accounts, self._accounts)),
            "PEER_READY": str(self._ready),
        }
        mnesia = ("-mnesia", "dir", f'"{self.folder / "mnesia"}"')
        ready = ("-eval", f'ok = file:eval("{READY}").')
        self.run(["erl", *FLAGS, *mnesia, "-s", "ejabberd", *ready], environment)
        self.wait_until(lambda: self._ready.exists() and accepts(self.port))
        self._accounts = max(accounts, self._accounts)

    def _configure(self) -> None:
        text = "".join((HERE / f"ejabberd.{part}").read_text() for part in self._parts)
        database = self.folder / "ejabberd.sqlite"
        ports = {f"{transport}_port": port for transport, port in self._ports.items()}
        filled = Template(text).substitute(ports, database=database)
        (self.folder / "ejabberd.yml").write_text(filled)
        if self._store is Store.SQLITE and not database.exists():
            if not SCHEMA.exists():
                raise PeerFailed(f"{SCHEMA} of the Debian package is missing")
            with sqlite3.connect(database) as connection:
                connection.executescript(f"BEGIN; {SCHEMA.read_text()}; COMMIT;")
            connection.close()


tcp = partial(Ejabberd, store=Store.MEMORY)
lean = partial(Ejabberd, store=Store.MEMORY, lean=True)
websocket = partial(Ejabberd, store=Store.MEMORY, transport="websocket")
mnesia = partial(Ejabberd, store=Store.MNESIA)
sqlite = partial(Ejabberd, store=Store.SQLITE)
