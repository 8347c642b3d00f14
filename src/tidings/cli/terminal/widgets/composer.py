"""The field for what one writes."""

from typing import ClassVar

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.keys import Keys
from textual.message import Message
from textual.widgets import TextArea

# Older terminals send Alt+Enter as Escape and Enter, which Textual takes for Enter alone: half a message would go.
ANSI_SEQUENCES_KEYS["\x1b\r"] = (Keys.ControlJ,)  # type: ignore[index] # a dict under a narrower name

NEW_LINE = frozenset({"alt+enter", "ctrl+j", "shift+enter"})


class Composer(TextArea):
    """Enter sends, Alt+Enter or Ctrl+J makes a new line, the page keys scroll the messages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "nothing", "Send"),
        Binding("alt+enter,ctrl+j", "nothing", "New line", key_display="Alt+Enter"),
    ]

    class Written(Message):
        """A text is ready to go."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Scrolled(Message):
        """The messages are to be scrolled by pages; up is negative."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def __init__(self) -> None:
        super().__init__(
            id="composer", compact=True, placeholder="Message", highlight_cursor_line=False, show_line_numbers=False
        )

    def action_nothing(self) -> None:
        """Stand in the list of keys; `_on_key` has done it already."""

    def action_cursor_page_up(self) -> None:
        """Scroll the messages up."""
        self.post_message(self.Scrolled(-1))

    def action_cursor_page_down(self) -> None:
        """Scroll the messages down."""
        self.post_message(self.Scrolled(1))

    async def _on_key(self, event: Key) -> None:
        """Take the keys that mean more here than in a plain field. The others are TextArea's."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            text = self.text.replace("\r\n", "\n").replace("\r", "\n")
            if text.strip():
                self.post_message(self.Written(text.strip("\n")))
        elif event.key in NEW_LINE:
            event.stop()
            event.prevent_default()
            self.insert("\n")
