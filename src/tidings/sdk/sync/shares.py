"""Key shares on their way: they are stored here before they are sent, and repeated until the server has them."""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

import msgspec

from tidings.sdk.crypto.directory import Device
from tidings.sdk.sync.state import State
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.errors import RateLimited, Refusal, Unavailable, UnknownOutcome
from tidings.wire.frames import Share
from tidings.wire.ids import Address
from tidings.wire.limits import MAX_SHARES

_SHARES: Final = msgspec.msgpack.Decoder(list[Share])


class Shares:
    """Sends key shares."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._db = state.db

    async def start_sessions(self, devices: Sequence[Device], *, anew: bool = False) -> None:
        """Start Olm sessions with devices that have none, or with `anew` further ones."""
        wanted = list(devices) if anew else self._state.machine.without_session(devices)
        for start in range(0, len(wanted), MAX_SHARES):
            part = [Address(device.account, device.id) for device in wanted[start : start + MAX_SHARES]]
            claimed: e.Claimed = await self._state.ask(c.ClaimKeys(0, part))
            with self._db.transaction():
                self._state.machine.start_sessions(claimed.keys)

    def put(self, conversation: str, shares: Sequence[Share]) -> None:
        """Keep shares until they are sent. Part of the caller's transaction."""
        for start in range(0, len(shares), MAX_SHARES):
            part = msgspec.msgpack.encode(list(shares[start : start + MAX_SHARES]))
            self._db.run("insert into share values (?, ?, ?)", os.urandom(16), conversation, part)

    async def flush(self) -> None:
        """Send everything that was put. Raises Disconnected."""
        for share_id, conversation, data in self._db.rows("select id, conversation, shares from share"):
            shares = _SHARES.decode(data)
            try:
                await self._send(c.ShareKeys(0, share_id, conversation, shares))
            except Refusal:
                self._take_back(conversation, shares)
            with self._db.transaction():
                self._db.run("delete from share where id = ?", share_id)

    async def _send(self, command: c.ShareKeys) -> None:
        while True:
            try:
                await self._state.ask(command)
            except Refusal as refusal:
                match refusal.error:
                    case RateLimited(retry_after) | Unavailable(retry_after):
                        await asyncio.sleep(retry_after / 1000)
                    case UnknownOutcome():
                        await asyncio.sleep(1.0)
                    case _:
                        raise
            else:
                return

    def _take_back(self, conversation: str, shares: Sequence[Share]) -> None:
        """Let a refused batch be shared again: one of its devices is gone, and none got its key."""
        row = self._db.row("select id from outbound where conversation = ?", conversation)
        if row is not None:
            with self._db.transaction():
                for share in shares:
                    self._state.machine.megolm.take_back(row[0], share.account, share.device)
