"""A device that comes back to many conversations is told of all of them, however slowly it reads."""

import asyncio
import uuid
from pathlib import Path

import pytest

from faults.test_sockets import closed, eventually
from support.devices import join
from support.raw import RawSocket
from support.server import local_server
from tidings.server.gateway.line import ROOM
from tidings.server.ports.mailboxes import Notice
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.closes import Close
from tidings.wire.ids import Address, account_id, new_msg_id

pytestmark = pytest.mark.anyio

MANY = 24_000


@pytest.mark.parametrize("workers", [1, 2])
async def test_marks_of_thousands_of_conversations_reach_a_device_as_it_reads_and_in_their_order(
    tmp_path: Path, workers: int
) -> None:
    async with local_server(tmp_path, settings={"workers": workers}) as server:
        ada = await join(server, "ada")
        mailboxes, conversations = server.server.mailboxes, server.server.conversations
        others = [account_id(uuid.uuid4(), ada.server_id) for _ in range(MANY)]
        await asyncio.gather(*(mailboxes.set_devices(other, 1, {"PHONE": bytes(32)}) for other in others))
        opened = await asyncio.gather(
            *(conversations.open_direct(ada.account, other, accepted=True) for other in others)
        )
        box = await mailboxes.find(ada.address)
        assert box is not None
        conversation = opened[0].conversation
        msg_id = new_msg_id(server.server.clock.now())
        send = c.Send(1, msg_id, conversation.conversation, conversation.epoch, conversation.devices, None, b"sealed")
        await mailboxes.append(send, box.id)

        async with RawSocket.connect(server.port, window=4_096) as slow:
            challenge = await slow.event()
            assert isinstance(challenge, e.Challenge)
            await slow.command(ada.hello(challenge))
            registry = server.server.registry
            await eventually(lambda: len(registry))
            (connection,) = registry._connections.values()
            await eventually(lambda: connection._paused or connection._ending)

            other = await mailboxes.find(Address(others[0], "PHONE"))
            assert other is not None
            notices = await mailboxes.mark_read(other.id, c.MarkRead(conversation.conversation, 1))
            assert [notice.to for notice in notices] == [[box.id]]
            registry.tell(notices)

            told: list[e.Marks] = []
            while not isinstance(event := await slow.event(), e.CaughtUp):
                assert connection.line.waiting <= 2 * ROOM
                told += [event] if isinstance(event, e.Marks) else []
            assert {(mark.conversation, mark.account): mark for mark in told} == {
                (mark.conversation, mark.account): mark for mark in await mailboxes.marks_since(box.id, 0)
            }
            assert [mark.time for mark in told] == sorted(mark.time for mark in told), "it asks from the last one on"
            assert closed(server, Close.SLOW_CONSUMER) == 0

            notices = await mailboxes.mark_read(box.id, c.MarkRead(conversation.conversation, 1))
            registry.tell([Notice(notices[0].event, [box.id])])
            assert isinstance(await slow.event(), e.Marks), "from now on they come live"
