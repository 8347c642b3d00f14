"""Every store of conversations keeps these promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.stores import KINDS, Kind, Store, account, marks, open_store
from tidings.server.ports.conversations import Changed
from tidings.wire.commands import Ack, Answer
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.events import ConversationChanged
from tidings.wire.frames import Share

pytestmark = pytest.mark.anyio


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    kind: Kind = request.param
    async with open_store(kind, tmp_path, clock) as opened:
        for name in ("ada", "bob", "cem"):
            await opened.devices(name, 1, f"{name.upper()}-PHONE")
        yield opened


async def knock(store: Store) -> Changed:
    """Ada, a stranger to Bob, opens their conversation."""
    return await store.conversations.open_direct(account("ada"), account("bob"), accepted=False)


async def respond(store: Store, name: str, conversation: str, answer: Answer) -> Changed:
    return await store.conversations.respond(account(name), conversation, answer)


async def refused(awaitable: object) -> object:
    with pytest.raises(Refusal) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value.error


async def test_two_accounts_have_one_conversation_whoever_opens_it(store: Store) -> None:
    first = await knock(store)
    again = await knock(store)
    theirs = await store.conversations.open_direct(account("bob"), account("ada"), accepted=False)
    assert first.conversation.conversation == again.conversation.conversation == theirs.conversation.conversation
    assert (first.conversation.kind, first.conversation.epoch, first.conversation.devices) == ("direct", 1, 2)
    assert theirs.conversation.standing == "open"
    assert not again.notices


async def test_a_stranger_waits_and_the_other_is_asked(store: Store) -> None:
    talk = (await knock(store)).conversation
    assert talk.standing == "waiting"
    assert (await store.view("bob", talk.conversation)).standing == "asked"


async def test_a_stranger_may_send_three_messages_and_sees_no_receipts_until_accepted(store: Store) -> None:
    talk = (await knock(store)).conversation
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    for _ in range(3):
        await store.send(ada, talk)
    assert await refused(store.send(ada, talk)) == NotAllowed()
    notices = await store.mailboxes.ack(bob, Ack(await top(store, bob)))
    assert all(ada not in notice.to for notice in notices)
    assert [m for m in await store.mailboxes.marks_since(ada, 0) if m.account == account("bob")] == []
    assert await store.conversations.audience(account("bob"), talk.conversation) == []

    accepted = await respond(store, "bob", talk.conversation, "accept")
    assert accepted.conversation.standing == "open"
    told = [n for n in accepted.notices if ada in n.to]
    assert {type(n.event).__name__ for n in told} == {"ConversationChanged", "Marks"}
    assert [m.delivered for m in marks(told) if m.account == account("bob")] == [3]
    assert (await store.view("ada", talk.conversation)).standing == "open"
    assert (await store.send(ada, talk)).seq == 4
    assert await store.conversations.audience(account("bob"), talk.conversation) == [ada]


async def test_writing_back_accepts(store: Store) -> None:
    talk = (await knock(store)).conversation
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    sent = await store.send(bob, talk)
    changed = [n.event for n in sent.notices if isinstance(n.event, ConversationChanged) and ada in n.to]
    assert [event.conversation.standing for event in changed] == ["open"]
    assert (await store.view("bob", talk.conversation)).standing == "open"


async def test_what_one_refuses_is_never_told_to_the_other(store: Store) -> None:
    talk = (await knock(store)).conversation
    ada = await store.box("ada", "ADA-PHONE")
    await store.send(ada, talk)
    declined = await respond(store, "bob", talk.conversation, "decline")
    assert declined.conversation.standing == "declined"
    assert all(ada not in notice.to for notice in declined.notices)
    assert (await store.view("ada", talk.conversation)).standing == "waiting"
    assert await refused(store.send(ada, talk)) == NotAllowed()


async def test_blocking_stops_both_ways_until_unblocked(store: Store) -> None:
    talk = (await store.conversations.open_direct(account("ada"), account("bob"), accepted=True)).conversation
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    await store.send(ada, talk)
    blocked = await respond(store, "bob", talk.conversation, "block")
    assert blocked.conversation.standing == "blocked"
    assert all(ada not in notice.to for notice in blocked.notices)
    assert (await store.view("ada", talk.conversation)).standing == "open"
    assert await refused(store.send(ada, talk)) == NotAllowed()
    assert await refused(store.send(bob, talk)) == NotAllowed()
    assert all(ada not in n.to for n in await store.mailboxes.ack(bob, Ack(await top(store, bob))))
    assert await store.conversations.contacts(account("ada"), [account("bob")], mutual=True) == frozenset()
    unblocked = await respond(store, "bob", talk.conversation, "unblock")
    assert unblocked.conversation.standing == "open"
    assert (await store.send(ada, talk)).seq == 2


async def test_keys_come_from_whoever_may_write_and_from_nobody_else(store: Store) -> None:
    await store.devices("ada", 2, "ADA-PHONE", "ADA-LAPTOP")
    talk = (await knock(store)).conversation
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    laptop = await store.box("ada", "ADA-LAPTOP")
    to_bob, to_ada = Share(account("bob"), "BOB-PHONE", b"key"), Share(account("ada"), "ADA-PHONE", b"key")
    to_laptop = Share(account("ada"), "ADA-LAPTOP", b"key")

    async def give(number: int, box: int, *shares: Share) -> object:
        try:
            return await store.share(box, bytes([number]) * 16, talk, *shares)
        except Refusal as refusal:
            return refusal.error

    assert await give(1, ada, to_bob) == [bob], "what comes before a stranger's first message"
    for _ in range(3):
        await store.send(ada, talk)
    assert await give(2, ada, to_bob) == NotAllowed(), "three messages are all that a stranger has"
    assert await give(1, ada, to_bob) == [], "a repeat is answered as before"
    assert await give(3, ada, to_laptop) == [laptop]
    assert await give(4, bob, to_ada) == [ada], "who was written to may ask for a key that is missing"

    for number, answer in enumerate(("decline", "block"), 5):
        await respond(store, "bob", talk.conversation, answer)  # type: ignore[arg-type] # one of them
        before = await top(store, bob)
        assert await give(number, ada, to_laptop, to_bob) == NotAllowed()
        assert await top(store, bob) == before
    assert await give(7, bob, to_ada) == NotAllowed()
    assert await give(8, ada, to_laptop) == [laptop], "one's own devices are nobody else's business"

    await respond(store, "bob", talk.conversation, "unblock")
    await respond(store, "bob", talk.conversation, "accept")
    assert await give(6, ada, to_laptop, to_bob) == [laptop, bob], "a refusal was not remembered"
    assert await give(9, bob, to_ada) == [ada]


async def test_contacts_are_those_whose_conversation_is_open_on_both_sides(store: Store) -> None:
    await store.conversations.open_direct(account("ada"), account("bob"), accepted=True)
    await store.conversations.open_direct(account("cem"), account("ada"), accepted=False)
    asked = [account("bob"), account("cem"), account("nobody"), account("ada")]
    assert await store.conversations.contacts(account("ada"), asked, mutual=True) == {account("bob")}
    assert await store.conversations.contacts(account("bob"), asked, mutual=True) == {account("ada")}


async def test_conversations_come_in_pages(store: Store) -> None:
    names = ["bob", "cem", "dan", "eve", "fay"]
    for name in names:
        await store.conversations.open_direct(account("ada"), account(name), accepted=False)
    found: list[str] = []
    after, more = None, True
    while more:
        page, more = await store.conversations.page(account("ada"), after, 2)
        after = page[-1].conversation
        found += [m.account for talk in page for m in talk.members if m.account != account("ada")]
    assert sorted(found) == sorted(account(name) for name in names)
    assert await store.conversations.page(account("cem"), None, 0) == ([], True)


async def test_what_is_not_ones_own_is_as_if_it_were_not_there(store: Store) -> None:
    talk = (await knock(store)).conversation
    assert await store.conversations.fetch(account("cem"), [talk.conversation, "!nothing"]) == []
    assert await refused(respond(store, "cem", talk.conversation, "accept")) == NotAllowed()
    assert await refused(respond(store, "cem", "!nothing", "accept")) == NotAllowed()
    assert await refused(store.conversations.audience(account("cem"), talk.conversation)) == NotAllowed()
    myself = store.conversations.open_direct(account("ada"), account("ada"), accepted=False)
    assert await refused(myself) == NotAllowed()


async def test_a_removed_account_is_unreachable_for_good(store: Store) -> None:
    talk = (await store.conversations.open_direct(account("ada"), account("bob"), accepted=True)).conversation
    ada, bob = await store.box("ada", "ADA-PHONE"), await store.box("bob", "BOB-PHONE")
    closed, _ = await store.conversations.remove_account(account("bob"))
    assert list(closed) == [bob]
    assert await refused(store.send(ada, talk)) == NotAllowed()
    again = store.conversations.open_direct(account("cem"), account("bob"), accepted=False)
    assert await refused(again) == NotAllowed()


async def top(store: Store, box: int) -> int:
    return (await store.mailboxes.read(box, 0, 1000)).top
