"""What a program does with groups."""

import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from tidings.sdk.events import State as MessageState
from tidings.sdk.sync.changes import Change
from tidings.sdk.sync.contacts import View
from tidings.sdk.sync.engine import Engine
from tidings.sdk.sync.timeline import Kept
from tidings.wire.frames import Role
from tidings.wire.ids import conversation_id


class Groups:
    """The part of a client that makes groups and changes them. People are named by account or @name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @abstractmethod
    async def find(self, name: str) -> str:
        """Return the account with an exact name."""

    async def create_group(self, people: Sequence[str]) -> View:
        """Make a group of oneself and contacts, by account or @name. Raises SendFailed, ServerRefused.

        Where somebody may not be added, the group is there with oneself alone.
        """
        name = conversation_id(uuid.uuid4(), self._engine.state.db.setting("server_id"))
        await self._change(name, {self._engine.state.account: "owner"})
        if people:
            await self.add(name, people)
        view = self._engine.contacts.view(name)
        assert view is not None
        return view

    async def add(self, group: str, people: Sequence[str]) -> None:
        """Let contacts be members of a group; owner and admins may. Raises SendFailed."""
        await self._change(group, dict.fromkeys(await self._accounts(people), "member"))

    async def remove(self, group: str, people: Sequence[str]) -> None:
        """Let members be members no more; owner and admins may. Raises SendFailed."""
        await self._change(group, dict.fromkeys(await self._accounts(people), None))

    async def set_role(self, group: str, who: str, role: Role) -> None:
        """Give a member another role; the owner may, and is an admin after giving away the group. Raises SendFailed."""
        roles: dict[str, Role | None] = {self._engine.state.account: "admin"} if role == "owner" else {}
        await self._change(group, roles | dict.fromkeys(await self._accounts([who]), role))

    async def leave(self, group: str) -> None:
        """Be a member no more. The eldest admin, or else member, inherits a group of one's own. Raises SendFailed."""
        await self._change(group, self._engine.contacts.farewell(group))

    def receipts(self, message: Kept) -> Mapping[str, MessageState]:
        """Return how far a message of one's own got with each of the others whom it was for, by account."""
        return self._engine.timeline.receipts(message, self._engine.timeline.marks(message.conversation))

    async def _accounts(self, people: Sequence[str]) -> list[str]:
        return [who if ":" in who else await self.find(who) for who in people]

    async def _change(self, group: str, roles: Mapping[str, Role | None]) -> None:
        msg_id = self._engine.outbox.put(group, Change(dict(roles)))
        await self._engine.while_running(self._engine.outbox.outcome(msg_id))
