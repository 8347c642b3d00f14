"""Who is in a group by the word of its members: a server that puts somebody else in is found out.

Whoever changes a group tells the others inside the encryption, by a digest of the members that it has then. What the
server shows is believed as far as it agrees with that. A removal needs no such word: an account may be deleted. An
owner or an admin then says what is left, for those who were away.

Nobody can be kept from saying something false. So each has one word here, which stands in nobody's way: those of owner
and admins hold sending while they say something else than the server, all others are worth something only if they fit.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from tidings.sdk.errors import Distrusted
from tidings.sdk.store.database import Database
from tidings.wire.content import Members, members_digest
from tidings.wire.frames import Role

STRANGER: Final = "the server puts somebody else into the conversation"
OTHER_LIST: Final = "the server shows other members than somebody who leads the group speaks of"

OWNER, ADMIN, NOBODY = 2, 1, 0
_RANKS: Final = {"owner": OWNER, "admin": ADMIN}

Roles = Mapping[str, Role]


class Rosters:
    """Keeps what members say. Everything that changes it is part of the caller's transaction."""

    def __init__(self, database: Database, account: str) -> None:
        self._db = database
        self._account = account

    def is_vouched_for(self, conversation: str, account: str) -> bool:
        """Return whether a member said that an account is, or was, one. Before anything is believed, that is open."""
        roster = self._roster(conversation)
        return not roster.agreed or account in roster.ever

    def was_member(self, conversation: str, account: str) -> bool:
        """Return whether an account is, or was, a member by the word of members."""
        return account in self._roster(conversation).ever

    def claim(self, conversation: str, sender: str, members: Members) -> None:
        """Take in what a member says of who is in the group."""
        roster = self._roster(conversation)
        rank = roster.rank(sender)
        if roster.agreed and (
            (sender not in roster.agreed and sender not in roster.told)
            or members.epoch < roster.epoch
            or (members.epoch == roster.epoch and (rank < max(roster.voucher, ADMIN) or roster.fits(members)))
        ):
            return
        if rank or not roster.agreed:
            self._note(conversation, members.changed)
        after = _applied(roster.latest, members.changed)
        follows = (
            members.epoch == roster.latest_epoch + 1
            and members_digest(conversation, members.epoch, after) == members.digest
            and may(sender, roster.latest, after)
        )
        if follows:
            self._db.run(
                "update roster set told = ?, told_epoch = ? where conversation = ?",
                *(json.dumps(after), members.epoch, conversation),
            )
        gone = {account for account, role in members.changed.items() if role is None}
        self._keep(conversation, sender, members, gone if follows or members.changed else None)

    def _keep(self, conversation: str, sender: str, members: Members, gone: set[str] | None) -> None:
        """Keep the word of a member with the newest epoch, and whom its words took out; None if that is not known."""
        epoch, digest = members.epoch, members.digest
        for old in self._claims(conversation):
            if old.claimant == sender:
                came = {account for account, role in members.changed.items() if role is not None}
                gone = None if gone is None or old.gone is None else (old.gone - came) | gone
                if old.epoch > epoch:
                    epoch, digest = old.epoch, old.digest
        self._db.run(
            "insert or replace into claim values (?, ?, ?, ?, ?)",
            *(conversation, sender, epoch, digest, None if gone is None else json.dumps(sorted(gone))),
        )

    def is_ahead(self, conversation: str, epoch: int) -> bool:
        """Return whether those who lead the group speak of a later state of it than `epoch`."""
        roster = self._roster(conversation)
        heard = self._claims(conversation)
        return any(claim.epoch > epoch and (roster.rank(claim.claimant) or not roster.agreed) for claim in heard)

    def pending(self) -> list[str]:
        """Return the groups of which a member said something that was not found to be true yet."""
        return [name for (name,) in self._db.rows("select distinct conversation from claim")]

    def settle(self, conversation: str, epoch: int, roles: Roles) -> bool:
        """Compare what the server shows of an epoch with what members said; return whether more is believed now.

        Raises Distrusted if it is not true.
        """
        roster = self._roster(conversation)
        moved = roster.epoch < roster.told_epoch < epoch
        if moved:  # what the server had then, it does not show any more
            self.agree(conversation, roster.told_epoch, roster.told, ADMIN)
            roster = self._roster(conversation)
        claims = [claim for claim in self._claims(conversation) if claim.epoch == epoch]
        if not claims:
            return moved
        digest = members_digest(conversation, epoch, roles)
        fitting = [claim.claimant for claim in claims if claim.digest == digest]
        believed = [who for who in fitting if roster.believes(who, epoch, roles)]
        against = max((roster.rank(claim.claimant) for claim in claims if claim.digest != digest), default=NOBODY)
        voucher = max((roster.rank(who) for who in believed), default=NOBODY)
        if believed and (voucher > against or against == NOBODY):
            self.agree(conversation, epoch, roles, voucher)
            return True
        if fitting or against:
            strangers = set(roles) - {self._account, *roster.agreed}
            if strangers:
                raise Distrusted(min(strangers), STRANGER)
            raise Distrusted(claims[0].claimant, OTHER_LIST)
        return moved

    def agree(self, conversation: str, epoch: int, roles: Roles, voucher: int = NOBODY) -> None:
        """Believe that these are the members at an epoch; `voucher` is the rank of who said so."""
        before = self.agreed(conversation)
        self._note(conversation, roles)
        self._db.run(
            "update roster set agreed = ?, agreed_epoch = ?, voucher = ? where conversation = ?",
            *(json.dumps(dict(roles)), epoch, voucher, conversation),
        )
        self._db.run(
            "delete from claim where conversation = ?"
            " and (epoch <= ? or claimant not in (select value from json_each(?)))",
            *(conversation, epoch, json.dumps(sorted(roles))),
        )
        if not before:  # until now everybody was taken for a member whom the server showed as one
            self._db.run(
                "update message set trusted = 0 where conversation = ?"
                " and account not in (select value from json_each((select ever from roster where conversation = ?)))",
                *(conversation, conversation),
            )

    def agreed(self, conversation: str) -> dict[str, Role]:
        """Return the members by the word of members."""
        return self._roster(conversation).agreed

    def check(self, conversation: str, epoch: int, members: Collection[str]) -> None:
        """Raise Distrusted if nothing may be encrypted for the members that the server shows at an epoch.

        That is where no member said of one of them that it came, or where somebody who leads the group said that one
        went, or something of the whole list that is not known to be true.
        """
        roster = self._roster(conversation)
        strangers = set(members) - roster.agreed.keys()
        if strangers:
            raise Distrusted(min(strangers), STRANGER)
        self._check_claims(roster, epoch, members, {})

    def check_rest(self, conversation: str, epoch: int, roles: Roles, changed: Collection[str]) -> None:
        """Raise Distrusted if one cannot vouch for those whom a change of one's own leaves as they are at an epoch."""
        roster = self._roster(conversation)
        rest: dict[str, Role] = {account: role for account, role in roles.items() if account not in changed}
        strangers = rest.keys() - roster.agreed.keys()
        if strangers:
            raise Distrusted(min(strangers), STRANGER)
        if not shrank(roster.agreed, rest):
            raise Distrusted(min(who for who, role in rest.items() if roster.agreed[who] != role), OTHER_LIST)
        self._check_claims(roster, epoch, rest, changed)

    def _check_claims(self, roster: "_Roster", epoch: int, members: Collection[str], changed: Collection[str]) -> None:
        for claim in self._claims(roster.conversation):
            leads = roster.rank(claim.claimant) and claim.claimant not in changed
            if leads and claim.holds(epoch, members, roster.epoch):
                raise Distrusted(claim.claimant, OTHER_LIST)

    def may_vouch(self, conversation: str, epoch: int, roles: Roles) -> bool:
        """Return whether oneself should say who is left: nobody said it, one leads the group, and nobody came.

        Not while others who lead it speak of another list: it may be the server that is wrong.
        """
        roster = self._roster(conversation)
        return (
            epoch > roster.epoch
            and bool(_RANKS.get(roles.get(self._account, "")))
            and shrank(roster.agreed, roles)
            and not any(roster.rank(claim.claimant) for claim in self._claims(conversation))
        )

    def vouch(self, conversation: str, epoch: int, roles: Roles) -> Members | None:
        """Return what oneself can say of the list of an epoch, if one believes in it; see `may_vouch`."""
        if self.may_vouch(conversation, epoch, roles):
            self.agree(conversation, epoch, roles, _RANKS[roles[self._account]])
        roster = self._roster(conversation)
        if (roster.epoch, roster.agreed) != (epoch, roles):
            return None
        return Members(epoch, members_digest(conversation, epoch, roles), {})

    def _note(self, conversation: str, accounts: Collection[str]) -> None:
        """Note that accounts are, or were, members: what they say there is shown."""
        known = self._db.row("select ever from roster where conversation = ?", conversation)
        ever: set[str] = set(json.loads(known[0])) if known else set()
        if known is None or not ever.issuperset(accounts):
            self._db.run(
                "insert into roster (conversation, agreed, agreed_epoch, ever) values (?, '{}', 0, ?)"
                " on conflict do update set ever = excluded.ever",
                *(conversation, json.dumps(sorted(ever.union(accounts)))),
            )

    def _roster(self, conversation: str) -> "_Roster":
        query = "select agreed, agreed_epoch, voucher, told, told_epoch, ever from roster where conversation = ?"
        row = self._db.row(query, conversation)
        if row is None:
            return _Roster(conversation, {}, 0, NOBODY, {}, 0, set())
        agreed, epoch, voucher, told, told_epoch, ever = row
        return _Roster(
            conversation, json.loads(agreed), epoch, voucher, json.loads(told), told_epoch, set(json.loads(ever))
        )

    def _claims(self, conversation: str) -> Sequence["_Claim"]:
        query = "select claimant, epoch, digest, gone from claim where conversation = ? order by claimant"
        return [
            _Claim(claimant, epoch, digest, None if gone is None else set(json.loads(gone)))
            for claimant, epoch, digest, gone in self._db.rows(query, conversation)
        ]


