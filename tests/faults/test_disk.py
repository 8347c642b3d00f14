"""Faults 3, 4 and 5: the disk is full, fails, or has damaged a file. And what a disk must not keep (D8)."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from asyncio import Future
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from support.clock import FakeClock
from support.devices import befriend, tell, until
from support.plain_device import seed_two
from support.server import ServerProcess, local_server
from support.stores import account, open_store
from support.traces import samples_of, traces
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire import commands as c
from tidings.wire.closes import Close
from tidings.wire.errors import Refusal, Unavailable, UnknownOutcome
from tidings.wire.events import Message
from tidings.wire.frames import Share

pytestmark = [
    pytest.mark.anyio,
    # Alembic calls it when it makes the accounts' tables.
    pytest.mark.filterwarnings(r"ignore:The ForeignKey\.copy\(\) method is deprecated"),
]

SECONDS = 30.0
DISK_MIB = 96
NO_DISK = "nobody may mount a small disk here"
FIU = Path("/usr/lib/fiu")
SYNCS = "name=posix/io/sync/*,failinfo=5"
"""Every way to sync a file fails with EIO."""


def now() -> int:
    return time.time_ns() // 1_000_000


async def status(server: ServerProcess, path: str) -> int:
    async with httpx.AsyncClient(base_url=server.url) as web:
        return (await web.get(path)).status_code


async def until_status(server: ServerProcess, path: str, wanted: int) -> None:
    async with asyncio.timeout(SECONDS):
        while await status(server, path) != wanted:  # noqa: ASYNC110 - a status tells nobody that it changed
            await asyncio.sleep(0.05)


async def outcomes(ticks: Sequence["Future[Any]"]) -> tuple[int, list[Any]]:
    """Return how many sends were ticked, and how the others were refused."""
    results = await asyncio.gather(*ticks, return_exceptions=True)
    refused = [result.error for result in results if isinstance(result, Refusal)]
    ticked = [result for result in results if not isinstance(result, BaseException)]
    assert len(refused) + len(ticked) == len(results), results
    return len(ticked), refused


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[ServerProcess]:
    server = await ServerProcess.start(data)
    try:
        yield server
    finally:
        await server.stop()


# Fault 3: the disk is full


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """A disk of its own below `tmp_path`. Who may not mount one gets None: the test has then run, and passed,
    as root of a namespace of its own. Some containers allow neither."""
    if os.geteuid() != 0:
        alone = ["unshare", "--map-root-user", "--mount"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            pytest.skip(NO_DISK)
        again = [sys.executable, "-m", "pytest", "-q", request.node.nodeid]
        subprocess.run([*alone, *again], cwd=request.config.rootpath, check=True)
        yield None
        return
    disk = tmp_path / "server"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(NO_DISK)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill_up(disk: Path) -> Path:
    """Fill a disk to the last byte; return the file that does it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    assert shutil.disk_usage(disk).free == 0
    return filler


async def test_fault_03_on_a_full_disk_nothing_is_ticked_reads_and_acks_go_on_and_it_recovers_by_itself(
    small_disk: Path | None,
) -> None:
    if small_disk is None:
        return
    source = random.Random(3)
    ada, bob = await seed_two(small_disk)
    async with running(small_disk) as server:
        await ada.connect(server.url, now())
        # Enough to find the log at its longest when there is no room left to write it into the file.
        bodies = [source.randbytes(9_000) for _ in range(900)]
        await ada.send_all(bodies)
        filler = fill_up(small_disk)

        late: list[c.Send] = []
        refused: list[Any] = []
        while not refused:
            send, tick = ada.send(body := source.randbytes(9_000))
            ticked, refused = await outcomes([tick])
            bodies += [body] * ticked
            late += [] if ticked else [send]
        for _ in range(20):
            late.append(ada.next(source.randbytes(1_000)))
        ticked, others = await outcomes([ada.link.ask(send) for send in late])
        assert ticked == 0
        assert {type(error) for error in (*refused, *others)} <= {Unavailable, UnknownOutcome}
        assert (await status(server, "/readyz"), await status(server, "/healthz")) == (503, 200)

        await bob.connect(server.url, now())
        await bob.until(lambda: len(bob.got) >= len(bodies))
        assert bob.bodies() == bodies
        for pos in range(1, 301):
            bob.ack(pos)
            await ada.until(lambda pos=pos: ada.delivered.get(bob.account) == bob.got[pos].seq)  # type: ignore[misc]
        assert await status(server, "/readyz") == 503

        filler.unlink()
        await until_status(server, "/readyz", 200)
        ticked, refused = await outcomes([ada.link.ask(send) for send in late])
        assert (ticked, refused) == (len(late), [])
        bodies += [send.ciphertext for send in late]
        await bob.until(lambda: len(bob.got) >= len(bodies))
        assert bob.bodies() == bodies
        assert [message.seq for message in bob.got.values()] == list(range(1, len(bodies) + 1))
        assert await server.stop() == 0


