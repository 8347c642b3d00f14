"""The main screen: the conversations, and the one that is open."""

from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from tidings.cli.terminal import words
from tidings.cli.terminal.desk import Desk
from tidings.cli.terminal.screens.dialogs import Ask, Help
from tidings.cli.terminal.screens.own import Devices, Name
from tidings.cli.terminal.screens.people import Find, Invite, New, Person
from tidings.cli.terminal.widgets.conversations import ConversationList
from tidings.cli.terminal.widgets.notices import AnswerPanel, ConcernNotice
from tidings.cli.terminal.widgets.talk import Talk
from tidings.sdk import ConnectionUpdate, ContactChanged, TidingsError
from tidings.sdk.events import AnyEvent
from tidings.wire.commands import Answer
from tidings.wire.errors import Refusal

if TYPE_CHECKING:
    from tidings.cli.terminal.app import Chat

PATIENCE: Final = 2.0
"""Seconds without a connection before anything is said about it."""
GATHER: Final = 0.03
"""Seconds in which changes are gathered before they are shown."""


class Main(Screen[None]):
    """The conversations, and the one that is open. Narrow terminals show one of both."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-wide"), (110, "-broad")]  # noqa: RUF012 - Textual's own name and type
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-tall")]  # noqa: RUF012 - as above
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+k", "find", "Find", priority=True),
        Binding("ctrl+n", "new", "New", show=False, priority=True),
        Binding("n", "new", "New"),
        Binding("i", "invite", "Invite"),
        Binding("f2", "person", "About", priority=True),
        Binding("alt+up", "turn(-1)", "Previous", show=False, priority=True),
        Binding("alt+down", "turn(1)", "Next", show=False, priority=True),
        Binding("m", "own_name", "My name", show=False),
        Binding("d", "devices", "Devices", show=False),
        Binding("t", "app.turn_theme", "Light or dark", show=False),
        Binding("w", "app.turn_words", "Words or ticks", show=False),
        Binding("slash", "find", "Find", show=False),
        Binding("question_mark", "help", "Help", show=False),
        Binding("f1", "help", "Help", priority=True),
        Binding("q", "app.quit", "Quit", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._changed: set[str] = set()
        self._is_due = False
        self._today = _today()

    @property
    def chat(self) -> "Chat":
        """The app."""
        return cast("Chat", self.app)

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static("Connecting…", id="connection", markup=False)
        with Horizontal(id="desk"):
            with Vertical(id="rail"):
                yield Static(id="brand", markup=False)
                yield ConversationList()
                yield Static(id="empty", markup=False)
            with Vertical(id="blank"):
                yield Static(id="blank-text", markup=False)
            yield Talk(self.desk, today=lambda: self._today, in_words=lambda: self.chat.in_words)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show what is in the store; the server comes later."""
        self.query_one("#connection").display = False
        self._lose()
        self.set_interval(1.0, self._second)
        self.query_one(ConversationList).focus()
        self.show_list()
        self._show_which()

    @property
    def talk(self) -> Talk:
        """The conversation that is open."""
        return self.query_one(Talk)

    # What happens

    def take(self, event: AnyEvent) -> None:
        """Take in what happened, and show it a moment later with what else happens until then."""
        match event:
            case ConnectionUpdate(connected):
                if connected:
                    self.query_one("#connection").display = False
                    self._changed.update(self.desk.renew(row.id for row in self.desk.rows(None, self._today)))
                else:
                    self._changed.update(self.desk.forget_presence())
                    self._lose()
            case ContactChanged(account) if account == self.desk.client.account:
                self.notify(
                    "The server shows other keys for you than yours. Nothing is sent until that ends.",
                    severity="error",
                    markup=False,
                )
        self._changed.update(self.desk.take(event))
        if not self._is_due:
            self._is_due = True
            self.set_timer(GATHER, self._show_changes)

    def _show_changes(self) -> None:
        self._is_due = False
        changed, self._changed = self._changed, set()
        self.show_list()
        if self.talk.conversation in changed:
            self.talk.renew()

    def show_list(self) -> None:
        """Show the list of conversations."""
        opened = self.talk.conversation
        rows = self.desk.rows(opened, self._today)
        self.query_one(ConversationList).show(rows, in_words=self.chat.in_words, opened=opened)
        self.query_one(ConversationList).display = bool(rows)
        empty = self.query_one("#empty", Static)
        empty.display = not rows
        empty.update(Content("Nobody here yet.\n\nPress i to invite somebody, or n to write to a name that you know."))
        unread = self.desk.unread()
        self.query_one("#brand", Static).update(
            Content.assemble(
                ("Tidings", "bold $accent"), (f" {unread}" if unread else "", "bold"), f"  {self.desk.client.own_name}"
            )
        )
        self.query_one("#blank-text", Static).update(
            Content("Choose a conversation." if rows else "Messages are shown here.")
        )

    def _lose(self) -> None:
        self.set_timer(PATIENCE, self._say_connecting)

    def _say_connecting(self) -> None:
        if not self.desk.client.is_connected:
            self.query_one("#connection").display = True

    def _second(self) -> None:
        """Let time pass: who types no more, what is not today any more, and what is half written is kept."""
        self.talk.end_typing()
        self.desk.keep_drafts()
        gone = self.desk.end_typing()
        today = _today()
        if today != self._today:
            self._today = today
            self.talk.renew()
        elif self.talk.conversation in gone:
            self.talk.renew_life()
        if gone:
            self.show_list()

    # Conversations

    @on(OptionList.OptionSelected, "#list")
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Open what was chosen."""
        if event.option_id is not None:
            self.open(event.option_id)

    def open(self, conversation: str) -> None:
        """Open a conversation, and watch who it is with."""
        self.desk.renew({conversation})
        self.talk.open(conversation)
        self._show_which()
        self.show_list()
        listed = self.query_one(ConversationList)
        ids = [option.id for option in listed.options]
        if conversation in ids:
            listed.highlighted = ids.index(conversation)
        self.watch_other()

    @work(group="watch", exclusive=True, exit_on_error=False)
    async def watch_other(self) -> None:
        """Ask when the other comes and goes."""
        summary = self.desk.summary(self.talk.conversation or "")
        if summary is not None:
            await self.desk.client.watch([self.desk.other(summary.view)])

    def action_back(self) -> None:
        """Go back to the list: a narrow terminal leaves the conversation, a wide one only its field."""
        if self.has_class("-narrow") or self.query_one(ConversationList).has_focus:
            self.talk.close()
            self._show_which()
            self.show_list()
        self.query_one(ConversationList).focus()

    def action_turn(self, step: int) -> None:
        """Open the next or the previous conversation."""
        ids = [row.id for row in self.desk.rows(None, self._today)]
        if not ids:
            return
        now = self.talk.conversation
        at = ids.index(now) + step if now in ids else 0
        self.open(ids[max(0, min(at, len(ids) - 1))])

    def _show_which(self) -> None:
        """Show the conversation, or that there is none."""
        is_open = self.talk.conversation is not None
        self.set_class(is_open, "-talking")
        self.talk.display = is_open
        self.refresh_bindings()

    @on(Talk.Read)
    @on(Talk.Wrote)
    def follow(self) -> None:
        """Show in the list, too, that something was read or written."""
        self.show_list()

    @on(Talk.Failed)
    def say(self, event: Talk.Failed) -> None:
        """Say what did not work."""
        self.notify(words.failure(event.error), severity="error", markup=False)

    # Answers and identities

    @on(AnswerPanel.Given)
    def answer(self, event: AnswerPanel.Given) -> None:
        """Answer a stranger."""
        if self.talk.conversation is not None:
            self.respond(self.talk.conversation, event.answer)

    @work(exit_on_error=False)
    async def respond(self, conversation: str, answer: Answer) -> None:
        """Accept, decline, block or unblock; blocking asks first."""
        name = self.desk.name(conversation)
        if answer == "block":
            question = f"{name} will not be able to write to you, nor you to {name}. You can undo this."
            if not await self.app.push_screen_wait(Ask(f"Block {name}?", question, yes="Block")):
                return
        if not self.desk.client.is_connected:
            self.notify("This needs a connection. Try again in a moment.", severity="warning", markup=False)
            return
        try:
            await self.desk.client.respond(conversation, answer)
        except (Refusal, TidingsError) as error:
            self.notify(words.failure(error), severity="error", markup=False)
            return
        self.desk.renew({conversation})
        self.show_list()
        if self.talk.conversation == conversation:
            self.talk.renew()
            self.talk.focus_field()
            self.watch_other()

    @on(ConcernNotice.Accepted)
    def accept_identity(self) -> None:
        """Accept the new identity of who one talks to; what was held back goes."""
        summary = self.desk.summary(self.talk.conversation or "")
        if summary is not None:
            self.desk.client.trust(self.desk.other(summary.view))
            self.talk.renew()
            self.talk.focus_field()
            self.show_list()

    # What is laid over it

    @work(exit_on_error=False)
    async def action_find(self) -> None:
        """Find a conversation."""
        rows = self.desk.rows(None, self._today)
        found = await self.app.push_screen_wait(Find([(row.id, row.name) for row in rows]))
        if found is not None:
            self.open(found)

    @work(exit_on_error=False)
    async def action_new(self) -> None:
        """Write to a name."""
        found = await self.app.push_screen_wait(New(self.desk.client))
        if found is not None:
            self.open(found)

    def action_invite(self) -> None:
        """Invite somebody."""
        self.app.push_screen(Invite(self.desk.client))

    @work(exit_on_error=False)
    async def action_person(self) -> None:
        """Show who one talks to, and what can be done about it."""
        summary = self.desk.summary(self.talk.conversation or "")
        if summary is None:
            return
        answer = await self.app.push_screen_wait(Person(self.desk, summary, self._today))
        if answer is not None:
            self.respond(summary.view.id, answer)

    @work(exit_on_error=False)
    async def action_own_name(self) -> None:
        """Change the name that others see."""
        name = await self.app.push_screen_wait(Name(self.desk.client.own_name))
        if name is not None:
            self.desk.client.set_display_name(name)
            self.show_list()

    def action_devices(self) -> None:
        """Show one's own devices."""
        self.app.push_screen(Devices(self.desk.client))

    def action_help(self) -> None:
        """Say which keys there are."""
        self.app.push_screen(Help(in_words=self.chat.in_words))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See DOMNode: keys that mean nothing now are not shown."""
        del parameters
        if action in ("person", "back"):
            return self.is_mounted and self.talk.conversation is not None
        return True


def _today() -> date:
    return datetime.now().astimezone().date()
