"""The oracle: it passes a run in which all went well, and each rule finds what it is there to find."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from faults.oracle import (
    Announced,
    AnyLine,
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
    Place,
    Rose,
    Server,
    Ticked,
)
from faults.rules import RULES, judge

TALK = "!talk"
NUMBERS = (1, 2, 3)


def k(number: int) -> str:
    return f"ADA:{number:02}"


def digest(number: int) -> str:
    return f"text {number}"


def kept(number: int) -> Kept:
    return Kept(k(number), TALK, number, number, digest(number), "delivered", missing=False)


def shown(number: int) -> list[AnyLine]:
    """What a device writes down when a message comes."""
    return [
        Arrived(number, k(number), number, TALK),
        Announced(k(number)),
        Displayed(k(number), number, TALK, digest(number)),
    ]


def good() -> Evidence:
    """Ada sent Bob three messages. Bob's program was killed when it had shown the second, and showed it again."""
    ada: list[AnyLine] = [Began(), Connected("ada's", 0), Caughtup(0)]
    for number in NUMBERS:
        ada += [Enqueued(k(number), TALK, number, digest(number)), Ticked(k(number), number), Rose(k(number), "sent")]
    ada += [Marked(TALK, "@bob", 2, 1), Rose(k(2), "delivered"), Marked(TALK, "@bob", 3, 3), Rose(k(2), "read")]
    bob: list[AnyLine] = [Began(), Connected("bob's", 0), *shown(1), *shown(2)]
    bob += [Began(), Connected("bob's", 2), shown(2)[-1], *shown(3), Caughtup(3)]
    all_kept = [kept(number) for number in NUMBERS]
    devices = [Device("ada", "ADA", ada, all_kept), Device("bob", "BOB", bob, all_kept)]
    places = [Place(TALK, number, k(number)) for number in NUMBERS]
    return Evidence(devices, {TALK: ["ADA", "BOB"]}, Server({"letter": 0, "entry": 0}, places, searched=3))


Change = Callable[[Evidence], Evidence]
CASES: list[tuple[str, str, Change]] = []


def case(rule: str, story: str) -> Callable[[Change], Change]:
    """Note that a rule must find what a function makes of the good evidence."""

    def note(change: Change) -> Change:
        CASES.append((rule, story, change))
        return change

    return note


def changed(evidence: Evidence, name: str, **fields: object) -> Evidence:
    devices = [replace(device, **fields) if device.name == name else device for device in evidence.devices]
    return replace(evidence, devices=devices)


def with_lines(evidence: Evidence, name: str, change: Callable[[list[AnyLine]], list[AnyLine]]) -> Evidence:
    (device,) = [device for device in evidence.devices if device.name == name]
    return changed(evidence, name, lines=change(list(device.lines)))


def with_kept(evidence: Evidence, name: str, change: Callable[[Kept], list[Kept]]) -> Evidence:
    (device,) = [device for device in evidence.devices if device.name == name]
    return changed(evidence, name, kept=[new for old in device.kept for new in change(old)])


def without(number: int) -> Callable[[list[AnyLine]], list[AnyLine]]:
    """Return what drops every trace of a message at the one who receives it."""
    return lambda lines: [line for line in lines if getattr(line, "k", None) != k(number)]


def only(which: int, /, **fields: object) -> Callable[[Kept], list[Kept]]:
    return lambda old: [replace(old, **fields) if old.k == k(which) else old]


def at_server(evidence: Evidence, **fields: object) -> Evidence:
    return replace(evidence, server=replace(evidence.server, **fields))


@case("what_is_written_is_kept", "the sender's store lost a message that it had noted")
def _(evidence: Evidence) -> Evidence:
    return with_kept(evidence, "ada", lambda old: [] if old.k == k(3) else [old])


@case("what_is_written_is_kept", "the sender's store holds another text")
def _(evidence: Evidence) -> Evidence:
    return with_kept(evidence, "ada", only(3, digest="another"))


@case("what_is_ticked_is_displayed", "a ticked message never came")
def _(evidence: Evidence) -> Evidence:
    lost = with_kept(evidence, "bob", lambda old: [] if old.k == k(3) else [old])
    return with_lines(lost, "bob", without(3))


@case("what_is_ticked_is_displayed", "a ticked message is kept, but was never displayed")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [line for line in lines if line != shown(3)[-1]])


@case("what_is_ticked_is_displayed", "a tick for a message that the sender does not have")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "ada", lambda lines: [*lines, Ticked("ADA:99", 4)])


@case("what_is_displayed_was_written", "a message that nobody wrote")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Displayed("EVE:01", 4, TALK, "hello")])


@case("what_is_displayed_was_written", "a text that was altered")
def _(evidence: Evidence) -> Evidence:
    return with_kept(evidence, "bob", only(2, digest="altered"))


