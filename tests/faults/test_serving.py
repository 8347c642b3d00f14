"""A server from its start to its end, as a process: what it says, what it serves, and how it goes down."""

import asyncio
import json
import os
import ssl
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from support.certificates import authority
from support.devices import PASSWORD, RawDevice, befriend, tell, until
from support.plain_device import PlainDevice, seed_two
from support.raw import Line, RawSocket, ask
from support.server import ServerProcess, local_server, server_json, server_process
from tidings.sdk.transport.link import Disconnected
from tidings.server.http.headers import STRICT_TRANSPORT
from tidings.server.telemetry.log import FIELDS
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire import http
from tidings.wire.closes import Close, advice

pytestmark = pytest.mark.anyio

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


# Going down (D13)


async def send_until_the_end(device: PlainDevice, window: int = 8) -> tuple[list[bytes], int]:
    """Send as long as there is a server; return what was ticked, and the code that the connection ended with."""
    ticked: list[bytes] = []
    try:
        while True:
            pairs = [device.send(os.urandom(200)) for _ in range(window)]
            for send, tick in pairs:
                await tick
                ticked.append(send.ciphertext)
    except Disconnected as ended:
        return ticked, ended.code


async def hear_to_the_end(device: PlainDevice) -> tuple[list[Any], int]:
    """Return what a device is still told, and the code that its connection ends with."""
    told: list[Any] = []
    try:
        while True:
            told += await device.link.next()
    except Disconnected as ended:
        return told, ended.code


