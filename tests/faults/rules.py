"""The rules by which a run of chaos is judged, each a clause of what a tick means: pure functions over the evidence."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from faults.oracle import (
    Announced,
    Arrived,
    Began,
    Caughtup,
    Connected,
    Device,
    Displayed,
    Enqueued,
    Evidence,
    Failed,
    Kept,
    Marked,
    Missed,
    Rose,
    Ticked,
    Verdict,
    Violation,
)

RANKS: Final = {"pending": 0, "sent": 1, "delivered": 2, "read": 3}
FINAL: Final = frozenset({"delivered", "read", "expired"})

Rule = Callable[[Evidence], Iterator[str]]


def judge(evidence: Evidence) -> Verdict:
    """Judge a run."""
    violations = [Violation(rule.__name__, what) for rule in RULES for what in rule(evidence)]
    lines = Counter(type(line) for device in evidence.devices for line in device.lines)
    counts = {
        "devices": len(evidence.devices),
        "messages": lines[Enqueued],
        "ticks": sum(len(_ticked(device)) for device in evidence.devices),
        "displays": lines[Displayed],
        "receipts": lines[Marked],
        "connections": lines[Connected],
        "lives of devices": lines[Began],
        "ciphertexts searched for": evidence.server.searched,
    }
    return Verdict(counts, violations)


# What is looked up by more than one rule


def _own(device: Device) -> dict[str, Kept]:
    """Return the messages of a device itself that it kept."""
    return {kept.k: kept for kept in device.kept if kept.k.startswith(device.id + ":")}


def _ticked(device: Device) -> set[str]:
    """Return the messages of a device that have their tick, by its journal or (if it was killed between) its store."""
    told = {line.k for line in device.lines if isinstance(line, Ticked)}
    return told | {k for k, kept in _own(device).items() if kept.seq is not None}


def _written(evidence: Evidence) -> dict[str, Kept]:
    """Return everything that was ever written: it is in its sender's store before it goes anywhere (D1)."""
    return {k: kept for device in evidence.devices for k, kept in _own(device).items()}


def _told(evidence: Evidence) -> Iterator[tuple[str, str, str | None, int]]:
    """Yield every statement that a message has a place: (who says so, K, conversation, seq)."""
    for place in evidence.server.places:
        yield "the server", place.k, place.conversation, place.seq
    for device in evidence.devices:
        for line in device.lines:
            match line:
                case Ticked():
                    yield device.name, line.k, None, line.seq
                case Displayed():
                    yield device.name, line.k, line.conversation, line.seq
                case Arrived(k=str(k), seq=int(seq)):
                    yield device.name, k, line.conversation, seq
                case _:
                    pass
        for kept in device.kept:
            if kept.seq is not None:
                yield device.name, kept.k, kept.conversation, kept.seq


# The rules


def what_is_written_is_kept(evidence: Evidence) -> Iterator[str]:
    """D1: what was put into an outbox is in the store of its device, as it was written."""
    for device in evidence.devices:
        own = _own(device)
        for line in device.lines:
            if isinstance(line, Enqueued):
                kept = own.get(line.k)
                if kept is None:
                    yield f"{device.name} lost its own {line.k}"
                elif (kept.conversation, kept.number, kept.digest) != (line.conversation, line.number, line.digest):
                    yield f"{device.name} has another {line.k} than it wrote"


def what_is_ticked_is_displayed(evidence: Evidence) -> Iterator[str]:
    """D2, D5: a ticked message is kept and displayed at every addressed device, unless it expired."""
    holdings = {
        device.id: (
            {kept.k for kept in device.kept},
            {line.k for line in device.lines if isinstance(line, Displayed)},
        )
        for device in evidence.devices
    }
    for device in evidence.devices:
        own = _own(device)
        for k in sorted(_ticked(device)):
            kept = own.get(k)
            if kept is None:
                yield f"{device.name} was told of a tick for {k}, which it does not have"
                continue
            for target in evidence.conversations[kept.conversation]:
                if target == device.id or kept.state == "expired":
                    continue
                stored, displayed = holdings[target]
                if k not in stored:
                    yield f"{k} of {device.name} was ticked and is not at {target}"
                elif k not in displayed:
                    yield f"{k} of {device.name} is at {target} and was never displayed"


