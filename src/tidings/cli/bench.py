"""`tidings bench`: measures a server of its own, started as a process on a disk, with the shipped defaults."""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Final

from tidings.cli.__main__ import fail
from tidings.cli.benching import BenchFailed, idle, relay, start
from tidings.cli.benching.disk import prepare
from tidings.cli.benching.report import Surroundings, show, this_machine

FOLDER: Final = Path("build/bench")

Result = relay.Relay | idle.Idle | start.Start


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    one = kinds.add_parser("relay", help="messages a second, processor time of each, latency at half of that rate")
    one.add_argument("--pairs", type=_count, default=200, help="pairs of devices that write to each other")
    one.add_argument("--seconds", type=float, default=20.0, help="how long each of the two measurements takes")
    one.add_argument("--in-flight", type=_count, default=1, help="messages under way at once in each pair")
    one.add_argument("--processes", type=_count, default=max(1, (os.cpu_count() or 1) - 1), help="load processes")
    other = kinds.add_parser("idle", help="memory of a signed-in connection on which nothing happens")
    other.add_argument("--connections", type=_count, default=15_000, help="how many, rounded up to pairs")
    other.add_argument(
        "--quiet-seconds", type=float, default=15.0, help="how long nothing happens before memory is read"
    )
    third = kinds.add_parser("start", help="seconds from the command until a device is signed in")
    third.add_argument("--messages", type=_count, default=1_000_000, help="messages that wait in the data folder")
    third.add_argument("--starts", type=_count, default=5, help="how often, after an orderly stop and after a kill")
    for kind in (one, other, third):
        kind.add_argument("--json", action="store_true", help="as JSON")
        kind.add_argument("--folder", type=Path, default=FOLDER, help=f"a folder on a disk (default: {FOLDER})")


def run(options: argparse.Namespace) -> int:
    """Measure, and show the figures."""
    try:
        surroundings = Surroundings(this_machine(), prepare(options.folder))
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="run-") as folder:
            result = _measure(options, Path(folder), surroundings)
    except (BenchFailed, OSError) as error:
        return fail(str(error))
    show(result, as_json=options.json)
    return 0


def _measure(options: argparse.Namespace, folder: Path, surroundings: Surroundings) -> Result:
    if options.kind == "idle":
        return idle.measure(folder, surroundings, connections=options.connections, quiet=options.quiet_seconds)
    if options.kind == "start":
        return start.measure(folder, surroundings, messages=options.messages, starts=options.starts)
    return relay.measure(
        folder,
        surroundings,
        pairs=options.pairs,
        seconds=options.seconds,
        in_flight=options.in_flight,
        processes=min(options.processes, options.pairs),
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
