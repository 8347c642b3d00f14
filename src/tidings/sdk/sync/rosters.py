"""Who is in a group by the word of its members: a server that puts somebody else in is found out.

Whoever changes a group tells the others inside the encryption, by a digest of the members that it has then. What the
server shows is believed as far as it agrees with that. A removal needs no such word: an account may be deleted.
"""

import json
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from tidings.sdk.errors import Distrusted
from tidings.sdk.store.database import Database
from tidings.wire.content import Members, members_digest
from tidings.wire.frames import Role

STRANGER: Final = "the server puts somebody else into the conversation"


class Rosters:
    """Keeps what members say. Everything that changes it is part of the caller's transaction."""

    def __init__(self, database: Database, account: str) -> None:
        self._db = database
        self._account = account

    def note(self, conversation: str, members: Collection[str]) -> None:
        """Note that accounts are, or were, members: what they say there is shown."""
        row = self._row(conversation)
        if row is None:
            values = conversation, json.dumps(sorted(members))
            self._db.run("insert into roster values (?, '{}', 0, ?, 0, null, null)", *values)
            return
        ever: set[str] = set(json.loads(row.ever))
        if not ever.issuperset(members):
            values = json.dumps(sorted(ever.union(members))), conversation
            self._db.run("update roster set ever = ? where conversation = ?", *values)

    def was_member(self, conversation: str, account: str) -> bool:
        """Return whether an account is, or was, a member."""
        row = self._row(conversation)
        return row is not None and account in json.loads(row.ever)

    def claim(self, conversation: str, sender: str, members: Members) -> bool:
        """Take in what a member says of who is in the group. Returns whether it is believed already."""
        self.note(conversation, members.changed.keys())
        row = self._row(conversation)
        assert row is not None
        if members.epoch <= row.agreed_epoch or members.epoch < row.claim_epoch:
            return False
        before = self.agreed(conversation)
        after = {account: role for account, role in (before | members.changed).items() if role is not None}
        if (
            members.epoch == row.agreed_epoch + 1
            and members_digest(conversation, members.epoch, after) == members.digest
            and _may(sender, before, after)
        ):
            self.agree(conversation, members.epoch, after)
            return True
        self._db.run(
            "update roster set claim_epoch = ?, claim = ?, claimant = ? where conversation = ?",
            *(members.epoch, members.digest, sender, conversation),
        )
        return False

    def is_ahead(self, conversation: str, epoch: int) -> bool:
        """Return whether members speak of a later state of the group than `epoch`."""
        row = self._row(conversation)
        return row is not None and max(row.agreed_epoch, row.claim_epoch) > epoch

    def pending(self) -> list[str]:
        """Return the groups of which a member said something that was not found to be true yet."""
        return [name for (name,) in self._db.rows("select conversation from roster where claim is not null")]

    def settle(self, conversation: str, epoch: int, roles: Mapping[str, Role]) -> bool:
        """Compare what the server shows of an epoch with what members said; return whether that is believed now.

        Raises Distrusted if it is not true.
        """
        row = self._row(conversation)
        if row is None or row.claim is None or row.claim_epoch != epoch:
            return False
        before = self.agreed(conversation)
        is_next = epoch == row.agreed_epoch + 1
        known = _may(row.claimant, before, roles) if is_next else not before or row.claimant in before
        if members_digest(conversation, epoch, roles) != row.claim or not known:
            raise Distrusted(min(set(roles) - {self._account, *before}, default=row.claimant), STRANGER)
        self.agree(conversation, epoch, roles)
        return True

    def agree(self, conversation: str, epoch: int, roles: Mapping[str, Role]) -> None:
        """Believe that these are the members at an epoch."""
        self._db.run(
            "update roster set agreed = ?, agreed_epoch = ?, claim = iif(claim_epoch > ?, claim, null)"
            " where conversation = ?",
            *(json.dumps(dict(roles)), epoch, epoch, conversation),
        )

    def agreed(self, conversation: str) -> dict[str, Role]:
        """Return the members by the word of members."""
        row = self._row(conversation)
        found: dict[str, Role] = json.loads(row.agreed) if row else {}
        return found

    def check(self, conversation: str, members: Collection[str]) -> None:
        """Raise Distrusted if the server shows a member of whom no member said that it came."""
        strangers = set(members) - self.agreed(conversation).keys()
        if strangers:
            raise Distrusted(min(strangers), STRANGER)

    def _row(self, conversation: str) -> "_Row | None":
        query = f"select {', '.join(_Row._fields)} from roster where conversation = ?"  # noqa: S608 - names below
        row = self._db.row(query, conversation)
        return _Row(*row) if row else None


class _Row(NamedTuple):
    agreed: str
    agreed_epoch: int
    ever: str
    claim_epoch: int
    claim: bytes | None
    claimant: str


def _may(sender: str, before: Mapping[str, Role], after: Mapping[str, Role]) -> bool:
    """Return whether a member could make such a change. The first word that is heard of a group is believed."""
    if not before or before.get(sender) in ("owner", "admin"):
        return True
    return all(account in before and before[account] == role for account, role in after.items())
