"""A run: each workload with each server in turn (A B A B), each time in a folder of its own."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from bench import names as n
from bench.figures import Figure, Sample
from bench.load import LoadFailed
from bench.machine import Cores, fsync_times
from bench.peers.peer import PeerFailed
from bench.peers.variants import PEERS
from bench.servers import MakeServer, Server, fitted
from bench.stage import Stage, say
from bench.tidings_server import tidings
from bench.workloads import w1, w2, w3, w4, w5, w6, w7
from tidings.cli.benching import BenchFailed

TWO: Final = n.WORKERS.format(2)
FOUR: Final = n.WORKERS.format(4)
PLAIN: Final = (n.TIDINGS, "ejabberd-tcp", "prosody")
"""With what each ships."""


class Measure(Protocol):
    """Starts a server, lets it work, and yields what it found. Who calls it stops the server."""

    def __call__(self, server: Server, stage: Stage) -> Iterator[Figure]:
        """Yield figures."""
        ...


class Workload(NamedTuple):
    """A workload, how often each server has its turn, and which servers."""

    measure: Measure
    rounds: int
    servers: Sequence[str]


WORKLOADS: Final[Mapping[str, Workload]] = {
    "w1": Workload(w1.measure, 3, (n.TIDINGS, TWO, *PEERS)),
    "w2": Workload(w2.measure, 2, (*PLAIN, "ejabberd-sqlite")),
    "w3": Workload(w3.measure, 1, (*PLAIN, FOUR)),
    "w4": Workload(w4.measure, 2, (*PLAIN, "ejabberd-lean")),
    "w5": Workload(w5.measure, 2, PLAIN),
    "w6": Workload(w6.measure, 1, (n.TIDINGS,)),
    "w7": Workload(w7.measure, 2, PLAIN),
}


class Turns:
    """A run under way. `samples`, `servers` and `limits` grow with it."""

    def __init__(self, folder: Path, cores: Cores, *, short: bool) -> None:
        self.samples: list[Sample] = []
        self.versions: dict[str, str] = {}
        self.durability: dict[str, str] = {}
        self.limits: dict[str, dict[str, float]] = {}
        self.failures: list[str] = []
        """Turns that came to nothing; the others go on."""
        self._folder = folder
        self._cores = cores
        self._short = short
        self._makers = makers(cores)

    def play(self, name: str, rounds: int | None, only: Sequence[str]) -> None:
        """Let all servers of a workload have their turns. Raises BenchFailed if the disk is none."""
        workload = WORKLOADS[name]
        servers = [server for server in workload.servers if not only or server in only]
        for number in range(rounds or workload.rounds):
            self.fsync()
            for server in servers:
                say(f"{name}, round {number + 1}: {server}")
                try:
                    self._turn(name, workload.measure, server)
                except (BenchFailed, LoadFailed, PeerFailed, OSError, subprocess.SubprocessError) as failure:
                    self.failures.append(f"{name}, {server}: {failure}")
                    say(f"    no figures: {failure}")

    def fsync(self) -> None:
        """Take the times of fsync, as they are just now."""
        disk = fsync_times(self._folder)
        for metric, value in ((n.P50, disk.fsync_p50_ms), (n.P99, disk.fsync_p99_ms)):
            self.samples.append(Sample(n.MACHINE, n.FSYNC, metric, value, "ms"))

    def _turn(self, name: str, measure: Measure, server_name: str) -> None:
        shared = server_name.endswith("workers")
        load_cores = self._cores.all if shared else (self._cores.load,)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
            server = self._makers[server_name](Path(folder))
            stage = Stage(self._short, load_cores)
            try:
                found = list(measure(server, stage))  # all of a turn, or nothing
            finally:
                server.stop()
            self.samples += [Sample(server_name, name, one.metric, one.value, one.unit) for one in found]
            self.versions[server_name] = server.version
            self.durability[server_name] = server.durability
            self.limits.setdefault(name, {}).update(server.limits)


def makers(cores: Cores) -> dict[str, MakeServer]:
    """Return how each server is made."""
    found = {name: fitted(make, cores.server) for name, make in PEERS.items()}
    return {n.TIDINGS: tidings((cores.server,)), TWO: tidings(cores.all, 2), FOUR: tidings(cores.all, 4), **found}
