"""`tidings serve`: a server, from one command."""

import argparse
import errno
import json
import math
import shlex
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop

from tidings.cli.__main__ import fail
from tidings.server.app import Corrupt, FolderInUse, Settings, serve
from tidings.wire import http

DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
PORTS: Final = range(65_536)
MOST_WORKERS: Final = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder for everything that is kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=_port, default=8440, help="port to listen on; 0 chooses a free one")
    parser.add_argument("--tls-cert", type=Path, help="serve TLS with this certificate chain (PEM)")
    parser.add_argument("--tls-key", type=Path, help="and this key (PEM)")
    parser.add_argument(
        "--origin", action="append", default=[], help="another origin that a proxy shows the pages under"
    )
    parser.add_argument("--proxy", action="append", default=[], help="address of a proxy to believe about its clients")
    parser.add_argument("--retention-days", type=int, default=30, help="keep undelivered messages so long (1 to 90)")
    parser.add_argument("--workers", type=_workers, default=1, help="processes that hold the sockets (default: 1)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    # For measurements and tests from one machine, where every device has the same address.
    parser.add_argument("--connections-per-address", type=int, default=1_000, help=argparse.SUPPRESS)
    parser.add_argument("--address-rate", type=float, default=1.0, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    fault = _wrong(options)
    if fault:
        return fail(fault)
    settings = Settings(
        data=options.data,
        host=options.host,
        port=options.port,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        origins=options.origin,
        proxies=options.proxy,
        retention_days=options.retention_days,
        log_level=options.log_level,
        connections_per_address=options.connections_per_address,
        address_rate=options.address_rate,
        workers=options.workers,
    )
    try:
        uvloop.run(serve(settings, announce))
    except (FolderInUse, Corrupt, OSError, json.JSONDecodeError) as error:
        return fail(_reason(error, settings))
    return 0


def _wrong(options: argparse.Namespace) -> str:
    """Return what is wrong with the arguments; nothing if nothing is."""
    if (options.tls_cert is None) != (options.tls_key is None):
        return "give --tls-cert and --tls-key together"
    if not 1 <= options.retention_days <= 90:
        return "--retention-days takes 1 to 90"
    if options.connections_per_address < 1:
        return "--connections-per-address takes 1 or more"
    if not 1 <= options.address_rate < math.inf:
        return "--address-rate takes 1 or more"
    if options.workers > 1 and options.tls_cert is not None:
        return "--workers leaves TLS to a proxy in front; leave out --tls-cert and --tls-key"
    return certificate_fault(options.tls_cert, options.tls_key) if options.tls_cert is not None else ""


def _reason(error: Exception, settings: Settings) -> str:
    """Return why a server did not start, or ended, and what to do."""
    match error:
        case FolderInUse():
            return f"another server runs on {settings.data}; stop it, or name another folder by --data"
        case json.JSONDecodeError():
            return f"{settings.data / 'server.json'} is damaged; restore it from a backup"
        case OSError() if error.filename is not None or error.errno in DISK_ERRORS:
            return f"cannot use {error.filename or settings.data}: {error.strerror or error}"
        case OSError(errno=errno.EADDRINUSE):
            return f"port {settings.port} is in use by another program; choose another one by --port"
        case OSError():
            return f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
        case _:
            return str(error)


def certificate_fault(cert: Path, key: Path) -> str:
    """Return why a certificate and its key cannot be used; nothing if they can."""
    for file in (cert, key):
        try:
            file.open("rb").close()
        except OSError as error:
            return f"cannot read {file}: {error.strerror or error}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {key} does not belong to the certificate in {cert}"
        return f"{cert} and {key} are not a certificate and its key in PEM"
    except ValueError as error:
        return f"{key}: {error}"
    return ""


def _no_password() -> str:
    raise ValueError("the key is locked by a password; a server that starts by itself needs one without")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in PORTS:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {PORTS[-1]}, not {text!r}")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"--workers takes a number up to {MOST_WORKERS}, not {text!r}")
    return int(text)


def announce(settings: Settings, invite: http.Invite | None) -> None:
    """Say where the server is, and how to become its admin, or else how to let others in."""
    print(f"\nTidings is running: {settings.url}\n")
    if settings.host not in LOOPBACK and not settings.secure and not settings.origins:
        print("Browsers on other machines encrypt nothing over plain http, and so refuse to work.")
        print("Give --tls-cert and --tls-key, or put a proxy with TLS before it and name it by --origin.\n")
    if invite is None:
        print(f"Invite others in the app, or by: tidings admin --data {shlex.quote(str(settings.data))} invite\n")
    else:
        link = f"{settings.origins[0].rstrip('/') if settings.origins else settings.url}/#/join/{invite.code}"
        until = datetime.fromtimestamp(invite.expires / 1000, UTC).astimezone()
        print("Nobody is here yet. Open this link to come in as the admin, then invite others from there:\n")
        print(f"  {link}\n")
        from tidings.cli import qr  # noqa: PLC0415 - what only the first start shows, others need not wait for

        qr.show(link)
        print(f"It works once, until {until:%d %B, %H:%M}.\n")
    sys.stdout.flush()
