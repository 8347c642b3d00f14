"""Groups of programs: a dozen of them talk, come and go, and each sees what it should and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.sdk import SECONDS, Reader, at_rest, link, online
from support.server import LocalInstance, local_server, new_person
from tidings.sdk import Client, ConversationUpdate, SendFailed, View
from tidings.wire.commands import ChangeMembers
from tidings.wire.content import Members
from tidings.wire.frames import Operation
from tidings.wire.ids import SAFE_INTEGER, Address, new_msg_id

pytestmark = pytest.mark.anyio

NAMES = ("ada", "bob", "cem", "dan", "eve", "fay", "gus", "hal", "ivy", "jan", "kim", "lea")


class Town:
    """A dozen people, who are all contacts of Ada, and their server. Each test makes groups of its own."""

    def __init__(self, server: LocalInstance, folder: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self.folder = folder
        self._stack = stack
        self.clients: dict[str, Client] = {}

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]

    async def settle(self) -> None:
        """Let everybody come in."""
        for name in NAMES:
            invite = await self["ada"].invite() if self.clients else None
            store = await new_person(self.server, self.folder, name, invite)
            self.clients[name] = await self._stack.enter_async_context(online(store))

    def ids(self, *names: str) -> list[str]:
        return [self[name].account for name in names]

    async def group(self, *names: str) -> View:
        """Let Ada make a group, and wait until everybody knows of it and believes it."""
        view = await self["ada"].create_group([f"@{name}" for name in names])
        await self.agree(view.id, "ada", *names)
        return view

    async def agree(self, group: str, *names: str) -> None:
        """Wait until these are the members in the eyes of each of them."""
        for name in names:
            await until(self[name], lambda client: known(client, group) == set(self.ids(*names)))

    async def all_have(self, group: str, texts: Sequence[str], *names: str) -> None:
        """Wait until these have all of some texts in a group."""
        for name in names:
            await until(self[name], lambda client: set(shown(client, group)) >= set(texts))


async def until(client: Client, is_so: Callable[[Client], bool]) -> None:
    """Wait until something is so for a client."""
    events = client.events()
    async with asyncio.timeout(SECONDS):
        while not is_so(client):
            await anext(events)


def known(client: Client, group: str) -> set[str]:
    """Return the members of a group, as far as a client believes them."""
    view = next((view for view in client.conversations() if view.id == group), None)
    agreed = client._engine.contacts.rosters.agreed(group)
    return set(view.members) if view is not None and set(view.members) <= set(agreed) else set()


def shown(client: Client, group: str) -> list[str]:
    return [kept.body for kept in client.page(group, None, 10_000).messages if kept.body is not None]


def sealed(client: Client, group: str) -> int:
    """Return how many messages a client could not open."""
    (count,) = client._db.row("select count(*) from sealed where conversation = ?", group)
    return int(count)


async def put_in(town: Town, view: View, account: str) -> None:
    """Let the server put somebody into a group of Ada's, as if she had done it."""
    ada, server = town["ada"], town.server.server
    box = await server.mailboxes.find(Address(ada.account, ada.device))
    assert box is not None
    forged = ChangeMembers(
        *(1, new_msg_id(server.clock.now()), view.id, view.epoch),
        devices=sum(view.members.values()) + 1,
        prev=ada._engine.timeline.own_tail(view.id)[1],
        operations=[Operation(account, "member")],
        ciphertext=b"\x01" + bytes(60),
    )
    changed = await server.conversations.change_members(forged, box.id)
    server.registry.tell(changed.notices)
    server.registry.wake(changed.boxes)


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(local_server(folder, settings={"address_rate": 100.0}))
        made = Town(server, folder, stack)
        await made.settle()
        yield made


