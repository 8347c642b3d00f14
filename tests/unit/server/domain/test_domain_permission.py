"""The table of who may write to whom, in full."""

import itertools

import pytest

from tidings.server.domain import permission, retention
from tidings.server.domain.permission import STRANGER_MESSAGES, Stance

STANCES: tuple[Stance, ...] = ("open", "asked", "declined")


@pytest.mark.parametrize(
    ("theirs", "blocked", "strange"), [*itertools.product(STANCES, (True, False), range(STRANGER_MESSAGES + 2))]
)
def test_who_may_write(theirs: Stance, *, blocked: bool, strange: int) -> None:
    allowed = permission.may_write(theirs, blocked=blocked, strange=strange)
    if blocked or theirs == "declined":
        assert not allowed
    elif theirs == "open":
        assert allowed
    else:
        assert allowed == (strange < STRANGER_MESSAGES)


@pytest.mark.parametrize(
    ("mine", "theirs", "blocked", "expected"),
    [
        ("open", "open", False, "open"),
        ("open", "asked", False, "waiting"),
        ("open", "declined", False, "waiting"),
        ("asked", "open", False, "asked"),
        ("asked", "declined", False, "asked"),
        ("declined", "open", False, "declined"),
        ("declined", "asked", False, "declined"),
        *((mine, theirs, True, "blocked") for mine in STANCES for theirs in STANCES),
    ],
)
def test_how_a_conversation_stands(mine: Stance, theirs: Stance, *, blocked: bool, expected: str) -> None:
    assert permission.standing(mine, theirs, blocked_by_me=blocked) == expected


def test_a_refusal_of_the_other_is_never_told() -> None:
    for mine in STANCES:
        told = {permission.standing(mine, theirs, blocked_by_me=False) for theirs in ("asked", "declined")}
        assert len(told) == 1


@pytest.mark.parametrize(("theirs", "blocked"), [*itertools.product(STANCES, (True, False))])
def test_only_who_was_accepted_sees_receipts_typing_and_presence(theirs: Stance, *, blocked: bool) -> None:
    assert permission.may_see_life(theirs, blocked=blocked) == (theirs == "open" and not blocked)


def test_a_message_is_too_old_when_its_record_may_be_gone() -> None:
    now, keep = 1_790_000_000_000, 30 * retention.DAY
    assert not retention.is_too_old(now - keep, now, keep)
    assert retention.is_too_old(now - keep - 1, now, keep)


def test_a_message_may_be_a_day_ahead_and_no_more() -> None:
    now = 1_790_000_000_000
    assert not retention.is_from_the_future(now + retention.DAY, now)
    assert retention.is_from_the_future(now + retention.DAY + 1, now)
