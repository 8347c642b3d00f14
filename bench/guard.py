"""`make bench-guard`: has a message become dearer? Only ratios within one run count, and only processor time.

A burst of messages goes back and forth between pairs, and the next one follows when all receipts are back: so the
server has the same work on any machine, busy or not. Slices of bursts alternate with slices of something to compare
with, and of both the cheapest one counts:

- the last release, if this is a repository that has its tag: its own server, run from its own tree;
- else a loop that has nothing to do with the server (bench/calibration.py), whose ratio was recorded (guard.json).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import uvloop

from bench.calibration import VERSION, loop
from bench.machine import Cores, free_port
from tidings.cli.benching import BenchFailed
from tidings.cli.benching.crew import Crew
from tidings.cli.benching.people import Pair

ROOT: Final = Path(__file__).parents[1]
RECORDED: Final = Path(__file__).with_name("guard.json")
ALLOWED: Final = 1.25
"""A message may cost so many times what it cost before."""
BUSY: Final = 1.12
"""On a busy machine a message, which goes through several threads, grows dearer than a row of the loop by so much."""
PAIRS: Final = 32
"""All of them write at once, both ways."""
BURSTS: Final = 2
"""In a slice: 128 messages, some 10 ms. So that both sides meet the same moments of a machine that others use, too."""
ROUNDS: Final = 5
"""Of the loop, in a slice: about as long."""
SLICES: Final = 200
WARM_UP: Final = 20
"""Slices that do not count."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of one's own is made in it
"""How many messages share a commit depends on how long an fsync takes. This compares code, and leaves the disk out."""
MEMORY_BYTES: Final = 256 * 2**20
"""What must be free there."""
TRIES: Final = 3
"""A ratio that is too high is measured again, and the lowest one counts; the middle one is what is recorded."""
READY: Final = b"Tidings is running"
READY_SECONDS: Final = 30.0

SETTLE: Final = """
import sys
from pathlib import Path
from tidings.cli.benching.server import settle_in
for pair in settle_in(Path(sys.argv[1]), int(sys.argv[2])):
    print(pair.conversation)
"""


class GuardFailed(Exception):
    """It could not be measured; the text says why."""


class Recorded(msgspec.Struct, frozen=True):
    """What a message cost, as a multiple of a row of the loop."""

    calibration: int
    ratio: float


class Tree:
    """A server of a source tree, with the pairs that write to each other on it."""

    def __init__(self, root: Path, folder: Path, core: int) -> None:
        self._environment = os.environ | {"PYTHONPATH": str(root / "src")}
        self._folder = _made(folder)
        self._core = core
        self._port = free_port()
        self._conversations: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the people, and start the server. Raises GuardFailed."""
        data, log = self._folder / "data", self._folder / "output.log"
        settle = [sys.executable, "-c", SETTLE, str(data), str(PAIRS)]
        told = subprocess.run(settle, env=self._environment, capture_output=True, text=True, check=False)
        if told.returncode:
            raise GuardFailed(f"no people could be made: {told.stderr[-1000:]}")
        self._conversations = told.stdout.split()
        command = [sys.executable, "-m", "tidings", "serve", "--data", str(data), "--port", str(self._port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)
        self._process = process
        os.sched_setaffinity(process.pid, {self._core})
        until = time.monotonic() + READY_SECONDS
        while READY not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise GuardFailed(f"the server did not start: {log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.01)

    async def crew(self) -> Crew:
        """Let the pairs sign in, and write until everything is warm."""
        crew = Crew()
        pairs = [Pair(number, name) for number, name in enumerate(self._conversations)]
        await crew.sign_in(f"ws://127.0.0.1:{self._port}/v1/socket", pairs)
        for _ in range(WARM_UP):
            await self.slice(crew)
        return crew

    async def slice(self, crew: Crew) -> float:
        """Let the pairs write; return the processor time of a message, in microseconds."""
        before = self._cpu_ns()
        for _ in range(BURSTS):
            await crew.exchange()
        return (self._cpu_ns() - before) / (BURSTS * PAIRS * 2) / 1000

    def stop(self) -> None:
        """End the server. Does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _cpu_ns(self) -> int:
        """Return the processor time of the server, of all its threads (clock_getcpuclockid(3))."""
        assert self._process is not None
        return time.clock_gettime_ns((~self._process.pid << 3) | 2)