async def test_a_dozen_talk_in_one_order_and_see_who_has_what(town: Town) -> None:
    others = NAMES[1:]
    view = await town.group(*others)
    assert (view.kind, len(view.members), view.roles[town["ada"].account]) == ("group", 12, "owner")
    first = await town["ada"].send(view.id, "hello all")
    await town.all_have(view.id, ["hello all"], *NAMES)
    await asyncio.gather(*(town[name].send(view.id, f"{name} is here") for name in others))
    await town.all_have(view.id, [f"{name} is here" for name in others], *NAMES)
    assert len({tuple(shown(town[name], view.id)) for name in NAMES}) == 1
    assert all(town[name].display_name(town["ada"].account) == "Ada" for name in others)
    await until(town["ada"], lambda ada: ada.state_of(first) == "delivered")
    assert set(town["ada"].receipts(first)) == set(town.ids(*others))
    for name in others[:-1]:
        await town[name].mark_read(town[name].history(view.id)[-1])
    await until(town["ada"], lambda ada: list(ada.receipts(first).values()).count("read") == 10)
    assert town["ada"].state_of(first) == "delivered"
    assert town["ada"].receipts(first)[town["lea"].account] == "delivered"
    await town["lea"].mark_read(town["lea"].history(view.id)[-1])
    await until(town["ada"], lambda ada: ada.state_of(first) == "read")
    assert not any(sealed(town[name], view.id) for name in NAMES)


async def test_d10_who_comes_reads_nothing_from_before_and_who_goes_nothing_from_after(town: Town) -> None:
    ada, bob, cem, dan = (town[name] for name in ("ada", "bob", "cem", "dan"))
    view = await town.group("bob", "cem")
    before = await bob.send(view.id, "before dan")
    await ada.add(view.id, ["@dan"])
    await town.agree(view.id, "ada", "bob", "cem", "dan")
    await bob.send(view.id, "with dan")
    await town.all_have(view.id, ["with dan"], "ada", "cem", "dan")
    assert shown(dan, view.id) == ["with dan"]
    session = ada._db.row("select id from outbound where conversation = ?", view.id)
    await ada.remove(view.id, [bob.account])
    await town.agree(view.id, "ada", "cem", "dan")
    await ada.send(view.id, "without bob")
    await dan.send(view.id, "really")
    await town.all_have(view.id, ["without bob", "really"], "ada", "cem", "dan")
    await until(
        bob, lambda client: bob.account not in next(v for v in client.conversations() if v.id == view.id).members
    )
    assert shown(bob, view.id) == ["before dan", "with dan"]
    assert ada._db.row("select id from outbound where conversation = ?", view.id) != session
    with pytest.raises(SendFailed, match="NOT_ALLOWED"):
        await bob.send(view.id, "let me in")
    await until(bob, lambda client: client.state_of(before) == "delivered")
    assert set(bob.receipts(before)) == {ada.account, cem.account}
    await dan.leave(view.id)
    await town.agree(view.id, "ada", "cem")
    await ada.send(view.id, "dan left")
    await town.all_have(view.id, ["dan left"], "cem")
    assert shown(dan, view.id) == ["with dan", "without bob", "really"]
    await ada.leave(view.id)
    await town.agree(view.id, "cem")
    assert next(v for v in cem.conversations() if v.id == view.id).roles == {cem.account: "owner"}


async def test_roles_and_strangers_are_held_to(town: Town) -> None:
    view = await town.group("bob", "cem")
    bob = town["bob"]
    for change in (bob.add(view.id, ["@dan"]), bob.remove(view.id, ["@cem"]), bob.set_role(view.id, "@bob", "admin")):
        with pytest.raises(SendFailed, match="NOT_ALLOWED"):
            await change
    await town["ada"].set_role(view.id, "@bob", "owner")
    await until(bob, lambda client: client._engine.contacts.rosters.agreed(view.id).get(bob.account) == "owner")
    with pytest.raises(SendFailed, match="NOT_ALLOWED"):
        await bob.add(view.id, ["@dan"])  # whom Ada knows, and Bob does not
    await bob.remove(view.id, ["@ada"])
    await bob.send(view.id, "we two")
    await town.all_have(view.id, ["we two"], "cem")
    assert "we two" not in shown(town["ada"], view.id)


