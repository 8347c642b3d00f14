"""What is laid over the main screen: a frame for all of it, questions, help."""

from typing import ClassVar, Final, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tidings.cli.terminal import words
from tidings.sdk.events import State

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A frame with a title. Escape closes it with nothing. Subclasses fill `body`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]
    TITLE_TEXT: ClassVar[str] = ""

    def compose(self) -> ComposeResult:
        """See Widget."""
        with Vertical(classes="dialog"):
            yield Static(Content(self.heading()), classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield from self.body()
            yield Static("", classes="dialog-error", markup=False)

    def heading(self) -> str:
        """Return the title."""
        return self.TITLE_TEXT

    def body(self) -> ComposeResult:
        """Yield what is inside."""
        yield from ()

    def complain(self, text: str) -> None:
        """Say what is wrong, or nothing any more."""
        error = self.query_one(".dialog-error", Static)
        error.update(Content(text))
        error.display = bool(text)

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self.complain("")

    def action_close(self) -> None:
        """Close it with nothing."""
        self.dismiss(None)


class Ask(Dialog[bool]):
    """A question with a way out."""

    def __init__(self, title: str, text: str, *, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._yes = yes
        self._no = no

    def heading(self) -> str:
        """See Dialog."""
        return self._title

    def body(self) -> ComposeResult:
        """See Dialog."""
        yield Static(Content(self._text), classes="dialog-text", markup=False)
        with Horizontal(classes="dialog-buttons"):
            yield Button(Content(self._no), id="no", compact=True)
            yield Button(Content(self._yes), id="yes", variant="error", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")


KEYS: Final = (
    ("Enter", "open a conversation; send what you wrote"),
    ("Alt+Enter, Ctrl+J", "a new line in what you write"),
    ("Esc", "back to the list"),
    ("Tab", "to the next part of the screen"),
    ("Ctrl+K, or / in the list", "find a conversation"),
    ("Ctrl+N, or n in the list", "write to a name that you know"),
    ("i in the list", "invite somebody: a link and a code to scan"),
    ("F2", "about who you talk to: block, unblock"),
    ("Alt+Up, Alt+Down", "the previous, the next conversation"),
    ("Page Up, Page Down", "scroll the messages"),
    ("Ctrl+End", "to the latest message"),
    ("Ctrl+R", "send again what was not sent"),
    ("m in the list", "the name that others see"),
    ("d in the list", "your devices"),
    ("t in the list", "light or dark"),
    ("w in the list", "words instead of ticks"),
    ("Ctrl+Q, or q in the list", "quit; what is not sent yet waits"),
)
STATES: Final[tuple[tuple[State, str], ...]] = (
    ("pending", "it waits on this device"),
    ("sent", "the server has it"),
    ("delivered", "it is on a device of theirs"),
    ("read", "they have read it"),
)


class Help(Dialog[None]):
    """The keys, and what the ticks mean."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-wide")]  # noqa: RUF012 - Textual's own name and type
    TITLE_TEXT = "Help"

    def __init__(self, *, in_words: bool) -> None:
        super().__init__()
        self._in_words = in_words

    def body(self) -> ComposeResult:
        """See Dialog."""
        for key, meaning in KEYS:
            with Horizontal(classes="help-key"):
                yield Static(Content(key), classes="help-name", markup=False)
                yield Static(Content(meaning), classes="help-use", markup=False)
        yield Static("\nHow far your message got", classes="dialog-text", markup=False)
        for state, meaning in STATES:
            sign = (words.TICK_WORDS if self._in_words else words.TICKS)[state]
            with Horizontal(classes="help-key"):
                yield Static(Content(sign), classes="help-sign -read" if state == "read" else "help-sign", markup=False)
                yield Static(Content(meaning), classes="help-meaning", markup=False)

    def on_mount(self) -> None:
        """Let the keys scroll it."""
        super().on_mount()
        body = self.query_one(".dialog-body", VerticalScroll)
        body.can_focus = True
        body.focus()
