"""Whom a device believes to be in a group: what members say, and what the server shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidings.sdk.errors import Distrusted
from tidings.sdk.store.database import Database
from tidings.sdk.sync.rosters import OTHER_LIST, STRANGER, Rosters
from tidings.wire.content import Members, members_digest
from tidings.wire.frames import Role

ME, ADA, BOB, CEM, EVE, GROUP = "@me:here", "@ada:here", "@bob:here", "@cem:here", "@eve:here", "!group:here"
FAR = 2**50
Roles = dict[str, Role]
Changed = dict[str, Role | None]

START: Roles = {ADA: "owner", BOB: "member", CEM: "admin", ME: "member"}
"""What is believed of epoch 2 when a test begins with `started`."""


@pytest.fixture
def rosters(tmp_path: Path) -> Iterator[Rosters]:
    database = Database(tmp_path / "a.db")
    yield Rosters(database, ME)
    database.close()


@pytest.fixture
def started(rosters: Rosters) -> Rosters:
    """Believe in a group of Ada's, in which Cem is an admin, with oneself and Bob."""
    rosters.claim(GROUP, ADA, word(2, START))
    assert rosters.settle(GROUP, 2, START)
    return rosters


def word(epoch: int, roles: Roles, changed: Changed | None = None) -> Members:
    return Members(epoch, members_digest(GROUP, epoch, roles), changed or {})


def applied(roles: Roles, changed: Changed) -> Roles:
    return {account: role for account, role in {**roles, **changed}.items() if role is not None}


def says(rosters: Rosters, who: str, epoch: int, before: Roles, changed: Changed) -> Roles:
    """Let a member tell of a change by name; return the list that comes of it."""
    after = applied(before, changed)
    rosters.claim(GROUP, who, word(epoch, after, changed))
    return after


def refusal(rosters: Rosters, epoch: int, roles: Roles) -> tuple[str, str] | None:
    """Return of whom, and why, nothing may be written to the members of an epoch."""
    try:
        rosters.check(GROUP, epoch, roles)
    except Distrusted as problem:
        return problem.account, problem.reason
    return None


def test_the_first_word_is_believed_when_the_server_shows_the_same(started: Rosters) -> None:
    assert started.agreed(GROUP) == START
    assert not started.settle(GROUP, 2, START), "it is no news"
    assert refusal(started, 2, START) is None
    assert refusal(started, 2, START | {EVE: "member"}) == (EVE, STRANGER)


def test_a_word_is_believed_when_the_server_shows_what_it_says(started: Rosters) -> None:
    more = says(started, ADA, 3, START, {EVE: "member"})
    assert started.agreed(GROUP) == START
    assert started.settle(GROUP, 3, more)
    less = says(started, BOB, 4, more, {BOB: None})
    assert started.settle(GROUP, 4, less)
    assert started.agreed(GROUP) == less
    assert started.was_member(GROUP, BOB), "what he said before is shown"
    says(started, ADA, 3, START, {EVE: "member"})
    assert started.pending() == [], "an old word"


def test_what_changed_follows_from_the_list_before_where_the_server_has_gone_on(started: Rosters) -> None:
    more = says(started, ADA, 3, START, {EVE: "admin"})
    more = says(started, EVE, 4, more, {"@fay:here": "member"})
    rest = applied(more, {BOB: None})
    assert started.settle(GROUP, 5, rest), "of a deleted account nobody says anything"
    assert started.agreed(GROUP) == more
    assert refusal(started, 5, rest) is None


def test_a_word_without_names_waits_for_the_list_of_its_epoch(started: Rosters) -> None:
    more = START | {EVE: "member"}
    started.claim(GROUP, ADA, word(3, more))
    assert started.is_ahead(GROUP, 2)
    assert started.pending() == [GROUP]
    assert not started.settle(GROUP, 2, START)
    assert not started.settle(GROUP, 4, more)
    assert started.settle(GROUP, 3, more)
    assert started.pending() == []


