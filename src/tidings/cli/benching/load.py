"""Load processes: a crew in each, so that the one process of the server is what is measured."""

import asyncio
import contextlib
import gc
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

import uvloop

from tidings.cli.benching import BenchFailed
from tidings.cli.benching.crew import Crew, Window
from tidings.cli.benching.people import Pair
from tidings.cli.benching.process import Process

SPAWN: Final = multiprocessing.get_context("spawn")
END_SECONDS: Final = 10.0


class Load:
    """Load processes, each with its share of the pairs. They work at the same time, and are waited for together."""

    def __init__(
        self, pipes: Sequence[Connection], processes: Sequence[Process], shares: Sequence[Sequence[Pair]]
    ) -> None:
        self.processes = processes
        self._pipes = pipes
        self._shares = shares

    def sign_in(self, url: str) -> None:
        """See Crew."""
        self._start("sign_in", *((url, share) for share in self._shares))
        self.results()

    def exchange(self) -> None:
        """See Crew."""
        self._start("exchange", *(() for _ in self._shares))
        self.results()

    def leave(self) -> None:
        """See Crew."""
        self._start("leave", *(() for _ in self._shares))
        self.results()

    def begin_closed_loop(self, window: Window, in_flight: int) -> None:
        """See Crew; `results` returns the times."""
        self._start("closed_loop", *((window, in_flight) for _ in self._shares))

    def begin_open_loop(self, window: Window, rate: float) -> None:
        """See Crew; `results` returns the times."""
        pairs = sum(len(share) for share in self._shares)
        self._start("open_loop", *((window, rate * len(share) / pairs) for share in self._shares))

    def results(self) -> list[float]:
        """Wait until all are done; return what they measured, together. Raises BenchFailed."""
        together: list[float] = []
        for pipe in self._pipes:
            try:
                result = pipe.recv()
            except EOFError:
                raise BenchFailed("a load process ended by itself") from None
            if isinstance(result, BenchFailed):
                raise result
            together += result or ()
        return together

    def cpu_seconds(self) -> float:
        """Return the processor time that they have used."""
        return sum(process.cpu_seconds() for process in self.processes)

    def _start(self, what: str, *arguments: Sequence[Any]) -> None:
        for pipe, values in zip(self._pipes, arguments, strict=True):
            pipe.send((what, *values))


@contextmanager
def load(pairs: Sequence[Pair], processes: int) -> Iterator[Load]:
    """Start load processes for some pairs, and end them."""
    shares = [pairs[number::processes] for number in range(processes)]
    pipes: list[Connection] = []
    started: list[SpawnProcess] = []
    try:
        for _ in shares:
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        ready = Load(pipes, [Process(process.pid or 0) for process in started], shares)
        ready.results()
        yield ready
    finally:
        for pipe in pipes:
            pipe.close()
        for process in started:
            process.join(END_SECONDS)
            process.kill()
            process.join()


def _work(pipe: Connection) -> None:
    """Do what the pipe says until it is closed."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_obey(pipe))


async def _obey(pipe: Connection) -> None:
    crew = Crew()
    loop = asyncio.get_running_loop()
    pipe.send(None)
    while True:
        try:
            what, *arguments = await loop.run_in_executor(None, pipe.recv)
        except EOFError:
            return
        try:
            result: Any = await getattr(crew, what)(*arguments)
        except BenchFailed as failure:
            result = failure
        gc.collect()
        gc.freeze()
        pipe.send(result)
