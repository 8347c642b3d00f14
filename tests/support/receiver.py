"""A program that keeps what it receives in a file, and may be killed at any time. Run as a process of its own."""

import asyncio
import os
import sys

from tidings.sdk import Client


async def main(store: str, hold: str) -> None:
    """Print each text, flushed, before the next is asked for; stand still behind the text `hold`."""
    async with Client.open(store) as me:
        async for message in me.messages():
            os.write(1, message.text.encode() + b"\n")
            if message.text == hold:
                await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
