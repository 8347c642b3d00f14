"""Saying who is left in a group, where the server took somebody out and no message tells of it.

Who was away meanwhile has missed the list that the last message spoke of, and knows no other to compare it with.
"""

import asyncio
import contextlib
from asyncio import Task
from collections.abc import Coroutine
from random import Random
from typing import Any, Final

from tidings.sdk.sync.contacts import Contacts, View
from tidings.sdk.sync.outbox import Outbox
from tidings.sdk.sync.state import State
from tidings.sdk.transport.link import Disconnected
from tidings.wire.errors import Refusal

STEP_SECONDS: Final = 1.0
"""How much later each of those who lead a group speaks than the one before it; the first waits as long, too."""


class Vouching:
    """Says it once: the first of those who lead a group and are connected does, and the others hear it and need not."""

    def __init__(self, state: State, contacts: Contacts, outbox: Outbox, random_source: Random) -> None:
        self._state = state
        self._contacts = contacts
        self._outbox = outbox
        self._random = random_source
        self._tasks: dict[str, Task[None]] = {}
        """By the group that is to be spoken of; of all groups that are looked at, by nothing."""

    def start(self) -> None:
        """Look at the groups that one leads: of what happened without a message while one was away nobody tells."""
        led = [view for view in self._contacts.views() if view.roles.get(self._state.account) in ("owner", "admin")]
        for view in led:
            self.consider(view)
        if led:
            self._begin("", self._look([view.id for view in led]))

    def consider(self, view: View) -> None:
        """Say who is in a group, in a while, unless it turns out that it need not or may not be said."""
        if view.kind == "group" and self._contacts.rosters.may_vouch(view.id, view.epoch, view.roles):
            self._begin(view.id, self._say(view))

    async def stop(self) -> None:
        """Say nothing more; the next connection considers it anew."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if name in self._tasks:
            work.close()
        else:
            self._tasks[name] = asyncio.create_task(work)

    async def _wait(self, turn: int) -> None:
        await asyncio.sleep((turn + self._random.random()) * STEP_SECONDS)

    async def _look(self, groups: list[str]) -> None:
        await self._wait(1)
        with contextlib.suppress(Disconnected, Refusal):  # the next connection looks again
            await self._contacts.fetch(groups)

    async def _say(self, view: View) -> None:
        leaders = sorted(
            (who for who, role in view.roles.items() if role != "member"),
            key=lambda who: (view.roles[who] != "owner", view.since.get(who, 0), who),
        )
        await self._wait(1 + leaders.index(self._state.account))
        del self._tasks[view.id]
        now = self._contacts.view(view.id)
        assert now is not None
        if now.epoch != view.epoch:
            self.consider(now)
        elif self._contacts.rosters.may_vouch(now.id, now.epoch, now.roles):
            with self._state.db.transaction():
                word = self._contacts.rosters.vouch(now.id, now.epoch, now.roles)
                assert word is not None
                self._outbox.put(now.id, word)
