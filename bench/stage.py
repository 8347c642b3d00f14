"""What a workload is given: load processes, their cores, and how long it may take."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.load import Load, Window, load
from bench.servers import ADDRESSES, Server

WARM_UP_SECONDS: Final = 2.0


class Work(NamedTuple):
    """What came of a window of time: the generator's report, and the processor time in it (seconds)."""

    report: dict[str, Any]
    seconds: float
    server_cpu: float
    load_cpu: float
    memory: int = 0

    def cpu_us(self, count: float) -> float:
        """Return the server's microseconds for each of so many things."""
        return self.server_cpu / count * 1e6 if count else 0.0


class Stage(NamedTuple):
    """How a workload is carried out. In `short` form it shows that it works, and little more."""

    short: bool
    load_cores: tuple[int, ...]

    def of(self, full: float, short: float) -> float:
        """Return a length in seconds."""
        return short if self.short else full

    def number(self, full: int, short: int) -> int:
        """Return a number of things."""
        return short if self.short else full

    @contextmanager
    def load(
        self, workload: str, server: Server, options: Mapping[str, object], *, processes: int = 1
    ) -> Iterator[Load]:
        """Start load processes on their core. `people` may name a file with a part of them."""
        options = dict(options)
        people = options.pop("people", server.people)
        assert isinstance(people, Path)
        words = {"protocol": server.protocol, "addresses": ADDRESSES, **options}
        with load(workload, server.target, people, words, processes=processes) as working:
            for pid in working.pids:
                os.sched_setaffinity(pid, self.load_cores)
            yield working

    def timed(
        self, workload: str, server: Server, options: Mapping[str, object], seconds: float, *, memory: bool = False
    ) -> Work:
        """Let a workload run for a window of time, and measure in it; the memory at its end, if asked for."""
        with self.load(workload, server, options) as working:
            working.ready()
            working.go(Window.soon(self.of(WARM_UP_SECONDS, WARM_UP_SECONDS / 4), seconds))
            working.begins()
            before = server.cpu_seconds()
            working.ends()
            used = server.cpu_seconds() - before
            size = server.memory_bytes() if memory else 0
            report = working.report()
        return Work(report, report["seconds"], used, report["own_cpu_seconds"], size)

    def whole(self, workload: str, server: Server, options: Mapping[str, object], *, stop: bool = False) -> Work:
        """Let a workload that ends by itself run, or one that must be told to stop, and measure all of it."""
        with self.load(workload, server, options) as working:
            working.ready()
            before = server.cpu_seconds()
            working.go()
            if stop:
                working.quiet()
                working.tell("stop")
            working.ends()
            used = server.cpu_seconds() - before
            report = working.report()
        return Work(report, report["seconds"], used, report["own_cpu_seconds"])


def say(doing: str) -> None:
    """Tell what is going on, beside the figures."""
    print(doing, file=sys.stderr, flush=True)
