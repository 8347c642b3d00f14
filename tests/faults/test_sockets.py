"""Faults of sockets: devices that do not read, fall silent, send nonsense, take their time, or are not ours."""

import asyncio
import base64
import contextlib
import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.clock import FakeClock
from support.devices import RawDevice, Talk, befriend, join, tell, until
from support.plain_device import PlainDevice, seed_two
from support.raw import BINARY, CONTINUATION, PING, PONG, TEXT, Answer, Closed, Line, RawSocket, frame, handshake
from support.server import LocalInstance, local_server, server_process
from tidings.server.domain.rates import RATES, Rate
from tidings.server.gateway.connection import (
    GREETING_SECONDS,
    MAX_GREETING,
    MOST_WAITING,
    SILENCE_SECONDS,
    Connection,
)
from tidings.server.gateway.line import ROOM
from tidings.server.gateway.websocket import READ, WebSocket
from tidings.server.ports.mailboxes import Notice
from tidings.wire import codec
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.closes import Close
from tidings.wire.errors import BadFrame, Unsupported
from tidings.wire.ids import account_id
from tidings.wire.limits import MAX_FRAME
from tidings.wire.signing import hello_text

pytestmark = pytest.mark.anyio

MIB = 2**20


async def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what happens within the server is told by nothing else
            await asyncio.sleep(0)


async def upgrade(port: int, **headers: str | None) -> Answer:
    """Ask for a socket, and return the answer."""
    async with Line.open(port) as line:
        await line.write(handshake(port, headers={name.replace("_", "-"): value for name, value in headers.items()}))
        return await line.answer()


def closed(server: LocalInstance, code: Close) -> float:
    """Return how many connections the server has ended for a reason."""
    return server.server.metrics.closed.labels(str(code.value)).value


def online(server: LocalInstance) -> int:
    """Return how many devices are connected."""
    return len(server.server.registry)


async def send_many(talk: Talk, count: int, body: bytes) -> list[bytes]:
    """Send messages, each of which must be ticked; return their msg_ids in their order."""
    sent: list[bytes] = []
    for _ in range(count):
        command = talk.send(body)
        sent.append(command.msg_id)
        await talk.socket.command(command)
    for _ in range(count):
        assert isinstance(await until(talk.socket, e.Sent | e.Refused), e.Sent)
    return sent


async def waiting_for(device: RawDevice) -> list[bytes]:
    """Return the msg_ids of what waits for a device, in the order in which it comes."""
    async with RawSocket.connect(device.port) as socket:
        return [event.msg_id for event in await device.greet(socket) if isinstance(event, e.Message)]


# 6: a slow consumer


async def greet_by_hand(device: PlainDevice, socket: RawSocket) -> None:
    """Sign a seeded device in."""
    challenge = await socket.event()
    assert isinstance(challenge, e.Challenge)
    account, name = account_id(device.person.key, challenge.server_id), device.person.device
    signature = device._key.sign(hello_text(challenge.nonce, challenge.server_id, account, name, b"").encode())
    await socket.command(c.Hello(0, account, name, b"", 0, 0, signature))


