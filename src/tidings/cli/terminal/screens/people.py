"""Finding, writing to, inviting and knowing people."""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Final

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from tidings.cli.qr import code_of
from tidings.cli.terminal import words
from tidings.cli.terminal.desk import Desk
from tidings.cli.terminal.screens.dialogs import Dialog
from tidings.sdk import Client, Summary, TidingsError
from tidings.wire.commands import Answer
from tidings.wire.errors import Refusal

FRAME: Final = 5
"""Lines of the invite that are neither link nor code: the border, the title, a sentence."""


class Find(Dialog[str]):
    """Find a conversation by a part of its name. Returns its id."""

    TITLE_TEXT = "Find a conversation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, named: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._named = named

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield Input(placeholder="Name", id="find-name", compact=True)
        found = OptionList(id="found", compact=True, markup=False)
        found.can_focus = False
        yield found

    def on_mount(self) -> None:
        """Show all."""
        super().on_mount()
        self._show("")

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        """Show those that fit."""
        self._show(event.value)

    def _show(self, part: str) -> None:
        wanted = part.strip().removeprefix("@").casefold()
        found = self.query_one("#found", OptionList)
        found.clear_options()
        fitting = [(key, name) for key, name in self._named if wanted in name.casefold()]
        found.add_options([Option(Content(name), id=key) for key, name in fitting])
        if fitting:
            found.highlighted = 0
        self.complain("" if fitting else "Nobody is called so. Ctrl+N writes to a name that is new to you.")

    def action_move(self, step: int) -> None:
        """Move through what fits."""
        found = self.query_one("#found", OptionList)
        if found.option_count:
            found.highlighted = ((found.highlighted or 0) + step) % found.option_count

    @on(Input.Submitted)
    def choose(self) -> None:
        """Take what is highlighted."""
        option = self.query_one("#found", OptionList).highlighted_option
        if option is not None:
            self.dismiss(option.id)

    @on(OptionList.OptionSelected)
    def click(self, event: OptionList.OptionSelected) -> None:
        """Take what was clicked on."""
        self.dismiss(event.option_id)


class New(Dialog[str]):
    """Write to somebody by the exact name. Returns the conversation."""

    TITLE_TEXT = "Write to"

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield Static("The name of the person, as they gave it to you.", classes="dialog-text", markup=False)
        yield Input(placeholder="@name", id="new-name", compact=True)

    @on(Input.Submitted)
    def go(self, event: Input.Submitted) -> None:
        """Look for the person."""
        name = event.value.strip().removeprefix("@").lower()
        if not name:
            return
        if name == self._client.name:
            self.complain("That is you.")
        elif not self._client.is_connected:
            self.complain("This needs a connection. Try again in a moment.")
        else:
            self.complain("Looking…")
            self._look(name)

    @work(exclusive=True, exit_on_error=False)
    async def _look(self, name: str) -> None:
        try:
            view = await self._client.conversation_with(f"@{name}")
        except (Refusal, TidingsError) as error:
            self.complain(words.failure(error))
        else:
            self.dismiss(view.id)


class Invite(Dialog[None]):
    """A link by which somebody can come in, and the same as a code to scan."""

    TITLE_TEXT = "Invite somebody"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy the link")]

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self.link = ""

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield Static("Making a link…", id="invite-text", markup=False)
        yield Static(id="invite-link", markup=False)
        yield Static(id="invite-code", markup=False)

    def on_mount(self) -> None:
        """Ask for a link."""
        super().on_mount()
        self._make()

    @work(exit_on_error=False)
    async def _make(self) -> None:
        try:
            self.link = await self._client.invite()
        except (TidingsError, Refusal) as error:
            self.query_one("#invite-text", Static).update("")
            self.complain(words.failure(error, self._client.url))
            return
        self.query_one("#invite-text", Static).update("For one person, for seven days. Press c to copy it.")
        self.query_one("#invite-link", Static).update(Content(self.link))
        code = code_of(self.link)
        widest = max(len(line) for line in code)
        inner = self.size.width - 4
        link_lines = -(-len(self.link) // inner)
        room = inner >= widest and self.size.height - FRAME - link_lines >= len(code)
        self.query_one("#invite-code", Static).update(
            Content("\n".join(code)) if room else "Make the window larger to see a code to scan."
        )
        self.query_one("#invite-code").set_class(room, "-code")

    def action_copy(self) -> None:
        """Copy the link, where the terminal can."""
        if self.link:
            self.app.copy_to_clipboard(self.link)
            self.notify("Copied.", markup=False)


class Person(Dialog[Answer]):
    """Who one talks to. Returns what is to be done about it."""

    def __init__(self, desk: Desk, summary: Summary, today: date) -> None:
        super().__init__()
        self._desk = desk
        self._summary = summary
        self._today = today

    def heading(self) -> str:
        """See Dialog."""
        return self._desk.name(self._summary.view.id)

    def body(self) -> ComposeResult:
        """See Dialog."""
        view = self._summary.view
        other = self._desk.other(view)
        handle = self._desk.client.handle(other)
        lines = [
            f"@{handle}" if handle != other else "",
            self._desk.presence(view, self._today),
            "Only you two can read what you write. The server cannot.",
        ]
        yield Static(Content("\n".join(line for line in lines if line)), classes="dialog-text", markup=False)
        blocked = view.standing == "blocked"
        with Horizontal(classes="dialog-buttons"):
            yield Button("Close", id="close", compact=True)
            yield Button("Unblock" if blocked else "Block", id="unblock" if blocked else "block", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Say what is to be done."""
        match event.button.id:
            case "block":
                self.dismiss("block")
            case "unblock":
                self.dismiss("unblock")
            case _:
                self.dismiss(None)
