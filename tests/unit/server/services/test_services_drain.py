"""The drain of a mailbox, against a mailbox whose reads are answered when the test says so."""

from asyncio import Future, get_running_loop, sleep
from collections.abc import Sequence
from typing import Any

import pytest

from tidings.server.ports.mailboxes import Page, StoreUnavailable
from tidings.server.services.drain import PAGE, Drain
from tidings.wire.events import KeyShare, Stored

pytestmark = pytest.mark.anyio

BOX = 7


def entry(pos: int) -> Stored:
    return KeyShare(pos, "@" + "a" * 53, "DEVICEDEVI", b"key")


class SlowMailboxes:
    """Reads that wait for an answer."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, int, int]] = []
        self._open: list[Future[Page]] = []

    def read(self, box: int, after: int, count: int) -> "Future[Page]":
        self.reads.append((box, after, count))
        future: Future[Page] = get_running_loop().create_future()
        self._open.append(future)
        return future

    async def answer(self, *positions: int, more: bool = False) -> None:
        top = max(positions, default=self.reads[-1][1])
        self._open.pop(0).set_result(Page([entry(pos) for pos in positions], top, more))
        await sleep(0)

    async def fail(self) -> None:
        self._open.pop(0).set_exception(StoreUnavailable())
        await sleep(0)


class Device:
    """What is written to a connection."""

    def __init__(self) -> None:
        self.room = True
        self.got: list[int | str] = []

    def has_room(self) -> bool:
        return self.room

    def take(self, entries: Sequence[Stored]) -> None:
        self.got += [one.pos for one in entries]

    def caught_up(self, pos: int) -> None:
        self.got.append(f"caught up at {pos}")

    def failed(self, error: BaseException) -> None:
        self.got.append(type(error).__name__)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def start(after: int = 0) -> tuple[Drain, SlowMailboxes, Device]:
    mailboxes, device = SlowMailboxes(), Device()
    store: Any = mailboxes
    return Drain(store, BOX, after, device), mailboxes, device


async def test_the_backlog_comes_page_by_page_and_then_the_mark() -> None:
    drain, mailboxes, device = start(after=4)
    drain.wake()
    await mailboxes.answer(5, 6, more=True)
    await mailboxes.answer(7)
    assert mailboxes.reads == [(BOX, 4, PAGE), (BOX, 6, PAGE)]
    assert device.got == [5, 6, 7, "caught up at 7"]


async def test_the_mark_comes_once_also_where_nothing_waits() -> None:
    drain, mailboxes, device = start(after=3)
    drain.wake()
    await mailboxes.answer()
    drain.wake()
    await mailboxes.answer(4)
    assert device.got == ["caught up at 3", 4]


async def test_wakes_during_a_read_are_one_more_read_together() -> None:
    drain, mailboxes, device = start()
    drain.wake()
    drain.wake()
    drain.wake()
    assert len(mailboxes.reads) == 1
    await mailboxes.answer(1)
    assert mailboxes.reads[1:] == [(BOX, 1, PAGE)]
    assert device.got == [1], "what came meanwhile stands before the mark"
    await mailboxes.answer(2)
    assert device.got == [1, 2, "caught up at 2"]
    assert len(mailboxes.reads) == 2


async def test_nothing_is_read_for_a_connection_without_room_and_no_wake_is_lost() -> None:
    drain, mailboxes, device = start()
    device.room = False
    drain.wake()
    assert mailboxes.reads == []
    device.room = True
    drain.wake()
    device.room = False
    await mailboxes.answer(1, more=True)
    assert len(mailboxes.reads) == 1
    device.room = True
    drain.wake()
    await mailboxes.answer(2)
    assert device.got == [1, 2, "caught up at 2"]


async def test_a_read_that_fails_ends_the_connection() -> None:
    drain, mailboxes, device = start()
    drain.wake()
    await mailboxes.fail()
    assert device.got == ["StoreUnavailable"]
