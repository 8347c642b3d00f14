"""Key shares on their way: they are stored here before they are sent, and repeated until the server has them."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from tidings.sdk.crypto.directory import Device
from tidings.sdk.sync.changes import FOUNDING
from tidings.sdk.sync.contacts import Contacts, Recipients, View
from tidings.sdk.sync.state import State
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.errors import RateLimited, Refusal, Unavailable, UnknownOutcome
from tidings.wire.frames import Share
from tidings.wire.ids import Address
from tidings.wire.limits import MAX_SHARES

_SHARES: Final = msgspec.msgpack.Decoder(list[Share])

PAUSE_SECONDS: Final = 1.0
"""Before keys that the server refused are given again."""
MOST_REFUSALS: Final = 3
"""So often in a row keys are refused until it is not for the mailboxes that are behind the directory."""


class Shares:
    """Sends key shares."""

    def __init__(self, state: State, contacts: Contacts) -> None:
        self._state = state
        self._db = state.db
        self._contacts = contacts
        self._refusals: Counter[str] = Counter()

    async def give(self, view: View) -> Recipients | None:
        """Give the key of the session to those of a conversation's devices that do not have it.

        Return whom a message may go to when the server has taken them all; None if it will not. Raises Refusal if that
        is to be tried again, Distrusted, Disconnected.
        """
        recipients = await self._contacts.refresh(view)
        devices = recipients.devices
        await self.start_sessions(devices)
        with self._db.transaction():
            shares = self._state.machine.share_key(view.id, devices, self._state.now())
            if view.epoch != FOUNDING:  # nobody is given keys to a group that is not there
                self.put(view.id, shares)
        await self.flush()
        refused = self._state.machine.without_key(view.id, devices)
        if not refused:
            self._refusals.pop(view.id, None)
            return recipients
        await self._look_again(view, {device.account for device in refused})
        return None

    async def _look_again(self, view: View, accounts: set[str]) -> None:
        """Ask anew who is where when keys were refused: a device is gone, or the mailboxes do not know it yet.

        Return if it is neither. Raises Refusal if the keys are to be given once more.
        """
        await self._contacts.fetch([view.id])
        await self._contacts.learn(accounts)
        known = self._contacts.view(view.id) or view
        newest = self._contacts.newest(accounts & known.members.keys())
        if all(known.members[account] >= version for account, version in newest.items()):
            self._refusals[view.id] += 1
        if self._refusals[view.id] >= MOST_REFUSALS:
            del self._refusals[view.id]
            return
        raise Refusal(Unavailable(int(PAUSE_SECONDS * 1000)))

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
        """Send everything that was put; what is refused is taken back. Raises Disconnected."""
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
