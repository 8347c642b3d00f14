"""`tidings chat`: conversations in the terminal."""

import argparse
import ssl
import sys
from pathlib import Path

from tidings.cli.__main__ import fail
from tidings.cli.local import default_store
from tidings.cli.terminal.app import Chat


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--store", type=Path, default=default_store(), help="where this device is kept (%(default)s)")
    parser.add_argument("--join", metavar="LINK", default="", help="come in by this invite link")
    parser.add_argument("--theme", choices=["light", "dark"], help="instead of what was chosen before")
    parser.add_argument("--ca", type=Path, help="trust a server's certificate by this authority (PEM)")


def run(options: argparse.Namespace) -> int:
    """Talk until the person quits."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return fail("chat needs a terminal; a script sends by: tidings send")
    verify: ssl.SSLContext | bool = True
    if options.ca is not None:
        try:
            verify = ssl.create_default_context(cafile=options.ca)
        except OSError as error:
            return fail(f"{options.ca} is no certificate authority: {error.strerror or error}")
    chat = Chat(options.store, options.join, theme=options.theme, verify=verify)
    said = chat.run()
    if said:
        return fail(said)
    if chat.parting:
        print(chat.parting)
    return chat.return_code or 0
