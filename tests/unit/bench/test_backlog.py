"""Messages that SQL put into a store are messages: they are read, acked and followed as those that were sent."""

from pathlib import Path

import pytest

from bench.backlog import FIRST, multiply
from support.clock import FakeClock
from support.stores import open_store
from tidings.cli.benching import BenchFailed
from tidings.wire.events import Message

pytestmark = pytest.mark.anyio

PEOPLE = [(f"{number}a", f"{number}b") for number in range(4)]


async def fill(folder: Path, clock: FakeClock, each: int) -> None:
    async with open_store("sqlite", folder, clock) as store:
        for one, other in PEOPLE:
            talk = await store.talk(one, other)
            for _ in range(each):
                await store.send(await store.box(one, f"{one.upper()}-PHONE"), talk, b"0123456789")


async def test_what_is_multiplied_is_read_and_acked_as_what_was_sent(tmp_path: Path) -> None:
    clock = FakeClock()
    await fill(tmp_path, clock, FIRST)
    multiply(tmp_path, 40)
    async with open_store("sqlite", tmp_path, clock) as store:
        for one, other in PEOPLE:
            talk = await store.talk(one, other)
            assert talk.seq == 10
            box = await store.box(other, f"{other.upper()}-PHONE")
            entries = await store.read(box)
            messages = [entry for entry in entries if isinstance(entry, Message)]
            assert [(entry.pos, entry.seq, entry.conversation) for entry in messages] == [
                (place, place, talk.conversation) for place in range(1, 11)
            ]
            assert len({entry.msg_id for entry in messages}) == 10
            assert len({bytes(entry.ciphertext) for entry in messages}) == 9  # the two that were sent are alike
            assert {len(entry.ciphertext) for entry in messages} == {10}
            (mark,) = await store.ack(box, 10)
            assert mark.delivered == 10
            store.last[await store.box(one, f"{one.upper()}-PHONE"), talk.conversation] = messages[-1].msg_id
            assert (await store.send(await store.box(one, f"{one.upper()}-PHONE"), talk)).seq == 11


async def test_what_cannot_be_multiplied_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path, FakeClock(), FIRST)
    with pytest.raises(BenchFailed, match="8 messages in 4 mailboxes cannot become 41"):
        multiply(tmp_path, 41)
