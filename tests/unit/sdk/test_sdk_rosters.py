"""Whom a device believes to be in a group: what members say, and what the server shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidings.sdk.errors import Distrusted
from tidings.sdk.store.database import Database
from tidings.sdk.sync.rosters import Rosters
from tidings.wire.content import Members, members_digest
from tidings.wire.frames import Role

ME, ADA, BOB, EVE, GROUP = "@me:here", "@ada:here", "@bob:here", "@eve:here", "!group:here"
Roles = dict[str, Role]


@pytest.fixture
def rosters(tmp_path: Path) -> Iterator[Rosters]:
    database = Database(tmp_path / "a.db")
    yield Rosters(database, ME)
    database.close()


def word(epoch: int, roles: Roles, changed: dict[str, Role | None] | None = None) -> Members:
    return Members(epoch, members_digest(GROUP, epoch, roles), changed or {})


def started(rosters: Rosters) -> Roles:
    """Believe in a group of Ada's with oneself and Bob."""
    roles: Roles = {ADA: "owner", BOB: "member", ME: "member"}
    rosters.note(GROUP, roles)
    assert not rosters.claim(GROUP, ADA, word(2, roles))
    assert rosters.settle(GROUP, 2, roles)
    return roles


def test_the_first_word_is_believed_when_the_server_shows_the_same(rosters: Rosters) -> None:
    roles = started(rosters)
    assert rosters.agreed(GROUP) == roles
    assert not rosters.settle(GROUP, 2, roles), "it is no news"
    rosters.check(GROUP, roles)
    with pytest.raises(Distrusted):
        rosters.check(GROUP, [*roles, EVE])


def test_what_changed_follows_from_the_list_before_without_the_server(rosters: Rosters) -> None:
    roles = started(rosters)
    more: Roles = roles | {EVE: "member"}
    assert rosters.claim(GROUP, ADA, word(3, more, {EVE: "member"}))
    assert rosters.agreed(GROUP) == more
    assert rosters.claim(GROUP, BOB, word(4, {a: r for a, r in more.items() if a != BOB}, {BOB: None}))
    assert BOB not in rosters.agreed(GROUP)
    assert rosters.was_member(GROUP, BOB), "what he said before is shown"
    assert not rosters.claim(GROUP, ADA, word(3, more, {EVE: "member"})), "an old word"


def test_a_word_without_names_waits_for_the_list_of_its_epoch(rosters: Rosters) -> None:
    roles = started(rosters)
    more: Roles = roles | {EVE: "member"}
    assert not rosters.claim(GROUP, ADA, word(3, more))
    assert rosters.is_ahead(GROUP, 2)
    assert rosters.pending() == [GROUP]
    assert not rosters.settle(GROUP, 2, roles)
    assert not rosters.settle(GROUP, 4, more)
    assert rosters.settle(GROUP, 3, more)
    assert rosters.pending() == []


def test_another_list_than_members_speak_of_is_not_believed(rosters: Rosters) -> None:
    roles = started(rosters)
    rosters.claim(GROUP, ADA, word(3, {ADA: "owner", ME: "member"}))
    with pytest.raises(Distrusted) as refused:
        rosters.settle(GROUP, 3, roles | {EVE: "member"})
    assert refused.value.account == EVE
    assert rosters.agreed(GROUP) == roles


def test_a_member_alone_lets_nobody_in_and_gives_no_roles(rosters: Rosters) -> None:
    roles = started(rosters)
    for changed in ({EVE: "member"}, {BOB: "admin"}):
        after: Roles = roles | changed  # type: ignore[assignment] # roles, all of them
        assert not rosters.claim(GROUP, BOB, word(3, after, changed))  # type: ignore[arg-type]
        with pytest.raises(Distrusted):
            rosters.settle(GROUP, 3, after)
    assert rosters.agreed(GROUP) == roles


def test_who_missed_changes_takes_the_word_of_a_member_that_is_known(rosters: Rosters) -> None:
    roles = started(rosters)
    later: Roles = roles | {EVE: "admin"}
    rosters.claim(GROUP, EVE, word(7, later))
    with pytest.raises(Distrusted):
        rosters.settle(GROUP, 7, later)
    rosters.claim(GROUP, BOB, word(8, later))
    assert rosters.settle(GROUP, 8, later)


def test_nothing_is_known_of_a_group_that_was_never_heard_of(rosters: Rosters) -> None:
    assert not rosters.was_member(GROUP, ADA)
    assert not rosters.is_ahead(GROUP, 0)
    assert not rosters.settle(GROUP, 1, {ME: "owner"})
    assert rosters.agreed(GROUP) == {}
