"""The durable store and the one in memory give the same answers to the same calls, whatever these are.

Hypothesis drives both; now and then the durable one is closed and opened again, or made to forget what it
remembers. Numbers and random names differ between the two and are compared by what they stand for.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.clock import FakeClock
from support.stores import SERVER, Store, account, device_key, open_store
from tidings.server.ports.mailboxes import Appended
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.wire.commands import Ack, ChangeMembers, MarkRead, Send, ShareKeys
from tidings.wire.errors import Refusal
from tidings.wire.frames import Operation, Share
from tidings.wire.ids import Address, new_msg_id

PEOPLE = ["ada", "bob", "cem"]
DEVICES = ["PHONE-ONE", "LAPTOP-TWO"]
PAIRS = [("ada", "bob"), ("ada", "cem"), ("bob", "cem")]
GROUP = ("ada", "bob", "cem")
"""The members of a group come and go; this is its name here."""
Talk = tuple[str, ...]

people = st.sampled_from(PEOPLE)
devices = st.sampled_from(DEVICES)
pairs = st.sampled_from(PAIRS)
talks = st.sampled_from([*PAIRS, GROUP, GROUP, GROUP])
roles = st.sampled_from(["member", "member", "admin", "owner", None, None])


class Side:
    """One store, and what its numbers and random names stand for."""

    def __init__(self) -> None:
        self.store: Store
        self.names: dict[Any, str] = {}
        self.talks: dict[Talk, str] = {}

    async def box(self, person: str, device: str) -> int:
        found = await self.store.mailboxes.find(Address(account(person), device))
        if found is None:
            return -1
        self.names[found.id] = f"{person}/{device}"
        return found.id

    def talk(self, pair: Talk) -> str:
        return self.talks.get(pair, "!00000000-0000-4000-8000-000000000000:none")

    def plain(self, value: Any) -> Any:
        """Return a result without what differs between stores."""
        if isinstance(value, Refusal):
            return repr(value.error)
        data = msgspec.to_builtins(value, builtin_types=(bytes,))
        text = msgspec.json.encode(self._named(data)).decode()
        for pair, name in self.talks.items():
            text = text.replace(name, "-".join(pair))
        return in_any_order(msgspec.json.decode(text))

    def _named(self, data: Any) -> Any:
        """Replace box numbers, which stand alone in lists that name boxes, by what they stand for."""
        if isinstance(data, dict):
            return {key: self._named_field(key, item) for key, item in data.items()}
        if isinstance(data, list | tuple):
            return [self._named(item) for item in data]
        return data

    def _named_field(self, key: str, item: Any) -> Any:
        if key == "places":
            return sorted([*self._boxes([box]), pos] for box, pos in item)
        return self._boxes(item) if key in ("boxes", "to") else self._named(item)

    def _boxes(self, numbers: list[int]) -> list[str]:
        return sorted(self.names.get(number, "closed") for number in numbers)


def in_any_order(data: Any) -> Any:
    """Sort notices: which of them is told first is promised to nobody."""
    if isinstance(data, dict):
        return {key: in_any_order(item) for key, item in data.items()}
    if not isinstance(data, list):
        return data
    items = [in_any_order(item) for item in data]
    return sorted(items, key=str) if all(isinstance(item, dict) and "event" in item for item in items) else items


def answer(done: Appended) -> dict[str, Any]:
    """Return an answer with names for its fields."""
    return done._asdict() | {"notices": [{"event": n.event, "to": n.to} for n in done.notices]}


class Agreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack, self.opened = ExitStack(), AsyncExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.clock = FakeClock()
        self.memory, self.sqlite = Side(), Side()
        self.sides = (self.memory, self.sqlite)
        self.versions = dict.fromkeys(PEOPLE, 0)
        self.last: dict[tuple[str, str, Talk], bytes | None] = {}
        self.sent: list[tuple[str, str, Send, Talk]] = []
        self.changed: list[tuple[str, str, ChangeMembers]] = []
        self.runner.run(self._open(self.memory, "memory"))
        self.runner.run(self._open(self.sqlite, "sqlite"))
        for person in PEOPLE:
            self.set_devices(person, {DEVICES[0]})
        for pair in PAIRS[:2]:
            self.open_direct(pair, accepted=True)
        for side in self.sides:
            side.talks[GROUP] = "!00000000-0000-4000-8000-00000000abcd:" + SERVER
        self.change("ada", DEVICES[0], {"ada": "owner"}, fresh=True, ordered=True)
        self.change("ada", DEVICES[0], {"bob": "admin", "cem": "member"}, fresh=True, ordered=True)

    def teardown(self) -> None:
        self.runner.run(self.opened.aclose())
        self.runner.close()
        self.stack.close()

    async def _open(self, side: Side, kind: Any) -> None:
        opening = open_store(kind, self.folder, self.clock, retention_days=5, box_limit=4)
        side.store = await self.opened.enter_async_context(opening)

    def both(self, call: Callable[[Side], Awaitable[Any]]) -> Any:
        """Do the same on both sides; they must agree."""

        async def outcome(side: Side) -> Any:
            for person in PEOPLE:
                for device in DEVICES:
                    await side.box(person, device)
            try:
                return await call(side)
            except Refusal as refusal:
                return refusal

        results = [self.runner.run(outcome(side)) for side in self.sides]
        plain = [side.plain(result) for side, result in zip(self.sides, results, strict=True)]
        assert plain[0] == plain[1]
        return results[1]

    @rule(person=people, names=st.sets(devices))
    def set_devices(self, person: str, names: set[str]) -> None:
        self.versions[person] += 1
        keys = {name: device_key(name) for name in sorted(names)}

        async def call(side: Side) -> Any:
            closed, notices = await side.store.mailboxes.set_devices(account(person), self.versions[person], keys)
            for name in names:
                await side.box(person, name)
            return {"boxes": closed, "notices": [{"event": n.event, "to": n.to} for n in notices]}

        self.both(call)
        self.last = {key: msg_id for key, msg_id in self.last.items() if key[0] != person or key[1] in names}

    @rule(pair=pairs, accepted=st.booleans(), turned=st.booleans())
    def open_direct(self, pair: tuple[str, str], *, accepted: bool, turned: bool = False) -> None:
        one, other = pair[::-1] if turned else pair

        async def call(side: Side) -> Any:
            changed = await side.store.conversations.open_direct(account(one), account(other), accepted=accepted)
            side.talks[pair] = changed.conversation.conversation
            return [changed.conversation, [{"event": n.event, "to": n.to} for n in changed.notices]]

        self.both(call)

    @rule(person=people, pair=pairs, reply=st.sampled_from(["accept", "decline", "block", "unblock"]))
    def respond(self, person: str, pair: Talk, reply: Any) -> None:
        async def call(side: Side) -> Any:
            changed = await side.store.conversations.respond(account(person), side.talk(pair), reply)
            return [changed.conversation, [{"event": n.event, "to": n.to} for n in changed.notices]]

        self.both(call)

    def current(self, pair: Talk) -> tuple[int, int, set[str]]:
        """Return the epoch, the sum of versions and the members of a conversation."""

        async def look() -> tuple[int, int, set[str]]:
            for person in PEOPLE:
                for found in await self.memory.store.conversations.fetch(account(person), [self.memory.talk(pair)]):
                    return found.epoch, found.devices, {member.account for member in found.members}
            return 0, 0, set()

        return self.runner.run(look())

    @rule(
        person=people,
        device=devices,
        wanted=st.dictionaries(people, roles, min_size=1, max_size=2),
        fresh=st.sampled_from([True, True, True, True, False]),
        ordered=st.sampled_from([True, True, True, True, False]),
    )
    def change(self, person: str, device: str, wanted: dict[str, Any], *, fresh: bool, ordered: bool) -> None:
        epoch, version, members = self.current(GROUP)
        coming = [name for name in wanted if account(name) not in members]
        version += sum(self.versions[name] for name in coming)
        change = ChangeMembers(
            1,
            new_msg_id(self.clock.now()),
            self.memory.talk(GROUP),
            epoch,
            version if fresh else version + 1,
            self.last.get((person, device, GROUP)) if ordered else bytes(16),
            [Operation(account(name), role) for name, role in wanted.items()],
            b"change %d" % len(self.changed),
        )
        if self.change_both(person, device, change):
            self.last[person, device, GROUP] = change.change_id
            self.changed.append((person, device, change))

    def change_both(self, person: str, device: str, change: ChangeMembers) -> bool:
        async def call(side: Side) -> Any:
            done = await side.store.conversations.change_members(change, await side.box(person, device))
            return answer(done)

        return not isinstance(self.both(call), Refusal)

    @precondition(lambda self: self.changed)
    @rule(data=st.data())
    def repeat_change(self, data: st.DataObject) -> None:
        self.change_both(*data.draw(st.sampled_from(self.changed)))

    @rule(
        person=people,
        device=devices,
        pair=talks,
        fresh=st.sampled_from([True, True, True, True, False]),
        ordered=st.sampled_from([True, True, True, True, False]),
        share=st.one_of(st.none(), st.tuples(people, devices)),
    )
    def send(self, person: str, device: str, pair: Talk, *, fresh: bool, ordered: bool, share: Any) -> None:
        msg_id = new_msg_id(self.clock.now())
        body = b"body %d" % len(self.sent)
        prev = self.last.get((person, device, pair)) if ordered else bytes(16)
        shares = [Share(account(share[0]), share[1], b"key")] if share else []
        epoch, version, _ = self.current(pair)

        def command(side: Side) -> Send:
            return Send(1, msg_id, side.talk(pair), epoch, version if fresh else version + 1, prev, body, shares)

        async def call(side: Side) -> Any:
            done = await side.store.mailboxes.append(command(side), await side.box(person, device))
            return answer(done)

        result = self.both(call)
        if not isinstance(result, Refusal):
            self.last[person, device, pair] = msg_id
            self.sent.append((person, device, command(self.sqlite), pair))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), altered=st.booleans())
    def repeat(self, data: st.DataObject, *, altered: bool) -> None:
        person, device, send, pair = data.draw(st.sampled_from(self.sent))

        async def call(side: Side) -> Any:
            body = send.ciphertext + b"!" if altered else send.ciphertext
            again = msgspec.structs.replace(send, conversation=side.talk(pair), ciphertext=body)
            done = await side.store.mailboxes.append(again, await side.box(person, device))
            return {"seq": done.seq, "time": done.time, "boxes": done.boxes}

        self.both(call)

    @rule(person=people, device=devices, pair=talks, to=people, share_id=st.binary(min_size=16, max_size=16))
    def share(self, person: str, device: str, pair: Talk, to: str, share_id: bytes) -> None:
        async def call(side: Side) -> Any:
            keys = ShareKeys(1, share_id, side.talk(pair), [Share(account(to), DEVICES[0], b"key")])
            return {"boxes": await side.store.mailboxes.share(keys, await side.box(person, device))}

        self.both(call)

    @rule(
        person=people,
        device=devices,
        pos=st.integers(0, 8),
        failed=st.lists(st.integers(1, 8), max_size=3),
        recovered=st.lists(st.integers(1, 8), max_size=3),
    )
    def ack(self, person: str, device: str, pos: int, failed: list[int], recovered: list[int]) -> None:
        async def call(side: Side) -> Any:
            notices = await side.store.mailboxes.ack(await side.box(person, device), Ack(pos, failed, recovered))
            return [{"event": n.event, "to": n.to} for n in notices]

        self.both(call)

    @rule(person=people, device=devices)
    def note_seen(self, person: str, device: str) -> None:
        async def call(side: Side) -> Any:
            await side.store.mailboxes.note_seen(await side.box(person, device))

        self.both(call)

    @rule(person=people, device=devices, pair=talks, seq=st.integers(0, 9))
    def mark_read(self, person: str, device: str, pair: Talk, seq: int) -> None:
        async def call(side: Side) -> Any:
            box = await side.box(person, device)
            notices = await side.store.mailboxes.mark_read(box, MarkRead(side.talk(pair), seq))
            return [{"event": n.event, "to": n.to} for n in notices]

        self.both(call)

    @rule(hours=st.sampled_from([1, 20, 60, 200]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours * 3600)

    @rule()
    def expire(self) -> None:
        async def call(side: Side) -> Any:
            swept = await side.store.mailboxes.expire(self.clock.now())
            told = [{"event": n.event, "to": n.to} for n in swept.notices]
            return [swept.envelopes, swept.shares, swept.records, swept.suspended, told]

        self.both(call)

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.opened.pop_all().aclose())
        self.runner.run(self._open(self.sqlite, "sqlite"))

    @rule()
    def forget(self) -> None:
        assert isinstance(self.sqlite.store.mailboxes, SqliteMailboxes)
        self.sqlite.store.mailboxes.book.forget()

    @invariant()
    def same_content(self) -> None:
        async def call(side: Side) -> Any:
            seen: list[Any] = []
            for person in PEOPLE:
                fetched = await side.store.conversations.fetch(account(person), list(side.talks.values()))
                seen.append(sorted(fetched, key=lambda talk: (talk.kind, str(talk.members))))
                seen.append(
                    sorted(
                        await side.store.conversations.contacts(
                            account(person), list(map(account, PEOPLE)), mutual=True
                        )
                    )
                )
                for device in DEVICES:
                    box = await side.box(person, device)
                    if box == -1:
                        continue
                    page = await side.store.mailboxes.read(box, 0, 100)
                    marks = await side.store.mailboxes.marks_since(box, 0)
                    seen.append([page.entries, page.top, page.more])
                    seen.append(sorted((side.plain(mark) for mark in marks), key=str))
            return seen

        self.both(call)


Agreement.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgreement = Agreement.TestCase