async def test_d10_members_come_and_go_under_fire_and_nothing_stays_closed(town: Town) -> None:
    stay, come_and_go = ("ada", "bob", "cem", "dan"), ("eve", "fay", "gus")
    view = await town.group("bob", "cem", "dan")
    said: list[str] = []

    async def talk(name: str) -> None:
        for number in range(8):
            text = f"{name} {number}"
            await town[name].send(view.id, text)
            said.append(text)

    async def change() -> None:
        for name in come_and_go:
            await town["ada"].add(view.id, [f"@{name}"])
            await town["ada"].send(view.id, f"welcome {name}")
            said.append(f"welcome {name}")
        await town["ada"].remove(view.id, ["@eve"])
        await town["fay"].leave(view.id)
        await town["ada"].add(view.id, ["@eve"])

    await asyncio.gather(change(), *(talk(name) for name in stay[1:]))
    await town.agree(view.id, *stay, "gus", "eve")
    await town["ada"].send(view.id, "done")
    await town.all_have(view.id, [*said, "done"], *stay)
    await town.all_have(view.id, ["done"], "gus", "eve")
    order = shown(town["ada"], view.id)
    for name in (*stay, *come_and_go):
        seen = shown(town[name], view.id)
        assert [text for text in order if text in seen] == seen, name
        assert not sealed(town[name], view.id), name
    assert "done" not in shown(town["fay"], view.id)
    gus = shown(town["gus"], view.id)
    assert gus == order[len(order) - len(gus) :], "everything from the first on"
    assert "welcome gus" in gus


async def test_who_was_away_learns_what_happened_to_the_group(town: Town) -> None:
    ada = town["ada"]
    hal_store = await new_person(town.server, town.folder, "harry", await ada.invite())
    async with online(hal_store) as harry:
        account = harry.account
    view = await town.group("bob")
    await ada.add(view.id, [account])
    await ada.send(view.id, "you come")
    await ada.add(view.id, ["@cem"])
    await until(town["cem"], lambda client: ada.account in known(client, view.id))
    await town["cem"].send(view.id, "me too")
    async with online(hal_store) as harry:
        await until(harry, lambda client: set(shown(client, view.id)) >= {"you come", "me too"})
        await harry.send(view.id, "so I see")
        await town.all_have(view.id, ["so I see"], "ada", "bob", "cem")
    await ada.remove(view.id, [account])
    await ada.send(view.id, "he is gone")
    async with online(hal_store) as harry:
        await until(
            harry, lambda client: account not in next(v for v in client.conversations() if v.id == view.id).members
        )
        assert shown(harry, view.id) == ["you come", "me too", "so I see"]
        assert not sealed(harry, view.id)


async def test_another_device_of_a_member_reads_and_writes_from_then_on(town: Town) -> None:
    view = await town.group("bob", "cem")
    await town["ada"].send(view.id, "early")
    await town.all_have(view.id, ["early"], "bob")
    second = await link(town["bob"], town.folder / "bob-second.db")
    async with online(second) as tablet:
        await town["ada"].send(view.id, "to both of yours")
        await until(tablet, lambda client: shown(client, view.id) == ["to both of yours"])
        await tablet.send(view.id, "from the tablet")
        await town.all_have(view.id, ["from the tablet"], "ada", "bob", "cem")


async def test_a_change_waits_in_the_outbox_through_a_restart(town: Town, tmp_path: Path) -> None:
    store = await new_person(town.server, tmp_path, "zoe", await town["ada"].invite())
    async with online(store) as zoe:
        view = await zoe.create_group([town["ada"].account])
        zoe._engine.state.link.cut()
        leaving = asyncio.create_task(zoe.leave(view.id))
        while not zoe._db.row("select 1 from outbox"):  # noqa: ASYNC110 - the store tells it by nothing else
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    async with online(store) as zoe:
        await until(town["ada"], lambda ada: known(ada, view.id) == {ada.account})
        await at_rest(zoe)
        assert not zoe._db.row("select 1 from outbox")


async def test_somebody_whom_the_server_puts_in_is_told_nothing(town: Town) -> None:
    ada, bob, cem = town["ada"], town["bob"], town["cem"]
    view = await town.group("bob")
    await put_in(town, view, cem.account)
    at_bob = Reader(bob)
    await bob.enqueue(view.id, "for Ada alone")
    await until(bob, lambda client: next(v for v in client.conversations() if v.id == view.id).epoch == view.epoch + 1)
    await at_rest(bob)
    assert bob.history(view.id)[-1].state == "pending"
    assert "for Ada alone" not in shown(cem, view.id)
    await ada.remove(view.id, [cem.account])
    await at_bob.hears(ConversationUpdate, conversation=view.id)
    await town.all_have(view.id, ["for Ada alone"], "ada")
    assert shown(cem, view.id) == []


