"""A program that writes numbered messages and may be killed at any time. Run as a process of its own."""

import asyncio
import os
import sys

from tidings.sdk import Client


async def main(store: str, to: str, first: str) -> None:
    """Print each text, flushed, as soon as it is in the outbox."""
    async with Client.open(store) as me:
        number = int(first)
        while True:
            await me.enqueue(to, str(number))
            os.write(1, b"%d\n" % number)
            number += 1
            await asyncio.sleep(0)


asyncio.run(main(*sys.argv[1:]))
