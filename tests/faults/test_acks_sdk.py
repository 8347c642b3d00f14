"""Acks of a program that get lost on their way: they are repeated, so that ticks come and stay true (D3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.bad_line import BadLine, until
from support.sdk import Reader, online
from support.server import local_server, new_person
from tidings.sdk import Client
from tidings.wire.ids import Address
from tidings.wire.limits import MAX_FAILED

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def ada_and_bob(folder: Path) -> AsyncIterator[tuple[BadLine, Path, Client]]:
    """Let Ada, at the end of a bad line, and Bob be acquainted; Ada is away."""
    line = BadLine()
    async with local_server(folder, around_mailboxes=line.around) as server:
        ada_store = await new_person(server, folder, "ada")
        async with online(ada_store) as ada:
            bob_store = await new_person(server, folder, "bob", await ada.invite())
            mailbox = await line.real.find(Address(ada.account, ada.device))
        assert mailbox is not None
        line.box = mailbox.id
        async with online(bob_store) as bob:
            yield line, ada_store, bob


async def test_the_word_that_a_message_was_opened_after_all_is_repeated_when_it_was_lost(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (line, ada_store, bob):
        line.loses_shares = True
        sent = await bob.send("@ada", "its key comes late")
        async with online(ada_store):
            await until(lambda: any(ack.failed for ack in line.heard))
        line.loses_shares, line.loses_acks = False, True
        async with online(ada_store) as ada:
            assert await Reader(ada).texts(1) == ["its key comes late"]
            await until(lambda: any(ack.recovered for ack in line.lost))
        assert bob.state_of(sent) == "sent"
        line.loses_acks = False
        async with online(ada_store):
            await until(lambda: bob.state_of(sent) == "delivered")
            later = await bob.send("@ada", "and on")
            await until(lambda: bob.state_of(later) == "delivered")
        told = len(line.heard)
        async with online(ada_store):
            last = await bob.send("@ada", "what came through is said no more")
            await until(lambda: bob.state_of(last) == "delivered")
        assert [ack for ack in line.heard[told:] if ack.recovered] == []


async def test_of_more_messages_than_an_ack_names_each_is_said_to_have_been_opened_after_all(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (line, ada_store, _):
        opened = range(1, MAX_FAILED + 2)
        async with online(ada_store) as ada:
            ada._db.many("insert into recovered values (?, 1000000)", [(pos,) for pos in opened])
        async with online(ada_store):
            await until(lambda: [pos for ack in line.heard for pos in ack.recovered] == [*opened])
