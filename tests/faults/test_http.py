"""Faults of HTTP: requests that take their time, hide others in themselves, or claim to come from elsewhere."""

import asyncio
import gzip
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.certificates import authority
from support.clock import FakeClock
from support.devices import join
from support.raw import Answer, Line, RawSocket, Refusal, ask, handshake
from support.server import LocalInstance, local_server
from tidings.server.gateway.intake import MAX_HEADERS, MAX_REQUEST, REQUEST_SECONDS
from tidings.server.http.application import MAX_BODY

pytestmark = pytest.mark.anyio

TURN = 1.0
"""Seconds by which the timer of all connections may be early or late."""
BUSY = 5.0
"""Seconds by which a busy machine may be late."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalInstance]:
    async with local_server(tmp_path) as running:
        yield running


def request(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """Return a request whose every line is chosen, but for the Host."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1") + body


# 12: taking one's time


async def trickle(port: int, start: bytes, drop: bytes, tls: ssl.SSLContext | None = None) -> float:
    """Send a beginning, then a drop every half second; return after how many seconds the server has enough of it."""
    async with Line.open(port, tls=tls) as line:
        begun = time.monotonic()
        await line.write(start)
        ended = asyncio.create_task(line.rest(30))
        while not ended.done():
            line.writer.write(drop)
            await asyncio.wait([ended], timeout=0.5)
        assert await ended == b""
        return time.monotonic() - begun


