"""A server of the measurement's own: people in a data folder, and `tidings serve` on it as a process."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from tidings.cli.benching import BenchFailed
from tidings.cli.benching.people import Identity, Pair
from tidings.cli.benching.process import Process
from tidings.server.app import Person, Settings, seed

PAGE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0


def settle_in(data: Path, pairs: int, messages: int = 0) -> Sequence[Pair]:
    """Fill a data folder with pairs of people who may write to each other, and with messages that wait."""
    people = [_person(Identity(number)) for number in range(2 * pairs)]
    together = [(2 * number, 2 * number + 1) for number in range(pairs)]
    seeded = asyncio.run(seed(Settings(data=data), people, together, messages=messages))
    return [Pair(number, conversation) for number, conversation in enumerate(seeded.pairs)]


def _person(identity: Identity) -> Person:
    return Person(identity.uuid, identity.name, identity.device, identity.key.public_key().public_bytes_raw())


class Limits(NamedTuple):
    """Limits per address that are raised, since all devices come from a few addresses."""

    connections_per_address: int
    address_rate: float

    @classmethod
    def for_pairs(cls, pairs: Sequence[Pair]) -> "Limits":
        """Return what lets all devices sign in without a wait, and no more than that."""
        shipped = Settings(data=Path())
        most = max(Counter(person.address for pair in pairs for person in pair.people).values())
        burst = shipped.rates["connect"].burst
        return cls(max(most, shipped.connections_per_address), max(shipped.address_rate, -(-most // burst)))

    @property
    def raised(self) -> dict[str, float]:
        """The limits that differ from those that are shipped."""
        shipped = Settings(data=Path())
        return {name: value for name, value in self._asdict().items() if value != getattr(shipped, name)}

    @property
    def options(self) -> list[str]:
        """The options of `tidings serve`."""
        return [word for name, value in self.raised.items() for word in ("--" + name.replace("_", "-"), str(value))]


class BenchServer(Process):
    """A server that accepts connections at `url`."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(pid)
        self.url = url
        self.socket_url = url.replace("http://localhost", "ws://127.0.0.1") + "/v1/socket"

    def ask_for_a_page(self) -> None:
        """Wait until the server's HTTP has come up, which it leaves for after the first devices."""
        httpx.get(self.url + "/readyz", timeout=PAGE_SECONDS).raise_for_status()


@contextmanager
def serving(data: Path, limits: Limits) -> Iterator[BenchServer]:
    """Run a server on a data folder, with the shipped defaults but for `limits`. Raises BenchFailed."""
    process, server = launch(data, limits.options)
    try:
        yield server
        if process.poll() is not None:
            raise BenchFailed(f"the server ended by itself: {_log(data).read_text()[-2000:]}")
    finally:
        stop(process)


def launch(data: Path, options: Sequence[str] = ()) -> tuple["subprocess.Popen[str]", BenchServer]:
    """Start a server; return when it says where it is. Raises BenchFailed."""
    command = [sys.executable, "-m", "tidings", "serve", "--data", str(data), "--port", "0", *options]
    with _log(data).open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603 - ourselves
    assert process.stdout is not None
    url = next((line.split()[-1] for line in process.stdout if "Tidings is running" in line), None)
    if url is None:
        stop(process)
        raise BenchFailed(f"the server did not start: {_log(data).read_text()[-2000:]}")
    return process, BenchServer(process.pid, url)


def stop(process: "subprocess.Popen[str]") -> None:
    """End a server if it runs, and wait until it has ended."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _log(data: Path) -> Path:
    return data.with_suffix(".log")
