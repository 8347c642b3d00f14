"""`tidings doctor`: checks that an installation is whole, and sends a real message through the server on it."""

import argparse
import asyncio
import os
import secrets
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apsw
import httpx
from cryptography import x509

from tidings import __file__ as package
from tidings.cli.local import LocalServer, NoServer, NotThere
from tidings.sdk import Client, TidingsError

LEAST_FREE = 1 << 30
SECONDS = 20.0
DATABASES = ("mailboxes.db", "accounts.db")
SOON = timedelta(days=7)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="the server's folder (default: data)")


def run(options: argparse.Namespace) -> int:
    """Check, and say what to do about each fault."""
    faults = [_check(name, check) for name, check in _checks(options.data)]
    print("\nSomething needs your attention." if any(faults) else "\nEverything works.")
    return 1 if any(faults) else 0


def _checks(data: Path) -> list[tuple[str, Callable[[], str]]]:
    return [
        ("Python", _python),
        ("the web client", _web_client),
        ("SQLite", lambda: f"{apsw.sqlite_lib_version()}"),
        ("the data folder", lambda: _folder(data)),
        ("writing to the disk", lambda: _fsync(data)),
        ("the databases", lambda: _databases(data)),
        ("the server", lambda: asyncio.run(_server(data))),
        ("a message from device to device", lambda: asyncio.run(_talk(data))),
    ]


def _check(name: str, check: Callable[[], str]) -> bool:
    """Run a check and print what it says; return whether there is a fault."""
    fault = False
    try:
        result = check()
    except (RuntimeError, OSError, NoServer, TidingsError) as error:
        fault, result = True, str(error) or type(error).__name__
    print(f"{'NO ' if fault else 'ok '} {name:<34}{result}", flush=True)
    return fault


def _python() -> str:
    return sys.version.split()[0]


def _web_client() -> str:
    static = Path(package).parent / "static"
    if not (static / "index.html").exists():
        raise RuntimeError("it was not built; run `make setup`, or install a released wheel")
    files = [file for file in static.rglob("*") if file.is_file()]
    return f"{len(files)} files"


def _folder(data: Path) -> str:
    _is_there(data)
    if data.stat().st_mode & 0o077:
        raise RuntimeError(f"others may read {data}; run `chmod 700 {data}`")
    free = shutil.disk_usage(data).free
    if free < LEAST_FREE:
        raise RuntimeError(f"only {free >> 20} MiB are free")
    return f"{free >> 30} GiB free"


def _is_there(data: Path) -> None:
    if not data.is_dir():
        raise RuntimeError(f"{data} is not there; start `tidings serve --data {data}` once")


def _fsync(data: Path) -> str:
    _is_there(data)
    with tempfile.NamedTemporaryFile(dir=data) as file:
        started = time.perf_counter()
        for _ in range(20):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        each = (time.perf_counter() - started) / 20
    if each > 0.1:
        raise RuntimeError(f"the disk takes {each * 1000:.0f} ms to keep a write; messages will be slow")
    return f"{each * 1000:.2f} ms for each write that must last"


def _databases(data: Path) -> str:
    """Look through the databases for damage, as the server does at its start; they stay as they are."""
    sizes: list[str] = []
    for name in DATABASES:
        file = data / name
        if not file.exists():
            raise RuntimeError(f"{file} is not there; start `tidings serve --data {data}` once")
        try:
            connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                connection.set_busy_timeout(5_000)
                found = [str(row[0]) for row in connection.execute("pragma quick_check(1)")]
            finally:
                connection.close()
        except apsw.Error as error:
            found = [str(error)]
        if found != ["ok"]:
            raise RuntimeError(f"{name} is damaged, restore it from a backup: {' '.join(found[0].split())}")
        sizes.append(f"{name} {file.stat().st_size / (1 << 20):.1f} MiB")
    return ", ".join(sizes)


async def _server(data: Path) -> str:
    """Ask the running server whether it can take messages, and look at its certificate."""
    async with LocalServer.at(data) as server, httpx.AsyncClient(verify=server.verify, trust_env=False) as web:
        try:
            answer = await web.get(f"{server.url}/readyz")
        except httpx.HTTPError:
            raise RuntimeError(f"{server.url} does not answer; is `tidings serve` running?") from None
        if not answer.is_success:
            raise RuntimeError(f"{server.url} cannot take messages now; its log says why")
        return f"{server.url} takes messages{_certificate(server.url)}"


def _certificate(url: str) -> str:
    """Return how long the server's certificate holds, if it has one."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return ""
    pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443))
    left = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc - datetime.now(UTC)
    if left < timedelta():
        raise RuntimeError("its certificate has expired; browsers refuse it")
    if left < SOON:
        raise RuntimeError(f"its certificate expires in {left.days} days; renew it")
    return f", its certificate holds for {left.days} days"


async def _talk(data: Path) -> str:
    """Let two devices that are made for it talk through the running server, and remove them."""
    async with LocalServer.at(data) as server:
        made: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            try:
                async with asyncio.timeout(SECONDS):
                    stores = [await _person(server, Path(folder), made) for _ in range(2)]
                    options = {"verify": server.verify}
                    async with Client.open(stores[0], **options) as one, Client.open(stores[1], **options) as other:
                        return await _exchange(one, other)
            except TimeoutError:
                raise RuntimeError(
                    f"nothing arrived within {SECONDS:.0f} seconds; the server's log may say why"
                ) from None
            finally:
                for name in made:
                    with suppress(NotThere, NoServer):
                        await server.remove(name)


async def _person(server: LocalServer, folder: Path, made: list[str]) -> Path:
    name = f"doctor-{secrets.token_hex(4)}"
    store = folder / f"{name}.db"
    link = await server.invite()
    made.append(name)
    client = await Client.register(store, link, name, secrets.token_urlsafe(16), verify=server.verify)
    client.close()
    return store


async def _exchange(one: Client, other: Client) -> str:
    await asyncio.gather(one.ready(), other.ready())
    text = secrets.token_hex(16)
    started = time.perf_counter()
    await one.send(other.account, text)
    incoming: AsyncIterator[Any] = other.messages()
    message = await anext(incoming)
    await incoming.aclose()  # type: ignore[attr-defined] # a generator
    if message.text != text:
        raise RuntimeError("another message arrived than was sent")
    return f"{(time.perf_counter() - started) * 1000:.0f} ms, encrypted"