async def test_fault_12_slow_headers_bodies_and_handshakes_are_cut_off_after_five_seconds(tmp_path: Path) -> None:
    certificate = authority(tmp_path / "authority")
    settings = {"tls_cert": certificate.cert, "tls_key": certificate.key}
    post = request("POST", "/v1/sign-in", "Content-Type: application/json", "Content-Length: 50000", body=b"{")
    chunks = request("POST", "/v1/sign-in", "Transfer-Encoding: chunked", body=b"5\r\n[1,2")
    async with local_server(tmp_path / "plain") as plain, local_server(tmp_path / "tls", settings=settings) as tls:
        took = await asyncio.gather(
            trickle(plain.port, b"", b""),
            trickle(plain.port, b"GET", b""),
            trickle(plain.port, b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"),
            trickle(plain.port, b"GET / HTTP/1.1\r\nHost: x\r\nCookie: a", b"a"),
            trickle(plain.port, b"POST /v1/sign-in HTTP/1.1\r\nContent-Length: 5\r\n", b""),
            trickle(plain.port, post, b" "),
            trickle(plain.port, chunks, b""),
            trickle(plain.port, handshake(plain.port)[:-2], b"A: b\r\n"),
            trickle(tls.port, b"\x16\x03\x01\x02\x00\x01", b""),  # a handshake of which no more comes
            trickle(tls.port, b"GET / HTTP/1.1\r\n", b"A: b\r\n", certificate.trust()),
        )
    print(f"cut off after {min(took):.1f} to {max(took):.1f} s")
    assert max(took) < REQUEST_SECONDS + BUSY
    assert min(took) >= REQUEST_SECONDS - TURN


async def test_fault_12_who_takes_its_time_keeps_nobody_waiting(server: LocalInstance) -> None:
    async with Line.open(server.port) as slow, Line.open(server.port) as fast:
        await slow.write(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(50):
            await fast.write(request("GET", "/healthz"))
            assert (await fast.answer()).status == 200
        await slow.write(b"\r\n")
        assert (await slow.answer()).status == 200


async def test_fault_12_idle_connections_are_kept_for_the_next_request(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server, Line.open(server.port) as line:
        for _ in range(3):
            await line.write(request("GET", "/healthz"))
            assert (await line.answer()).body == b"ok\n"
            clock.advance(3 * REQUEST_SECONDS)


async def test_fault_11_headers_and_bodies_have_an_end(server: LocalInstance) -> None:
    async with Line.open(server.port) as line:
        await line.write(b"GET / HTTP/1.1\r\n")
        for _ in range(MAX_HEADERS // 1_000 + 1):
            await line.write(b"A: " + b"x" * 1_000 + b"\r\n")
            await asyncio.sleep(0)
        answer = await line.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
    for length in (MAX_BODY + 1, 2**40):
        long = request("POST", "/v1/sign-in", "Content-Type: application/json", f"Content-Length: {length}")
        answer = await ask(server.port, long)
        assert (answer.status, answer.problem["code"]) == (413, "TOO_LARGE")
    async with Line.open(server.port) as line:
        await line.write(request("POST", "/v1/sign-in", "Transfer-Encoding: chunked", body=b"1\r\n1\r\n0\r\n"))
        ended = asyncio.create_task(line.rest())
        sent = 0
        while not ended.done() and sent < 10 * MAX_REQUEST:
            line.writer.write(b"Trailer: " + b"x" * 10_000 + b"\r\n")  # they have no end, and are all kept
            sent += 10_000
            await asyncio.wait([ended], timeout=0.001)
        assert sent < 10 * MAX_REQUEST
        await ended


# 26: requests within requests

AMBIGUOUS = {
    "a length and chunks": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "chunks and a length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "two lengths": ["Content-Length: 5", "Content-Length: 6"],
    "a list of lengths": ["Content-Length: 5, 6"],
    "a negative length": ["Content-Length: -5"],
    "a length with a sign": ["Content-Length: +5"],
    "a length in hexadecimal": ["Content-Length: 0x5"],
    "a length with a blank in it": ["Content-Length: 5 5"],
    "a length beyond all numbers": ["Content-Length: 99999999999999999999999"],
    "a blank before the colon": ["Content-Length : 5"],
    "chunks that are not last": ["Transfer-Encoding: chunked, identity"],
    "chunks by another name": ["Transfer-Encoding: xchunked"],
    "a folded line": ["A: b", " c: d"],
    "a name with a blank": ["A b: c"],
    "a NUL": ["A: b\0c"],
    "a lonely carriage return": ["A: b\rContent-Length: 5"],
    "no name": [": b"],
}
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("why", AMBIGUOUS)
async def test_fault_26_a_request_that_can_be_read_in_two_ways_is_refused_and_ends_its_connection(
    server: LocalInstance, why: str
) -> None:
    async with Line.open(server.port) as line:
        await line.write(request("POST", "/v1/sign-in", *AMBIGUOUS[why], body=b"0\r\n\r\n" + HIDDEN + HIDDEN))
        rest = await line.rest()
    assert rest.startswith(b"HTTP/1.1 400 ")
    assert rest.count(b"HTTP/1.1 ") == 1
    assert b"ok\n" not in rest
    assert b"default-src 'none'" in rest


@pytest.mark.parametrize(
    "chunks",
    [b"5\r\nabcde0\r\n\r\n", b"-1\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5 5\r\nabcde\r\n", b"0x5\r\nabcde\r\n"],
)
async def test_fault_26_chunks_that_are_none_end_their_connection(server: LocalInstance, chunks: bytes) -> None:
    async with Line.open(server.port) as line:
        await line.write(request("POST", "/v1/sign-in", "Transfer-Encoding: chunked", body=chunks + HIDDEN))
        rest = await line.rest()
    assert b"HTTP/1.1 200" not in rest
    assert b"ok\n" not in rest


async def test_fault_26_what_stands_in_a_body_is_no_request(server: LocalInstance) -> None:
    for method, path in (("POST", "/v1/sign-in"), ("GET", "/healthz"), ("DELETE", "/"), ("GET", "/v1/devices")):
        async with Line.open(server.port) as line:
            await line.write(request(method, path, f"Content-Length: {len(HIDDEN)}", body=HIDDEN))
            first = await line.answer()
            await line.write(request("GET", "/readyz", "Connection: close"))
            assert (await line.answer()).body == b"ready\n"
            assert await line.rest() == b""
            assert first.body != b"ready\n"


async def test_fault_26_requests_one_after_another_are_answered_in_their_order(server: LocalInstance) -> None:
    async with Line.open(server.port) as line:
        await line.write(request("GET", "/healthz") + request("GET", "/readyz") + request("GET", "/healthz"))
        assert [(await line.answer()).body for _ in range(3)] == [b"ok\n", b"ready\n", b"ok\n"]


async def test_fault_26_behind_an_upgrade_that_is_refused_no_request_is_heard(server: LocalInstance) -> None:
    for more in (
        {"Origin": "http://evil.example"},
        {"Sec-WebSocket-Key": "x"},
        {"Content-Length": str(len(HIDDEN))},
        {"Transfer-Encoding": "chunked"},
    ):
        async with Line.open(server.port) as line:
            await line.write(handshake(server.port, headers={"Sec-WebSocket-Protocol": None, **more}) + HIDDEN)
            rest = await line.rest()
        assert rest.startswith(b"HTTP/1.1 4")
        assert rest.count(b"HTTP/1.1 ") == 1


async def test_fault_26_what_follows_an_upgrade_too_early_is_not_heard(server: LocalInstance) -> None:
    async with Line.open(server.port) as line:
        await line.write(handshake(server.port) + HIDDEN)
        answer = await line.answer()
        assert answer.status == 101
        server.server.clock.call_later(0, lambda: None)
        assert b"HTTP/1.1" not in await line.reader.read(200)


async def test_fault_26_no_other_protocol_is_upgraded_to(server: LocalInstance) -> None:
    for name in ("h2c", "TLS/1.0", "websocket2"):
        async with Line.open(server.port) as line:
            await line.write(request("GET", "/healthz", "Connection: Upgrade", f"Upgrade: {name}"))
            assert (await line.answer()).status == 200


async def test_fault_26_strange_targets_and_methods_are_refused_by_a_known_status(server: LocalInstance) -> None:
    targets = ["*", "http://evil.example/healthz", "//evil.example/v1/devices", "/%00", "/%ff%fe", "/?" + "a" * 9_000]
    for method in ("GET", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PROPFIND"):
        for target in targets:
            async with Line.open(server.port) as line:
                await line.write(request(method, target, "Connection: close"))
                rest = await line.rest()
            assert rest.split(b" ")[1] in (b"200", b"204", b"400", b"404", b"405"), (method, target, rest[:100])


async def test_fault_17_no_path_leads_out_of_the_pages(server: LocalInstance) -> None:
    for path in (
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/server.json",
        "/assets/../../server.json",
        "//etc/passwd",
        "/etc/passwd%00.html",
        "/..\\..\\server.json",
    ):
        answer = await ask(server.port, request("GET", path))
        assert b"root:" not in answer.body
        assert b"admin_token" not in answer.body
        assert answer.status in (200, 400, 404)


# 26: who one claims to be


async def look_up(port: int, forwarded: str | None, *, source: str = "127.0.0.1") -> int:
    """Look an invite up, of which an address may look up three at once; return the status."""
    claims = [f"X-Forwarded-For: {forwarded}"] if forwarded else []
    return (await ask(port, request("GET", "/v1/invites/x", *claims), source=source)).status


async def test_fault_26_nobody_evades_a_limit_by_a_forged_address(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock, settings={"address_rate": 0.1}) as server:
        statuses = [await look_up(server.port, f"10.0.0.{number}") for number in range(5)]
        assert statuses == [404] * 3 + [429] * 2
        for name in ("Forwarded", "X-Real-IP", "CF-Connecting-IP", "X-Client-IP", "True-Client-IP"):
            forged = request("GET", "/v1/invites/x", f"{name}: 10.1.1.1")
            assert (await ask(server.port, forged)).status == 429
        assert await look_up(server.port, None, source="127.0.0.2") == 404


async def test_fault_26_a_listed_proxy_is_believed_about_the_last_hop_alone(tmp_path: Path, clock: FakeClock) -> None:
    settings = {"address_rate": 0.1, "proxies": ["127.0.0.1", "127.0.0.3"]}
    async with local_server(tmp_path, clock=clock, settings=settings) as server:
        assert [await look_up(server.port, "10.0.0.1") for _ in range(4)] == [404] * 3 + [429]
        assert [await look_up(server.port, "10.0.0.2") for _ in range(4)] == [404] * 3 + [429]
        # What a client sends itself stands before what the proxy adds.
        assert [await look_up(server.port, f"10.9.9.{number}, 10.0.0.1") for number in range(2)] == [429] * 2
        # Proxies behind one another.
        assert await look_up(server.port, "10.9.9.9, 10.0.0.1, 127.0.0.3") == 429
        assert await look_up(server.port, "10.0.0.3, 127.0.0.3") == 404
        # Who is no proxy is believed nothing.
        forged = [await look_up(server.port, f"10.2.2.{number}", source="127.0.0.2") for number in range(4)]
        assert forged == [404] * 3 + [429]


async def test_fault_26_sockets_are_counted_by_the_address_that_a_proxy_names(tmp_path: Path, clock: FakeClock) -> None:
    settings = {"connections_per_address": 2, "proxies": ["127.0.0.1"]}
    async with local_server(tmp_path, clock=clock, settings=settings) as server:
        forwarded = {"X-Forwarded-For": "10.9.9.9, 10.0.0.1"}
        async with (
            RawSocket.connect(server.port, headers=forwarded),
            RawSocket.connect(server.port, headers={"X-Forwarded-For": "10.9.9.8, 10.0.0.1"}),
        ):
            with pytest.raises(Refusal) as refusal:
                async with RawSocket.connect(server.port, headers=forwarded):
                    pass
            assert refusal.value.answer.status == 429
            async with RawSocket.connect(server.port, headers={"X-Forwarded-For": "10.0.0.2"}):
                pass


async def test_fault_26_a_forged_host_makes_no_page_ours(server: LocalInstance) -> None:
    ada = await join(server, "ada", cookie=True)
    evil = {"origin": "http://evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    answer = await ada.browse("POST", "/v1/invites", {}, **evil)
    assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN")
    async with Line.open(server.port) as line:
        await line.write(
            handshake(server.port, headers={"Cookie": ada.cookie, "Origin": evil["origin"], "X-Forwarded-Host": "evil"})
        )
        assert (await line.answer()).status == 403


# Headers


@asynccontextmanager
async def answers(server: LocalInstance) -> AsyncIterator[dict[str, Answer]]:
    """Yield an answer of each kind."""
    long = request("POST", "/v1/sign-in", "Content-Length: 1000000")
    yield {
        "the page": await ask(server.port, request("GET", "/")),
        "the API": await ask(server.port, request("GET", "/v1/invites/x")),
        "what is not there": await ask(server.port, request("GET", "/v1/nothing.txt")),
        "another method": await ask(server.port, request("PUT", "/v1/sign-in")),
        "what is too long": await ask(server.port, long),
        "what is no request": await ask(server.port, b"nonsense\r\n\r\n"),
        "an upgrade that is refused": await ask(server.port, handshake(server.port, "/v1/nothing")),
        "health": await ask(server.port, request("GET", "/healthz")),
    }


async def test_every_answer_says_what_a_browser_may_do_with_it(server: LocalInstance) -> None:
    async with answers(server) as found:
        for what, answer in found.items():
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self' "), what
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["permissions-policy"] == "camera=(self), microphone=(self), geolocation=(self)"
            assert "strict-transport-security" not in answer.headers, "a promise of TLS that is not kept here"
            assert "server" not in answer.headers
            if what not in ("the page", "what is no request"):
                assert answer.headers["cache-control"] == "no-store", what
        policy = found["the page"].headers["content-security-policy"]
    assert "unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy


async def test_the_page_is_asked_for_again_and_what_is_named_by_its_hash_never(server: LocalInstance) -> None:
    page = await ask(server.port, request("GET", "/"))
    assert page.headers["cache-control"] == "no-cache"
    again = await ask(server.port, request("GET", "/", f"If-None-Match: {page.headers['etag']}"))
    assert (again.status, again.body) == (304, b"")
    (script,) = re.findall(rb'src="(/assets/[^"]+)"', page.body)
    plain = await ask(server.port, request("GET", script.decode()))
    packed = await ask(server.port, request("GET", script.decode(), "Accept-Encoding: br, gzip"))
    assert packed.headers["cache-control"] == plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert gzip.decompress(packed.body) == plain.body
    deep = await ask(server.port, request("GET", "/conversation/7"))
    assert deep.body == page.body, "the page knows its own paths"
    assert (await ask(server.port, request("GET", "/missing.js"))).status == 404
