"""One conversation: who it is with, its messages, the field to write in."""

import time
from collections.abc import Callable
from datetime import date
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from tidings.cli.terminal import words
from tidings.cli.terminal.bubbles import arrange
from tidings.cli.terminal.desk import Desk
from tidings.cli.terminal.widgets.composer import Composer
from tidings.cli.terminal.widgets.messages import MessageList
from tidings.cli.terminal.widgets.notices import AnswerPanel, ConcernNotice
from tidings.sdk import IdentityChanged, Kept, Page, Summary

PAGE: Final = 60
"""Messages that are loaded at once."""
MOST_LOADED: Final = 400
"""When more are loaded and the end is in sight, the oldest are let go."""
TYPING_AGAIN: Final = 3.0
"""Seconds after which the other is told again that one still types."""
TYPING_OVER: Final = 5.0
"""Seconds without a key after which one does not type any more."""


class Talk(Vertical):
    """The conversation that is open, if any."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+end", "to_end", "Latest", show=False),
        Binding("ctrl+r", "send_again", "Send again", show=False),
    ]

    class Read(Message):
        """Something was read: the list counts fewer."""

    class Wrote(Message):
        """Something was written: it waits in the outbox."""

    class Failed(Message):
        """Something did not work."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(self, desk: Desk, *, today: Callable[[], date], in_words: Callable[[], bool]) -> None:
        super().__init__(id="talk")
        self._desk = desk
        self._today = today
        self._in_words = in_words
        self.conversation: str | None = None
        self._new_after: int | None = None
        self._page: Page | None = None
        self._first = 0
        self._seen = 0
        self._told_typing = 0.0
        self._last_key = 0.0

    def compose(self) -> ComposeResult:
        """See Widget."""
        with Vertical(id="head"):
            yield Static(id="head-name", markup=False)
            yield Static(id="head-life", markup=False)
        yield ConcernNotice(id="concern")
        yield MessageList()
        with Horizontal(id="whisper"):
            yield Static(id="typing", markup=False)
            yield Static(id="below", markup=False)
        yield AnswerPanel()
        yield Composer()

    def on_mount(self) -> None:
        """Show nothing yet."""
        self.query_one(ConcernNotice).display = False
        self.query_one(AnswerPanel).display = False

    # Opening and closing

    def open(self, conversation: str) -> None:
        """Show a conversation, from what is new in it on."""
        self.close()
        summary = self._desk.summary(conversation)
        if summary is None:
            return
        self.conversation = conversation
        self._new_after = summary.read if summary.unread else None
        self._seen = 0
        self._load(max(PAGE, summary.unread + PAGE // 2))
        composer = self._composer
        composer.text = self._desk.drafts.get(conversation, "")
        composer.move_cursor(composer.document.end)
        self._show(afresh=True)
        self.focus_field()

    def close(self) -> None:
        """Show nothing. What is half written is kept in the desk."""
        if self.conversation is None:
            return
        self._stop_typing()
        self.conversation = None
        self._page = None

    def focus_field(self) -> None:
        """Let the person write, or answer."""
        answer = self.query_one(AnswerPanel)
        if answer.display:
            answer.focus_first()
        else:
            self._composer.focus()

    # Showing

    def renew(self) -> None:
        """Read the conversation anew and show it."""
        if self.conversation is None:
            return
        self._page = self._desk.client.stretch(self.conversation, self._first)
        self._show()

    def renew_life(self) -> None:
        """Show anew who is here and who types."""
        summary = self._summary()
        if summary is not None:
            self._show_life(summary)

    def restyle(self) -> None:
        """Show it in other colours."""
        self._messages.restyle()

    def _load(self, count: int) -> None:
        assert self.conversation is not None
        self._page = self._desk.client.page(self.conversation, None, count)
        self._first = _first_place(self._page)

    def _show(self, *, afresh: bool = False) -> None:
        summary = self._summary()
        if summary is None or self._page is None or self.conversation is None:
            return
        view = summary.view
        other = self._desk.other(view)
        name = self._desk.name(view.id)
        concern = self._desk.client.concern(other) if view.members.keys() - {self._desk.client.account} else None
        known = self._desk.client.handle(other) != other
        self.query_one(ConcernNotice).show(concern if known else None, name, summary.waiting)
        answering = self.query_one(AnswerPanel).show(view.standing, name)
        self._composer.display = not answering
        self._show_life(summary)
        blocks = arrange(
            self._page,
            self._desk.client.account,
            self._desk.called,
            new_after=self._new_after,
            doubt=isinstance(concern, IdentityChanged),
            today=self._today(),
        )
        self._messages.show(blocks, in_words=self._in_words(), afresh=afresh)

    def _show_life(self, summary: Summary) -> None:
        view = summary.view
        name = self._desk.name(view.id)
        handle = self._desk.client.handle(self._desk.other(view))
        self.query_one("#head-name", Static).update(Content(name))
        told = self._desk.presence(view, self._today())
        parts = [f"@{handle}" if handle != self._desk.other(view) and name != f"@{handle}" else "", told]
        if view.standing == "waiting":
            parts = [parts[0], "has not accepted yet; three messages may wait"]
        self.query_one("#head-life", Static).update(
            Content.assemble(*((part, "$read" if part == "online" else "$ink-2") for part in _joined(parts)))
        )
        typing = self._desk.typing(view.id)
        self.query_one("#typing", Static).update(Content(f"{typing} is typing…" if typing else ""))

    def _show_below(self, *, at_end: bool) -> None:
        summary = self._summary()
        text = ""
        if not at_end and summary is not None:
            new = summary.unread
            text = f"↓ {words.count(new, 'new message', 'new messages')}" if new else "↓ latest"
        below = self.query_one("#below", Static)
        below.update(Content(f"{text}  Ctrl+End" if text else ""))
        below.set_class("new message" in text, "-new")

    # What the person does

    @on(Composer.Written)
    async def send(self, event: Composer.Written) -> None:
        """Put a text into the outbox, and show it."""
        if self.conversation is None:
            return
        try:
            await self._desk.client.enqueue(self.conversation, event.text)
        except ValueError:
            self.post_message(self.Failed(ValueError("This is too long for one message. Send it in parts.")))
            return
        self._composer.text = ""
        self._desk.drafts.pop(self.conversation, None)
        self._stop_typing()
        self._new_after = None
        self._desk.renew({self.conversation})
        self.renew()
        self._messages.to_end()
        self.post_message(self.Wrote())

    @on(TextArea.Changed, "#composer")
    async def typed(self) -> None:
        """Keep what is half written, and tell now and then that one types."""
        now = time.monotonic()
        text = self._composer.text
        if self.conversation is None or text == self._desk.drafts.get(self.conversation, ""):
            return
        self._desk.drafts[self.conversation] = text
        if not text.strip():
            return
        self._last_key = now
        if now - self._told_typing >= TYPING_AGAIN:
            self._told_typing = now
            await self._desk.client.set_typing(self.conversation, active=True)

    def end_typing(self) -> None:
        """End one's typing after a pause. Called every second."""
        if self._told_typing and time.monotonic() - self._last_key >= TYPING_OVER:
            self._stop_typing()

    @on(Composer.Scrolled)
    def scroll_messages(self, event: Composer.Scrolled) -> None:
        """Scroll by pages while the composer has the keyboard."""
        lines = max(self._messages.scrollable_content_region.height - 2, 1)
        self._messages.scroll_relative(y=event.pages * lines, animate=False, immediate=True)

    @on(MessageList.NeedsOlder)
    def load_older(self) -> None:
        """Load what is before."""
        if self.conversation is None or self._page is None or not self._page.more:
            return
        older = self._desk.client.page(self.conversation, self._first, PAGE)
        self._first = _first_place(older)
        self.renew()

    @on(MessageList.Moved)
    async def moved(self, event: MessageList.Moved) -> None:
        """Take what is in sight as read, if somebody looks."""
        self._seen = max(self._seen, event.seen)
        await self.read()
        self._show_below(at_end=event.at_end)
        if event.at_end and self._page is not None and len(self._page.messages) > MOST_LOADED:
            self._load(PAGE)
            self._show()

    async def read(self) -> None:
        """Note what was in sight as read, unless nobody looks, or the other is a stranger who must not know."""
        summary = self._summary()
        if summary is None or self._page is None or not self.app.app_focus or summary.view.standing == "asked":
            return
        seen = [kept for kept in self._page.messages if kept.seq is not None and kept.seq <= self._seen]
        theirs = [kept for kept in seen if kept.account != self._desk.client.account]
        if theirs and (theirs[-1].seq or 0) > summary.read:
            await self._desk.client.mark_read(theirs[-1])
            self._desk.renew({summary.view.id})
            self.post_message(self.Read())

    def action_to_end(self) -> None:
        """Show the latest."""
        self._messages.to_end()

    def action_send_again(self) -> None:
        """Send again what failed."""
        for kept in self._failed():
            self._desk.client.send_again(kept)
        if self.conversation is not None:
            self._desk.renew({self.conversation})
            self.renew()
            self.post_message(self.Wrote())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See DOMNode."""
        del parameters
        return action != "send_again" or bool(self._failed())

    # Inside

    def _failed(self) -> list[Kept]:
        return [kept for kept in self._page.messages if kept.state == "failed"] if self._page is not None else []

    def _summary(self) -> Summary | None:
        return self._desk.summary(self.conversation) if self.conversation is not None else None

    def _stop_typing(self) -> None:
        if self._told_typing and self.conversation is not None and self._desk.client.is_connected:
            conversation = self.conversation
            self.app.run_worker(self._desk.client.set_typing(conversation, active=False), exit_on_error=False)
        self._told_typing = 0.0

    @property
    def _composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def _messages(self) -> MessageList:
        return self.query_one(MessageList)


def _first_place(page: Page) -> int:
    """Return the place of the first message of a page; 0 if nothing is before it."""
    places = [kept.seq for kept in page.messages if kept.seq is not None]
    return places[0] if places and page.more else 0


def _joined(parts: list[str]) -> list[str]:
    there = [part for part in parts if part]
    return [piece for part in there for piece in (part, " · ")][:-1]