class _Claim(NamedTuple):
    """The last word of a member; `gone` are those whom its words took out, None if they were too many to be named."""

    claimant: str
    epoch: int
    digest: bytes
    gone: set[str] | None

    def holds(self, epoch: int, members: Collection[str], agreed: int) -> bool:
        """Return whether a word that was not found true keeps one from writing to the members of an epoch."""
        if self.epoch in (epoch, agreed):
            return True  # it was compared, and said something else
        if self.gone is None:
            return self.claimant in members  # one who went cannot say it again
        return not self.gone.isdisjoint(members)


class _Roster(NamedTuple):
    """What is known of a group's members.

    `agreed` are those of `epoch` that are believed, by the word of somebody of rank `voucher`. `told` are those that
    follow from it by what owner and admins said since. `ever` are all of whom it was said that they came or went.
    """

    conversation: str
    agreed: dict[str, Role]
    epoch: int
    voucher: int
    told: dict[str, Role]
    told_epoch: int
    ever: set[str]

    @property
    def latest(self) -> dict[str, Role]:
        """The newest list that follows from words alone."""
        return self.told if self.told_epoch > self.epoch else self.agreed

    @property
    def latest_epoch(self) -> int:
        """The epoch of `latest`."""
        return max(self.told_epoch, self.epoch)

    def rank(self, account: str) -> int:
        """Return how much the word of an account counts."""
        return max(_RANKS.get(roles.get(account, ""), NOBODY) for roles in (self.agreed, self.latest))

    def fits(self, members: Members) -> bool:
        """Return whether somebody says what is believed already."""
        return members_digest(self.conversation, self.epoch, self.agreed) == members.digest

    def believes(self, who: str, epoch: int, roles: Roles) -> bool:
        """Return whether the word of somebody is enough for a list that the server shows too.

        Of a group that nobody knows yet the first one is. Where changes were skipped, anybody who was known may have
        come to lead the group since.
        """
        if not self.agreed or (epoch > self.epoch and (epoch, roles) == (self.told_epoch, self.told)):
            return True
        if epoch == self.epoch + 1:
            return may(who, self.agreed, roles) or (who in self.agreed and shrank(self.agreed, roles))
        return who in self.agreed or who in self.latest


def may(sender: str, before: Roles, after: Roles) -> bool:
    """Return whether the word of a member is enough for a change: what the server lets it do, save to leave.

    For that one it is enough that the server shows it. Somebody who only said so would be in doubt for the others.
    """
    if before.get(sender) == "owner":
        return True
    changed = {who for who in before.keys() | after.keys() if before.get(who) != after.get(who)}
    return before.get(sender) == "admin" and all(
        who not in after if who == sender else {before.get(who), after.get(who)} == {"member", None} for who in changed
    )


def shrank(before: Roles, after: Roles) -> bool:
    """Return whether a list came from another by deleted accounts: an admin, or else a member, inherits a group."""
    stayed = {role for who, role in before.items() if who in after}
    changed = {who: role for who, role in after.items() if before.get(who) != role}
    if not changed:
        return True
    heir = "admin" if "admin" in stayed else "member"
    return (
        "owner" not in stayed
        and list(changed.values()) == ["owner"]
        and all(before.get(who) == heir for who in changed)
    )


def _applied(roles: Roles, changed: Mapping[str, Role | None]) -> dict[str, Role]:
    return {account: role for account, role in {**roles, **changed}.items() if role is not None}