async def test_a_server_that_is_told_to_stop_sends_devices_away_and_loses_nothing(tmp_path: Path) -> None:
    ada, bob = await seed_two(tmp_path / "server")
    server = await ServerProcess.start(tmp_path / "server")
    try:
        await ada.connect(server.url, time.time_ns() // 1_000_000)
        await bob.connect(server.url, time.time_ns() // 1_000_000)
        sending = asyncio.create_task(send_until_the_end(ada))
        async with Line.open(server.port) as slow, RawSocket.connect(server.port) as nobody:
            # Neither a request that does not end nor a socket that is not greeted holds the server up.
            await slow.write(b"POST /v1/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            await nobody.event()
            await bob.until(lambda: len(bob.got) > 20)
            begun = time.monotonic()
            server.process.terminate()
            told, last_words = await hear_to_the_end(bob)
            bob.got |= {event.pos: event for event in told if isinstance(event, e.Message)}
            assert isinstance(told[-1], e.Reconnect)
            assert told[-1].jitter > 0
            assert last_words == Close.MOVED
            assert advice(last_words) == "later"
            with pytest.raises(ConnectionError):
                async with Line.open(server.port):
                    pass
            assert await server.stop() == 0
            took = time.monotonic() - begun
        ticked, code = await sending
        print(f"down in {took:.1f} s, after {len(ticked)} ticks")
        assert took < 10.0
        assert code == Close.MOVED
        await server.begin()
        await bob.connect(server.url, time.time_ns() // 1_000_000)
        await bob.until(lambda: set(ticked) <= {message.ciphertext for message in bob.got.values()})
        assert [body for body in bob.bodies() if body in set(ticked)] == ticked
        await bob.link.close()
    finally:
        await server.stop()


async def test_a_server_goes_down_within_ten_seconds_though_a_device_does_not_answer(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with ada.socket() as hers, bob.socket(window=4_096):
            talk = await ada.open_direct(hers, bob)
            for _ in range(200):
                await hers.command(talk.send(bytes(20_000)))
                await until(hers, e.Sent)
            begun = time.monotonic()
            server.process.terminate()
            assert await hers.closed() == Close.MOVED
            assert await server.stop() == 0
            assert time.monotonic() - begun < 10.0


# What it says


async def test_logs_are_lines_of_json_that_name_nobody_and_quote_nothing(tmp_path: Path) -> None:
    secret = uuid.uuid4().hex
    async with server_process(tmp_path, "--log-level", "debug") as server:
        ada, bob = await befriend(server, f"ada-{secret[:6]}", f"bob-{secret[:6]}", cookie=True)
        async with ada.socket() as hers, bob.socket(browser=True) as his:
            talk = await ada.open_direct(hers, bob)
            await hers.command(talk.send(secret.encode()))
            await until(his, e.Message)
            await his.send(secret.encode())
            await until(his, e.Refused)
            await tell(his, c.UploadKeys(3, [], None, replace=False))
            await his.write(b"\xff" + secret.encode())
            assert await his.closed() == 1002
        async with httpx.AsyncClient(base_url=ada.url, verify=False) as web:
            for method, path, body in [
                ("POST", "/v1/sign-in", {"name": secret, "password": secret}),
                ("POST", "/v1/sign-in", {"name": secret}),
                ("POST", "/v1/accounts", {"invite": secret, "name": secret[:20], "password": secret}),
                ("GET", f"/v1/invites/{secret}", None),
                ("GET", f"/{secret}.txt", None),
                ("PATCH", f"/{secret}", None),
            ]:
                await web.request(method, path, json=body, headers={"cookie": f"x={secret}", "referer": secret})
        await ask(server.port, f"GET /{secret} NONSENSE\r\n\r\n".encode())
        async with Line.open(server.port) as line:
            await line.write(f"POST /v1/sign-in HTTP/1.1\r\nContent-Length: 99\r\n\r\n{secret}".encode())
        token = server_json(server.data)["admin_token"]
    log = server.log()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["message"] for line in lines} >= {"serving", "leaving"}
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line)
        assert set(line) <= {"time", "level", "logger", "message", "error", "at", *FIELDS}
    for private in (
        *(secret, secret[:20], secret[:6], PASSWORD, token, "127.0.0", "localhost"),
        *(ada.account, ada.account[1:37], ada.device, bob.device, talk.conversation.conversation[1:37]),
        *(str(ada.cookie).partition("=")[2], ada.key.public),
    ):
        assert private not in log, private


async def test_health_and_readiness_are_told_to_all_and_metrics_to_the_owner(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server:
        assert (await ask(server.port, GET % b"/healthz")).body == b"ok\n"
        ready = await ask(server.port, GET % b"/readyz")
        assert (ready.status, ready.body) == (200, b"ready\n")
        assert (await ask(server.port, GET % b"/metrics")).status == 404
        ada, bob = await befriend(server, "ada", "bob")
        async with ada.socket() as hers, bob.socket() as his:
            talk = await ada.open_direct(hers, bob)
            await hers.command(talk.send())
            await until(his, e.Message)
            await until(hers, e.Sent)
            await hers.command(talk.send(epoch=99, prev=talk.last))
            await until(hers, e.Refused)
            async with httpx.AsyncClient(base_url=ada.url, verify=False) as web:
                page = await web.get("/metrics", headers={"authorization": f"Bearer {server.admin_token}"})
        values = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if not line.startswith("#"))
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert values["tidings_devices_online"] == "2.0"
        assert values["tidings_connections"] == "2.0"
        assert values["tidings_messages_total"] == "1.0"
        assert values["tidings_entries_sent_total"] == "1.0"
        assert values['tidings_refused_total{code="STALE_EPOCH"}'] == "1.0"
        assert values["tidings_ready"] == "1.0"
        assert float(values["tidings_commit_batches"]) > 0
        assert float(values["tidings_commit_size_count"]) >= float(values["tidings_commit_batches"])
        assert float(values["tidings_commit_size_sum"]) >= float(values["tidings_commit_jobs"])
        for stage in ("wait", "statements", "commit", "write"):
            assert float(values[f'tidings_stage_seconds_count{{stage="{stage}"}}']) > 0
        assert values["tidings_jobs_waiting"] == values["tidings_commands_under_way"] == "0.0"
        assert values["tidings_write_buffer_bytes"] == values["tidings_write_buffer_most_bytes"] == "0.0"
        assert ada.account not in page.text
        server.server.store.database.ready = False
        unready = await ask(server.port, GET % b"/readyz")
        assert (unready.status, unready.body) == (503, b"not ready\n")
        assert (await ask(server.port, GET % b"/healthz")).status == 200
        server.server.store.database.ready = True


# TLS


async def enrol_by_tls(port: int, trust: ssl.SSLContext, invite: str) -> tuple[RawDevice, str, httpx.Headers]:
    """Register a browser over TLS; return it, its cookie as it was set, and the headers of the answer."""
    origin = f"https://localhost:{port}"
    async with httpx.AsyncClient(base_url=origin, verify=trust, headers={"origin": origin, "x-tidings": "1"}) as web:
        registered = await web.post("/v1/accounts", json={"invite": invite, "name": "ada", "password": PASSWORD})
        assert registered.status_code == 201, registered.text
        ada = RawDevice(port, msgspec.json.decode(registered.content, type=http.Enrolment))
        token = registered.json()["enrolment"]
        enrolled = await web.post(
            "/v1/devices",
            content=msgspec.json.encode(ada.enrolment(1, {}, cookie=True)),
            headers={"authorization": f"Bearer {token}"},
        )
        assert enrolled.status_code == 201, enrolled.text
        assert (await web.get("/v1/devices")).status_code == 200, "the client shows the cookie by itself"
        ada.keep(enrolled)
        return ada, enrolled.headers["set-cookie"], enrolled.headers


async def test_a_server_with_a_certificate_serves_pages_and_sockets_by_tls(tmp_path: Path) -> None:
    certificate = authority(tmp_path / "authority")
    files = "--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)
    trust = certificate.trust()
    async with server_process(tmp_path, *files) as server:
        assert f"Tidings is running: https://localhost:{server.port}" in server.output
        invite = (await server.invite()).rpartition("/")[2]
        ada, cookie, headers = await enrol_by_tls(server.port, trust, invite)
        assert cookie.startswith("__Host-tidings=")
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= parts
        assert not any(part.startswith("domain") for part in parts)
        name, value = STRICT_TRANSPORT
        assert headers[name] == value
        shown = {"Cookie": ada.cookie, "Host": f"localhost:{server.port}"}
        async with RawSocket.connect(
            server.port, headers={**shown, "Origin": f"https://localhost:{server.port}"}, tls=trust
        ) as socket:
            await ada.greet(socket)
            assert isinstance(await tell(socket, c.ListConversations(1, [], None)), e.Conversations)
        async with Line.open(server.port, tls=trust) as line:
            await line.write(GET % b"/")
            page = await line.answer()
            assert (page.status, page.headers[name]) == (200, value)
        for origin in (f"http://localhost:{server.port}", "https://localhost", "https://evil.example"):
            async with Line.open(server.port, tls=trust) as line:
                request = f"GET /v1/devices HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
                await line.write(f"{request}Cookie: {ada.cookie}\r\nOrigin: {origin}\r\n\r\n".encode())
                assert (await line.answer()).status == 403, origin
        with pytest.raises(ssl.SSLCertVerificationError):
            async with Line.open(server.port, tls=ssl.create_default_context()):
                pass
        async with Line.open(server.port) as line:
            await line.write(GET % b"/healthz")
            assert b"HTTP" not in await line.rest(), "nothing is served in the open"
    assert "127.0.0" not in server.log()
