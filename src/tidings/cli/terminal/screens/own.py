"""One's own things: the name that others see, the devices."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tidings.cli.terminal import words
from tidings.cli.terminal.screens.dialogs import Ask, Dialog
from tidings.sdk import Client, TidingsError
from tidings.wire.content import MAX_NAME
from tidings.wire.errors import Refusal


class Name(Dialog[str]):
    """The name that others see. Returns the new one."""

    TITLE_TEXT = "The name that others see"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name_now = name

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield Static(
            "It travels inside the encryption; the server does not see it.", classes="dialog-text", markup=False
        )
        yield Input(self._name_now, max_length=MAX_NAME, id="own-name", compact=True)

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """Take the name."""
        name = words.one_line(event.value)
        if name:
            self.dismiss(name)
        else:
            self.complain("A name has at least one letter.")


class Devices(Dialog[None]):
    """One's own devices; others can be signed out."""

    TITLE_TEXT = "Your devices"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("x,delete", "remove", "Sign out")]

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self._others: set[str] = set()

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield OptionList(id="devices", compact=True, markup=False)
        yield Static("x signs out the device that is marked.", classes="dialog-text", markup=False)

    def on_mount(self) -> None:
        """Ask for the list."""
        super().on_mount()
        self.complain("Asking…")
        self._load()

    @work(exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        try:
            devices = await self._client.devices()
        except TidingsError as error:
            self.complain(words.failure(error, self._client.url))
            return
        self.complain("")
        self._others = {device.device for device in devices if not device.current}
        shown = self.query_one("#devices", OptionList)
        shown.clear_options()
        for device in devices:
            since = f"{words.local(device.created):%Y-%m-%d}"
            seen = f"{words.local(device.seen):%Y-%m-%d %H:%M}" if device.seen else "never"
            label = words.one_line(device.label) or device.device
            state = ("this one", "$read") if device.current else (f"last here {seen}", "$ink-2")
            shown.add_option(
                Option(Content.assemble((label, "bold"), "  ", state, (f"\nsince {since}", "$ink-3")), id=device.device)
            )
        shown.highlighted = 0
        shown.focus()

    @work(exit_on_error=False)
    async def action_remove(self) -> None:
        """Sign out the device that is marked."""
        marked = self.query_one("#devices", OptionList).highlighted_option
        if marked is None or marked.id is None:
            return
        if marked.id not in self._others:
            self.complain("This is the device that you sit at. Only others are signed out from here.")
            return
        if not await self.app.push_screen_wait(
            Ask("Sign out this device?", "It gets no more messages, and has to sign in again.", yes="Sign out")
        ):
            return
        try:
            await self._client.remove_device(marked.id)
        except (TidingsError, Refusal) as error:
            self.complain(words.failure(error, self._client.url))
        else:
            self._load()