def what_is_displayed_was_written(evidence: Evidence) -> Iterator[str]:
    """Nothing is displayed that was not sent, or not as it was sent, or not by those whom it is addressed to."""
    written = _written(evidence)
    for device in evidence.devices:
        shown: list[Displayed | Kept] = [line for line in device.lines if isinstance(line, Displayed)]
        shown += [kept for kept in device.kept if not kept.k.startswith(device.id + ":")]
        for message in shown:
            original = written.get(message.k)
            if original is None:
                yield f"{device.name} shows {message.k}, which nobody wrote"
            elif (message.conversation, message.digest) != (original.conversation, original.digest):
                yield f"{device.name} shows {message.k} otherwise than it was written"
            elif device.id not in evidence.conversations.get(message.conversation, ()):
                yield f"{device.name} shows {message.k}, which is not for it"


def each_message_is_displayed_once(evidence: Evidence) -> Iterator[str]:
    """D5: each K once per device, and each text once under whatever K.

    A program that was killed while it held a message is handed that one again when it is back: it alone knows
    whether it was done with it. That is the only repeat.
    """
    for device in evidence.devices:
        displayed: set[str] = set()
        texts: dict[str, str] = {}
        announced: set[str] = set()
        last: str | None = None
        fresh = False
        for line in device.lines:
            if isinstance(line, Began):
                fresh = True
            elif isinstance(line, Announced):
                if line.k in announced:
                    yield f"{device.name} announced {line.k} twice"
                announced.add(line.k)
            elif isinstance(line, Displayed):
                if line.k in displayed and not (fresh and line.k == last):
                    yield f"{device.name} displayed {line.k} twice"
                if texts.setdefault(line.digest, line.k) != line.k:
                    yield f"{device.name} displayed one text as {texts[line.digest]} and as {line.k}"
                displayed.add(line.k)
                last, fresh = line.k, False


def the_order_is_the_same_everywhere(evidence: Evidence) -> Iterator[str]:
    """D6: every device displays a conversation in the order of `seq`."""
    for device in evidence.devices:
        last: dict[str, tuple[int, str]] = {}
        for line in device.lines:
            if isinstance(line, Displayed):
                seq, k = last.get(line.conversation, (0, ""))
                if line.seq < seq or (line.seq == seq and line.k != k):
                    yield f"{device.name} displayed {line.seq} behind {seq} in {line.conversation}"
                last[line.conversation] = max((line.seq, line.k), (seq, k))


def each_sender_is_first_in_first_out(evidence: Evidence) -> Iterator[str]:
    """D6: the messages of a device stand in their conversation in the order in which they were written."""
    for device in evidence.devices:
        last: dict[str, int] = {}
        placed = [(kept.number, kept.seq, kept) for kept in _own(device).values() if kept.seq is not None]
        for number, seq, kept in sorted(placed, key=lambda entry: entry[0]):
            if seq <= last.get(kept.conversation, 0):
                yield f"number {number} of {device.name} stands at {seq}, behind one that was written later"
            last[kept.conversation] = seq


def positions_rise(evidence: Evidence) -> Iterator[str]:
    """D7: nothing new ever appears below a position that came before, and no position is left out or used twice."""
    for device in evidence.devices:
        mailbox, known = "", 0
        held: dict[tuple[str, int], str | None] = {}
        highest: dict[str, int] = {}
        for line in device.lines:
            if isinstance(line, Connected):
                if line.mailbox == mailbox and line.last_pos < known:
                    yield f"{device.name} forgot that it was at {known}: it asks from {line.last_pos}"
                mailbox, known = line.mailbox, line.last_pos
                highest.setdefault(mailbox, known)
            elif isinstance(line, Arrived):
                place = mailbox, line.pos
                if held.setdefault(place, line.k) != line.k:
                    yield f"{device.name} got two things at {line.pos}"
                elif line.pos > highest[mailbox] + 1:
                    yield f"{device.name} got {line.pos} behind {highest[mailbox]}: what is between was left out"
                highest[mailbox] = max(highest[mailbox], line.pos)
            elif isinstance(line, Caughtup) and line.pos > highest[mailbox]:
                yield f"{device.name} is said to have caught up at {line.pos}, but got {highest[mailbox]}"


