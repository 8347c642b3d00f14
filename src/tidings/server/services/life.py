"""Typing and presence: worth something now or never, and shown to those alone whom the person accepted."""

from collections.abc import Sequence

from tidings.server.ports.clock import Clock
from tidings.server.ports.conversations import Conversations
from tidings.server.ports.mailboxes import BoxId, Notice
from tidings.server.ports.presence import LastSeen, Presence
from tidings.server.ports.wakes import Wakes
from tidings.server.services.caller import Caller
from tidings.server.services.rates import Rates
from tidings.wire import events
from tidings.wire.commands import SetPresence, SetTyping, Watch
from tidings.wire.http import Audience
from tidings.wire.ids import AccountId, Millis


class ShowTyping:
    """Carries out `SetTyping`."""

    def __init__(self, conversations: Conversations, wakes: Wakes, rates: Rates) -> None:
        self._conversations = conversations
        self._wakes = wakes
        self._rates = rates

    async def __call__(self, caller: Caller, command: SetTyping) -> None:
        """Signal it to the others of the conversation."""
        account, device = caller.address.account, caller.address.device
        if self._rates.wait("signal", f"{account} {device}"):
            return
        boxes = await self._conversations.audience(account, command.conversation)
        self._wakes.signal(events.Typing(command.conversation, account, command.active), boxes)


class ShowPresence:
    """Carries out `SetPresence` and `Watch`, and notes who left."""

    def __init__(
        self, presence: Presence, last_seen: LastSeen, conversations: Conversations, wakes: Wakes, clock: Clock
    ) -> None:
        self._presence = presence
        self._last_seen = last_seen
        self._conversations = conversations
        self._wakes = wakes
        self._clock = clock
        self._left: dict[AccountId, Millis] = {}

    async def set_presence(self, caller: Caller, command: SetPresence) -> None:
        """Note that the person looks at Tidings or has turned away, and tell who watches."""
        account = caller.address.account
        if self._presence.set_online(account, caller.box, online=command.online):
            self._left[account] = self._clock.now()
            await self._announce(account, self._presence.watchers(account))

    async def leave(self, caller: Caller) -> None:
        """Note that a device's connection is gone."""
        account = caller.address.account
        was_online = self._presence.is_online(account)
        self._presence.forget(caller.box)
        if was_online and not self._presence.is_online(account):
            self._left[account] = self._clock.now()
            await self._announce(account, self._presence.watchers(account))

    async def watch(self, caller: Caller, command: Watch) -> None:
        """Let a device watch accounts, and tell it how they are now."""
        watcher = caller.address.account
        self._presence.watch(caller.box, watcher, command.accounts)
        for account in command.accounts:
            await self._announce(account, [(caller.box, watcher)])

    async def audience(self, account: AccountId) -> Audience:
        """Return who sees when an account is online."""
        return (await self._last_seen.last_seen(account))[1]

    async def choose_audience(self, account: AccountId, audience: Audience) -> None:
        """Keep who sees when an account is online, and let it be so at once."""
        await self._last_seen.set_audience(account, audience)
        await self.show_again([account])

    async def show_again(self, accounts: Sequence[AccountId]) -> None:
        """Tell those who watch accounts how they are, since what they may see has changed."""
        for account in accounts:
            if watchers := self._presence.watchers(account):
                await self._announce(account, watchers)

    async def keep(self) -> None:
        """Write down when people were last online; called now and then."""
        left, self._left = self._left, {}
        if left:
            await self._last_seen.note(left)

    async def _announce(self, account: AccountId, watchers: Sequence[tuple[BoxId, AccountId]]) -> None:
        """Tell watchers how an account is, as far as it lets them know."""
        online = self._presence.is_online(account)
        stored, audience = await self._last_seen.last_seen(account)
        accounts = sorted({watcher for _, watcher in watchers})
        allowed = (
            frozenset[str]()
            if audience == "nobody"
            else await self._conversations.contacts(account, accounts, mutual=audience == "contacts")
        )
        seen = self._left.get(account, stored)
        notices = [
            Notice(
                events.Presence(
                    account, online and watcher in allowed, 0 if online or watcher not in allowed else seen
                ),
                [box],
            )
            for box, watcher in watchers
        ]
        self._wakes.tell(notices)
