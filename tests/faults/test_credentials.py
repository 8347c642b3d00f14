"""Faults of credentials: stolen, replayed, guessed; and keys that somebody takes away."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from support.clock import FakeClock
from support.devices import PASSWORD, RawDevice, befriend, join, link, tell, until
from support.raw import Line, RawSocket
from support.server import LocalInstance, local_server, new_person
from tidings.sdk import Client
from tidings.server.domain.rates import RATES
from tidings.server.services.credentials import COOKIE_MS, GRACE_MS, WINDOW_MS
from tidings.server.services.keys import LOW
from tidings.server.services.passwords import Passwords
from tidings.server.services.registration import ENROLMENT_MS
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(tmp_path: Path, clock: FakeClock) -> AsyncIterator[LocalInstance]:
    async with local_server(tmp_path, clock=clock, settings={"address_rate": 100.0}) as running:
        yield running


async def post(server: LocalInstance, path: str, body: Any, **headers: str) -> httpx.Response:
    """Post JSON as nobody in particular."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", verify=False) as web:
        return await web.post(path, content=msgspec.json.encode(body), headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "") if answer.content else ""


# 13: a program's signature


async def test_fault_13_a_signed_request_is_good_once_and_for_what_was_signed(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada = await join(server, "ada", now=clock.now)
    stolen = ada.signature("GET", "/v1/devices")
    async with httpx.AsyncClient(base_url=server.url, verify=False, headers={"authorization": stolen}) as web:
        assert (await web.get("/v1/devices")).status_code == 200
        assert code(await web.get("/v1/devices")) == (401, "NOT_SIGNED_IN")
    unused = ada.signature("POST", "/v1/invites", b'{"uses":1}')
    for method, path, body in [
        ("POST", "/v1/invites", b'{"uses":9}'),
        ("POST", "/v1/invites", b""),
        ("POST", "/v1/sign-out", b'{"uses":1}'),
        ("PUT", "/v1/privacy", b'{"uses":1}'),
        ("GET", "/v1/devices", b""),
    ]:
        async with httpx.AsyncClient(base_url=server.url, verify=False, headers={"authorization": unused}) as web:
            assert (await web.request(method, path, content=body)).status_code in (400, 401), path
    async with httpx.AsyncClient(base_url=server.url, verify=False, headers={"authorization": unused}) as web:
        assert (await web.post("/v1/invites", content=b'{"uses":1}')).status_code == 201


async def test_fault_13_a_signed_request_is_good_for_a_minute(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now)
    clock.advance(120)
    now = clock.now()
    for away, good in [
        (0, True),
        (WINDOW_MS, True),
        (-WINDOW_MS, True),
        (WINDOW_MS + 1, False),
        (-WINDOW_MS - 1, False),
    ]:
        header = ada.signature("GET", "/v1/devices", time=now + away)
        answer = await ada.request("GET", "/v1/devices", authorization=header)
        assert answer.status_code == (200 if good else 401), away
        if not good:
            assert (answer.json()["code"], answer.json()["time"]) == ("WRONG_TIME", now)


async def test_fault_13_what_was_signed_before_a_restart_is_not_taken_again(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        ada = await join(server, "ada", now=clock.now, cookie=True)
        used, renewal = ada.signature("GET", "/v1/devices"), ada.renewal()
        assert (await ada.request("GET", "/v1/devices", authorization=used)).status_code == 200
        assert (await ada.renew(renewal)).status_code == 204
    clock.advance(1)
    async with local_server(tmp_path, clock=clock) as server:
        ada.port = server.port
        assert code(await ada.request("GET", "/v1/devices", authorization=used)) == (401, "WRONG_TIME")
        assert code(await ada.renew(renewal)) == (401, "WRONG_TIME")
        assert (await ada.request("GET", "/v1/devices")).status_code == 200
        clock.jump(-3_600_000)
        assert (await ada.request("GET", "/v1/devices")).status_code == 200, "the clock was put right"


async def test_fault_10_a_program_whose_clock_is_wrong_is_told_the_time_and_signs_again(
    server: LocalInstance, clock: FakeClock, tmp_path: Path
) -> None:
    store = await new_person(server, tmp_path, "ada")
    async with Client.open(store) as ada:
        await ada.ready()
        for jump in (7_200_000, -14_400_000):
            clock.jump(jump)
            assert "/#/join/" in await ada.invite()


async def test_fault_13_what_another_key_has_signed_is_nothing(server: LocalInstance, clock: FakeClock) -> None:
    ada, bob = await befriend(server, "ada", "bob", now=clock.now)
    thief = RawDevice(server.port, http.Enrolment(ada.account, "ada", ada.server_id, "", 1, 1))
    thief.device, thief.now = ada.device, clock.now
    assert code(await thief.request("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
    thief.key, thief.device = bob.key, bob.device  # a device of another account
    assert code(await thief.request("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
    for nonsense in ("x", "AAAA", "e30", "W10", "=" * 10, "bnVsbA", "A" * 9_000, "[" * 9_000):
        answer = await ada.request("GET", "/v1/devices", authorization=f"Tidings {nonsense}")
        assert code(answer) == (401, "NOT_SIGNED_IN"), nonsense


# 13: the greeting


async def test_fault_13_a_greeting_is_good_for_its_challenge_alone(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now)
    async with RawSocket.connect(server.port) as first, RawSocket.connect(server.port) as second:
        challenge, other = await first.event(), await second.event()
        assert isinstance(challenge, e.Challenge)
        assert isinstance(other, e.Challenge)
        assert challenge.nonce != other.nonce
        hello = ada.hello(challenge)
        await second.command(hello)
        assert await second.closed() == Close.NOT_SIGNED_IN
        await first.command(hello)
        await until(first, e.CaughtUp)
        await first.command(hello)
        assert isinstance(await until(first, e.Refused), e.Refused)
    changes: list[dict[str, Any]] = [
        {"server_id": "t" + 16 * "0"},
        {"account": ada.account[:-1] + ("1" if ada.account.endswith("0") else "0")},
        {"device": "AAAAAAAAAA"},
    ]
    for changed in changes:
        async with RawSocket.connect(server.port) as socket:
            challenge = await socket.event()
            assert isinstance(challenge, e.Challenge)
            await socket.command(ada.hello(challenge, **changed))
            assert await socket.closed() == Close.NOT_SIGNED_IN


# 13: a browser's cookie


async def test_fault_13_a_stolen_cookie_opens_no_mailbox(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    thief = RawDevice(server.port, http.Enrolment(ada.account, "ada", ada.server_id, "", 1, 1))
    thief.device, thief.cookie, thief.now = ada.device, ada.cookie, clock.now
    async with RawSocket.connect(server.port, headers={"Cookie": ada.cookie, "Origin": ada.url}) as socket:
        challenge = await socket.event()
        assert isinstance(challenge, e.Challenge)
        await socket.command(thief.hello(challenge))
        assert await socket.closed() == Close.NOT_SIGNED_IN
    assert code(await thief.renew()) == (401, "NOT_SIGNED_IN")


async def test_fault_13_an_old_cookie_that_is_shown_again_ends_the_sign_in_and_the_connection(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    stolen = ada.cookie
    assert (await ada.renew()).status_code == 204
    assert ada.cookie != stolen
    assert (await ada.browse("GET", "/v1/devices", cookie=str(stolen))).status_code == 200, "tabs can race"
    clock.advance(GRACE_MS / 1000)
    async with ada.socket(browser=True) as socket:
        assert code(await ada.browse("GET", "/v1/devices", cookie=str(stolen))) == (401, "NOT_SIGNED_IN")
        assert await socket.closed() == Close.NOT_SIGNED_IN
    assert code(await ada.browse("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
    assert (await ada.renew()).status_code == 204, "the device itself comes back by its key"
    assert (await ada.browse("GET", "/v1/devices")).status_code == 200


async def test_fault_13_a_cookie_lives_for_a_day_and_is_renewed_by_the_devices_key(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    clock.advance(COOKIE_MS / 1000 - 1)
    assert (await ada.browse("GET", "/v1/devices")).status_code == 200
    clock.advance(1)
    assert code(await ada.browse("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
    renewal = ada.renewal()
    assert (await ada.renew(renewal)).status_code == 204
    assert code(await ada.renew(renewal)) == (401, "NOT_SIGNED_IN")
    assert code(await ada.renew(ada.renewal(time=clock.now() - WINDOW_MS - 1))) == (401, "WRONG_TIME")
    assert (await ada.browse("GET", "/v1/devices")).status_code == 200


async def test_fault_13_a_cookie_is_shown_by_the_browser_to_us_alone(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    said = (await ada.renew()).headers["set-cookie"]
    assert said.startswith(f"tidings-{server.port}=")
    parts = {part.strip().lower() for part in said.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith("domain") for part in parts)


async def test_fault_13_no_foreign_page_writes_with_a_cookie(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    async with httpx.AsyncClient(base_url=server.url, verify=False, headers={"cookie": str(ada.cookie)}) as web:
        for headers in (
            {},
            {"x-tidings": "1"},
            {"origin": ada.url},
            {"origin": "null", "x-tidings": "1"},
            {"origin": "http://evil.example", "x-tidings": "1"},
            {"origin": f"{ada.url}.evil.example", "x-tidings": "1"},
            {"origin": ada.url.replace("http", "ftp"), "x-tidings": "1"},
        ):
            for path in ("/v1/invites", "/v1/sign-out", f"/v1/devices/{ada.device}/removal"):
                answer = await web.post(path, content=b"{}", headers=headers)
                assert code(answer) == (403, "FOREIGN_ORIGIN"), (path, headers)
        assert code(await web.get("/v1/devices", headers={"origin": "http://evil.example"})) == (403, "FOREIGN_ORIGIN")
        assert (await web.get("/v1/devices")).status_code == 200
    assert (await ada.browse("POST", "/v1/invites", http.NewInvite())).status_code == 201


async def test_fault_13_no_foreign_page_enrols_a_browser(server: LocalInstance, clock: FakeClock) -> None:
    invite = (await server.invite()).rpartition("/")[2]
    registered = await post(server, "/v1/accounts", http.NewAccount(invite, "ada", PASSWORD))
    ada = RawDevice(server.port, msgspec.json.decode(registered.content, type=http.Enrolment))
    token, new = registered.json()["enrolment"], ada.enrolment(1, {}, cookie=True)
    bearer = {"authorization": f"Bearer {token}"}
    foreign = await post(server, "/v1/devices", new, **bearer, **ada.origin | {"origin": "http://evil.example"})
    assert code(foreign) == (403, "FOREIGN_ORIGIN")
    assert (await post(server, "/v1/devices", new, **bearer, **ada.origin)).status_code == 201


# 13: leaving


async def test_fault_13_signing_out_ends_everything_within_a_second(server: LocalInstance, clock: FakeClock) -> None:
    ada = await join(server, "ada", now=clock.now, cookie=True)
    tablet = await link(server, ada, 2, cookie=True)
    async with ada.socket() as hers, tablet.socket(browser=True) as lost:
        removal = http.Removal(ada.identity.sign_list(3, {ada.device: ada.key.public}))
        assert (await ada.request("POST", f"/v1/devices/{tablet.device}/removal", removal)).status_code == 204
        begun = time.monotonic()
        assert await lost.closed() == Close.DEVICE_REMOVED
        assert time.monotonic() - begun < 1.0
        assert code(await tablet.browse("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
        assert code(await tablet.request("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")
        assert code(await tablet.renew()) == (401, "NOT_SIGNED_IN")
        async with RawSocket.connect(server.port) as again:
            challenge = await again.event()
            assert isinstance(challenge, e.Challenge)
            await again.command(tablet.hello(challenge))
            assert await again.closed() == Close.NOT_SIGNED_IN
        assert isinstance(await tell(hers, c.ListConversations(1, [], None)), e.Conversations)
        gone = await ada.browse("POST", "/v1/sign-out", http.Removal())
        begun = time.monotonic()
        assert gone.status_code == 204
        assert "Max-Age=0" in gone.headers["set-cookie"]
        assert await hers.closed() == Close.DEVICE_REMOVED
        assert time.monotonic() - begun < 1.0
    assert code(await ada.request("GET", "/v1/devices")) == (401, "NOT_SIGNED_IN")


async def test_fault_13_leave_to_enrol_is_good_once_and_for_a_quarter_of_an_hour(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada = await join(server, "ada", now=clock.now)
    signed_in = await post(server, "/v1/sign-in", http.SignIn("ada", PASSWORD))
    token = signed_in.json()["enrolment"]
    known = {ada.device: ada.key.public}
    tablet = RawDevice(server.port, msgspec.json.decode(signed_in.content, type=http.Enrolment), ada.identity)
    bearer = {"authorization": f"Bearer {token}"}
    for stranger in ("x", token[:-1], token + "x"):
        answer = await post(
            server, "/v1/devices", tablet.enrolment(2, known, first=False), authorization=f"Bearer {stranger}"
        )
        assert code(answer) == (401, "NO_LEAVE")
    assert (await post(server, "/v1/devices", tablet.enrolment(2, known, first=False), **bearer)).status_code == 201
    again = RawDevice(server.port, msgspec.json.decode(signed_in.content, type=http.Enrolment), ada.identity)
    known |= {tablet.device: tablet.key.public}
    assert code(await post(server, "/v1/devices", again.enrolment(3, known, first=False), **bearer)) == (
        401,
        "NO_LEAVE",
    )
    late = (await post(server, "/v1/sign-in", http.SignIn("ada", PASSWORD))).json()["enrolment"]
    clock.advance(ENROLMENT_MS / 1000)
    answer = await post(server, "/v1/devices", again.enrolment(3, known, first=False), authorization=f"Bearer {late}")
    assert code(answer) == (401, "NO_LEAVE")


# 18: who is here


@pytest.fixture
async def dear_server(tmp_path: Path, clock: FakeClock) -> AsyncIterator[LocalInstance]:
    """A server that hashes passwords as it should."""
    replaced = {"clock": clock, "passwords": Passwords()}
    async with local_server(tmp_path, settings={"address_rate": 100.0}, **replaced) as running:
        yield running


async def test_fault_18_a_wrong_password_and_an_unknown_name_answer_alike(
    dear_server: LocalInstance, clock: FakeClock
) -> None:
    server = dear_server
    await join(server, "ada", now=clock.now)
    answers: dict[str, list[httpx.Response]] = {"ada": [], "nobody": []}
    took: dict[str, list[float]] = {"ada": [], "nobody": []}
    for name in ("ada", "nobody") * 5:
        begun = time.monotonic()
        answers[name].append(await post(server, "/v1/sign-in", http.SignIn(name, "wrong password")))
        took[name].append(time.monotonic() - begun)
    for one, other in zip(answers["ada"], answers["nobody"], strict=True):
        assert code(one) == (401, "WRONG_PASSWORD")
        assert one.content == other.content
        assert {**one.headers, "date": ""} == {**other.headers, "date": ""}
    known, unknown = (statistics.median(took[name]) for name in ("ada", "nobody"))
    print(f"a known name {known * 1000:.0f} ms, an unknown one {unknown * 1000:.0f} ms")
    assert 0.5 < known / unknown < 2.0
    for name in ("", "a", "ä" * 30, "a b", "@@ada", "admin"):
        assert (await post(server, "/v1/sign-in", http.SignIn(name, "wrong password"))).content == answers["ada"][
            0
        ].content


async def test_fault_18_a_thousand_tries_check_a_few_passwords_and_lock_nobody_out_for_good(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with local_server(tmp_path, clock=clock) as server:
        await join(server, "ada", now=clock.now)
        answers = []
        async with Line.open(server.port) as line:
            for number in range(1_000):
                body = msgspec.json.encode(http.SignIn("ada", f"guess {number}"))
                head = "POST /v1/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                await line.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
                answers.append(await line.answer())
        statuses = [answer.status for answer in answers]
        for answer in answers:
            if answer.status == 429:
                assert int(answer.headers["retry-after"]) * 1000 >= answer.problem["retry_after"] > 0
        checked = statuses.count(401)
        assert checked == RATES["password-of-account"].burst
        assert statuses.count(429) == 1_000 - checked
        clock.advance(1_000 * RATES["password"].every)
        assert (await post(server, "/v1/sign-in", http.SignIn("ada", PASSWORD))).status_code == 200


async def test_fault_18_an_address_tries_a_few_names(tmp_path: Path, clock: FakeClock) -> None:
    async with local_server(tmp_path, clock=clock, settings={"address_rate": 0.2}) as server:
        await join(server, "ada", now=clock.now)
        clock.advance(1_000)
        tries = [await post(server, "/v1/sign-in", http.SignIn(f"name{number}", "x")) for number in range(8)]
        assert [answer.status_code for answer in tries] == [401] * 4 + [429] * 4
        # Registering tells who has a name only to who was invited, and is limited, too.
        taken, free = [
            await post(server, "/v1/accounts", http.NewAccount("spent", name, PASSWORD)) for name in ("ada", "newcomer")
        ]
        assert code(taken) == code(free) == (404, "INVITE_SPENT")
        assert taken.content == free.content
        assert (await post(server, "/v1/accounts", http.NewAccount("spent", "other", PASSWORD))).status_code == 429


async def test_fault_18_invites_that_are_used_expired_or_never_were_look_alike(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada = await join(server, "ada", now=clock.now)
    used, old = [(await ada.request("POST", "/v1/invites", http.NewInvite(days=1))).json()["code"] for _ in range(2)]
    await join(server, "bob", invite=used, now=clock.now)
    async with httpx.AsyncClient(base_url=server.url, verify=False) as web:
        assert (await web.get(f"/v1/invites/{old}")).json()["inviter"] == "ada"
        clock.advance(86_400)
        answers = [await web.get(f"/v1/invites/{invite}") for invite in (used, old, "never")]
    assert [code(answer) for answer in answers] == [(404, "INVITE_SPENT")] * 3
    assert len({answer.content for answer in answers}) == 1


async def test_fault_18_people_are_found_by_exact_names_and_not_by_the_thousand(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada, bob = await befriend(server, "ada", "bob", now=clock.now)
    assert (await ada.request("GET", "/v1/accounts/@Bob")).json()["account"] == bob.account
    missing = [await ada.request("GET", f"/v1/accounts/{name}") for name in ("bo", "bobb", "b%25b", "b*b", "%40")]
    assert [answer.status_code for answer in missing] == [404] * 5
    assert len({answer.content for answer in missing}) == 1
    burst = RATES["look-up"].burst
    statuses = [(await ada.request("GET", f"/v1/accounts/x{number}")).status_code for number in range(burst)]
    assert statuses == [404] * (burst - 6) + [429] * 6
    async with httpx.AsyncClient(base_url=server.url, verify=False) as web:
        assert code(await web.get("/v1/accounts/bob")) == (401, "NOT_SIGNED_IN")


# 19: keys that somebody takes away


async def claim(socket: RawSocket, device: Address, count: int = 1) -> list[str]:
    """Claim keys of a device; return their names."""
    reply = await tell(socket, c.ClaimKeys(next(NUMBERS), [device] * count))
    assert isinstance(reply, e.Claimed)
    return [key.key.name for key in reply.keys]


NUMBERS = itertools.count(10)


async def test_fault_19_nobody_drains_anothers_keys_and_the_owner_is_told(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada, bob = await befriend(server, "ada", "bob", now=clock.now)
    eve = await join(server, "eve", now=clock.now)
    burst = RATES["claim"].burst
    async with bob.socket() as his, ada.socket() as hers, eve.socket() as thief:
        supply = [bob.one_time() for _ in range(burst + LOW)]
        fallback = bob.one_time(fallback=True)
        counted = await tell(his, c.UploadKeys(1, supply, fallback, replace=True))
        assert counted == e.KeyCount(1, burst + LOW, fallback=True)
        taken = [name for _ in range(burst) for name in await claim(thief, bob.address)]
        assert len(set(taken)) == burst
        assert set(taken) < {key.name for key in supply}
        assert await claim(thief, bob.address) == await claim(thief, bob.address, 200) == []
        rest: list[str] = []
        for left in reversed(range(LOW)):
            rest += await claim(hers, bob.address)
            assert (await until(his, e.KeysLow)).count == left
        assert set(taken) | set(rest) == {key.name for key in supply}
        other = await link(server, ada, 2)
        async with other.socket() as again:
            assert await claim(again, bob.address) == [], "the limit is the account's"
    clock.advance(RATES["claim"].every)
    async with eve.socket() as thief, ada.socket() as hers:
        for socket in (thief, hers):
            assert await claim(socket, bob.address, 200) == [fallback.name], "one a minute; the last is never used up"
    async with RawSocket.connect(server.port) as back:
        greeting = await bob.greet(back)
        assert any(isinstance(event, e.KeysLow) for event in greeting), "who was away is told on return"
        assert await tell(back, c.UploadKeys(2, [], None, replace=False)) == e.KeyCount(2, 0, fallback=False)
        fresh = [bob.one_time() for _ in range(LOW)]
        counted = await tell(back, c.UploadKeys(3, fresh, bob.one_time(fallback=True), replace=False))
        assert counted == e.KeyCount(3, LOW, fallback=True)
    async with RawSocket.connect(server.port) as back:
        assert not any(isinstance(event, e.KeysLow) for event in await bob.greet(back))


async def test_fault_19_two_who_claim_at_once_get_different_keys(server: LocalInstance, clock: FakeClock) -> None:
    ada, bob = await befriend(server, "ada", "bob", now=clock.now)
    eve = await join(server, "eve", now=clock.now)
    async with ada.socket() as hers, eve.socket() as other:
        claims = await asyncio.gather(claim(hers, bob.address, 12), claim(other, bob.address, 12))
    names = [name for claimed in claims for name in claimed]
    assert len(names) == len(set(names)) == 24


async def test_fault_19_keys_that_the_device_did_not_sign_are_refused_all_together(
    server: LocalInstance, clock: FakeClock
) -> None:
    ada, bob = await befriend(server, "ada", "bob", now=clock.now)
    async with bob.socket() as socket:
        foreign = ada.one_time()
        refused = await tell(socket, c.UploadKeys(1, [bob.one_time(), foreign], None, replace=True))
        assert isinstance(refused, e.Refused)
        counted = await tell(socket, c.UploadKeys(2, [], None, replace=False))
        assert counted == e.KeyCount(2, 25, fallback=True)
        uploads = [await tell(socket, c.UploadKeys(number, [], None, replace=False)) for number in range(3, 40)]
        limited = [reply for reply in uploads if isinstance(reply, e.Refused)]
        assert len(limited) == len(uploads) + 2 - RATES["upload-keys"].burst