async def test_fault_03_a_server_on_a_full_disk_goes_down_in_order_and_says_why_it_does_not_come_up(
    small_disk: Path | None,
) -> None:
    if small_disk is None:
        return
    ada, bob = await seed_two(small_disk)
    async with running(small_disk) as server:
        await ada.connect(server.url, now())
        await ada.send_all([b"before"])
        fill_up(small_disk)
        ticked, refused = await outcomes([ada.link.ask(ada.next(bytes(100_000)))])
        assert (ticked, len(refused)) == (0, 1)
        fill_up(small_disk)  # with the room of the reserve, too
        assert await server.stop() == 0
    fill_up(small_disk)  # with the room of the log, if that could be put away
    ended = serve(small_disk)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"tidings: cannot use {small_disk}: No space left on device"
    assert "Traceback" not in ended.stderr
    (small_disk / "filler").unlink()
    async with running(small_disk) as server:
        await until_status(server, "/readyz", 200)
        await bob.connect(server.url, now())
        assert bob.bodies() == [b"before"]


# Fault 4: the disk fails to sync


@asynccontextmanager
async def failing_on_demand(data: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServerProcess]:
    """Run a server whose system calls libfiu can make fail, as `fiu-run -x` would start it."""
    with monkeypatch.context() as environment:
        environment.setenv("LD_PRELOAD", f"{FIU}/fiu_run_preload.so {FIU}/fiu_posix_preload.so")
        environment.setenv("FIU_CTRL_FIFO", str(data.parent / "fiu"))
        environment.setenv("FIU_ENABLE", "")
        server = await ServerProcess.start(data)
    try:
        yield server
    finally:
        await server.stop()


def control(server: ServerProcess, command: str) -> None:
    prefix = str(server.data.parent / "fiu")
    subprocess.run(["fiu-ctrl", "-f", prefix, "-c", command, str(server.pid)], check=True)


async def test_fault_04_when_syncs_fail_nothing_is_ticked_and_nothing_that_was_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "server"
    ada, bob = await seed_two(data)
    async with failing_on_demand(data, monkeypatch) as server:
        await ada.connect(server.url, now())
        bodies = [b"before %d" % number for number in range(50)]
        await ada.send_all(bodies)
        assert await status(server, "/readyz") == 200

        control(server, f"enable {SYNCS}")
        first = ada.next(b"first")
        assert await outcomes([ada.link.ask(first)]) == (0, [UnknownOutcome()])
        assert (await status(server, "/readyz"), await status(server, "/healthz")) == (503, 200)
        late = [first, *(ada.next(b"late %d" % number) for number in range(30))]
        for _ in range(3):
            ticked, refused = await outcomes([ada.link.ask(send) for send in late])
            assert ticked == 0
            assert {type(error) for error in refused} <= {Unavailable, UnknownOutcome}
        assert await status(server, "/readyz") == 503

        control(server, "disable name=posix/io/sync/*")
        await until_status(server, "/readyz", 200)
        assert await outcomes([ada.link.ask(send) for send in late]) == (len(late), [])
        bodies += [send.ciphertext for send in late]
        assert "the database works again" in server.log()
        await server.kill()
        await server.begin()
        await bob.connect(server.url, now())
        assert bob.bodies() == bodies
        assert [message.seq for message in bob.got.values()] == list(range(1, len(bodies) + 1))


async def test_fault_04_what_a_commit_that_failed_has_kept_reaches_who_is_connected(tmp_path: Path) -> None:
    failing = [False]

    def on_step(step: str) -> None:
        if step == "committed" and failing[0]:
            failing[0] = False
            raise apsw.IOError("planted")

    async with local_server(tmp_path, on_step=on_step) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with ada.socket() as hers, bob.socket() as his:
            send = (await ada.open_direct(hers, bob)).send(b"kept")
            failing[0] = True
            assert (await tell(hers, send)).error == UnknownOutcome()
            assert (await until(his, Message)).ciphertext == b"kept"