def states_rise(evidence: Evidence) -> Iterator[str]:
    """D3: what a sender is told of its messages only rises, and ends as delivered, read or expired."""
    for device in evidence.devices:
        marks: dict[tuple[str, str], tuple[int, int]] = {}
        states: dict[str, str] = {}
        for line in device.lines:
            if isinstance(line, Marked):
                before = marks.get((line.conversation, line.account), (0, 0))
                if line.delivered < before[0] or line.read < before[1]:
                    yield f"{device.name} saw {line.account} fall from {before} to {(line.delivered, line.read)}"
                marks[line.conversation, line.account] = line.delivered, line.read
            elif isinstance(line, Rose):
                if RANKS.get(line.state, 9) < RANKS.get(states.get(line.k, "pending"), 9):
                    yield f"{line.k} of {device.name} fell from {states[line.k]} to {line.state}"
                states[line.k] = line.state
            elif isinstance(line, Failed):
                yield f"{line.k} of {device.name} failed: {line.reason}"
        for k, kept in _own(device).items():
            if kept.state not in FINAL:
                yield f"{k} of {device.name} is {kept.state} at the end"


def each_message_has_one_place(evidence: Evidence) -> Iterator[str]:
    """D4, D6: one `seq` for each K and one K for each `seq`, whoever is asked, and no `seq` without a message."""
    written = _written(evidence)
    places: dict[str, tuple[int, str]] = {}
    holders: dict[tuple[str, int], tuple[str, str]] = {}
    for who, k, conversation, seq in _told(evidence):
        known = places.setdefault(k, (seq, who))
        if known[0] != seq:
            yield f"{k} stands at {known[0]} for {known[1]} and at {seq} for {who}"
        name = conversation or (written[k].conversation if k in written else None)
        if name is not None:
            holder = holders.setdefault((name, seq), (k, who))
            if holder[0] != k:
                yield f"{seq} of {name} is {holder[0]} for {holder[1]} and {k} for {who}"
    counted: dict[str, list[int]] = {}
    for place in evidence.server.places:
        counted.setdefault(place.conversation, []).append(place.seq)
    for name, seqs in counted.items():
        if sorted(seqs) != list(range(1, len(seqs) + 1)):
            yield f"the places of {name} are not 1 to {len(seqs)}"


def nothing_is_left(evidence: Evidence) -> Iterator[str]:
    """D8: after quiet, no row and no byte of ciphertext is left on the server, and nothing waits on a device."""
    for table, count in evidence.server.rows.items():
        if count:
            yield f"{count} rows are left in the server's table {table}"
    if evidence.server.found:
        yield f"{evidence.server.found} ciphertexts are still to be found in the server's files"
    yield from evidence.server.problems
    for device in evidence.devices:
        if device.unsent:
            yield f"{device.name} still has {device.unsent} things to send"


def everything_can_be_read(evidence: Evidence) -> Iterator[str]:
    """D3, D6: no envelope waits for its key, and no device was told that something is missing."""
    for device in evidence.devices:
        if device.sealed:
            yield f"{device.name} holds {device.sealed} envelopes that it cannot open"
        for line in device.lines:
            if isinstance(line, Missed):
                yield f"{device.name} misses something in {line.conversation}: {line.reason}"
        for kept in device.kept:
            if kept.missing:
                yield f"{device.name} misses something before {kept.k}"


RULES: Final[tuple[Rule, ...]] = (
    what_is_written_is_kept,
    what_is_ticked_is_displayed,
    what_is_displayed_was_written,
    each_message_is_displayed_once,
    the_order_is_the_same_everywhere,
    each_sender_is_first_in_first_out,
    positions_rise,
    states_rise,
    each_message_has_one_place,
    nothing_is_left,
    everything_can_be_read,
)
