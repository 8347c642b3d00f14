"""The outbox: messages leave in the order in which they were written, and each is accepted once.

A message is encrypted once and repeated byte for byte until the server has answered. Only a refusal, which stores
nothing, lets it be encrypted anew, and then all behind it in the conversation too, since each names the one before.
"""

import asyncio
import contextlib
import hashlib
import itertools
from asyncio import Future, Task
from typing import Any, Final

import msgspec

from tidings.sdk.crypto.megolm import MOST_MESSAGES
from tidings.sdk.errors import Distrusted, SendFailed
from tidings.sdk.events import StateUpdate
from tidings.sdk.sync.agreement import Agreement
from tidings.sdk.sync.changes import Change, Changes, Ready
from tidings.sdk.sync.contacts import Contacts, Recipients, View
from tidings.sdk.sync.shares import Shares
from tidings.sdk.sync.state import State
from tidings.sdk.sync.timeline import Timeline
from tidings.sdk.transport.link import Disconnected
from tidings.wire import commands as c
from tidings.wire import events as e
from tidings.wire.content import Body, Chain, Content, Profile, Text
from tidings.wire.errors import OutOfOrder, RateLimited, Refusal, StaleEpoch, Unavailable, UnknownOutcome, WireError
from tidings.wire.ids import new_msg_id

WINDOW: Final = 64
"""Messages of one conversation that are on their way at once."""
PAUSE_SECONDS: Final = 1.0


class Row(msgspec.Struct, frozen=True):
    """A message in the outbox; the last five are None until it is encrypted."""

    number: int
    msg_id: bytes
    content: str
    time: int
    ciphertext: bytes | None
    epoch: int | None
    devices: int | None
    prev: bytes | None
    count: int | None

    @property
    def is_change(self) -> bool:
        """Whether it is a change of a group's members."""
        return self.content.startswith('{"kind":"change"')


