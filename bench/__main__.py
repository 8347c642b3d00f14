"""`python -m bench`: run the workloads with the servers in turn, and write down what came of it."""

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from bench import figures
from bench.figures import Run, Surroundings, Table, together
from bench.load import LoadFailed, build
from bench.machine import Cores, machine_told, today
from bench.names import MACHINE
from bench.peers.variants import missing
from bench.picture import write_pictures
from bench.report import as_text, write_page
from bench.stage import say
from bench.turns import WORKLOADS, Turns
from tidings.cli.benching import BenchFailed
from tidings.cli.benching.disk import Disk, prepare
from tidings.cli.benching.idle import raise_descriptors

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "build" / "bench"
PAGE: Final = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    """Run. Return the exit code."""
    options = _options()
    started = time.monotonic()
    try:
        if options.page:
            write_all(figures.read(options.folder), options.folder, page=True)
            return 0
        run, failures = _run(options)
    except (BenchFailed, LoadFailed) as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 1
    write_all(run, options.folder, page=not (failures or options.servers or run.surroundings.short) and _is_whole(run))
    for failure in failures:
        print(f"no figures of {failure}", file=sys.stderr)
    say(f"{time.monotonic() - started:.0f} s")
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=_words, default=list(WORKLOADS), help="workloads: w1,w4")
    parser.add_argument("--servers", type=_words, default=[], help="servers: tidings,ejabberd-tcp (default: all)")
    parser.add_argument("--rounds", type=int, help="turns of each server (default: as each workload has them)")
    parser.add_argument("--short", action="store_true", help="show that everything works; the figures mean little")
    parser.add_argument("--join", action="store_true", help="keep what earlier runs brought of all else")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page and the picture anew")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="a folder on a disk")
    options = parser.parse_args()
    servers = {server for workload in WORKLOADS.values() for server in workload.servers}
    for kind, names, known in (("workload", options.only, WORKLOADS), ("server", options.servers, servers)):
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"no such {kind}: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return options


def _words(text: str) -> list[str]:
    return [word for word in text.lower().replace(",", " ").split() if word]


def _run(options: argparse.Namespace) -> tuple[Run, list[str]]:
    """Return what the workloads brought, and which turns failed. Whoever ends it early finds the workloads before."""
    lacking = missing()
    if lacking:
        raise BenchFailed(f"please install these packages, then try again: {' '.join(lacking)}")
    raise_descriptors(0)
    disk = prepare(options.folder)
    folder = options.folder / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    build()
    cores = Cores.found()
    turns = Turns(folder.resolve(), cores, short=options.short)
    say(f"{cores.told()}; {disk.type} on {disk.device}, an fsync takes {disk.fsync_p50_ms} ms")
    before = figures.read(options.folder) if options.join else None
    run = Run(_surroundings(turns, disk, options), turns.samples)
    try:
        for name in options.only:
            started = time.monotonic()
            turns.play(name, options.rounds, options.servers)
            say(f"{name} took {time.monotonic() - started:.0f} s")
            run = Run(_surroundings(turns, disk, options), turns.samples)
            run = run if before is None else joined(before, run)
            figures.write(run, options.folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return run, turns.failures


def _surroundings(turns: Turns, disk: Disk, options: argparse.Namespace) -> Surroundings:
    machine, system, python = machine_told()
    return Surroundings(
        date=today(),
        machine=machine,
        system=system,
        disk=f"{disk.type} on {disk.device}",
        cores=Cores.found().told(),
        python=python,
        servers=turns.versions,
        durability=turns.durability,
        limits=turns.limits,
        short=options.short,
    )


def joined(before: Run, now: Run) -> Run:
    """Return a run with what both brought; where both had a server do a workload, `now` counts."""
    again = {(one.server, one.workload) for one in now.samples if one.server != MACHINE}
    kept = [one for one in before.samples if (one.server, one.workload) not in again]
    about = now.surroundings
    surroundings = msgspec.structs.replace(
        about,
        servers=before.surroundings.servers | about.servers,
        durability=before.surroundings.durability | about.durability,
        limits=before.surroundings.limits | about.limits,
        short=before.surroundings.short or about.short,
    )
    return Run(surroundings, [*kept, *now.samples])


def _is_whole(run: Run) -> bool:
    """Return whether every server has done all of its workloads."""
    wanted = {(server, name) for name, workload in WORKLOADS.items() for server in workload.servers}
    return {(one.server, one.workload) for one in run.samples} >= wanted


def write_all(run: Run, folder: Path, *, page: bool) -> None:
    """Write the results, print them, and put them on the page if it is to show them."""
    figures.write(run, folder)
    print(as_text(run))
    if page:
        write_page(run, PAGE)
        write_pictures(Table(together(run.samples)), PAGE)
        say(f"{PAGE.relative_to(ROOT)} shows it all")


if __name__ == "__main__":
    sys.exit(main())
