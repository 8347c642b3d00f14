"""A change of a group through its service: the answer, who is told, who is woken."""

import uuid
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.household import HeardWakes, household
from tidings.server.services.change_members import ChangeGroup
from tidings.server.services.conversations import PAGE_MEMBERS, ShowConversations
from tidings.wire.commands import ChangeMembers, ListConversations
from tidings.wire.errors import RateLimited, Refusal
from tidings.wire.events import ConversationChanged, MembersChanged
from tidings.wire.frames import Operation
from tidings.wire.ids import account_id, conversation_id, new_msg_id

pytestmark = pytest.mark.anyio


async def test_who_comes_is_told_and_woken_and_too_many_changes_are_refused(tmp_path: Path, clock: FakeClock) -> None:
    async with household(tmp_path, clock) as house:
        ada = await house.move_in("ada")
        bob = await house.move_in("bob", inviter=ada.account)
        hers, his = [await house.caller(device) for device in (ada, bob)]
        wakes = HeardWakes()
        change = ChangeGroup(house.server.conversations, wakes, house.server.rates)
        group = conversation_id(uuid.uuid4(), house.server_id)
        first, second = new_msg_id(clock.now()), new_msg_id(clock.now())
        made = ChangeMembers(1, first, group, 0, 1, None, [Operation(ada.account, "owner")], b"made")
        assert (await change(hers, made)).seq == 1
        added = ChangeMembers(2, second, group, 1, 2, first, [Operation(bob.account, "member")], b"added")
        wakes.told.clear()
        sent = await change(hers, added)
        assert (sent.id, sent.seq) == (2, 2)
        assert wakes.delivered == [(his.box, 1)]
        assert {(box, type(event)) for box, event in wakes.told} == {
            (hers.box, MembersChanged),
            (his.box, ConversationChanged),
        }
        while not house.server.rates.wait("change-members", ada.account):
            pass
        with pytest.raises(Refusal) as refusal:
            await change(hers, added)
        assert isinstance(refusal.value.error, RateLimited)


async def test_an_answer_holds_no_more_members_than_a_frame_can_carry(tmp_path: Path, clock: FakeClock) -> None:
    async with household(tmp_path, clock) as house:
        ada = await house.move_in("ada")
        hers = await house.caller(ada)
        crowd = [account_id(uuid.uuid4(), house.server_id) for _ in range(PAGE_MEMBERS // 4 - 1)]
        store = house.server.conversations
        groups = [(await store.open_group([ada.account, *crowd])).conversation.conversation for _ in range(5)]
        show = ShowConversations(store)
        unknown = conversation_id(uuid.uuid4(), house.server_id)
        named = await show(hers, ListConversations(1, [unknown, *groups[::-1]], None))
        assert ([talk.conversation for talk in named.conversations], named.more) == (groups[:0:-1], True)
        rest = await show(hers, ListConversations(2, groups[:1], None))
        assert ([talk.conversation for talk in rest.conversations], rest.more) == (groups[:1], False)
        first = await show(hers, ListConversations(3, [], None))
        second = await show(hers, ListConversations(4, [], first.conversations[-1].conversation))
        assert (len(first.conversations), first.more, len(second.conversations), second.more) == (4, True, 1, False)
