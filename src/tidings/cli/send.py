"""`tidings send`: one message, from a script or by hand."""

import argparse
import asyncio
import sys
from pathlib import Path

from tidings.cli.__main__ import fail
from tidings.cli.local import default_store
from tidings.cli.terminal import words
from tidings.sdk import Client, NotSignedIn, TidingsError
from tidings.wire.errors import Refusal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--store", type=Path, default=default_store(), help="the device's store, made by `tidings chat` (%(default)s)"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the server (default: 30)")
    parser.add_argument("to", help="@name")
    parser.add_argument("text", nargs="?", help="the text; without it, standard input is read")


def run(options: argparse.Namespace) -> int:
    """Send it, and wait until the server has it."""
    text = options.text if options.text is not None else sys.stdin.read().rstrip("\n")
    if not text.strip():
        return fail("there is nothing to send")
    try:
        fault = asyncio.run(_send(options.store, options.to, text, options.timeout))
    except NotSignedIn as error:
        return fail(f"{error}; make it one by: tidings chat --store {options.store}")
    except (TidingsError, Refusal, ValueError) as error:
        return fail(words.failure(error))
    return fail(fault) if fault else 0


async def _send(store: Path, to: str, text: str, seconds: float) -> str:
    """Send a text; return why it has not gone yet, or nothing."""
    async with Client.open(store) as me:
        try:
            async with asyncio.timeout(seconds):
                conversation = to if to.startswith("!") else (await me.conversation_with(to)).id
                await me.send(conversation, text)
        except TimeoutError:
            return _reason(me, to)
    return ""


def _reason(me: Client, to: str) -> str:
    """Return why a message could not go in time."""
    for summary in me.overview():
        for account in summary.view.members:
            concern = me.concern(account) if summary.waiting else None
            if concern is not None:
                worry = words.worry(concern, me.display_name(account))
                return f"{worry} The message waits; open `tidings chat` to decide."
    waiting = sum(summary.waiting for summary in me.overview())
    if waiting:
        return f"{me.url} did not answer in time; the message waits in the store, and goes when it is opened again"
    return f"{me.url} did not answer in time; nothing was sent to {to}"
