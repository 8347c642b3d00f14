"""Keys that are missing: asked for from the device that sent with them, and given to devices that may have them."""

import asyncio
from typing import Final

from tidings.sdk.crypto.directory import Device
from tidings.sdk.sync.shares import Shares
from tidings.sdk.sync.state import State
from tidings.wire.content import KeyRequest
from tidings.wire.errors import Refusal

WAITS: Final = (0.0, 5.0, 30.0, 300.0, 1800.0)
"""Seconds before each attempt to ask for a key."""
ANSWERS_A_MINUTE: Final = 30
PAUSE_SECONDS: Final = 5.0
"""Before what the server refused is tried again."""


class KeyRequests:
    """Asks and answers. What it asks for is what stands in `sealed`."""

    def __init__(self, state: State, shares: Shares) -> None:
        self._state = state
        self._shares = shares
        self._asked: dict[tuple[str, str, str, str], tuple[int, float]] = {}
        self._answers: dict[tuple[str, str], list[float]] = {}
        self._to_answer: list[tuple[Device, KeyRequest]] = []
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for keys that are missing."""
        self._woken.set()

    def answer(self, device: Device, request: KeyRequest) -> None:
        """Answer a device, unless it asks too often."""
        now = asyncio.get_running_loop().time()
        recent = [time for time in self._answers.get((device.account, device.id), []) if time > now - 60]
        if len(recent) < ANSWERS_A_MINUTE:
            self._answers[device.account, device.id] = [*recent, now]
            self._to_answer.append((device, request))
            self.wake()

    async def run(self) -> None:
        """Ask and answer for as long as there is a connection. Raises Disconnected."""
        while True:
            self._woken.clear()
            try:
                await self._answer_all()
                wait = await self._ask_due()
            except Refusal:
                wait = PAUSE_SECONDS
            try:
                await asyncio.wait_for(self._woken.wait(), wait)
            except TimeoutError:
                continue

    async def _answer_all(self) -> None:
        while self._to_answer:
            device, request = self._to_answer.pop(0)
            with self._state.db.transaction():
                share = self._state.machine.answer_request(device, request)
                if share is not None:
                    self._shares.put(request.conversation, [share])
            await self._shares.flush()

    async def _ask_due(self) -> float | None:
        """Ask for what is due. Return in how many seconds to look again, None if nothing is missing."""
        now = asyncio.get_running_loop().time()
        soonest: float | None = None
        query = "select distinct conversation, session, account, device from sealed where session != ''"
        for missing in self._state.db.rows(query):
            conversation, session, account, name = missing
            attempts, due = self._asked.get(missing, (0, now))
            if attempts >= len(WAITS):
                continue
            if due <= now:
                attempts += 1
                due = now + (WAITS[attempts] if attempts < len(WAITS) else 0.0)
                self._asked[missing] = attempts, due
                device = self._state.machine.directory.device(account, name)
                if device is not None:
                    await self._ask(device, KeyRequest(conversation, session))
            if attempts < len(WAITS):
                soonest = min(soonest or due, due)
        return None if soonest is None else max(soonest - now, 0.1)

    async def _ask(self, device: Device, request: KeyRequest) -> None:
        """Ask by a session that was never used: the one that the key should have come by may be lost."""
        await self._shares.start_sessions([device], anew=True)
        if not self._state.machine.olm.has(device):
            return
        with self._state.db.transaction():
            share = self._state.machine.request_key(device, request)
            self._shares.put(request.conversation, [share])
        await self._shares.flush()