async def test_fault_06_a_device_that_never_reads_ten_thousand_messages_costs_under_two_mebibytes(
    tmp_path: Path,
) -> None:
    ada, bob = await seed_two(tmp_path / "server")
    bodies = [number.to_bytes(4, "big") * 256 for number in range(10_200)]
    async with server_process(tmp_path, "--address-rate", "100") as server:
        process = psutil.Process(server.pid)
        await ada.connect(server.url, time.time_ns() // 1_000_000)
        await ada.send_all(bodies[:10_100])
        before = process.memory_full_info().pss
        async with RawSocket.connect(server.port, window=4_096) as deaf:
            await greet_by_hand(bob, deaf)
            await ada.send_all(bodies[10_100:], window=1)  # by when everything that can be written has been
            grown = process.memory_full_info().pss - before
            print(f"{grown / MIB:.2f} MiB more for a device that does not read")
            assert grown < 2 * MIB
        await bob.connect(server.url, time.time_ns() // 1_000_000)
        await bob.until(lambda: len(bob.got) == len(bodies))
        assert bob.bodies() == bodies
        await ada.link.close()
        await bob.link.close()


async def test_fault_06_a_device_that_talks_and_never_reads_is_closed_and_loses_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada, bob = await befriend(server, "ada", "bob", now=clock.now)
        async with ada.socket() as hers, bob.socket(window=4_096) as deaf:
            talk = await ada.open_direct(hers, bob)
            sent = await send_many(talk, 1_500, bytes(2_000))
            (stuck,) = [box for box in server.server.registry._connections.values() if box._paused]
            presence = server.server.life._presence
            for seconds in itertools.count(0, 5):
                if stuck._ending:
                    break
                await deaf.command(c.SetPresence(seconds % 2 == 0))
                await hers.command(c.SetPresence(online=True))
                await eventually(lambda s=seconds: presence.is_online(bob.account) == (s % 2 == 0))  # type: ignore[misc]
                clock.advance(5)
                assert stuck.line.waiting <= MOST_WAITING
            assert 25 <= seconds <= 70
            assert closed(server, Close.SLOW_CONSUMER) == 1
            assert await waiting_for(bob) == sent


async def test_fault_06_a_device_that_does_not_read_is_closed_when_a_mebibyte_waits_for_it(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada")
        async with ada.socket(window=4_096):
            ((box, connection),) = server.server.registry._connections.items()
            most = 0
            while not connection._ending:
                server.server.registry.tell([Notice(e.DeviceList(ada.account, 1), [box])] * 100)
                most = max(most, connection.line.waiting)
                await asyncio.sleep(0)
            assert MIB // 2 < most <= MIB + 100
            assert closed(server, Close.SLOW_CONSUMER) == 1
            await eventually(lambda: online(server) == 0)


async def test_fault_06_pongs_for_a_device_that_does_not_read_do_not_pile_up(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
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


async def test_fault_06_frames_of_every_size_that_wait_for_a_slow_device_arrive_as_they_were(tmp_path: Path) -> None:
    source = random.Random(6)
    bodies = [source.randbytes(source.choice([1, 126, 1_000, 8_180, 8_200, 9_000, 65_000])) for _ in range(600)]
    ada, bob = await seed_two(tmp_path / "server")
    async with server_process(tmp_path) as server:
        await ada.connect(server.url, time.time_ns() // 1_000_000)
        async with RawSocket.connect(server.port, window=4_096) as slow:
            await greet_by_hand(bob, slow)
            await ada.send_all(bodies)
            got: list[bytes] = []
            async with asyncio.timeout(30):
                while len(got) < len(bodies):
                    event = await slow.event()
                    got += [event.ciphertext] if isinstance(event, e.Message) else []
            assert got == bodies
        await ada.link.close()


# 7: half-open


async def test_fault_07_a_silent_device_is_cut_off_within_25_seconds_and_gets_everything_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada, bob = await befriend(server, "ada", "bob", now=clock.now)
        async with ada.socket() as hers, bob.socket() as his:
            talk = await ada.open_direct(hers, bob)
            sent = await send_many(talk, 3, b"sealed")
            for _ in range(int(SILENCE_SECONDS)):
                sent += await send_many(talk, 1, b"sealed")
                clock.advance(1)
            assert closed(server, Close.SILENT) == 1
            await eventually(lambda: online(server) == 1)
            pings = 0
            with contextlib.suppress(Closed):
                while True:
                    pings += (await his.receive())[0] == PING
            assert pings == 1
            assert await waiting_for(bob) == sent


async def test_a_device_that_answers_pings_stays(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada = await join(server, "ada", now=clock.now)
        async with ada.socket() as socket:
            for _ in range(5):
                clock.advance(20)
                opcode, payload = await socket.receive()
                assert opcode == PING
                await socket.send(payload, 0xA)
                (connection,) = server.server.registry._connections.values()
                await eventually(lambda: not connection._pinged)  # noqa: B023 - awaited here
            assert online(server) == 1


# 11: nonsense

DEEP = 100_000
TWICE = bytes([0x82, 0xA1, 0x61, 1, 0xA1, 0x61, 2])
HOSTILE = {
    "nothing": b"",
    "a key twice": b"\x94\xa9mark_read\xc0\x07" + TWICE,
    "a map": TWICE,
    "an extension": b"\x92\xa3ack\xd4\x05x",
    "a timestamp": b"\x92\xa3ack\xd6\xff\xff\xff\xff\xff",
    "the code that is never used": b"\xc1",
    "an array that promises four billion": b"\xdd\xff\xff\xff\xff",
    "bytes that promise four gigabytes": b"\x92\xa3ack\xc6\xff\xff\xff\xff",
    "bad UTF-8": b"\x92\xa3ack\xa2\xff\xfe",
    "trailing bytes": b"\x92\xa3ack\x07\x07",
    "deep nesting": b"\x91" * DEEP + b"\xc0",
    "an integer of 65 bits": b"\x92\xa3ack\xcf" + b"\xff" * 8,
    "a negative position": b"\x92\xa3ack\xff",
    "not a number": b"\x92\xa3ack\xcb\x7f\xf8" + bytes(6),
    "a megabyte of nothing": b"\xc0" * (MAX_FRAME - 1),
}
HOSTILE_JSON = {
    "nothing": b"",
    "a key twice": b'["ack",7,{"a":1,"a":2}]',
    "trailing bytes": b'["ack",7] 1',
    "deep nesting": b"[" * DEEP + b"]" * DEEP,
    "a number of 5,000 digits": b'["ack",' + b"9" * 5_000 + b"]",
    "half a surrogate pair": b'["ack",7,"\\ud800"]',
    "a position in quotation marks": b'["ack","7"]',
}


async def test_fault_11_nonsense_is_refused_by_name_and_harms_nobody(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with ada.socket() as hers, bob.socket() as his:
            talk = await ada.open_direct(hers, bob)
            for why, data in HOSTILE.items():
                await his.send(data)
                refused = await until(his, e.Refused)
                assert refused.id is None, why
                assert isinstance(refused.error, BadFrame), why
                await hers.command(talk.send(why.encode()))
                assert (await until(his, e.Message)).ciphertext == why.encode()
        for why, data in HOSTILE.items():
            async with RawSocket.connect(server.port) as nobody:
                await nobody.event()
                await nobody.send(data)
                assert await nobody.closed() == (1009 if len(data) > MAX_GREETING else Close.PROTOCOL), why


async def test_fault_11_nonsense_in_json_is_refused_by_name(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada")
        async with RawSocket.connect(server.port, headers={"Sec-WebSocket-Protocol": codec.SUBPROTOCOL_JSON}) as socket:
            await ada.greet(socket)
            for why, data in HOSTILE_JSON.items():
                await socket.send(data, TEXT)
                refused = await until(socket, e.Refused)
                assert isinstance(refused.error, BadFrame), why
            await socket.send(b'["levitate",9]', TEXT)
            assert await until(socket, e.Refused) == e.Refused(9, Unsupported())
            await socket.send(b'["ack","\xff"]', TEXT)
            assert await socket.closed() == 1007


async def test_fault_11_a_huge_message_is_refused_by_its_head(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada")
        for size in (MAX_FRAME + 1, 2**40, 2**63 - 1, 2**64 - 1):
            async with ada.socket() as socket:
                await socket.write(b"\x82\xff" + size.to_bytes(8, "big") + b"mask")
                assert await socket.closed() == 1009, size
        async with ada.socket() as socket:
            quarter = bytes(MAX_FRAME // 4)
            await socket.write(frame(quarter, last=False) + frame(quarter, CONTINUATION, last=False) * 3)
            await socket.write(frame(b"x", CONTINUATION))
            assert await socket.closed() == 1009
        async with RawSocket.connect(server.port) as nobody:
            await nobody.event()
            await nobody.write(b"\x82\xfe" + (MAX_GREETING + 1).to_bytes(2, "big") + b"mask")
            assert await nobody.closed() == 1009


BROKEN = {
    "not masked": (b"\x82\x01x", 1002),
    "a reserved bit": (b"\xc2\x81mask\x00", 1002),
    "an unknown kind": (b"\x83\x81mask\x00", 1002),
    "a ping in parts": (b"\x09\x80mask", 1002),
    "a long ping": (b"\x89\xfe\x00\x7emask", 1002),
    "a continuation of nothing": (b"\x80\x81mask\x00", 1002),
    "a length in more bytes than it needs": (b"\x82\xfe\x00\x01mask\x00", 1002),
    "text that is not UTF-8": (frame(b"\xff", TEXT), 1007),
    "text where there should be bytes": (frame(b'["ack",1]', TEXT), Close.PROTOCOL),
}


async def test_fault_11_a_frame_that_breaks_the_rules_ends_its_own_connection(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with bob.socket() as other:
            for why, (data, code) in BROKEN.items():
                async with ada.socket() as socket:
                    await socket.write(data)
                    assert await socket.closed() == code, why
                assert isinstance(await tell(other, c.ListConversations(1, [], None)), e.Conversations)


async def test_fault_11_nonsense_is_read_no_faster_than_commands(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada = await join(server, "ada", now=clock.now)
        async with ada.socket() as socket:
            burst, every = RATES["frame"]
            nonsense = frame(b"\xc1")
            at_once = burst + READ // len(nonsense) + 1
            (connection,) = server.server.registry._connections.values()
            assert isinstance(connection.line, WebSocket)
            transport = connection.line._transport
            count = server.server.metrics.refused.labels("BAD_FRAME")
            reading = asyncio.create_task(socket.rest(60))
            await socket.write(nonsense * 10 * burst)
            await eventually(lambda: not transport.is_reading())
            assert burst <= count.value <= at_once
            for seconds in range(1, 6):
                clock.advance(1)
                await eventually(lambda: not transport.is_reading())
                assert burst + (seconds - 1) / every <= count.value <= at_once + seconds / every
            reading.cancel()


SAYING_NOTHING = {
    "pings": frame(b"", PING),
    "pongs": frame(b"", PONG),
    "parts of a message": frame(b"", CONTINUATION, last=False),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("greeted", [True, False], ids=["signed in", "not signed in"])
@pytest.mark.parametrize("what", SAYING_NOTHING)
async def test_fault_11_frames_that_say_nothing_are_read_no_faster_than_commands(
    tmp_path: Path, clock: FakeClock, what: str, *, greeted: bool, workers: int
) -> None:
    async with local_server(tmp_path, clock=clock, settings={"workers": workers}) as server:
        ada = await join(server, "ada", now=clock.now)
        async with RawSocket.connect(server.port) as socket:
            if greeted:
                await ada.greet(socket)
            else:
                await socket.event()
            watched = {thing for slot in server.server.wheel._slots for thing in slot}
            (connection,) = [thing for thing in watched if isinstance(thing, Connection)]
            reading = asyncio.create_task(socket.rest(60))
            await socket.write(frame(b"", BINARY, last=False))
            await socket.write(SAYING_NOTHING[what] * (RATES["frame"].burst - 100))
            await asyncio.sleep(0.2)
            assert not connection._resting
            await socket.write(SAYING_NOTHING[what] * 200)
            await eventually(lambda: connection._resting)
            clock.advance(1)
            assert not connection._resting
            reading.cancel()


# 12: taking one's time


async def test_fault_12_a_slow_frame_is_cut_off_within_30_seconds(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada = await join(server, "ada", now=clock.now)
        async with ada.socket() as socket:
            (connection,) = server.server.registry._connections.values()
            line = connection.line
            assert isinstance(line, WebSocket)
            await socket.write(b"\x82\xfe\x40\x00mask")
            seconds = 0
            while not connection._ending:
                left = 0x4000 - 100 * seconds
                await eventually(lambda left=left: line._left == left)  # type: ignore[misc]
                await socket.write(b"x" * 100)
                clock.advance(1)
                seconds += 1
            assert SILENCE_SECONDS - 1 <= seconds <= 30
            assert closed(server, Close.SILENT) == 1
            assert await socket.closed() == 1006


async def test_fault_12_who_does_not_sign_in_has_ten_seconds(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server, RawSocket.connect(server.port) as nobody:
        await nobody.event()
        clock.advance(GREETING_SECONDS - 1)
        await nobody.send(b"x", PING)
        assert (await nobody.receive())[1] == b"x"
        clock.advance(2)
        assert await nobody.closed() == Close.NOT_SIGNED_IN
        clock.advance(2)
        assert await nobody.rest() == b""


async def test_fault_12_an_address_has_its_share_of_connections_and_no_more(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"connections_per_address": 5}) as server:
        ada = await join(server, "ada")
        await eventually(lambda: len(server.server.bounds) == 0)
        async with (
            RawSocket.connect(server.port) as first,
            RawSocket.connect(server.port),
            RawSocket.connect(server.port),
            RawSocket.connect(server.port),
            RawSocket.connect(server.port),
        ):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                async with RawSocket.connect(server.port):
                    pass
            async with ada.socket(source="127.0.0.2") as other:
                assert isinstance(await tell(other, c.ListConversations(1, [], None)), e.Conversations)
                first.writer.transport.abort()
                await eventually(lambda: len(server.server.bounds) == 5)
            async with ada.socket():
                pass


async def test_fault_12_an_address_may_not_connect_all_the_time(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock, settings={"address_rate": 0.1}) as server:
        statuses = [(await upgrade(server.port)).status for _ in range(32)]
        assert statuses == [101] * 30 + [429] * 2
        clock.advance(1)
        assert (await upgrade(server.port)).status == 101


# 14: pages of others


def origins(port: int) -> list[tuple[str | None, bool]]:
    """Return what a browser may name as the origin of a page, and whether it is ours."""
    own = f"http://127.0.0.1:{port}"
    return [
        (own, True),
        (None, False),
        ("", False),
        ("null", False),
        ("http://evil.example", False),
        (f"{own}.evil.example", False),
        (f"http://evil.127.0.0.1:{port}", False),
        (f"http://127.0.0.1:{port + 1}", False),
        (f"http://127.0.0.1:{port}0", False),
        ("http://127.0.0.1", False),
        (f"http://localhost:{port}", False),
        (f"HTTP://127.0.0.1:{port}", False),
        (f"http://127.0.0.1:{port}/", False),
        (f"http://127.0.0.1:{port}@evil.example", False),
        (f"http://user@127.0.0.1:{port}", False),
        (f"ftp://127.0.0.1:{port}", False),
        (f"//127.0.0.1:{port}", False),
        (f"127.0.0.1:{port}", False),
        (f"http://evil.example {own}", False),
        (f"{own}, http://evil.example", False),
        (f"{own} ", True),  # spaces around a value are no part of it (RFC 9110, section 5.5)
    ]


async def test_fault_14_a_cookie_opens_a_socket_for_pages_of_ours_alone(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada", cookie=True)
        for origin, ours in origins(server.port):
            answer = await upgrade(server.port, Cookie=ada.cookie, Origin=origin)
            assert answer.status == (101 if ours else 403), origin
            assert ("upgrade" in answer.headers) == ours
            if not ours:
                assert answer.problem["code"] == "FOREIGN_ORIGIN"
                assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_fault_14_two_origins_are_none_of_ours(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada", cookie=True)
        answer = await upgrade(server.port, Cookie=ada.cookie, Origin=ada.url, ORIGIN="http://evil.example")
        assert answer.status == 403


async def test_fault_14_a_page_opens_a_socket_for_the_device_of_its_cookie_alone(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada, bob = await befriend(server, "ada", "bob", cookie=True)
        for origin, cookie, status in [
            (ada.url, None, 401),
            (ada.url, "tidings=x", 401),
            (ada.url, f"tidings-{server.port}=x.y", 401),
            ("http://evil.example", None, 403),
        ]:
            answer = await upgrade(server.port, Origin=origin, Cookie=cookie)
            assert (answer.status, answer.problem["code"]) == (
                status,
                "NOT_SIGNED_IN" if status == 401 else "FOREIGN_ORIGIN",
            )
        async with RawSocket.connect(server.port, headers={"Origin": ada.url, "Cookie": ada.cookie}) as socket:
            challenge = await socket.event()
            assert isinstance(challenge, e.Challenge)
            await socket.command(bob.hello(challenge))
            assert await socket.closed() == Close.NOT_SIGNED_IN


async def test_fault_14_an_origin_that_a_proxy_shows_is_ours_if_it_is_listed(tmp_path: Path) -> None:
    async with local_server(tmp_path, settings={"origins": ["https://talk.example"]}) as server:
        ada = await join(server, "ada", cookie=True)
        async with RawSocket.connect(
            server.port, headers={"Cookie": ada.cookie, "Origin": "https://talk.example"}
        ) as socket:
            await ada.greet(socket)
        for origin in ("http://talk.example", "https://talk.example:444", "https://evil.talk.example"):
            assert (await upgrade(server.port, Cookie=ada.cookie, Origin=origin)).status == 403


# The handshake


async def test_what_is_no_handshake_of_ours_is_answered_by_http(tmp_path: Path) -> None:
    cases: list[tuple[str, dict[str, str | None], int, str]] = [
        ("/v1/socket", {"Sec-WebSocket-Version": "8"}, 400, "BAD_REQUEST"),
        ("/v1/socket", {"Sec-WebSocket-Key": "short"}, 400, "BAD_REQUEST"),
        ("/v1/socket", {"Sec-WebSocket-Protocol": None}, 400, "UNSUPPORTED"),
        ("/v1/socket", {"Sec-WebSocket-Protocol": "chat, tidings.v2.msgpack"}, 400, "UNSUPPORTED"),
        ("/v1/sockets", {}, 404, "NOT_FOUND"),
        ("/", {}, 404, "NOT_FOUND"),
        ("/v1/devices", {}, 404, "NOT_FOUND"),
    ]
    async with local_server(tmp_path) as server:
        for path, headers, status, code in cases:
            async with Line.open(server.port) as line:
                await line.write(handshake(server.port, path, headers))
                answer = await line.answer()
                assert (answer.status, answer.problem["code"]) == (status, code), (path, headers)


async def test_a_request_of_many_cookies_becomes_a_socket_too(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada", cookie=True)
        ballast = "; ".join(f"c{number}={base64.b64encode(os.urandom(300)).decode()}" for number in range(35))
        assert len(ballast) > 14_000
        async with RawSocket.connect(
            server.port, headers={"Cookie": f"{ballast}; {ada.cookie}", "Origin": ada.url}
        ) as socket:
            await ada.greet(socket)


async def test_the_newest_connection_of_a_device_wins(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        ada = await join(server, "ada")
        async with ada.socket() as older, ada.socket() as newer:
            assert await older.closed() == Close.NEWER_CONNECTION
            assert isinstance(await tell(newer, c.ListConversations(1, [], None)), e.Conversations)
            assert online(server) == server.server.metrics.devices.value == 1
        await eventually(lambda: online(server) == 0)
        assert server.server.metrics.devices.value == 0