async def test_what_somebody_says_whom_the_server_put_in_is_marked(town: Town) -> None:
    bob, cem = town["bob"], town["cem"]
    view = await town.group("bob")
    await put_in(town, view, cem.account)
    await until(cem, lambda client: any(v.id == view.id for v in client.conversations()))
    cem._engine.contacts.rosters.check = lambda *_: None  # type: ignore[method-assign] # who is in league does not ask
    try:
        await cem.send(view.id, "I belong here")
    finally:
        del cem._engine.contacts.rosters.check
    await town.all_have(view.id, ["I belong here"], "bob")
    (kept,) = (kept for kept in bob.page(view.id).messages if kept.body == "I belong here")
    assert not kept.trusted
    await town["ada"].remove(view.id, [cem.account])
    await town["ada"].send(view.id, "he does not")
    await town.all_have(view.id, ["he does not"], "bob")
    assert bob.page(view.id).messages[-1].trusted


async def test_a_member_who_says_false_things_of_a_group_does_not_stop_it(town: Town) -> None:
    ada, bob = town["ada"], town["bob"]
    view = await town.group("bob", "cem")
    for epoch in (view.epoch, view.epoch + 1, SAFE_INTEGER):
        false = Members(epoch, bytes(32), {ada.account: None})
        bob._engine.contacts.rosters.vouch = lambda *_, said=false: said  # type: ignore[method-assign] # anything he likes
        bob._engine.outbox.put(view.id, false)
        await at_rest(bob)
    del bob._engine.contacts.rosters.vouch
    await bob.send(view.id, "so I say")
    await town.all_have(view.id, ["so I say"], "ada", "cem")
    await ada.add(view.id, ["@dan"])
    await town.agree(view.id, "ada", "bob", "cem", "dan")
    for name in ("ada", "bob", "cem", "dan"):
        await town[name].send(view.id, f"{name} goes on")
    await town.all_have(
        view.id, [f"{name} goes on" for name in ("ada", "bob", "cem", "dan")], "ada", "bob", "cem", "dan"
    )


@pytest.mark.parametrize("is_there", [True, False], ids=["the owner saw it", "the owner was away too"])
async def test_who_came_while_an_account_was_deleted_can_write(town: Town, tmp_path: Path, *, is_there: bool) -> None:
    name = f"owen{int(is_there)}"
    owen_store = await new_person(town.server, tmp_path, name)
    async with AsyncExitStack() as stack:
        owen = await stack.enter_async_context(online(owen_store))
        dora_store = await new_person(town.server, tmp_path, f"dora{int(is_there)}", await owen.invite())
        nat_store = await new_person(town.server, tmp_path, f"nat{int(is_there)}", await owen.invite())
        async with online(nat_store) as nat, online(dora_store) as dora:
            newcomer, gone = nat.account, dora.account
        group = (await owen.create_group([gone])).id
        await owen.add(group, [newcomer])
        if not is_there:
            await stack.aclose()
        found = await town.server.server.accounts.by_name(f"dora{int(is_there)}")
        assert found is not None
        await town.server.server.devices.remove_account(found.id)
        async with AsyncExitStack() as later:
            if not is_there:
                owen = await later.enter_async_context(online(owen_store))
            nat = await later.enter_async_context(online(nat_store))
            await until(
                owen, lambda client: set(client._engine.contacts.rosters.agreed(group)) == {owen.account, newcomer}
            )
            await nat.send(group, "is anybody left?")
            await until(owen, lambda client: "is anybody left?" in shown(client, group))


async def test_no_change_of_the_owner_vouches_for_whom_the_server_put_in(town: Town) -> None:
    ada, cem = town["ada"], town["cem"]
    view = await town.group("bob")
    await put_in(town, view, cem.account)
    await until(ada, lambda client: cem.account in next(v for v in client.conversations() if v.id == view.id).members)
    held = await ada.enqueue(view.id, "before")
    adding = asyncio.create_task(ada.add(view.id, ["@dan"]))
    while len(ada._db.rows("select 1 from outbox")) < 2:  # noqa: ASYNC110 - the store tells it by nothing else
        await asyncio.sleep(0)
    await at_rest(ada)
    assert not adding.done()
    async with asyncio.timeout(SECONDS):
        await ada.remove(view.id, [cem.account])  # what mends it need not wait behind
        await adding
    await town.agree(view.id, "ada", "bob", "dan")
    await town.all_have(view.id, ["before"], "bob")
    kept = ada.find_own(held)
    assert kept is not None
    assert kept.state != "failed"
    assert shown(cem, view.id) == []