@case("what_is_displayed_was_written", "a message at a device that it is not addressed to")
def _(evidence: Evidence) -> Evidence:
    return replace(evidence, conversations={TALK: ["ADA"]})


@case("each_message_is_displayed_once", "a message displayed twice in one life")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, shown(3)[-1]])


@case("each_message_is_displayed_once", "an older message displayed again after a restart")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Began(), shown(1)[-1]])


@case("each_message_is_displayed_once", "one text under two names")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Displayed("ADA:99", 4, TALK, digest(3))])


@case("each_message_is_displayed_once", "a message announced twice")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Announced(k(2))])


@case("the_order_is_the_same_everywhere", "two messages displayed in each other's place")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines[:2], *shown(2), *shown(1), *lines[-4:]])


@case("each_sender_is_first_in_first_out", "a message stands before one that was written earlier")
def _(evidence: Evidence) -> Evidence:
    return with_kept(with_kept(evidence, "ada", only(2, number=3)), "ada", only(3, number=2))


@case("positions_rise", "a device asks again for what it had acknowledged")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Connected("bob's", 1)])


@case("positions_rise", "two things at one position")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Arrived(3, k(2), 2, TALK)])


@case("positions_rise", "a position left out")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Arrived(5)])


@case("positions_rise", "caught up with what never came")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Caughtup(4)])


@case("states_rise", "a mark that falls")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "ada", lambda lines: [*lines, Marked(TALK, "@bob", 3, 2)])


@case("states_rise", "a state that falls")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "ada", lambda lines: [*lines, Rose(k(2), "delivered")])


@case("states_rise", "a message that failed")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "ada", lambda lines: [*lines, Failed(k(3), "failed")])


@case("states_rise", "a message that was never delivered")
def _(evidence: Evidence) -> Evidence:
    return with_kept(evidence, "ada", only(3, state="sent"))


@case("each_message_has_one_place", "a message that was stored twice")
def _(evidence: Evidence) -> Evidence:
    return at_server(evidence, places=[*evidence.server.places, Place(TALK, 4, k(3))])


@case("each_message_has_one_place", "two messages in one place")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Arrived(4, "ADA:99", 3, TALK)])


@case("each_message_has_one_place", "a place without a message")
def _(evidence: Evidence) -> Evidence:
    return at_server(evidence, places=[place for place in evidence.server.places if place.seq != 2])


@case("nothing_is_left", "a row is left")
def _(evidence: Evidence) -> Evidence:
    return at_server(evidence, rows={"letter": 0, "entry": 1})


@case("nothing_is_left", "bytes of a ciphertext are left")
def _(evidence: Evidence) -> Evidence:
    return at_server(evidence, found=1)


@case("nothing_is_left", "the server's database is damaged")
def _(evidence: Evidence) -> Evidence:
    return at_server(evidence, problems=["the database is damaged"])


@case("nothing_is_left", "a device still has something to send")
def _(evidence: Evidence) -> Evidence:
    return changed(evidence, "ada", unsent=1)


@case("everything_can_be_read", "an envelope without its key")
def _(evidence: Evidence) -> Evidence:
    return changed(evidence, "bob", sealed=1)


@case("everything_can_be_read", "a device was told that something is missing")
def _(evidence: Evidence) -> Evidence:
    return with_lines(evidence, "bob", lambda lines: [*lines, Missed(TALK, "gap")])


@case("everything_can_be_read", "a message with a gap before it")
def _(evidence: Evidence) -> Evidence:
    return with_kept(evidence, "bob", only(2, missing=True))


def test_a_run_in_which_all_went_well_passes_and_is_counted() -> None:
    verdict = judge(good())
    assert verdict.violations == []
    counted = ("devices", "messages", "ticks", "displays", "lives of devices", "ciphertexts searched for")
    assert [verdict.counts[name] for name in counted] == [2, 3, 3, 4, 3, 3]
    assert verdict.report().endswith("and found 0 violations")


@pytest.mark.parametrize(("rule", "story", "change"), CASES, ids=[story for _, story, _ in CASES])
def test_each_rule_finds_what_it_is_there_to_find(rule: str, story: str, change: Change) -> None:
    verdict = judge(change(good()))
    assert rule in verdict.broken()
    assert rule in verdict.report()


def test_there_is_no_rule_that_cannot_fail() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in CASES}


def test_an_expired_message_need_not_be_displayed() -> None:
    lost = with_kept(good(), "bob", lambda old: [] if old.k == k(3) else [old])
    expired = with_kept(with_lines(lost, "bob", without(3)), "ada", only(3, state="expired"))
    assert "what_is_ticked_is_displayed" not in judge(expired).broken()
