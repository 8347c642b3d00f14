"""`tidings admin`: invites and accounts, by the token in the data folder of a server that runs on this machine."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tidings.cli import qr
from tidings.cli.__main__ import fail
from tidings.cli.local import LocalServer, NoServer, NotThere
from tidings.sdk.errors import TidingsError
from tidings.wire import http

MOST_DAYS = 30
MOST_USES = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="the server's folder (default: data)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    invite = actions.add_parser("invite", help="make an invite link", description="Make an invite link.")
    invite.add_argument("--days", type=int, default=7, help="how long it works (1 to 30, default: 7)")
    invite.add_argument("--uses", type=int, default=1, help="for how many people (1 to 100, default: 1)")
    invite.add_argument("--admin", action="store_true", help="who accepts it becomes an admin")
    invite.add_argument("--qr", action="store_true", help="show a code to scan as well")
    invite.add_argument("--origin", default="", help="under which people reach the server, such as https://example.org")
    accounts = actions.add_parser("accounts", help="list the accounts", description="List the accounts.")
    accounts.add_argument("--json", action="store_true", help="as JSON")
    remove = actions.add_parser(
        "remove", help="remove an account for good", description="Remove an account with all its devices for good."
    )
    remove.add_argument("name", help="@name")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Do what is asked."""
    if options.action == "invite":
        if not 1 <= options.days <= MOST_DAYS:
            return fail(f"--days takes 1 to {MOST_DAYS}")
        if not 1 <= options.uses <= MOST_USES:
            return fail(f"--uses takes 1 to {MOST_USES}")
    if options.action == "remove" and not options.yes and not _agrees(options.name):
        return fail("nothing was removed")
    try:
        asyncio.run(_run(options))
    except (NoServer, NotThere, TidingsError) as error:
        return fail(str(error))
    return 0


def _agrees(name: str) -> bool:
    try:
        return input(f"Remove {name} with all devices for good? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


async def _run(options: argparse.Namespace) -> None:
    async with LocalServer.at(options.data) as server:
        match options.action:
            case "invite":
                link = await server.invite(
                    days=options.days, uses=options.uses, admin=options.admin, origin=options.origin
                )
                print(link)
                if options.qr:
                    qr.show(link)
            case "accounts":
                _show([account async for account in server.accounts()], as_json=options.json)
            case _:
                await server.remove(options.name)
                print(f"{options.name} was removed.")


def _show(accounts: Sequence[http.Account], *, as_json: bool) -> None:
    if as_json:
        rows = [{name: getattr(a, name) for name in ("name", "admin", "created", "devices")} for a in accounts]
        print(json.dumps(rows, indent=1))
        return
    if not accounts:
        print("Nobody is here yet.")
    for account in accounts:
        since = datetime.fromtimestamp(account.created / 1000, UTC).astimezone()
        devices = f"{account.devices} device{'' if account.devices == 1 else 's'}"
        print(f"{account.name:<34}{'admin' if account.admin else '':<8}{devices:<14}since {since:%Y-%m-%d}")
