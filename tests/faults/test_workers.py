"""Workers hold the sockets: messages pass between them, and one that dies costs a reconnect and nothing else."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from kosoku import run_fuzzingclient

from faults.test_sockets import closed, greet_by_hand
from support.devices import join
from support.plain_device import PlainDevice, seed_two
from support.raw import BINARY, PING, TEXT, RawSocket, frame, handshake
from support.server import ServerProcess, local_server, server_json, server_process
from tidings.sdk.transport.link import Disconnected
from tidings.server.domain.rates import Rate
from tidings.server.gateway.line import ROOM
from tidings.server.ports.mailboxes import Notice
from tidings.server.workers import crew
from tidings.server.workers.line import WorkerLine
from tidings.server.workers.notes import MOST
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.closes import Close
from tidings.wire.limits import MAX_FRAME

pytestmark = pytest.mark.anyio

SECONDS = 30.0


def now() -> int:
    return time.time_ns() // 1_000_000


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the workers of a server, the oldest first."""
    return sorted(psutil.Process(pid).children(), key=lambda worker: worker.create_time())


def sockets_of(worker: psutil.Process) -> int:
    """Return how many devices are connected to a worker."""
    return len([found for found in worker.net_connections("tcp") if found.status == psutil.CONN_ESTABLISHED])


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds outside this process."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def ada_and_bob(folder: Path) -> AsyncIterator[tuple[ServerProcess, PlainDevice, PlainDevice]]:
    """Run a server with two workers, and let Ada and Bob be online, each at another one."""
    ada, bob = await seed_two(folder / "server")
    async with server_process(folder, "--workers", "2", "--address-rate", "100") as server:
        await ada.connect(server.url, now())
        await bob.connect(server.url, now())
        yield server, ada, bob
        for device in (ada, bob):
            await device.link.close()


async def metrics_of(server: ServerProcess) -> list[str]:
    """Return the lines of a server's metrics."""
    async with httpx.AsyncClient(base_url=server.url) as web:
        owner = {"authorization": f"Bearer {server_json(server.data)['admin_token']}"}
        return (await web.get("/metrics", headers=owner)).text.splitlines()


async def back(device: PlainDevice, server: ServerProcess) -> None:
    """Reconnect, however often that takes."""
    async with asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(Disconnected, OSError):
                await device.connect(server.url, now())
                return
            await asyncio.sleep(0.01)


async def test_devices_of_different_workers_talk(tmp_path: Path) -> None:
    bodies = [number.to_bytes(4, "big") * (1 + number % 500) for number in range(1_000)]
    async with ada_and_bob(tmp_path) as (server, ada, bob):
        assert [sockets_of(worker) for worker in workers_of(server.pid)] == [1, 1]
        await ada.send_all(bodies)
        await bob.until(lambda: len(bob.got) == len(bodies))
        assert bob.bodies() == bodies
        bob.ack(max(bob.got))
        await ada.until(lambda: ada.delivered.get(bob.account) == len(bodies))


async def test_a_worker_that_is_killed_under_load_takes_its_own_connections_and_no_message(tmp_path: Path) -> None:
    bodies = [number.to_bytes(4, "big") * 64 for number in range(1_000)]
    async with ada_and_bob(tmp_path) as (server, ada, bob):
        hers, his = workers_of(server.pid)
        ticked = 0

        async def send() -> None:
            nonlocal ticked
            window = 16
            commands = [ada.next(body) for body in bodies]
            while ticked < len(commands):
                under_way = commands[ticked : ticked + window]
                try:
                    await asyncio.gather(*(ada.link.ask(command) for command in under_way))
                except Disconnected:
                    await back(ada, server)  # and repeat: what was stored already is stored once
                else:
                    ticked += len(under_way)

        async def receive() -> None:
            while len(bob.got) < len(bodies):
                try:
                    await bob.until(lambda: len(bob.got) == len(bodies))
                except Disconnected:
                    await back(bob, server)

        async def kill() -> None:
            for share, worker in ((4, his), (2, hers)):
                await eventually(lambda share=share: ticked >= len(bodies) // share)  # type: ignore[misc]
                os.kill(worker.pid, signal.SIGKILL)

        await asyncio.gather(send(), receive(), kill())
        assert sorted(bob.got) == list(range(1, len(bodies) + 1))
        assert bob.bodies() == bodies
        await eventually(lambda: len(workers_of(server.pid)) == 2)
        assert server.log().count("a worker died") == 2
        assert "tidings_connections 2.0" in await metrics_of(server), "those of the dead are counted no more"


async def test_workers_end_with_a_core_that_is_killed(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, bob):
        workers = workers_of(server.pid)
        await server.kill()
        await eventually(lambda: not any(worker.is_running() for worker in workers))
        with pytest.raises(Disconnected):
            await ada.until(lambda: False)
        await server.begin()
        await back(ada, server)
        await back(bob, server)


async def test_a_server_that_is_told_to_stop_sends_the_devices_of_its_workers_away(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, bob):
        workers = workers_of(server.pid)
        for process in (psutil.Process(server.pid), *workers):
            process.terminate()  # as a service's end does: all of them are told
        for device in (ada, bob):
            with pytest.raises(Disconnected) as ended:
                await device.until(lambda: False)
            assert ended.value.code == Close.MOVED
        assert await server.stop() == 0
        assert not any(worker.is_running() for worker in workers)


async def test_a_device_that_does_not_read_holds_up_nobody_and_gets_everything_when_it_does(tmp_path: Path) -> None:
    bodies = [number.to_bytes(4, "big") * 256 for number in range(2_000)]
    async with ada_and_bob(tmp_path) as (server, ada, bob):
        await bob.link.close()
        before = [process.memory_full_info().pss for process in workers_of(server.pid)]
        async with RawSocket.connect(server.port, window=4_096) as slow:
            await greet_by_hand(bob, slow)
            await ada.send_all(bodies)
            after = [process.memory_full_info().pss for process in workers_of(server.pid)]
            assert max(new - old for new, old in zip(after, before, strict=True)) < 4 * 2**20
            got: list[bytes] = []
            async with asyncio.timeout(SECONDS):
                while len(got) < len(bodies):
                    event = await slow.event()
                    got += [event.ciphertext] if isinstance(event, e.Message) else []
        assert got == bodies


async def test_a_device_that_does_not_read_is_closed_when_a_mebibyte_waits_for_it(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}) as server:
        ada = await join(server, "ada")
        async with ada.socket(window=4_096):
            ((box, connection),) = server.server.registry._connections.items()
            most = 0
            while not connection._ending:
                server.server.registry.tell([Notice(e.DeviceList(ada.account, 1), [box])] * 100)
                most = max(most, connection.line.waiting)
                await asyncio.sleep(0)
            assert 2**19 < most <= 2**20 + 100
            assert closed(server, Close.SLOW_CONSUMER) == 1
            await eventually(lambda: not server.server.registry._connections)


