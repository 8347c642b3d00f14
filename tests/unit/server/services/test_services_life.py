"""Typing and presence: who hears of it, and who does not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.clock import FakeClock
from support.devices import RawDevice
from support.household import HeardWakes, Household, household
from tidings.server.domain.rates import RATES
from tidings.server.services.caller import Caller
from tidings.server.services.life import ShowPresence, ShowTyping
from tidings.server.storage.memory.presence import MemoryPresence
from tidings.server.storage.sql.sign_ins import SqlLastSeen
from tidings.wire import events
from tidings.wire.commands import SetPresence, SetTyping, Watch

pytestmark = pytest.mark.anyio


class Scene(NamedTuple):
    """Ada and Bob, who are contacts, and Eve; and what they are told."""

    house: Household
    ada: RawDevice
    bob: RawDevice
    hers: Caller
    his: Caller
    eves: Caller
    wakes: HeardWakes
    life: ShowPresence
    conversation: str

    def told(self) -> list[tuple[int, events.Event]]:
        """Return what was told since this was last asked."""
        told = self.wakes.told[:]
        self.wakes.told.clear()
        return told

    def shown(self, *, online: bool, last_seen: int = 0) -> events.Presence:
        """Return how Ada is shown."""
        return events.Presence(self.ada.account, online, last_seen)


@pytest.fixture
async def scene(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Scene]:
    async with household(tmp_path, clock) as house:
        ada = await house.move_in("ada")
        bob = await house.move_in("bob", inviter=ada.account)
        eve = await house.move_in("eve")
        (conversation,), _ = await house.server.conversations.page(ada.account, None, 10)
        wakes = HeardWakes()
        last_seen = SqlLastSeen(house.server.database)
        life = ShowPresence(MemoryPresence(), last_seen, house.server.conversations, wakes, clock)
        hers, his, eves = [await house.caller(device) for device in (ada, bob, eve)]
        yield Scene(house, ada, bob, hers, his, eves, wakes, life, conversation.conversation)


async def test_who_is_contact_sees_when_one_comes_and_goes(scene: Scene, clock: FakeClock) -> None:
    await scene.life.watch(scene.his, Watch([scene.ada.account]))
    assert scene.told() == [(scene.his.box, scene.shown(online=False))]
    await scene.life.set_presence(scene.hers, SetPresence(online=True))
    assert scene.told() == [(scene.his.box, scene.shown(online=True))]
    await scene.life.set_presence(scene.hers, SetPresence(online=True))
    assert scene.told() == [], "nothing has changed"
    clock.advance(60)
    await scene.life.set_presence(scene.hers, SetPresence(online=False))
    assert scene.told() == [(scene.his.box, scene.shown(online=False, last_seen=clock.now()))]
    await scene.life.leave(scene.hers)
    assert scene.told() == []


async def test_a_connection_that_is_lost_is_a_going(scene: Scene, clock: FakeClock) -> None:
    await scene.life.watch(scene.his, Watch([scene.ada.account]))
    tablet = await scene.house.caller(await scene.house.link(scene.ada, 2))
    for caller in (scene.hers, tablet):
        await scene.life.set_presence(caller, SetPresence(online=True))
    scene.told()
    await scene.life.leave(scene.hers)
    assert scene.told() == [], "the other device is still there"
    await scene.life.leave(tablet)
    assert scene.told() == [(scene.his.box, scene.shown(online=False, last_seen=clock.now()))]


async def test_who_left_watches_no_more(scene: Scene) -> None:
    await scene.life.watch(scene.his, Watch([scene.ada.account]))
    await scene.life.leave(scene.his)
    scene.told()
    await scene.life.set_presence(scene.hers, SetPresence(online=True))
    assert scene.told() == []


async def test_privacy_decides_at_once_who_sees_it(scene: Scene, clock: FakeClock) -> None:
    for watcher in (scene.his, scene.eves):
        await scene.life.watch(watcher, Watch([scene.ada.account]))
    await scene.life.set_presence(scene.hers, SetPresence(online=True))
    scene.told()
    assert await scene.life.audience(scene.ada.account) == "contacts"
    for audience, contact, stranger in (("nobody", False, False), ("contacts", True, False), ("everyone", True, False)):
        await scene.life.choose_audience(scene.ada.account, audience)  # type: ignore[arg-type] # of the three there are
        seen = dict(scene.told())
        assert seen[scene.his.box] == scene.shown(online=contact), audience
        assert seen[scene.eves.box] == scene.shown(online=stranger), "never one whom she did not accept"
    clock.advance(5)
    await scene.life.choose_audience(scene.ada.account, "nobody")
    await scene.life.set_presence(scene.hers, SetPresence(online=False))
    assert {event for _, event in scene.told()} == {scene.shown(online=False)}
    await scene.life.show_again([scene.bob.account])
    assert scene.told() == [], "nobody watches him"


async def test_when_one_was_there_outlives_the_process(scene: Scene, clock: FakeClock) -> None:
    await scene.life.keep()
    await scene.life.set_presence(scene.hers, SetPresence(online=True))
    await scene.life.leave(scene.hers)
    left = clock.now()
    await scene.life.keep()
    clock.advance(600)
    server = scene.house.server
    later = ShowPresence(
        MemoryPresence(), SqlLastSeen(server.database), server.conversations, scene.wakes, scene.house.clock
    )
    scene.told()
    await later.watch(scene.his, Watch([scene.ada.account]))
    assert scene.told() == [(scene.his.box, scene.shown(online=False, last_seen=left))]


async def test_typing_is_signalled_to_the_other_and_no_more_often_than_anybody_types(scene: Scene) -> None:
    typing = ShowTyping(scene.house.server.conversations, scene.wakes, scene.house.server.rates)
    for _ in range(RATES["signal"].burst + 5):
        await typing(scene.hers, SetTyping(scene.conversation, active=True))
    shown = (scene.his.box, events.Typing(scene.conversation, scene.ada.account, active=True))
    assert scene.wakes.signalled == [shown] * RATES["signal"].burst
