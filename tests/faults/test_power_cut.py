"""Fault 2: the power is cut. Nothing that was answered is lost, nothing goes back, the file is whole (D2, D4, D7)."""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.clock import FakeClock
from support.powercut import PowerCutDisk
from support.stores import Store, account, marks, open_store
from tidings.server.storage.sqlite.mailboxes import SqliteMailboxes
from tidings.server.storage.sqlite.opening import Corrupt
from tidings.wire.commands import Ack, MarkRead, Send, ShareKeys
from tidings.wire.events import Gap, Marks, Stored
from tidings.wire.frames import Conversation, Share
from tidings.wire.ids import Address

pytestmark = pytest.mark.anyio

SHORT_TRIALS = 80
LOSING_TRIALS = 30
WAVES = 30
MOST_CHANGES = 1_000
DAMAGED = "found to be damaged at the start"
BOXES = {"ada": ("ada", "ADA-PHONE"), "bob": ("bob", "BOB-PHONE"), "tab": ("bob", "BOB-TABLET")}
SIZES = (20, 200, 3_000, 9_000)

Note = Callable[[Any], None]


class Past:
    """What happened before the power cut, as far as anybody was told of it."""

    def __init__(self) -> None:
        self.talk: Conversation | None = None
        self.sent: dict[bytes, tuple[str, Send, int | None]] = {}
        """Messages by msg_id: whose, what, and the answered seq."""
        self.stored: list[tuple[str, bytes]] = []
        """Ciphertexts that an answer said are in a box."""
        self.given: dict[str, dict[int, Stored]] = {name: {} for name in BOXES}
        """Entries that a box gave out, by position."""
        self.acked = dict.fromkeys(BOXES, 0)
        self.asked = dict.fromkeys(BOXES, 0)
        """Acks that were answered, and those that were asked for."""
        self.marks: dict[str, tuple[int, int]] = {}
        """The highest (delivered, read) that was told of an account."""

    def last(self, name: str) -> bytes | None:
        """Return the last message of a device, answered or not."""
        return next((msg_id for msg_id, (sender, _, _) in reversed(self.sent.items()) if sender == name), None)

    def hear(self, told: list[Marks]) -> None:
        for mark in told:
            delivered, read = self.marks.get(mark.account, (0, 0))
            self.marks[mark.account] = max(delivered, mark.delivered), max(read, mark.read)