async def test_pongs_for_a_device_that_does_not_read_do_not_pile_up(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}) as server:
        server.server.doorway._gateway.frames = Rate(10**9, 1e-9)  # pings are read as fast as they come
        ada = await join(server, "ada")
        async with ada.socket(window=4_096) as deaf:
            (connection,) = server.server.registry._connections.values()
            pings = frame(bytes(125), PING) * 2_000
            while not connection._paused:
                await deaf.write(pings)
                await asyncio.sleep(0)
            for _ in range(20):
                await deaf.write(pings)
                await asyncio.sleep(0)
            await deaf.command(c.SetPresence(online=True))
            await eventually(lambda: server.server.life._presence.is_online(ada.account))
            assert connection.line.waiting <= ROOM + len(pings)


async def test_a_worker_that_can_hold_no_more_sockets_refuses_and_goes_on(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}) as server:
        async with RawSocket.connect(server.port) as one, RawSocket.connect(server.port) as other:
            await one.event()
            await other.event()
        await eventually(lambda: len(server.server.bounds) == 0)
        workers = workers_of(os.getpid())
        _, most = workers[0].rlimit(psutil.RLIMIT_NOFILE)
        for worker in workers:
            worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() // 2, most))
        with pytest.raises(asyncio.IncompleteReadError):
            async with RawSocket.connect(server.port):
                pass
        await eventually(lambda: len(server.server.bounds) == 0)
        for worker in workers:
            worker.rlimit(psutil.RLIMIT_NOFILE, (most, most))
        async with RawSocket.connect(server.port) as again:
            assert isinstance(await again.event(), e.Challenge)


async def test_a_socket_that_cannot_be_given_away_for_want_of_descriptors_stays_where_it_is(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}) as server:
        async with RawSocket.open(server.port) as socket:
            await eventually(lambda: len(server.server.bounds) == 1)
            soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))  # which all are above already
            try:
                await socket.write(handshake(server.port))
                assert (await socket.answer()).status == 101
                assert isinstance(await socket.event(), e.Challenge)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
        await eventually(lambda: len(server.server.bounds) == 0)


async def test_a_worker_that_is_stuck_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "SILENT_SECONDS", 3.0)
    async with local_server(tmp_path, settings={"workers": 2}) as server, RawSocket.connect(server.port) as socket:
        await socket.event()
        (stuck,) = [worker for worker in workers_of(os.getpid()) if sockets_of(worker)]
        stuck.suspend()
        assert await socket.rest(SECONDS) == b""
        await eventually(lambda: stuck not in workers_of(os.getpid()) and len(workers_of(os.getpid())) == 2)
        assert len(server.server.bounds) == 0


async def test_a_worker_that_cannot_read_a_note_ends_and_is_replaced(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}) as server, RawSocket.connect(server.port) as socket:
        await socket.event()
        (broken,) = [worker for worker in workers_of(os.getpid()) if sockets_of(worker)]
        assert server.server.crew is not None
        (post,) = [post for post in server.server.crew._running if len(post)]
        (number,) = post._lines
        post.put(number, MOST, b"no number")
        assert await socket.rest(SECONDS) == b""
        await eventually(lambda: broken not in workers_of(os.getpid()) and len(workers_of(os.getpid())) == 2)
        assert len(server.server.bounds) == 0


class Echo:
    """Sends every message back, whatever becomes of its line."""

    most = MAX_FRAME
    line: WorkerLine

    def on_connected(self, line: WorkerLine) -> None:
        self.line = line

    def on_message(self, data: bytes, *, text: bool) -> None:
        self.line.send(TEXT if text else BINARY, data)

    def on_ping(self, payload: bytes) -> None:
        self.line.pong(payload)

    def on_violation(self, code: int, reason: str) -> None:
        self.line.hang_up(code, reason)
        asyncio.get_running_loop().call_later(0.1, self.line.cut)

    def on_heard(self, idle: int = 0) -> None:
        """Nothing depends on it."""

    def on_gone(self) -> None:
        """Nor on this."""

    pause_writing = resume_writing = on_gone


async def test_a_worker_keeps_to_the_rules_of_the_protocol(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"workers": 2}, extra_sockets={"/echo": Echo}) as server:
        address = f"ws://127.0.0.1:{server.port}/echo"
        results = await run_fuzzingclient(address, cases=["1.*", "2.*", "3.*", "4.*", "5.*", "7.*"], concurrency=8)
    judged = {result.behavior.value for result in results} | {result.behavior_close.value for result in results}
    assert judged <= {"OK", "INFORMATIONAL"}
    assert len(results) > 90
