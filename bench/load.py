"""The load generator: a C program (bench/load/), built when a benchmark needs it, started once for each process."""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

SOURCES: Final = Path(__file__).parent / "load"
BUILD: Final = Path(__file__).parents[1] / "build" / "bench"
BEGIN_SECONDS: Final = 0.3
"""How long it takes at most until all processes know when to begin."""
END_SECONDS: Final = 30.0
MOST_CONNECTIONS: Final = 19_000
"""Of one process, which may have 20,000 descriptors."""


class LoadFailed(Exception):
    """There is no figure; the text says why."""


class Person(NamedTuple):
    """A person with one device, as its protocol names them (see bench/load/README.md)."""

    account: str
    device: str
    secret: str


class Conversation(NamedTuple):
    """People (by number) who write to each other; the first one sends. `epoch` and `devices` are what Tidings asks."""

    id: str
    members: Sequence[int]
    group: bool = False
    epoch: int = 0
    devices: int = 0


def write_people(path: Path, people: Iterable[Person], conversations: Iterable[Conversation]) -> None:
    """Write the people file of the load generator."""
    with path.open("w") as file:
        for person in people:
            print("person", *person, file=file)
        for one in conversations:
            kind = "group" if one.group else "pair"
            print("conversation", one.id, kind, one.epoch, one.devices, *one.members, file=file)


def build() -> Path:
    """Build the program if its sources are newer; return it. Raises LoadFailed."""
    command = ["make", "--silent", f"OUT={BUILD}"]
    needs = "the load generator cannot be built (it needs Debian's gcc, make, libc6-dev and libssl-dev)"
    try:
        made = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LoadFailed(f"{needs}: {error}") from None
    if made.returncode:
        raise LoadFailed(f"{needs}: {made.stderr}")
    return BUILD / "load"


class Window(NamedTuple):
    """When to begin, and from when to when to measure: seconds of CLOCK_MONOTONIC (time.monotonic)."""

    begin: float
    start: float
    end: float

    @classmethod
    def soon(cls, warm_up: float, seconds: float) -> "Window":
        """Return a window that begins as soon as all processes know of it."""
        begin = time.monotonic() + BEGIN_SECONDS
        return cls(begin, begin + warm_up, begin + warm_up + seconds)


class Load:
    """Processes that play parts of the same people. Whatever is asked raises LoadFailed if one of them fails."""

    def __init__(self, processes: Sequence["subprocess.Popen[str]"]) -> None:
        self._processes = processes

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    def ready(self) -> list[dict[str, Any]]:
        """Wait until all are ready to begin (signed in, if the workload is not the signing in itself)."""
        return [self._next(process, "ready") for process in self._processes]

    def go(self, window: Window | None = None) -> None:
        """Let them begin: a timed workload in this window, any other at once."""
        self.tell("go" if window is None else f"go {window.begin:.6f} {window.start:.6f} {window.end:.6f}")

    def tell(self, line: str) -> None:
        """Write a line to all of them."""
        for process in self._processes:
            assert process.stdin is not None
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                raise LoadFailed("a load process ended by itself") from None

    def quiet(self) -> None:
        """Wait until the devices of `idle` have nothing more to do."""
        for process in self._processes:
            self._next(process, "quiet")

    def begins(self) -> float:
        """Wait until what is measured begins at the last of them; return when (CLOCK_MONOTONIC)."""
        return max(float(self._next(process, "begins")["at"]) for process in self._processes)

    def ends(self) -> float:
        """Wait until what is measured has ended at the last of them; return when (CLOCK_MONOTONIC)."""
        return max(float(self._next(process, "ends")["at"]) for process in self._processes)

    def reports(self) -> list[dict[str, Any]]:
        """Wait until all are done; return what each found."""
        return [self._next(process, "report") for process in self._processes]

    def report(self) -> dict[str, Any]:
        """Wait until all are done; return what they found, together."""
        return merged(self.reports())

    def _next(self, process: "subprocess.Popen[str]", event: str) -> dict[str, Any]:
        """Return the next object of this event; those between are passed over."""
        assert process.stdout is not None
        for line in process.stdout:
            found: dict[str, Any] = msgspec.json.decode(line)
            if found["event"] == "failed":
                raise LoadFailed(f"{found['reason']} ({found.get('account', 'load')})")
            if found["event"] == event:
                return found
        raise LoadFailed(f"a load process ended by itself, with {process.wait()}")


@contextmanager
def load(
    workload: str, to: str, people: Path, options: Mapping[str, object] | None = None, *, processes: int = 1
) -> Iterator[Load]:
    """Start processes that wait for `go`, and end them. `options` are those of `load --help`; True for a switch."""
    program = build()
    words = [workload, "--to", to, "--people", str(people), "--wait"]
    for name, value in (options or {}).items():
        words += [f"--{name}"] if value is True else [] if value is False else [f"--{name}", str(value)]
    started: list[subprocess.Popen[str]] = []
    try:
        for part in range(processes):
            command = [str(program), *words, "--part", f"{part}/{processes}"]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        yield Load(started)
    finally:
        for process in started:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Let a process come to its end by itself if it has; else end it."""
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except BrokenPipeError:
            continue
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def merged(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the reports of several processes as one: counts and CPU add up, times are those of the slowest."""
    together: dict[str, Any] = dict(reports[0])
    for other in reports[1:]:
        for name, value in other.items():
            if isinstance(value, dict):
                together[name] = latency([*together[name]["buckets"], *value["buckets"]])
            elif name in {"window_begins", "waited_least"}:
                together[name] = min(together[name], value)
            elif name in {"window_ends", "waited_most"} or (name.endswith("seconds") and "cpu" not in name):
                together[name] = max(together[name], value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                together[name] += value
    together["seconds"] = together["window_ends"] - together["window_begins"]
    return together


def latency(buckets: Iterable[Sequence[int]]) -> dict[str, Any]:
    """Return quantiles (microseconds, nearest rank) of pairs of a value and how often it was seen."""
    ordered = sorted((value, count) for value, count in buckets)
    total = sum(count for _, count in ordered)
    found: dict[str, Any] = {"count": total, "buckets": ordered}
    found["mean"] = sum(value * count for value, count in ordered) / total if total else 0.0
    for name, part in (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999), ("max", 1000)):
        rank, seen = -(-total * part // 1000), 0
        for value, count in ordered:
            seen += count
            if seen >= rank:
                found[name] = value
                break
        else:
            found[name] = 0
    return found


def processes_for(connections: int) -> int:
    """Return how many processes so many connections need."""
    return max(1, -(-connections // min(MOST_CONNECTIONS, os.sysconf("SC_OPEN_MAX") - 100)))
