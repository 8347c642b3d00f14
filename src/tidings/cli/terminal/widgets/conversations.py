"""The list of conversations."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tidings.cli.terminal import words
from tidings.cli.terminal.desk import Row

INKS = {"plain": "$ink-2", "accent": "$accent", "danger": "$danger", "faint": "$ink-3 italic"}
MOST_SHOWN = 99


class ConversationList(OptionList):
    """Conversations, two lines each. Enter opens one (`OptionSelected`, whose id is the conversation's)."""

    BINDINGS: ClassVar[list[BindingType]] = [("j", "cursor_down"), ("k", "cursor_up")]

    def __init__(self) -> None:
        super().__init__(id="list", markup=False)
        self._rows: Sequence[Row] = ()
        self._in_words = False

    def show(self, rows: Sequence[Row], *, in_words: bool, opened: str | None = None) -> None:
        """Show rows. What was highlighted stays so; `opened` is highlighted if nothing was."""
        same = [row.id for row in rows] == [row.id for row in self._rows]
        if rows == self._rows and in_words == self._in_words:
            return
        before = self.highlighted_option
        wanted = before.id if before is not None else opened
        self._rows, self._in_words = rows, in_words
        if same:
            self._fill()
            return
        self.clear_options()
        self.add_options([Option(self._prompt(row), id=row.id) for row in rows])
        ids = [row.id for row in rows]
        if rows:
            self.highlighted = ids.index(wanted) if wanted in ids else 0

    def on_resize(self, _: Resize) -> None:
        """Set the lines to the new width."""
        self._fill()

    def _fill(self) -> None:
        for index, row in enumerate(self._rows):
            self.replace_option_prompt_at_index(index, self._prompt(row))

    def _prompt(self, row: Row) -> Content:
        width = max(self.scrollable_content_region.width - 2, 12)
        fresh = row.unread > 0
        badge = f" {min(row.unread, MOST_SHOWN)}{'+' if row.unread > MOST_SHOWN else ''} " if fresh else ""
        sign = ""
        if row.state is not None:
            sign = f"{(words.TICK_WORDS if self._in_words else words.TICKS)[row.state].split(' ')[0]} "
        name = Content(row.name).truncate(width - len(row.time) - 1, ellipsis=True)
        line = Content(row.line).truncate(width - len(badge) - len(sign) - 1, ellipsis=True)
        return Content.assemble(
            (name.plain, "bold $ink" if fresh else "$ink"),
            " " * (width - name.cell_length - len(row.time)),
            (row.time, "$accent bold" if fresh else "$ink-3"),
            "\n",
            (
                sign,
                "$read bold" if row.state == "read" else "$danger" if row.state in ("failed", "expired") else "$ink-3",
            ),
            (line.plain, "$ink" if fresh and row.tone == "plain" else INKS[row.tone]),
            " " * (width - line.cell_length - len(sign) - len(badge)),
            (badge, "$accent-ink on $accent bold"),
        )