async def test_fault_04_a_device_whose_ack_came_to_nothing_is_sent_away_and_says_it_again(tmp_path: Path) -> None:
    failing = [False]

    def on_step(step: str) -> None:
        if step == "committing" and failing[0]:
            failing[0] = False
            raise apsw.IOError("planted")

    async with local_server(tmp_path, on_step=on_step) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with ada.socket() as hers, bob.socket() as his:
            await tell(hers, (await ada.open_direct(hers, bob)).send(b"kept"))
            message = await until(his, Message)
            failing[0] = True
            await his.command(c.Ack(message.pos))
            assert await his.closed() == Close.MOVED


# Fault 5: a file is damaged


def serve(data: Path) -> subprocess.CompletedProcess[str]:
    """Try to run a server that is expected not to come up."""
    command = [sys.executable, "-m", "tidings", "serve", "--data", str(data), "--port", "0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def overwrite(page: bytes, source: random.Random) -> bytes:
    """Return a page of noise."""
    return source.randbytes(len(page))


def flip_in_head(page: bytes, source: random.Random) -> bytes:
    """Return a page with bits flipped where its tree says what it is and what it holds."""
    flipped = bytearray(page)
    for place in source.sample(range(8), 4):
        flipped[place] ^= 1 << source.randrange(8)
    return bytes(flipped)


@pytest.mark.parametrize("damage", [overwrite, flip_in_head])
@pytest.mark.parametrize("name", ["mailboxes.db", "accounts.db"])
async def test_fault_05_a_server_whose_database_is_damaged_does_not_start_and_says_so_in_one_line(
    tmp_path: Path, name: str, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    data = tmp_path / "server"
    await seed_two(data)
    file = data / name
    whole = file.read_bytes()
    source = random.Random(5)
    for page in (0, source.randrange(1, 8)):
        start = page * 4096
        damaged = whole[:start] + damage(whole[start : start + 4096], source) + whole[start + 4096 :]
        file.write_bytes(damaged)
        ended = serve(data)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"tidings: {name} is damaged, restore it from a backup: ")
        assert file.read_bytes() == damaged, "nothing is changed, so that it can be looked into"
    file.write_bytes(whole)
    async with running(data) as server:
        assert await status(server, "/readyz") == 200


# D8: what a disk must not keep


async def test_d8_after_the_acks_no_row_and_after_the_checkpoint_no_byte_of_ciphertext_is_left(
    tmp_path: Path, clock: FakeClock
) -> None:
    source = random.Random(8)
    async with open_store("sqlite", tmp_path, clock) as store:
        assert isinstance(store.mailboxes, SqliteMailboxes)
        database = store.mailboxes.database
        talk = await store.talk("ada", "bob")
        await store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
        ada = await store.box("ada", "ADA-PHONE")
        bobs = [await store.box("bob", "BOB-PHONE"), await store.box("bob", "BOB-TABLET")]
        tokens = [source.randbytes(size) for size in (16, 40, 300, 3_000, 5_000, 20_000, 200_000) for _ in range(3)]
        source.shuffle(tokens)
        keys = [source.randbytes(400) for _ in range(10)]
        for token, number in zip(tokens, range(len(tokens)), strict=True):
            share = Share(account("bob"), "BOB-PHONE", keys[number % 10])
            await store.send(ada, talk, token, shares=[share] if number < 10 else [])
            if number == 10:
                await database.checkpoint()
        everything = set[bytes]().union(*map(samples_of, (*tokens, *keys)))
        found = traces(tmp_path, everything)
        assert set(found) == {"mailboxes.db", "mailboxes.db-wal"}
        anywhere = set[bytes]().union(*found.values())
        assert all(samples_of(token) & anywhere for token in (*tokens, *keys))

        for box in bobs:
            while page := await store.read(box):
                await store.ack(box, page[len(page) // 2].pos)
                await store.ack(box, page[-1].pos)
        reader = database.reader
        for table in ("entry", "letter", "share"):
            assert reader.execute(f"select count(*) from {table}").fetchone() == (0,)
        await database.checkpoint()
        assert (tmp_path / "mailboxes.db-reserve").exists()
        assert traces(tmp_path, everything) == {}
    assert traces(tmp_path, everything) == {}
