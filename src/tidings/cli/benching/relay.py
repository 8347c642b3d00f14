"""`tidings bench relay`: how many messages a second, what each costs the server, and how long it takes.

A message counts when it was stored durably, reached its device, was acked by it, and the receipt is back at the sender.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from tidings.cli.benching.crew import Window
from tidings.cli.benching.load import Load, load
from tidings.cli.benching.report import Surroundings, say
from tidings.cli.benching.server import BenchServer, Limits, serving, settle_in

BEGIN_SECONDS: Final = 0.2
"""How long it takes at most until all load processes know what to do."""
WARM_UP_SECONDS: Final = 2.0
MEASURED_LOAD: Final = 0.5
"""The part of the highest rate at which latency is measured."""


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Percentages are of one processor."""

    messages_per_second: float
    cpu_us_per_message: float
    p50_ms: float
    p99_ms: float
    messages: int
    seconds: float
    pairs: int
    in_flight: int
    server_cpu_percent: float
    latency_at_per_second: float
    latency_messages: int
    load_processes: int
    load_cpu_percent: float
    """Of all load processes together, at the highest rate."""
    limits_raised: dict[str, float]
    surroundings: Surroundings


class Rate(msgspec.Struct, frozen=True):
    """What a closed loop brought."""

    messages: int
    server_seconds: float
    load_seconds: float


def measure(
    folder: Path, surroundings: Surroundings, *, pairs: int, seconds: float, in_flight: int, processes: int
) -> Relay:
    """Measure in an empty folder. Raises BenchFailed."""
    say(f"making {2 * pairs} people")
    together = settle_in(folder / "data", pairs)
    limits = Limits.for_pairs(together)
    with serving(folder / "data", limits) as server, load(together, processes) as devices:
        say(f"{2 * pairs} devices sign in")
        devices.sign_in(server.socket_url)
        say(f"as much as goes, for {seconds:g} s")
        most = _highest_rate(server, devices, seconds, in_flight)
        per_second = most.messages / seconds
        say(f"{per_second * MEASURED_LOAD:.0f} messages a second, for {seconds:g} s")
        window = _window(seconds)
        devices.begin_open_loop(window, per_second * MEASURED_LOAD)
        took = sorted(devices.results())
        devices.leave()
    return Relay(
        messages_per_second=round(per_second, 1),
        cpu_us_per_message=round(most.server_seconds / most.messages * 1e6, 1),
        p50_ms=round(percentile(took, 50) * 1000, 2),
        p99_ms=round(percentile(took, 99) * 1000, 2),
        messages=most.messages,
        seconds=seconds,
        pairs=pairs,
        in_flight=in_flight,
        server_cpu_percent=round(100 * most.server_seconds / seconds, 1),
        latency_at_per_second=round(len(took) / seconds, 1),
        latency_messages=len(took),
        load_processes=processes,
        load_cpu_percent=round(100 * most.load_seconds / seconds, 1),
        limits_raised=limits.raised,
        surroundings=surroundings,
    )


def percentile(ordered: list[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _highest_rate(server: BenchServer, devices: Load, seconds: float, in_flight: int) -> Rate:
    window = _window(seconds)
    devices.begin_closed_loop(window, in_flight)
    _until(window.start)
    server_seconds, load_seconds = server.cpu_seconds(), devices.cpu_seconds()
    _until(window.end)
    server_seconds, load_seconds = server.cpu_seconds() - server_seconds, devices.cpu_seconds() - load_seconds
    return Rate(len(devices.results()), server_seconds, load_seconds)


def _window(seconds: float) -> Window:
    begin = time.monotonic() + BEGIN_SECONDS
    return Window(begin, begin + WARM_UP_SECONDS, begin + WARM_UP_SECONDS + seconds)


def _until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
