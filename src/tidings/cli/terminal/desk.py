"""What the screens show, as it stands: made from the SDK's store and events, asked for by the widgets."""

import json
import time
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from tidings.cli.terminal import words
from tidings.sdk import (
    Client,
    ContactChanged,
    ConversationUpdate,
    Incoming,
    Missing,
    PresenceUpdate,
    Receipt,
    StateUpdate,
    Summary,
    TypingUpdate,
    View,
)
from tidings.sdk.events import AnyEvent, State

TYPING_SECONDS: Final = 6.0
"""How long somebody is said to type without another sign of it."""
DRAFTS: Final = "drafts"
Tone = Literal["plain", "accent", "danger", "faint"]


class Row(msgspec.Struct, frozen=True):
    """A conversation in the list. `tone` says how its line is to be read."""

    id: str
    name: str
    line: str
    time: str
    unread: int
    state: State | None
    tone: Tone


class Desk:
    """The conversations, who is here, who types, what is half written."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._kept_drafts = client.recall(DRAFTS) or "{}"
        self.drafts: dict[str, str] = json.loads(self._kept_drafts)
        self._summaries: dict[str, Summary] = {}
        self._presence: dict[str, PresenceUpdate] = {}
        self._typing: dict[str, tuple[str, float]] = {}
        self.load()

    def load(self) -> None:
        """Read everything anew."""
        self._summaries = {
            summary.view.id: summary for summary in self.client.overview() if summary.view.kind == "direct"
        }  # groups are for programs, until the terminal can show who says what

    def keep_drafts(self) -> None:
        """Keep what is half written over a restart. Called now and then, so that a crash costs a few words at most."""
        drafts = json.dumps({conversation: text for conversation, text in self.drafts.items() if text.strip()})
        if drafts != self._kept_drafts:
            self.client.remember(DRAFTS, drafts)
            self._kept_drafts = drafts

    def take(self, event: AnyEvent) -> set[str]:
        """Take in what happened; return the conversations that look different now."""
        match event:
            case TypingUpdate(conversation, account, active) if conversation in self._summaries:
                if active:
                    self._typing[conversation] = account, time.monotonic() + TYPING_SECONDS
                else:
                    self._typing.pop(conversation, None)
                return {conversation}
            case PresenceUpdate():
                self._presence[event.account] = event
                return self._with(event.account)
            case ContactChanged():
                return self.renew(self._with(event.account))
            case Incoming():
                if self._typing.get(event.conversation, ("",))[0] == event.account:
                    del self._typing[event.conversation]
                return self.renew({event.conversation})
            case Receipt() | StateUpdate() | Missing() | ConversationUpdate():
                return self.renew({event.conversation})
            case _:
                return set()

    def forget_presence(self) -> set[str]:
        """Forget who is here: without a connection nobody knows. Return the conversations that look different now."""
        gone = {name for account in self._presence for name in self._with(account)} | self._typing.keys()
        self._presence.clear()
        self._typing.clear()
        return gone

    def renew(self, conversations: Iterable[str]) -> set[str]:
        """Read conversations anew; return those that are there."""
        found: set[str] = set()
        for conversation in conversations:
            summary = self.client.summary(conversation)
            if summary is not None and summary.view.kind == "direct":
                self._summaries[conversation] = summary
                found.add(conversation)
        return found

    def end_typing(self) -> set[str]:
        """Forget who types and gave no sign for a while; return the conversations that look different now."""
        now = time.monotonic()
        gone = {conversation for conversation, (_, until) in self._typing.items() if until <= now}
        for conversation in gone:
            del self._typing[conversation]
        return gone

    # What is shown

    def summary(self, conversation: str) -> Summary | None:
        """Return a conversation as it stands."""
        return self._summaries.get(conversation)

    def other(self, view: View) -> str:
        """Return the other account of a direct conversation; one's own if there is no other."""
        return next((account for account in view.members if account != self.client.account), self.client.account)

    def name(self, conversation: str) -> str:
        """Return what a conversation is called."""
        summary = self._summaries.get(conversation)
        return self.called(self.other(summary.view)) if summary else ""

    def called(self, account: str) -> str:
        """Return what an account is called."""
        name = self.client.display_name(account)
        return "Somebody" if name == account else words.one_line(name) or "Somebody"

    def typing(self, conversation: str) -> str:
        """Return the name of who types in a conversation, or nothing."""
        account, _ = self._typing.get(conversation, ("", 0.0))
        return self.called(account) if account else ""

    def presence(self, view: View, today: date) -> str:
        """Return whether the other is here, and else when that was last, as far as it is told."""
        seen = self._presence.get(self.other(view))
        if seen is None:
            return ""
        return "online" if seen.online else words.last_seen(seen.last_seen, today)

    def unread(self) -> int:
        """Return how many messages are unread."""
        return sum(summary.unread for summary in self._summaries.values())

    def waiting(self) -> int:
        """Return how many messages wait in the outbox."""
        return sum(summary.waiting for summary in self._summaries.values())

    def rows(self, opened: str | None, today: date) -> Sequence[Row]:
        """Return the list of conversations, the latest first."""
        order = sorted(self._summaries.values(), key=lambda summary: (-_latest(summary), self.name(summary.view.id)))
        return [self._row(summary, summary.view.id == opened, today) for summary in order]

    def _row(self, summary: Summary, is_open: bool, today: date) -> Row:  # noqa: FBT001 - one caller, above
        view, last = summary.view, summary.last
        line, tone = self._line(summary, is_open=is_open)
        own = last is not None and last.account == self.client.account and tone == "plain"
        return Row(
            id=view.id,
            name=self.name(view.id),
            line=line,
            time=words.short_time(last.time, today) if last else "",
            unread=summary.unread,
            state=last.state if own and last is not None else None,
            tone=tone,
        )

    def _line(self, summary: Summary, *, is_open: bool) -> tuple[str, Tone]:
        view, last = summary.view, summary.last
        draft = words.one_line(self.drafts.get(view.id, ""))
        doubtful = last is not None and view.standing in ("open", "waiting")
        line: tuple[str, Tone] = words.one_line(last.body or "") if last else "say hello", "plain" if last else "faint"
        if self.typing(view.id):
            line = "typing…", "accent"
        elif doubtful and self.client.concern(self.other(view)) is not None:
            line = "! check who this is", "danger"
        elif view.standing == "asked":
            line = "asks to talk to you", "accent"
        elif view.standing in ("declined", "blocked"):
            line = view.standing, "faint"
        elif draft and not is_open:
            line = f"Draft: {draft}", "accent"
        elif last is None and view.standing == "waiting":
            line = "waits to be accepted", "faint"
        return line

    def _with(self, account: str) -> set[str]:
        return {name for name, summary in self._summaries.items() if account in summary.view.members}


def _latest(summary: Summary) -> int:
    return summary.last.time if summary.last else 0
