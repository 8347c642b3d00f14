"""Noise on the sockets of a running server: whoever sends it may be thrown out, and nobody else notices."""

import asyncio
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.devices import befriend, tell
from support.raw import BINARY, CLOSE, CONTINUATION, PING, TEXT, RawSocket, frame
from support.server import local_server
from tidings.wire import commands as c
from tidings.wire import events as e

pytestmark = pytest.mark.anyio

SEED: Final = 20_260_101
ROUNDS: Final = 200
VECTORS: Final = json.loads((Path(__file__).parent.parent / "vectors" / "wire.json").read_text())["frames"]
NAMES: Final = {kind.__name__ for kind in c.Command.__args__}
COMMANDS: Final = [bytes.fromhex(vector["msgpack"]) for vector in VECTORS if vector["name"] in NAMES]


def noise(source: random.Random) -> Iterator[bytes]:
    """Yield some of what a broken or hostile device might send."""
    for _ in range(source.randint(1, 6)):
        payload = bytearray(source.choice(COMMANDS))
        match source.randrange(8):
            case 0:
                yield frame(bytes(payload))
            case 1:
                payload[source.randrange(len(payload))] = source.randrange(256)
                yield frame(bytes(payload))
            case 2:
                cut = source.randrange(len(payload))
                yield frame(bytes(payload[:cut]), BINARY, last=False)
                yield frame(bytes(payload[cut:]), source.choice([CONTINUATION, BINARY, TEXT, PING]))
            case 3:
                yield frame(source.randbytes(source.randrange(130)), source.choice([PING, 0xA, CLOSE, TEXT, 0x3, 0xB]))
            case 4:
                yield source.randbytes(source.randint(1, 40))
            case 5:
                yield frame(bytes(payload))[: source.randint(1, len(payload))]
            case 6:
                head = bytearray(frame(bytes(payload)))
                head[source.randrange(2)] ^= 1 << source.randrange(8)
                yield bytes(head)
            case _:
                yield frame(source.randbytes(source.randint(1_000, 40_000)))


async def make(noisy: RawSocket, source: random.Random) -> None:
    """Make noise in pieces of any size, say that nothing more comes, and wait until the server has ended it."""
    data = b"".join(noise(source))
    while data and not noisy.writer.is_closing():
        size = source.choice([1, 7, 1_500, 20_000])
        noisy.writer.write(data[:size])
        data = data[size:]
        if source.random() < 0.05:
            await asyncio.sleep(0)
    if not noisy.writer.is_closing():
        noisy.writer.write_eof()
    await noisy.rest()


async def test_fault_11_noise_on_a_socket_harms_nobody_but_its_sender(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    print(f"seed {SEED}")
    source = random.Random(SEED)
    async with local_server(tmp_path) as server:
        ada, bob = await befriend(server, "ada", "bob")
        async with bob.socket() as his:
            talk = await bob.open_direct(his, ada)
            for number in range(ROUNDS):
                if source.random() < 0.2:
                    async with RawSocket.connect(server.port) as nobody:
                        await make(nobody, source)
                else:
                    async with ada.socket() as noisy:
                        await make(noisy, source)
                if number % 10 == 0:
                    assert isinstance(await tell(his, talk.send(b"as ever", prev=talk.last)), e.Sent), number
            assert isinstance(await tell(his, c.ListConversations(1, [], None)), e.Conversations)
        async with ada.socket() as back:
            assert isinstance(await tell(back, c.ListConversations(1, [], None)), e.Conversations)
        assert len(server.server.registry) <= 2
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