class Trial:
    """A store at work on a disk, until the power goes."""

    def __init__(self, seed: int, disk: PowerCutDisk, store: Store) -> None:
        self.source = random.Random(seed)
        self.disk = disk
        self.store = store
        self.clock = store.clock
        self.past = Past()
        self.boxes: dict[str, int] = {}
        self.talk: Conversation

    async def run(self, synchronous: str) -> None:
        await self._prepare(synchronous)
        for _ in range(WAVES):
            if self.disk.left is not None:
                return
            await self._wave()
        self.disk.cut()

    async def _prepare(self, synchronous: str) -> None:
        assert isinstance(self.store.mailboxes, SqliteMailboxes)
        database = self.store.mailboxes.database
        database.writer.execute(f"pragma synchronous = {synchronous}")
        database.writer.execute(f"pragma wal_autocheckpoint = {self.source.choice([10, 40, 4000])}").fetchall()
        self.talk = await self.store.talk("ada", "bob")
        await self.store.devices("bob", 2, "BOB-PHONE", "BOB-TABLET")
        self.talk = await self.store.view("ada", self.talk.conversation)
        self.boxes = {name: await self.store.box(*where) for name, where in BOXES.items()}
        if self.disk.left is None:
            self.past.talk = self.talk

    async def _wave(self) -> None:
        """Make some calls at once. Their answers count if the power was still there when they came."""
        self.clock.advance(1)
        kinds = [self._append, self._append, self._append, self._repeat, self._share, self._read, self._ack, self._see]
        calls = [self.source.choice(kinds)() for _ in range(self.source.randint(1, 5))]
        results = await asyncio.gather(*(call for call, _ in calls))
        if self.source.random() < 0.05:
            await self.store.mailboxes.database.checkpoint()  # type: ignore[attr-defined] # the store in SQLite
        if self.disk.left is None:
            for (_, note), result in zip(calls, results, strict=True):
                note(result)

    def _append(self) -> tuple[Awaitable[Any], Note]:
        name = self.source.choice(list(BOXES))
        msg_id = self.clock.now().to_bytes(6, "big") + b"\x70\x00\x80" + self.source.randbytes(7)
        send = Send(
            *(1, msg_id, self.talk.conversation, self.talk.epoch, self.talk.devices, self.past.last(name)),
            self.source.randbytes(self.source.choice(SIZES)),
        )
        self.past.sent[msg_id] = name, send, None

        def note(appended: Any) -> None:
            self.past.sent[msg_id] = name, send, appended.seq
            self.past.stored += [(other, send.ciphertext) for other in BOXES if other != name]

        return self.store.mailboxes.append(send, self.boxes[name]), note

    def _repeat(self) -> tuple[Awaitable[Any], Note]:
        if not self.past.sent:
            return self._append()
        name, send, seq = self.past.sent[self.source.choice(list(self.past.sent))]

        def note(appended: Any) -> None:
            assert seq in (None, appended.seq)

        return self.store.mailboxes.append(send, self.boxes[name]), note

    def _share(self) -> tuple[Awaitable[Any], Note]:
        name = self.source.choice(list(BOXES))
        owner, device = BOXES[name]
        share = Share(account(owner), device, self.source.randbytes(300))
        keys = ShareKeys(1, self.source.randbytes(16), self.talk.conversation, [share])
        stored = self.past.stored
        return self.store.mailboxes.share(keys, self.boxes["ada"]), lambda _: stored.append((name, share.ciphertext))

    def _read(self) -> tuple[Awaitable[Any], Note]:
        name = self.source.choice(list(BOXES))
        given = self.past.given[name]

        def note(page: Any) -> None:
            given.update({entry.pos: entry for entry in page.entries})

        return self.store.mailboxes.read(self.boxes[name], max(given, default=0), 100), note

    def _ack(self) -> tuple[Awaitable[Any], Note]:
        name = self.source.choice(list(BOXES))
        pos = self.source.choice([0, *self.past.given[name]])
        self.past.asked[name] = max(self.past.asked[name], pos)

        def note(notices: Any) -> None:
            self.past.acked[name] = max(self.past.acked[name], pos)
            self.past.hear(marks(notices))

        return self.store.mailboxes.ack(self.boxes[name], Ack(pos)), note

    def _see(self) -> tuple[Awaitable[Any], Note]:
        name = self.source.choice(list(BOXES))
        mark = MarkRead(self.talk.conversation, self.source.randint(0, len(self.past.sent)))
        call = self.store.mailboxes.mark_read(self.boxes[name], mark)
        return call, lambda notices: self.past.hear(marks(notices))


class Aftermath:
    """The store that was opened on what the power cut has left, and what is wrong with it."""

    def __init__(self, store: Store, past: Past) -> None:
        self.store = store
        self.past = past
        self.problems: list[str] = []

    def expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    async def look(self) -> list[str]:
        mailboxes = self.store.mailboxes
        assert isinstance(mailboxes, SqliteMailboxes)
        reader = mailboxes.database.reader
        self.expect(reader.execute("pragma integrity_check").fetchall() == [("ok",)], "the file is not whole")
        talk = self.past.talk
        if talk is None:
            return self.problems
        found = [await mailboxes.find(Address(account(owner), device)) for owner, device in BOXES.values()]
        if None in found or not await self.store.conversations.fetch(account("ada"), [talk.conversation]):
            return [*self.problems, "devices or their conversation are lost"]
        boxes = {name: box.id for name, box in zip(BOXES, found, strict=True) if box}
        for box, name in zip(found, BOXES, strict=True):
            assert box is not None
            await self._look_into(name, box.id, box.acked)
        for mark in await mailboxes.marks_since(boxes["ada"], 0):
            delivered, read = self.past.marks.get(mark.account, (0, 0))
            self.expect(mark.delivered >= delivered and mark.read >= read, "a mark went back")
        await self._repeat(boxes)
        await self._go_on(talk, boxes)
        seqs: list[Any] = reader.execute("select seq from record order by seq").fetchall()
        self.expect([row[0] for row in seqs] == list(range(1, len(seqs) + 1)), "places have gaps, or are given twice")
        return self.problems

    async def _look_into(self, name: str, box: int, acked: int) -> None:
        past = self.past
        entries = {entry.pos: entry for entry in await self.store.read(box)}
        given = past.given[name]
        self.expect(past.acked[name] <= acked, "an ack is lost")
        self.expect(acked <= past.asked[name], "an ack was never asked for")
        self.expect(all(pos > acked for pos in entries), "an acked entry is back")
        same = all(entries.get(pos) == entry for pos, entry in given.items() if pos > acked)
        self.expect(same, "an entry that was given out has changed")
        there = Counter(_ciphertext(entry) for entry in entries.values())
        taken = Counter(_ciphertext(entry) for pos, entry in given.items() if pos <= acked)
        for owner, ciphertext in past.stored:
            if owner == name:
                times = there[ciphertext] + taken[ciphertext]
                self.expect(times == 1, f"an answered entry is there {times} times")

    async def _repeat(self, boxes: dict[str, int]) -> None:
        """Repeat every message, as devices do that were not answered."""
        for name, send, seq in self.past.sent.values():
            try:
                appended = await self.store.mailboxes.append(send, boxes[name])
            except Exception as error:  # noqa: BLE001 - any is a finding
                self.problems.append(f"a repeat is answered {error!r}")
                continue
            again = await self.store.mailboxes.append(send, boxes[name])
            self.expect((again.seq, list(again.boxes)) == (appended.seq, []), "a repeat is stored again")
            if seq is not None:
                self.expect((appended.seq, list(appended.boxes)) == (seq, []), "an answered message is lost")

    async def _go_on(self, talk: Conversation, boxes: dict[str, int]) -> None:
        """Everything that comes now stands above what was given out before."""
        with suppress(Exception):
            for name, box in boxes.items():
                last = self.past.last(name)
                await self.store.send(box, talk, b"after", prev=last)
        for name, box in boxes.items():
            after = [entry.pos for entry in await self.store.read(box) if _ciphertext(entry) == b"after"]
            highest = max(self.past.given[name], default=0)
            self.expect(bool(after) and min(after) > highest, "a position was given twice")