class Outbox:
    """Sends what is in the outbox, one lane for each conversation."""

    def __init__(self, state: State, contacts: Contacts, shares: Shares, timeline: Timeline) -> None:
        self._state = state
        self._db = state.db
        self._contacts = contacts
        self._shares = shares
        self._timeline = timeline
        self._changes = Changes(state.account, contacts)
        self._agreement = Agreement(contacts)
        self._lanes: dict[str, Task[None]] = {}
        self._again: set[str] = set()
        self._waiting: dict[bytes, Future[int]] = {}

    def put(self, conversation: str, body: Body | Change) -> bytes:
        """Put a message into the outbox, durable when this returns, and start to send it. Return its msg_id."""
        now = self._state.now()
        msg_id = new_msg_id(now)
        text = body.text if isinstance(body, Text) else None
        with self._db.transaction():
            self._db.run(
                "insert into outbox values (null, ?, ?, ?, ?, null, null, null, null, null)",
                *(msg_id, conversation, msgspec.json.encode(body).decode(), now),
            )
            self._timeline.add_own(conversation, msg_id, text, now)
        self.wake(conversation)
        return msg_id

    def greet(self, view: View) -> None:
        """Send one's name into a direct conversation that has opened, once; a group gets it with the first message."""
        if view.kind == "group":
            return
        with self._db.transaction():
            query = "update conversation set greeted = 1 where id = ? and greeted = 0"
            self._db.run(query, view.id)
            if self._db.changes() and self._db.setting("name"):
                self.put(view.id, Profile())

    def outcome(self, msg_id: bytes) -> "Future[int]":
        """Return a Future that has the message's seq when it is sent, or raises SendFailed."""
        future: Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[msg_id] = future
        return future

    def wake(self, conversation: str | None = None) -> None:
        """Send on, in one conversation or in all."""
        if not self._state.is_connected:
            return
        names = (
            [conversation]
            if conversation
            else [row[0] for row in self._db.rows("select distinct conversation from outbox")]
        )
        for name in names:
            if name in self._lanes:
                self._again.add(name)
            else:
                self._lanes[name] = asyncio.create_task(self._run(name))

    async def stop(self) -> None:
        """Stop all lanes; what was not answered is repeated by the next connection."""
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        self._lanes.clear()  # one that was cancelled before its first step could not take itself out
        self._agreement.clear()

    async def _run(self, conversation: str) -> None:
        try:
            with contextlib.suppress(Disconnected, Distrusted):
                while self._rows(conversation) or conversation in self._again:
                    self._again.discard(conversation)
                    try:
                        await self._step(conversation)
                    except Distrusted:
                        if not await self._mend(conversation):
                            raise
        finally:
            del self._lanes[conversation]

    async def _mend(self, conversation: str) -> bool:
        """Let a change that can be made go before what is held back: it may take out who is not trusted."""
        rows = self._rows(conversation)
        if any(row.ciphertext is not None for row in rows):
            return False
        for row in rows[1:]:
            with contextlib.suppress(Distrusted):
                if row.is_change and self._changes.fit(conversation, msgspec.json.decode(row.content, type=Change)):
                    await self._step_change(conversation, row)
                    return True
        return False

    async def _step(self, conversation: str) -> None:
        """Send a window of messages and take in the answers."""
        try:
            await self._agreement.reach(conversation)
        except Refusal as refusal:
            await self._pause(refusal)
            return
        rows = self._rows(conversation)
        if not rows:
            return
        if rows[0].is_change:
            await self._step_change(conversation, rows[0])
            return
        rows = list(itertools.takewhile(lambda row: not row.is_change, rows))
        if any(row.ciphertext is None for row in rows):
            try:
                prepared = await self._prepare(conversation)
            except Refusal as refusal:
                await self._pause(refusal)
                return
            if prepared is None:
                self._fail(conversation, rows[0], "NOT_ALLOWED")
                return
            rows = self._encrypt(*prepared, rows)
        answers = [self._state.link.ask(self._command(conversation, row)) for row in rows]
        done: list[tuple[Row, int]] = []
        try:
            for row, answer in zip(rows, answers, strict=True):
                sent: e.Sent = await answer
                done.append((row, sent.seq))
        except Refusal as refusal:
            self._settle(conversation, done)
            await asyncio.gather(*answers, return_exceptions=True)
            await self._refused(conversation, rows[len(done)], refusal.error)
        except BaseException:
            self._settle(conversation, done)
            raise
        else:
            self._settle(conversation, done)

    async def _step_change(self, conversation: str, row: Row) -> None:
        """Send a change of members, which goes alone: what is behind it is encrypted for others."""
        change = msgspec.json.decode(row.content, type=Change)
        if row.ciphertext is None:
            ready = self._changes.fit(conversation, change)
            if ready is None:
                self._fail(conversation, row, "NOT_ALLOWED")
                return
            try:
                await self._changes.learn(ready)
                recipients = await self._shares.give(ready.everyone)
            except Refusal as refusal:
                await self._pause(refusal)
                return
            if recipients is None:
                self._fail(conversation, row, "NOT_ALLOWED")
                return
            change = ready.change
            row = self._encrypt_change(ready, recipients, row)
        try:
            sent: e.Sent = await self._state.link.ask(
                self._changes.command(conversation, change, self._command(conversation, row))
            )
        except Refusal as refusal:
            await self._refused(conversation, row, refusal.error)
        else:
            with self._db.transaction():
                self._changes.carried_out(conversation, change, sent.seq)
                self._note(conversation, [(row, sent.seq)])
            self._tell(conversation, [(row, sent.seq)])
            await self._contacts.settle([conversation])

    def _encrypt_change(self, ready: Ready, recipients: Recipients, row: Row) -> Row:
        assert ready.change.told is not None
        chain, prev = self._timeline.own_tail(ready.view.id)
        with self._db.transaction():
            kept = msgspec.json.encode(ready.change).decode()
            self._db.run("update outbox set body = ? where number = ?", kept, row.number)
            return self._encrypt_row(ready.view, row, ready.change.told, chain, prev, recipients)

    async def _pause(self, refusal: Refusal) -> None:
        await asyncio.sleep(getattr(refusal.error, "retry_after", 0) / 1000 or PAUSE_SECONDS)

    async def _prepare(self, conversation: str) -> tuple[View, Recipients] | None:
        """Make sure that every device of a conversation has, or will have before the message, the key to it."""
        view = self._contacts.view(conversation)
        if view is None:
            await self._contacts.fetch([conversation])
            view = self._contacts.view(conversation)
            if view is None:
                return None
        if view.kind == "group":
            if self._state.account not in view.members:
                return None
            self._contacts.rosters.check(conversation, view.epoch, view.members)
        recipients = await self._shares.give(view)
        return None if recipients is None else (view, recipients)

    def _encrypt(self, view: View, recipients: Recipients, rows: list[Row]) -> list[Row]:
        """Encrypt what is not yet, as far as the session reaches."""
        chain, prev = self._timeline.own_tail(view.id)
        encrypted: list[Row] = []
        with self._db.transaction():
            (used,) = self._db.row("select count from outbound where conversation = ?", view.id)
            for row in rows:
                if row.ciphertext is None:
                    if used >= MOST_MESSAGES:
                        break
                    used += 1
                    body = self._changes.current(view, msgspec.json.decode(row.content, type=Body))
                    row = self._encrypt_row(view, row, body, chain, prev, recipients)  # noqa: PLW2901 - the same row, sealed
                assert row.ciphertext is not None
                assert row.count is not None
                chain, prev = Chain(row.count + 1, hashlib.sha256(row.ciphertext).digest()), row.msg_id
                encrypted.append(row)
        return encrypted

    def _encrypt_row(
        self, view: View, row: Row, body: Body, chain: Chain, prev: bytes | None, recipients: Recipients
    ) -> Row:
        first = (
            isinstance(body, Profile)
            or self._db.row("select count from outbound where conversation = ?", view.id)[0] == 0
        )
        name = self._db.setting("name") if first else None
        content = Content(chain, row.time, body, name)
        ciphertext = self._state.machine.megolm.encrypt(view.id, msgspec.json.encode(content).decode())
        values = ciphertext, view.epoch, recipients.versions, prev, chain.count
        self._db.run(
            "update outbox set ciphertext = ?, epoch = ?, devices = ?, prev = ?, count = ? where number = ?",
            *(*values, row.number),
        )
        return Row(row.number, row.msg_id, row.content, row.time, *values)

    def _command(self, conversation: str, row: Row) -> c.Send:
        assert row.ciphertext is not None
        assert row.epoch is not None
        assert row.devices is not None
        return c.Send(0, row.msg_id, conversation, row.epoch, row.devices, row.prev, row.ciphertext)

    def _settle(self, conversation: str, done: list[tuple[Row, int]]) -> None:
        """Note what was accepted."""
        if done:
            with self._db.transaction():
                self._note(conversation, done)
            self._tell(conversation, done)

    def _note(self, conversation: str, done: list[tuple[Row, int]]) -> None:
        sender = self._state.account, self._state.device
        for row, seq in done:
            assert row.ciphertext is not None
            assert row.count is not None
            self._db.run("delete from outbox where number = ?", row.number)
            self._timeline.sent(row.msg_id, seq)
            self._timeline.follow(conversation, sender, row.msg_id, row.ciphertext, row.count)
        self._agreement.accepted(conversation)

    def _tell(self, conversation: str, done: list[tuple[Row, int]]) -> None:
        for row, seq in done:
            self._state.emit(StateUpdate(conversation, row.msg_id, "sent"))
            waiting = self._waiting.pop(row.msg_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(seq)

    async def _refused(self, conversation: str, row: Row, error: WireError) -> None:
        """Do what a refusal asks for: `row` was refused, and with it all behind it."""
        match error:
            case StaleEpoch():
                with self._db.transaction():
                    self._unseal(conversation, row.number)
                assert row.epoch is not None
                assert row.devices is not None
                self._agreement.refused(conversation, (row.epoch, row.devices), error)
            case OutOfOrder(last):
                # Nothing was before it on this connection: the store is older than what was sent from it.
                with self._db.transaction():
                    self._timeline.rebase(conversation, last)
                    self._state.machine.megolm.forget_outbound(conversation)
                    self._unseal(conversation, row.number)
            case RateLimited(retry_after) | Unavailable(retry_after):
                await asyncio.sleep(retry_after / 1000)
            case UnknownOutcome():
                await asyncio.sleep(PAUSE_SECONDS)
            case _:
                self._fail(conversation, row, str(type(error).__struct_config__.tag))

    def _fail(self, conversation: str, row: Row, reason: str) -> None:
        with self._db.transaction():
            self._db.run("delete from outbox where number = ?", row.number)
            self._timeline.failed(row.msg_id)
            self._unseal(conversation, row.number)
        self._state.emit(StateUpdate(conversation, row.msg_id, "failed"))
        waiting = self._waiting.pop(row.msg_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(SendFailed(reason))

    def _unseal(self, conversation: str, number: int) -> None:
        """Let messages from `number` on be encrypted anew: the server stored none of them."""
        self._db.run(
            "update outbox set ciphertext = null, epoch = null, devices = null, prev = null, count = null"
            " where conversation = ? and number >= ?",
            *(conversation, number),
        )

    def _rows(self, conversation: str) -> list[Row]:
        query = (
            "select number, msg_id, body, time, ciphertext, epoch, devices, prev, count"
            " from outbox where conversation = ? order by number limit ?"
        )
        rows: list[Any] = self._db.rows(query, conversation, WINDOW)
        return [Row(*row) for row in rows]
