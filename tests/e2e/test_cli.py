"""Every command, as a process of its own: what it prints, how it fails, how it ends."""

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest
import segno

from support.certificates import authority
from support.commands import tidings
from support.server import PASSWORD, START_SECONDS, ServerProcess, free_port, new_person, server_process
from tidings.sdk import Client

pytestmark = pytest.mark.anyio

LINK = re.compile(r"http\S+/#/join/[\w-]+")
COMMANDS = {
    "serve": ("--data", "--host", "--port", "--tls-cert", "--tls-key"),
    "chat": ("--store", "--join"),
    "send": ("--store", "@name"),
    "admin": ("invite", "accounts", "remove"),
    "doctor": ("--data",),
    "bench": ("relay", "idle"),
}


# Help


async def test_the_program_says_which_commands_there_are() -> None:
    shown = await tidings("--help")
    assert shown.code == 0
    assert all(command in shown.out for command in COMMANDS)
    bare = await tidings()
    assert bare.code == 2
    assert "Traceback" not in bare.err
    wrong = await tidings("talk")
    assert wrong.code == 2
    assert "talk" in wrong.err
    version = await tidings("--version")
    assert (version.code, version.err) == (0, "")
    assert re.fullmatch(r"tidings \d+\.\d+\.\d+\n", version.out)


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_explains_itself(command: str) -> None:
    shown = await tidings(command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"tidings {command}" in shown.out
    assert all(word in shown.out for word in COMMANDS[command])


# serve


def scanned(output: str) -> list[list[bool]]:
    """Return the dark modules of the code in an output, border and all, as a phone sees it on a dark screen."""
    rows: list[list[bool]] = []
    for line in output.splitlines():
        if line and set(line) <= set(" ▀▄█") and "█" in line:
            rows.append([sign in " ▄" for sign in line])
            rows.append([sign in " ▀" for sign in line])
    return rows


async def test_the_first_run_prints_a_link_and_its_code_for_the_admin_and_later_runs_say_how_to_invite(
    tmp_path: Path,
) -> None:
    server = await ServerProcess.start(tmp_path / "server")
    assert server.process.stdout is not None
    output = server.output
    async with asyncio.timeout(START_SECONDS):
        while "It works once" not in output:
            output += (await server.process.stdout.readline()).decode()
    link = LINK.findall(output)[0]
    assert link.startswith(server.url)
    expected = [[bool(module) for module in row] for row in segno.make(link, error="l").matrix_iter(border=2)]
    assert scanned(output)[: len(expected)] == expected

    client = await Client.register(tmp_path / "ada.db", link, "ada", PASSWORD)
    client.close()
    listed = await tidings("admin", "--data", server.data, "accounts", "--json")
    assert [(account["name"], account["admin"]) for account in json.loads(listed.out)] == [("ada", True)]
    assert await server.stop() == 0

    await server.begin()
    server.process.terminate()
    rest = (await server.process.stdout.read()).decode()
    assert not LINK.search(rest)
    assert f"tidings admin --data {server.data} invite" in rest
    assert await server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_in_order(tmp_path: Path, number: signal.Signals) -> None:
    server = await ServerProcess.start(tmp_path / "server")
    store = await new_person(server, tmp_path, "ada")
    async with Client.open(store) as ada:
        await ada.ready()
        server.process.send_signal(number)
        async with asyncio.timeout(10):
            assert await server.process.wait() == 0
    assert "Traceback" not in server.log()


async def test_a_port_or_a_folder_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        port = await tidings("serve", "--data", tmp_path / "other", "--port", server.port)
        assert (port.code, port.out) == (1, "")
        assert port.fault == f"port {server.port} is in use by another program; choose another one by --port"
        folder = await tidings("serve", "--data", server.data, "--port", free_port())
        assert (folder.code, folder.out) == (1, "")
        assert folder.fault == f"another server runs on {server.data}; stop it, or name another folder by --data"


async def test_what_a_server_cannot_start_with_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").mkdir(mode=0o700)
    (tmp_path / "damaged" / "server.json").write_text("{")
    serve = "serve", "--data", tmp_path / "new", "--port"
    number = await tidings(*serve, "99999")
    assert number.code == 2
    assert "a port is a number from 0 to 65535" in number.err
    days = await tidings(*serve, "0", "--retention-days", "91")
    assert (days.code, days.fault) == (1, "--retention-days takes 1 to 90")
    host = await tidings(*serve, "0", "--host", "192.0.2.1")
    assert host.code == 1
    assert host.fault.startswith("cannot listen on 192.0.2.1:0: ")
    file = await tidings("serve", "--data", tmp_path / "file", "--port", "0")
    assert file.code == 1
    assert file.fault.startswith(f"cannot use {tmp_path / 'file'}: ")
    damaged = await tidings("serve", "--data", tmp_path / "damaged", "--port", "0")
    assert damaged.code == 1
    assert damaged.fault == f"{tmp_path / 'damaged' / 'server.json'} is damaged; restore it from a backup"


async def test_a_certificate_that_cannot_be_used_is_said_before_the_server_starts(tmp_path: Path) -> None:
    good, other = authority(tmp_path / "good"), authority(tmp_path / "other")
    locked = authority(tmp_path / "locked", password=b"secret")
    (tmp_path / "no.pem").write_text("no certificate")

    async def fault(cert: Path, key: Path) -> str:
        words = "serve", "--data", tmp_path / "server", "--port", "0", "--tls-cert", cert, "--tls-key", key
        ended = await tidings(*words)
        assert (ended.code, ended.out) == (1, "")
        return ended.fault

    assert await fault(tmp_path / "gone", good.key) == f"cannot read {tmp_path / 'gone'}: No such file or directory"
    assert (
        await fault(good.cert, other.key) == f"the key in {other.key} does not belong to the certificate in {good.cert}"
    )
    assert "not a certificate and its key in PEM" in await fault(tmp_path / "no.pem", good.key)
    assert "locked by a password" in await fault(locked.cert, locked.key)
    alone = await tidings("serve", "--data", tmp_path / "server", "--port", "0", "--tls-cert", good.cert)
    assert (alone.code, alone.fault) == (1, "give --tls-cert and --tls-key together")
    assert not (tmp_path / "server").exists()


async def test_a_server_with_a_certificate_speaks_tls_alone_and_the_doctor_knows_it(tmp_path: Path) -> None:
    tls = authority(tmp_path / "tls")
    async with server_process(tmp_path, "--tls-cert", str(tls.cert), "--tls-key", str(tls.key)) as server:
        assert f"https://localhost:{server.port}" in server.output
        verify = tls.trust()
        client = await Client.register(tmp_path / "ada.db", await server.invite(), "ada", PASSWORD, verify=verify)
        client.close()
        async with Client.open(tmp_path / "ada.db", verify=verify) as ada:
            await ada.ready()
        checked = await tidings("doctor", "--data", server.data)
        assert checked.code == 0, checked.out
        assert "its certificate holds for" in checked.out


async def test_who_listens_beyond_this_machine_without_tls_is_told_what_that_means(tmp_path: Path) -> None:
    server = await ServerProcess.start(tmp_path / "server", "--host", "0.0.0.0")
    assert server.process.stdout is not None
    server.process.terminate()
    said = (await server.process.stdout.read()).decode()
    assert "Browsers on other machines encrypt nothing over plain http" in said
    assert await server.stop() == 0


# admin


async def test_the_admin_invites_lists_and_removes(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        admin = "admin", "--data", server.data
        nobody = await tidings(*admin, "accounts")
        assert (nobody.code, nobody.out) == (0, "Nobody is here yet.\n")
        invited = await tidings(*admin, "invite", "--uses", "2", "--days", "1")
        link = invited.out.strip()
        assert LINK.fullmatch(link)
        for name in ("ada", "bob"):
            await new_person(server, tmp_path, name, link)
        public = await tidings(*admin, "invite", "--admin", "--qr", "--origin", "https://chat.example.org/")
        assert public.out.startswith("https://chat.example.org/#/join/")
        assert "█" in public.out

        listed = await tidings(*admin, "accounts")
        assert [line.split()[:3] for line in listed.out.splitlines()] == [
            ["ada", "1", "device"],
            ["bob", "1", "device"],
        ]
        kept = await tidings(*admin, "remove", "@bob", stdin="n\n")
        assert (kept.code, kept.fault) == (1, "nothing was removed")
        silent = await tidings(*admin, "remove", "@bob")
        assert (silent.code, silent.fault) == (1, "nothing was removed")
        removed = await tidings(*admin, "remove", "@bob", stdin="y\n")
        assert removed.code == 0
        again = await tidings(*admin, "remove", "@bob", "--yes")
        assert (again.code, again.fault) == (1, "nobody here is called @bob")
        assert [a["name"] for a in json.loads((await tidings(*admin, "accounts", "--json")).out)] == ["ada"]


async def test_the_admin_is_told_what_is_wrong(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        days = await tidings("admin", "--data", server.data, "invite", "--days", "0")
        assert (days.code, days.fault) == (1, "--days takes 1 to 30")
        uses = await tidings("admin", "--data", server.data, "invite", "--uses", "101")
        assert (uses.code, uses.fault) == (1, "--uses takes 1 to 100")
        url = server.url
    stopped = await tidings("admin", "--data", server.data, "accounts")
    assert (stopped.code, stopped.fault) == (1, f"{url} does not answer; is `tidings serve` running?")
    none = await tidings("admin", "--data", tmp_path / "nothing", "accounts")
    assert (none.code, none.fault) == (1, f"{tmp_path / 'nothing'} is no server's folder; name it by --data")
    (server.data / "server.json").write_text("[]")
    damaged = await tidings("admin", "--data", server.data, "accounts")
    assert damaged.fault == f"{server.data / 'server.json'} is damaged; restore it from a backup"


async def test_output_that_nobody_reads_to_its_end_is_no_fault(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        command = [sys.executable, "-m", "tidings", "admin", "--data", str(server.data), "accounts"]
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        assert process.stdout is not None
        process.stdout._transport.close()  # type: ignore[attr-defined] # as `head` does that has seen enough
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 141


# send


async def test_a_message_is_sent_from_the_command_line(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada = await new_person(server, tmp_path, "ada")
        async with Client.open(ada) as client:
            await client.ready()
            bob_store = await new_person(server, tmp_path, "bob", await client.invite())
        async with Client.open(bob_store) as bob:
            await bob.ready()
            incoming = bob.messages()
            sent = await tidings("send", "--store", ada, "@bob", "The ferry leaves at 9:40.")
            assert sent == (0, "", "")
            assert (await anext(incoming)).text == "The ferry leaves at 9:40."
            piped = await tidings("send", "--store", ada, "@bob", stdin="two\nlines ☂\n")
            assert piped == (0, "", "")
            assert (await anext(incoming)).text == "two\nlines ☂"


async def test_a_message_that_cannot_go_says_why(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada = await new_person(server, tmp_path, "ada")
        none = await tidings("send", "--store", tmp_path / "none.db", "@bob", "hi")
        assert none.code == 1
        assert none.fault.startswith(f"{tmp_path / 'none.db'} holds no device; make it one by: tidings chat")
        assert not (tmp_path / "none.db").exists()
        empty = await tidings("send", "--store", ada, "@bob", stdin="\n")
        assert (empty.code, empty.fault) == (1, "there is nothing to send")
        unknown = await tidings("send", "--store", ada, "@nobody", "hi")
        assert (unknown.code, unknown.fault) == (1, "Nobody has this name here.")
        long = await tidings("send", "--store", ada, "@ada", stdin="x" * 70_000)
        assert long.code == 1
        async with Client.open(ada) as client:
            await client.ready()
            busy = await tidings("send", "--store", ada, "@bob", "hi")
            assert busy.code == 1
            assert "another process" in busy.fault


async def test_a_message_to_a_server_that_is_away_waits_and_goes_before_the_next_one(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada = await new_person(server, tmp_path, "ada")
        async with Client.open(ada) as client:
            await client.ready()
            bob_store = await new_person(server, tmp_path, "bob", await client.invite())
            await client.send("@bob", "one")
        await server.stop()
        late = await tidings("send", "--store", ada, "--timeout", "0.3", "@bob", "two")
        assert late.code == 1
        assert "did not answer in time; the message waits in the store" in late.fault
        await server.begin()
        assert (await tidings("send", "--store", ada, "@bob", "three")).code == 0
        async with Client.open(bob_store) as bob:
            incoming = bob.messages()
            assert [(await anext(incoming)).text for _ in range(3)] == ["one", "two", "three"]


# doctor


def verdicts(output: str) -> dict[str, str]:
    """Return what the doctor says of each part."""
    return {line[4:38].strip(): line[:3].strip() for line in output.splitlines() if line[:3] in ("ok ", "NO ")}


async def test_the_doctor_finds_a_running_server_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        checked = await tidings("doctor", "--data", server.data)
        assert checked.code == 0, checked.out
        assert checked.out.endswith("\nEverything works.\n")
        assert set(verdicts(checked.out).values()) == {"ok"}
        assert re.search(r"a message from device to device\s+\d+ ms, encrypted", checked.out)
        left = await tidings("admin", "--data", server.data, "accounts")
        assert left.out == "Nobody is here yet.\n"


async def test_the_doctor_says_which_part_is_broken_and_what_to_do(tmp_path: Path) -> None:
    nothing = await tidings("doctor", "--data", tmp_path / "nothing")
    assert nothing.code == 1
    assert f"start `tidings serve --data {tmp_path / 'nothing'}` once" in nothing.out
    assert not (tmp_path / "nothing").exists()

    server = await ServerProcess.start(tmp_path / "server")
    await server.kill()
    stopped = await tidings("doctor", "--data", server.data)
    assert (stopped.code, stopped.err) == (1, "")
    wrong = {part for part, verdict in verdicts(stopped.out).items() if verdict == "NO"}
    assert wrong == {"the server", "a message from device to device"}
    assert "is `tidings serve` running?" in stopped.out
    assert stopped.out.endswith("\nSomething needs your attention.\n")

    await server.begin()
    await server.stop()
    server.data.chmod(0o755)
    accounts = server.data / "accounts.db"
    accounts.write_bytes(b"no database at all" + accounts.read_bytes()[18:])
    broken = await tidings("doctor", "--data", server.data)
    assert broken.code == 1
    assert f"others may read {server.data}; run `chmod 700 {server.data}`" in broken.out
    assert "accounts.db is damaged, restore it from a backup" in broken.out