def _ciphertext(entry: Stored) -> bytes:
    assert not isinstance(entry, Gap)
    return entry.ciphertext


class Cut(NamedTuple):
    """One trial: what is wrong afterwards, how many messages had been answered, how many changes were not synced."""

    problems: list[str]
    answered: int
    unsynced: int


async def cut_power(folder: Path, seed: int, *, synchronous: str = "full", lies: bool = False) -> Cut:
    """Run one trial."""
    for name in ("on", "after"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    source = random.Random(seed)
    disk = PowerCutDisk(source, cut_at=source.randrange(MOST_CHANGES), lies=lies)
    try:
        async with open_store("sqlite", folder / "on", FakeClock(), vfs=disk.name) as store:
            trial = Trial(seed, disk, store)
            await trial.run(synchronous)
    finally:
        disk.unregister()
    disk.put_into(folder / "after")
    answered = sum(seq is not None for _, _, seq in trial.past.sent.values())
    try:
        async with open_store("sqlite", folder / "after", trial.clock) as store:
            store.versions.update(trial.store.versions)
            return Cut(await Aftermath(store, trial.past).look(), answered, disk.unsynced)
    except Corrupt as error:
        problem = DAMAGED if "is damaged, restore it from a backup" in str(error) else str(error)
        return Cut([problem], answered, disk.unsynced)


async def test_fault_02_after_a_power_cut_nothing_that_was_answered_is_lost(tmp_path: Path, kills: int) -> None:
    answered, with_unsynced, trials = 0, 0, kills or SHORT_TRIALS
    for seed in range(trials):
        cut = await cut_power(tmp_path, seed)
        assert cut.problems == [], f"seed {seed}"
        answered += cut.answered
        with_unsynced += cut.unsynced > 0
    print(f"{trials} power cuts by seeds from 0 on, {with_unsynced} with unsynced changes; {answered} answers before")
    assert with_unsynced > trials // 2
    assert answered > 10 * trials


@pytest.mark.parametrize(("synchronous", "lies"), [("normal", False), ("off", False), ("full", True)])
async def test_the_simulation_finds_the_losses_of_a_store_or_disk_that_does_not_sync(
    tmp_path: Path, synchronous: str, lies: bool
) -> None:
    found: Counter[str] = Counter()
    for seed in range(LOSING_TRIALS):
        cut = await cut_power(tmp_path, seed, synchronous=synchronous, lies=lies)
        found.update({"lost": 1} if cut.problems else {})
        found.update(set(cut.problems))
    print(found)
    assert found["lost"] > LOSING_TRIALS // 3
    if synchronous == "normal":
        assert found[DAMAGED] == 0, "without syncs of the log the file is whole, but old"
        assert found["an answered message is lost"] > LOSING_TRIALS // 3
        assert found["an ack is lost"] > 0
        assert found["a mark went back"] > 0
        assert found["a position was given twice"] > 0
    else:
        assert found[DAMAGED] > 0, "the check at the start sees it"
