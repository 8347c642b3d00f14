"""Coming in: by an invite link, or by signing in. A step appears once the one before it works."""

import platform
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import urlsplit

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Footer, Input, Static

from tidings.cli.terminal import words
from tidings.cli.terminal.screens.dialogs import Ask
from tidings.sdk import Client, ServerRefused, TidingsError, Unreachable
from tidings.wire.content import MAX_NAME
from tidings.wire.http import InviteInfo

if TYPE_CHECKING:
    from tidings.cli.terminal.app import Chat

SHORTEST_PASSWORD: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30})[A-Za-z0-9]")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
START_AGAIN: Final = (
    "You are signed in on another device. To start again here means: your other devices are signed out, messages that "
    "are only on them stay there and do not come here, and the people you talk to are told that your keys changed: "
    "they should ask whether it is really you."
)


def address_of(text: str) -> str:
    """Return the address of a server as a person writes it: https, but plain http on this machine."""
    text = text.strip().rstrip("/")
    if "://" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://{rest.split('/', 1)[0]}"
    host = text.split("/", 1)[0]
    return f"{'http' if _name_in(host) in _LOOPBACK else 'https'}://{host}"


def _name_in(host: str) -> str:
    """Return the name in what may have a port; nothing if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def device_label() -> str:
    """Return what this device is called in the list of devices."""
    return f"Terminal on {platform.node() or 'this machine'}"[:64]


class Step(Screen[None]):
    """A step on the way in: a form, one line for what went wrong, one thing that happens at a time."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-wide")]  # noqa: RUF012 - Textual's own name and type
    TITLE_TEXT: ClassVar[str] = ""

    @property
    def chat(self) -> "Chat":
        """The app."""
        return cast("Chat", self.app)

    def compose(self) -> ComposeResult:
        """See Widget."""
        with VerticalScroll(id="step", can_focus=False), Vertical(id="form"):
            yield Static(Content(self.TITLE_TEXT), id="step-title", markup=False)
            yield from self.form()
            yield Static("", id="step-error", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def form(self) -> ComposeResult:
        """Yield what is to be filled in."""
        yield from ()

    def value(self, field: str) -> str:
        """Return what stands in a field."""
        return self.query_one(f"#{field}", Input).value

    def say(self, text: str, *, wrong: bool = True) -> None:
        """Say what goes on, or what is wrong."""
        line = self.query_one("#step-error", Static)
        line.update(Content(text))
        line.set_class(wrong, "-wrong")
        line.scroll_visible(animate=False)

    def offer(self, field: str) -> None:
        """Let a field be written anew: what is in it is marked, so that the next key or paste replaces it."""
        self.query_one(f"#{field}", Input).focus().action_select_all()

    def busy(self, *, on: bool) -> None:
        """Let nothing be pressed twice."""
        for button in self.query(Button):
            button.disabled = on

    @on(Input.Submitted)
    def step_on(self) -> None:
        """Go to the next field; from the last one, on."""
        fields = list(self.query(Input))
        for field in fields:
            if not field.value.strip():
                field.focus()
                return
        self.next()

    def next(self) -> None:
        """Go on with what was filled in."""


class Welcome(Step):
    """The first step: an invite link, or sign in."""

    TITLE_TEXT = "Welcome to Tidings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "sign_in", "Sign in instead", priority=True),
        Binding("ctrl+q", "app.quit", "Quit"),
    ]

    def __init__(self, link: str) -> None:
        super().__init__()
        self._link = link

    def form(self) -> ComposeResult:
        """See Step."""
        yield Static("Messages that only you and the people you write to can read.", classes="step-text")
        yield Static("Were you invited? Paste the link here.", classes="step-label")
        yield Input(self._link, placeholder="https://…/#/join/…", id="link", compact=True)
        with Horizontal(classes="step-buttons"):
            yield Button("Continue", id="continue", variant="primary", compact=True)
            yield Button("Sign in instead", id="sign-in", compact=True)

    def on_mount(self) -> None:
        """Let the link be pasted, or taken as it is."""
        self.query_one("#link").focus()

    @on(Button.Pressed, "#continue")
    def next(self) -> None:
        """See Step."""
        self.say("Looking at the invite…", wrong=False)
        self.busy(on=True)
        self._look(self.value("link").strip())

    @work(exclusive=True, exit_on_error=False)
    async def _look(self, link: str) -> None:
        try:
            found = await Client.invitation(link, self.chat.verify)
        except ValueError:
            self.say("This is no invite link. It looks like https://example.org/#/join/… and comes from a friend.")
            self.offer("link")
        except TidingsError as error:
            self.say(words.failure(error, link))
            self.offer("link")
        else:
            self.say("")
            self.app.push_screen(Register(link, found))
        finally:
            self.busy(on=False)

    @on(Button.Pressed, "#sign-in")
    def action_sign_in(self) -> None:
        """Sign in instead."""
        address = address_of(self.value("link")) if self.value("link").strip() else ""
        self.app.push_screen(SignIn(address))