class Outcome(NamedTuple):
    """What was found: microseconds of this tree and of what it was compared with, and how dear it has become."""

    mine: float
    other: float
    change: float

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.mine:.1f} us beside {self.other:.1f} us: {self.change:.3f} times what it was, allowed {ALLOWED}"


@contextmanager
def trees(folder: Path, *roots: Path) -> Iterator[list[Tree]]:
    """Run the servers of some trees."""
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.load})
    running = [Tree(root, folder / str(number), cores.server) for number, root in enumerate(roots)]
    try:
        for tree in running:
            tree.start()
        yield running
    finally:
        for tree in running:
            tree.stop()
        os.sched_setaffinity(0, cores.all)


def beside_tree(other: Path, folder: Path) -> Outcome:
    """Measure this tree beside another one, in turn."""

    async def compare() -> list[tuple[float, float]]:
        crews = [await tree.crew() for tree in running]
        return [(await running[0].slice(crews[0]), await running[1].slice(crews[1])) for _ in range(SLICES)]

    with trees(folder, ROOT, other) as running:
        mine, theirs = (min(values) for values in zip(*uvloop.run(compare()), strict=True))
    return Outcome(mine, theirs, mine / theirs)


def beside_loop(folder: Path, recorded: float) -> Outcome:
    """Measure this tree beside the loop, in turn."""

    async def compare() -> list[tuple[float, float]]:
        crew = await tree.crew()
        calibration.run(ROUNDS * WARM_UP)
        return [(await tree.slice(crew), calibration.run(ROUNDS)) for _ in range(SLICES)]

    with trees(folder, ROOT) as (tree,), loop(folder) as calibration:
        mine, row = (min(values) for values in zip(*uvloop.run(compare()), strict=True))
    return Outcome(mine, row, mine / row / recorded)


def judge(folder: Path, other: Path | None) -> Outcome:
    """Return the best of up to TRIES measurements."""
    best: Outcome | None = None
    for number in range(TRIES):
        where = _made(folder / str(number))
        found = beside_tree(other, where) if other is not None else beside_loop(where, recorded().ratio * BUSY)
        print(found, file=sys.stderr)
        if best is None or found.change < best.change:
            best = found
        if best.change <= ALLOWED:
            break
    assert best is not None
    return best


def recorded() -> Recorded:
    """Return what was recorded. Raises GuardFailed if it was with another loop."""
    found = msgspec.json.decode(RECORDED.read_bytes(), type=Recorded)
    if found.calibration != VERSION:
        raise GuardFailed("the loop is another one: record the ratio anew (make bench-guard RECORD=1)")
    return found


@contextmanager
def last_release(folder: Path) -> Iterator[Path | None]:
    """Check the tree of the last release out; None where there is no repository, or no release."""
    git = ["git", "-C", str(ROOT)]
    told = subprocess.run(
        [*git, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"], capture_output=True, text=True, check=False
    )
    tag, tree = told.stdout.strip(), folder / "release"
    if told.returncode or not tag:
        yield None
        return
    subprocess.run([*git, "worktree", "add", "--quiet", "--force", "--detach", str(tree), tag], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)


def _place() -> Path | None:
    """Return where the data lie: in memory if there is room, else where temporary files are."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES else None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    """Measure. Return the exit code: 1 if a message has become too dear."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the ratio of this tree")
    parser.add_argument(
        "--recorded", action="store_true", help="compare with the recorded ratio even if there is a tag"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=_place(), prefix="tidings-guard-") as name:
        folder = Path(name)
        if options.record:
            found = statistics.median(beside_loop(_made(folder / str(number)), 1.0).change for number in range(TRIES))
            RECORDED.write_text(json.dumps({"calibration": VERSION, "ratio": round(found, 3)}) + "\n")
            print(f"recorded: a message costs {found:.3f} rows of the loop")
            return 0
        with ExitStack() as stack:
            other = None if options.recorded else stack.enter_context(last_release(folder))
            print("beside the last release" if other else "beside what was recorded", file=sys.stderr)
            outcome = judge(folder, other)
    print(f"processor time of a message: {outcome}: {'too dear' if outcome.change > ALLOWED else 'good'}")
    return int(outcome.change > ALLOWED)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (GuardFailed, BenchFailed) as failure:
        sys.exit(f"it could not be measured: {failure}")
