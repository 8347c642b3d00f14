"""What stands above and below the messages when a person has to decide something."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from tidings.cli.terminal import words
from tidings.sdk import Distrusted, IdentityChanged
from tidings.wire.commands import Answer
from tidings.wire.frames import Standing

LABELS: Final[dict[Answer, str]] = {"accept": "Accept", "decline": "Decline", "block": "Block", "unblock": "Unblock"}
CHOICES: Final[dict[Standing, tuple[Answer, ...]]] = {
    "asked": ("accept", "decline", "block"),
    "declined": ("accept", "block"),
    "blocked": ("unblock",),
}


class ConcernNotice(Vertical):
    """Says that somebody's identity changed, and lets the person accept the new one."""

    class Accepted(Message):
        """The person accepts the identity."""

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static(id="concern-text", markup=False)
        with Horizontal(id="concern-answers"):
            yield Button("Accept: it is really them", id="concern-accept", compact=True)

    def show(self, concern: Distrusted | None, name: str, waiting: int) -> None:
        """Show a concern, or nothing."""
        self.display = concern is not None
        if concern is None:
            return
        held = f"{words.count(waiting, 'message waits', 'messages wait')} until you accept." if waiting else ""
        changed = isinstance(concern, IdentityChanged)
        self.query_one("#concern-text", Static).update(
            Content.assemble(
                ("Is it really them? " if changed else "Something is wrong. ", "bold $danger"),
                words.worry(concern, name),
                (f" {held}" if held and changed else "", "bold"),
            )
        )
        button = self.query_one("#concern-accept", Button)
        button.label = Content(f"Accept: it is really {name}")
        button.display = changed

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Pass the decision on."""
        event.stop()
        self.post_message(self.Accepted())


class AnswerPanel(Vertical):
    """Stands in the composer's place while one does not talk: accept, decline, block, unblock."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer('accept')", "Accept"),
        Binding("d", "answer('decline')", "Decline"),
        Binding("b", "answer('block')", "Block"),
        Binding("u", "answer('unblock')", "Unblock"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    class Given(Message):
        """The person answers."""

        def __init__(self, answer: Answer) -> None:
            super().__init__()
            self.answer = answer

    def __init__(self) -> None:
        super().__init__(id="answer")
        self._choices: tuple[Answer, ...] = ()

    def compose(self) -> ComposeResult:
        """See Widget."""
        yield Static(id="answer-text", markup=False)
        with Horizontal(id="answers"):
            for answer, label in LABELS.items():
                yield Button(label, id=f"answer-{answer}", compact=True)

    def show(self, standing: Standing, name: str) -> bool:
        """Show what can be answered; return whether there is anything."""
        self._choices = CHOICES.get(standing, ())
        self.display = bool(self._choices)
        texts = {
            "asked": f"{name} asks to talk to you, and sees nothing of you until you accept.",
            "declined": f"You declined. {name} cannot write to you.",
            "blocked": f"You blocked {name}. Neither of you can write to the other.",
        }
        self.query_one("#answer-text", Static).update(Content(texts.get(standing, "")))
        for button in self.query(Button):
            button.display = button.id in {f"answer-{answer}" for answer in self._choices}
        self.refresh_bindings()
        return bool(self._choices)

    def focus_first(self) -> None:
        """Let the keyboard answer."""
        for button in self.query(Button):
            if button.display:
                button.focus()
                return

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See DOMNode: only what can be answered is a key."""
        return action != "answer" or parameters[0] in self._choices

    def action_answer(self, answer: Answer) -> None:
        """Answer by a key."""
        self.post_message(self.Given(answer))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer by a button."""
        event.stop()
        for answer in self._choices:
            if event.button.id == f"answer-{answer}":
                self.post_message(self.Given(answer))