def test_another_list_than_the_owner_speaks_of_is_not_believed(started: Rosters) -> None:
    started.claim(GROUP, ADA, word(3, {ADA: "owner", ME: "member"}))
    with pytest.raises(Distrusted) as refused:
        started.settle(GROUP, 3, START | {EVE: "member"})
    assert (refused.value.account, refused.value.reason) == (EVE, STRANGER)
    assert started.agreed(GROUP) == START


@pytest.mark.parametrize("changed", [{EVE: "member"}, {BOB: "admin"}, {ADA: "member", BOB: "owner"}])
def test_a_member_alone_lets_nobody_in_and_gives_no_roles(started: Rosters, changed: Changed) -> None:
    after = says(started, BOB, 3, START, changed)
    with pytest.raises(Distrusted):
        started.settle(GROUP, 3, after)
    assert started.agreed(GROUP) == START
    assert not started.was_member(GROUP, EVE)


@pytest.mark.parametrize("changed", [{EVE: "admin"}, {BOB: "admin"}, {ADA: None}, {CEM: "member"}])
def test_an_admin_does_what_admins_may_and_nothing_else(started: Rosters, changed: Changed) -> None:
    says(started, CEM, 3, START, changed)
    assert not started.settle(GROUP, 4, START)
    assert started.agreed(GROUP) == START


def test_an_admin_lets_members_in_takes_them_out_and_leaves(started: Rosters) -> None:
    after = says(started, CEM, 3, START, {EVE: "member", BOB: None})
    after = says(started, CEM, 4, after, {CEM: None})
    assert started.settle(GROUP, 4, after)
    assert started.agreed(GROUP) == {ADA: "owner", EVE: "member", ME: "member"}


def test_who_missed_changes_takes_the_word_of_a_member_that_is_known(started: Rosters) -> None:
    later = START | {EVE: "admin"}
    started.claim(GROUP, EVE, word(7, later))
    assert not started.settle(GROUP, 7, later)
    assert refusal(started, 7, later) == (EVE, STRANGER)
    started.claim(GROUP, BOB, word(8, later))
    assert started.settle(GROUP, 8, later)


def test_nothing_is_known_of_a_group_that_was_never_heard_of(rosters: Rosters) -> None:
    assert not rosters.was_member(GROUP, ADA)
    assert not rosters.is_ahead(GROUP, 0)
    assert not rosters.settle(GROUP, 1, {ME: "owner"})
    assert rosters.agreed(GROUP) == {}


# Words that are false


@pytest.mark.parametrize("epoch", [2, 3, 4, FAR])
@pytest.mark.parametrize("changed", [{}, {BOB: None}, {ADA: None}, {EVE: "member"}])
@pytest.mark.parametrize("liar", [BOB, EVE])
def test_no_member_and_no_stranger_stops_a_group_by_what_it_says(
    started: Rosters, liar: str, changed: Changed, epoch: int
) -> None:
    for digest in (bytes(32), members_digest(GROUP, epoch, applied(START, changed))):
        started.claim(GROUP, liar, Members(epoch, digest, changed))
    assert refusal(started, 2, START) is None
    assert not started.is_ahead(GROUP, 2)
    more = says(started, ADA, 3, START, {"@fay:here": "member"})
    assert started.settle(GROUP, 3, more)
    assert refusal(started, 3, more) is None


def test_no_member_stops_a_newcomer_by_what_it_says(rosters: Rosters) -> None:
    rosters.claim(GROUP, BOB, Members(FAR, bytes(32), {BOB: "owner"}))
    rosters.claim(GROUP, ADA, word(2, START))
    rosters.claim(GROUP, CEM, Members(2, bytes(32), {}))
    assert rosters.settle(GROUP, 2, START), "the owner counts for more than an admin"
    assert refusal(rosters, 2, START) is None


@pytest.mark.parametrize("epoch", [3, FAR])
def test_an_admin_who_says_false_things_holds_a_group_until_the_owner_takes_it_out(
    started: Rosters, epoch: int
) -> None:
    says(started, CEM, epoch, START, {BOB: None})
    assert refusal(started, 2, START) == (CEM, OTHER_LIST)
    rest = says(started, ADA, 3, START, {CEM: None})
    assert started.settle(GROUP, 3, rest)
    assert refusal(started, 3, rest) is None
    assert started.pending() == []