class Register(Step):
    """The second step of who was invited: a name, a password."""

    TITLE_TEXT = "Who are you?"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self, link: str, found: InviteInfo) -> None:
        super().__init__()
        self._link = link
        self._found = found

    def form(self) -> ComposeResult:
        """See Step."""
        who = f"@{self._found.inviter}" if self._found.inviter else "The server"
        yield Static(Content(f"{who} invites you to {urlsplit(self._link).netloc}."), classes="step-text")
        yield Static("Your name, by which others find you (a to z, digits)", classes="step-label")
        yield Input(placeholder="ada", max_length=32, id="name", compact=True)
        yield Static("A password, at least eight characters", classes="step-label")
        yield Input(password=True, max_length=256, id="password", compact=True)
        yield Static("The same password again", classes="step-label")
        yield Input(password=True, max_length=256, id="again", compact=True)
        yield Static("The name that others see", classes="step-label")
        yield Input(placeholder="Ada Kowalska", max_length=MAX_NAME, id="shown", compact=True)
        with Horizontal(classes="step-buttons"):
            yield Button("Come in", id="come-in", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin at the top."""
        self.query_one("#name").focus()

    @on(Button.Pressed, "#come-in")
    def next(self) -> None:
        """See Step."""
        name, password = self.value("name").strip().removeprefix("@"), self.value("password")
        if not _NAME.fullmatch(name):
            self.say("A name has 3 to 32 letters (a to z), digits, dots, dashes or underscores.")
            self.offer("name")
        elif len(password) < SHORTEST_PASSWORD:
            self.say("The password needs at least eight characters.")
            self.offer("password")
        elif password != self.value("again"):
            self.say("The two passwords are not the same.")
            self.offer("again")
        else:
            self.say("Making your keys…", wrong=False)
            self.busy(on=True)
            self._register(name, password, words.one_line(self.value("shown")) or name)

    @work(exclusive=True, exit_on_error=False)
    async def _register(self, name: str, password: str, shown: str) -> None:
        try:
            client = await Client.register(
                *(self.chat.store, self._link, name, password),
                display_name=shown,
                label=device_label(),
                verify=self.chat.verify,
            )
        except (TidingsError, ValueError) as error:
            self.say(words.failure(error, self._link))
        else:
            client.close()
            self.chat.call_later(self.chat.come_in)
        finally:
            self.busy(on=False)


class SignIn(Step):
    """The way in of who has an account."""

    TITLE_TEXT = "Sign in"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self, address: str = "", name: str = "") -> None:
        super().__init__()
        self._address = address
        self._name_before = name

    def form(self) -> ComposeResult:
        """See Step."""
        yield Static("The server's address", classes="step-label")
        yield Input(self._address, placeholder="chat.example.org", id="address", compact=True)
        yield Static("Your name there", classes="step-label")
        yield Input(self._name_before, placeholder="ada", id="name", compact=True)
        yield Static("Your password", classes="step-label")
        yield Input(password=True, id="password", compact=True)
        with Horizontal(classes="step-buttons"):
            yield Button("Sign in", id="go", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin at the first field that is empty."""
        for field in self.query(Input):
            if not field.value:
                field.focus()
                return

    @on(Button.Pressed, "#go")
    def next(self) -> None:
        """See Step."""
        self.say("Signing in…", wrong=False)
        self.busy(on=True)
        self._sign_in(address_of(self.value("address")), self.value("name").strip(), self.value("password"))

    @work(exclusive=True, exit_on_error=False)
    async def _sign_in(self, url: str, name: str, password: str) -> None:
        try:
            if await self._try(url, name, password):
                self.chat.call_later(self.chat.come_in)
        except (TidingsError, ValueError) as error:
            self.say(words.failure(error, url))
            self.offer("address" if isinstance(error, Unreachable) else "password")
        finally:
            self.busy(on=False)

    async def _try(self, url: str, name: str, password: str) -> bool:
        """Sign in; where there are other devices, say what that means, and ask."""
        options: dict[str, Any] = {"label": device_label(), "verify": self.chat.verify}
        try:
            client = await Client.sign_in(self.chat.store, url, name, password, **options)
        except ServerRefused as refused:
            if refused.code != "OTHER_DEVICES":
                raise
            if not await self.app.push_screen_wait(Ask("Start again here?", START_AGAIN, yes="Start again here")):
                self.say("Nothing was changed.", wrong=False)
                return False
            self.say("Making new keys…", wrong=False)
            client = await Client.sign_in(self.chat.store, url, name, password, start_again=True, **options)
        client.close()
        return True


class SignedOut(Step):
    """The device was signed out while it was here."""

    TITLE_TEXT = "This device was signed out"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "app.quit", "Quit")]

    def __init__(self, reason: str, url: str, name: str) -> None:
        super().__init__()
        self._reason = reason
        self._url = url
        self._name_before = name

    def form(self) -> ComposeResult:
        """See Step."""
        yield Static(
            Content(
                f"The server says: {self._reason}. Perhaps you started again elsewhere, or removed this device.\n\n"
                "What was on this device stays on it. Sign in to go on; your old messages are still here then."
            ),
            classes="step-text",
        )
        with Horizontal(classes="step-buttons"):
            yield Button("Sign in", id="sign-in", variant="primary", compact=True)
            yield Button("Quit", id="quit", compact=True)

    def on_mount(self) -> None:
        """Let the keyboard answer."""
        self.query_one("#sign-in").focus()

    @on(Button.Pressed, "#sign-in")
    def sign_in(self) -> None:
        """Sign in again."""
        self.app.push_screen(SignIn(self._url, self._name_before))

    @on(Button.Pressed, "#quit")
    def leave(self) -> None:
        """Quit."""
        self.app.exit()