def test_of_two_who_lead_a_group_and_speak_of_different_lists_neither_is_believed_till_the_owner_speaks(
    started: Rosters,
) -> None:
    both = says(started, ADA, 3, START, {BOB: "admin"})
    assert started.settle(GROUP, 3, both)
    started.claim(GROUP, CEM, word(4, both))
    started.claim(GROUP, BOB, word(4, both | {EVE: "member"}))
    with pytest.raises(Distrusted):
        started.settle(GROUP, 4, both)
    started.claim(GROUP, ADA, word(4, both))
    assert started.settle(GROUP, 4, both)


def test_what_the_owner_says_late_against_an_admin_is_heeded_and_not_the_other_way_round(started: Rosters) -> None:
    rest = applied(START, {BOB: None})
    started.claim(GROUP, CEM, word(3, START))
    assert started.settle(GROUP, 3, START)
    started.claim(GROUP, ADA, word(3, rest))
    assert refusal(started, 3, START) == (ADA, OTHER_LIST)
    started.claim(GROUP, ADA, word(4, rest))
    assert started.settle(GROUP, 4, rest)
    started.claim(GROUP, CEM, word(4, START))
    assert refusal(started, 4, rest) is None


# Who went, and is shown still


@pytest.mark.parametrize("shown", [2, 3, 4])
def test_nothing_is_encrypted_for_those_of_whom_the_owner_said_that_they_went(started: Rosters, shown: int) -> None:
    says(started, ADA, 3, START, {BOB: None})
    assert refusal(started, shown, START) == (ADA, OTHER_LIST)
    assert refusal(started, 4, applied(START, {BOB: None})) is None


@pytest.mark.parametrize("shown", [2, 3, 4])
@pytest.mark.parametrize("epoch", [3, 5])
def test_nothing_is_encrypted_while_it_is_not_known_who_of_too_many_to_name_went(
    rosters: Rosters, epoch: int, shown: int
) -> None:
    many: Roles = START | dict.fromkeys((f"@{number}:here" for number in range(60)), "member")
    rosters.claim(GROUP, ADA, word(2, many))
    assert rosters.settle(GROUP, 2, many)
    rosters.claim(GROUP, ADA, word(epoch, START))
    assert refusal(rosters, shown, many) == (ADA, OTHER_LIST)
    with pytest.raises(Distrusted):
        rosters.settle(GROUP, epoch, many)
    assert refusal(rosters, epoch, many) == (ADA, OTHER_LIST)
    assert rosters.settle(GROUP, epoch, START)
    assert refusal(rosters, epoch, START) is None


def test_what_somebody_said_who_is_gone_since_holds_nothing_for_ever(started: Rosters) -> None:
    started.claim(GROUP, CEM, word(3, applied(START, {BOB: None})))
    assert refusal(started, 4, START) == (CEM, OTHER_LIST)
    assert refusal(started, 4, applied(START, {CEM: None})) is None


def test_who_went_and_came_again_is_written_to(started: Rosters) -> None:
    rest = says(started, ADA, 4, START, {BOB: None})
    again = says(started, ADA, 5, rest, {BOB: "member"})
    assert refusal(started, 6, again) is None


# Those who were away while somebody was taken out without a word


def test_the_word_of_who_leads_a_group_tells_newcomers_what_is_left_of_it(tmp_path: Path, rosters: Rosters) -> None:
    added: Changed = {ME: "member"}
    rosters.claim(GROUP, ADA, word(2, START, added))
    rest = applied(START, {BOB: None})
    assert not rosters.settle(GROUP, 3, rest)
    assert refusal(rosters, 3, rest) is not None
    at_ada = Database(tmp_path / "ada.db")
    hers = Rosters(at_ada, ADA)
    hers.claim(GROUP, ADA, word(2, START, added))
    assert hers.settle(GROUP, 2, START)
    assert hers.may_vouch(GROUP, 3, rest)
    said = hers.vouch(GROUP, 3, rest)
    assert said == word(3, rest)
    assert not hers.may_vouch(GROUP, 3, rest), "once is enough"
    rosters.claim(GROUP, ADA, said)
    assert rosters.settle(GROUP, 3, rest)
    assert refusal(rosters, 3, rest) is None
    at_ada.close()


def leading(rosters: Rosters) -> Roles:
    """Be an admin of a group of Ada's."""
    roles: Roles = {ADA: "owner", BOB: "member", CEM: "admin", ME: "admin"}
    rosters.claim(GROUP, ADA, word(2, roles))
    assert rosters.settle(GROUP, 2, roles)
    return roles


def test_nobody_vouches_for_whom_the_server_put_in_or_gave_a_role(rosters: Rosters) -> None:
    roles = leading(rosters)
    for changed in (
        {EVE: "member"},
        {BOB: "admin"},
        {ADA: None, BOB: "owner"},
        {ADA: None, CEM: "owner", ME: "owner"},
        {ADA: "admin", ME: "owner"},
        {ME: "member"},
    ):
        assert not rosters.may_vouch(GROUP, 3, applied(roles, changed)), changed  # type: ignore[arg-type] # roles
        assert rosters.vouch(GROUP, 3, applied(roles, changed)) is None  # type: ignore[arg-type]
    assert rosters.agreed(GROUP) == roles


def test_who_inherits_a_group_is_vouched_for(rosters: Rosters) -> None:
    roles = leading(rosters)
    assert rosters.may_vouch(GROUP, 3, applied(roles, {ADA: None, CEM: "owner"}))
    assert rosters.vouch(GROUP, 3, applied(roles, {ADA: None, CEM: None, ME: "owner"}))


def test_a_member_inherits_where_no_admin_is_left(started: Rosters) -> None:
    rest: Roles = {BOB: "owner", ME: "member"}
    started.claim(GROUP, BOB, word(3, rest))
    assert started.settle(GROUP, 3, rest)


def test_nobody_vouches_for_a_list_while_others_speak_of_another(rosters: Rosters) -> None:
    roles = leading(rosters)
    rest = applied(roles, {BOB: None})
    rosters.claim(GROUP, ADA, word(3, {ADA: "owner", ME: "admin"}))
    assert not rosters.may_vouch(GROUP, 3, rest)
    assert not rosters.may_vouch(GROUP, 4, rest)


def test_no_change_vouches_for_more_than_it_changes(rosters: Rosters) -> None:
    roles = leading(rosters)
    rosters.check_rest(GROUP, 3, applied(roles, {EVE: "member"}), [EVE])
    rosters.check_rest(GROUP, 3, applied(roles, {ADA: None, CEM: "owner"}), [])
    for lie in ({EVE: "member"}, {BOB: "admin"}):
        with pytest.raises(Distrusted):
            rosters.check_rest(GROUP, 3, applied(roles, lie), [])  # type: ignore[arg-type] # roles
    rosters.claim(GROUP, CEM, Members(FAR, bytes(32), {}))
    with pytest.raises(Distrusted):
        rosters.check_rest(GROUP, 3, roles, [BOB])
    rosters.check_rest(GROUP, 3, applied(roles, {CEM: None}), [CEM])


def test_an_ordinary_member_vouches_for_nothing(started: Rosters) -> None:
    assert not started.may_vouch(GROUP, 3, applied(START, {BOB: None}))


# Who is vouched for


def test_before_anything_is_believed_everybody_is_taken_for_whom_the_server_shows(rosters: Rosters) -> None:
    assert rosters.is_vouched_for(GROUP, EVE)
    rosters.claim(GROUP, ADA, word(2, START))
    assert rosters.settle(GROUP, 2, START)
    assert not rosters.is_vouched_for(GROUP, EVE)
    assert rosters.is_vouched_for(GROUP, BOB)


def test_who_was_named_by_the_owner_is_vouched_for_before_the_server_shows_it(started: Rosters) -> None:
    says(started, BOB, 3, START, {EVE: "member"})
    assert not started.is_vouched_for(GROUP, EVE)
    says(started, ADA, 5, START, {EVE: "member"})
    assert started.is_vouched_for(GROUP, EVE)
