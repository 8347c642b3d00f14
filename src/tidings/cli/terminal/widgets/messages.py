"""The messages of one conversation, as a view that scrolls."""

from bisect import bisect_right
from collections.abc import Sequence

from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tidings.cli.terminal.bubbles import Block, Bubble, Look, Rule, lay_out
from tidings.cli.terminal.theme import DARK


class MessageList(ScrollView, can_focus=True):
    """Shows blocks. At the end it follows what is added; scrolled up, nothing that is visible ever moves."""

    class Moved(Message):
        """What is in sight changed. `seen` is the highest place that is wholly visible."""

        def __init__(self, seen: int, *, at_end: bool) -> None:
            super().__init__()
            self.seen = seen
            self.at_end = at_end

    class NeedsOlder(Message):
        """The beginning of what is loaded comes into sight."""

    def __init__(self) -> None:
        super().__init__(id="messages")
        self.blocks: Sequence[Block] = ()
        self._starts: list[int] = []
        self._lines: list[Strip] = []
        self._follows = True
        self._in_words = False

    def on_mount(self) -> None:
        """Follow the theme."""
        super().on_mount()  # type: ignore[no-untyped-call] # Textual's own
        self.app.theme_changed_signal.subscribe(self, lambda _: self.restyle())

    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= self.max_scroll_y

    def show(self, blocks: Sequence[Block], *, in_words: bool, afresh: bool = False) -> None:
        """Show blocks. `afresh` for another conversation: land on what is new in it, or else at its end."""
        anchor = None if afresh or self._follows else self._anchor()
        self.blocks, self._in_words = blocks, in_words
        self._lay_out()
        if afresh:
            self._follows = True
            self._land()
        elif anchor is not None:
            self._hold(*anchor)
        else:
            self._go(self.max_scroll_y)
        self._tell()

    def to_end(self) -> None:
        """Show the end, and follow it."""
        self._follows = True
        self._go(self.max_scroll_y)
        self._tell()

    def restyle(self) -> None:
        """Lay everything out again: the colours changed."""
        anchor = None if self._follows else self._anchor()
        self._lay_out()
        if anchor is None:
            self._go(self.max_scroll_y)
        else:
            self._hold(*anchor)

    def on_resize(self, _: Resize) -> None:
        """Lay everything out for the new size."""
        self.restyle()
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """See ScrollView."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._follows = self.at_end
            self._tell()

    def render_line(self, y: int) -> Strip:
        """See ScrollView."""
        number = y + self.scroll_offset.y
        if 0 <= number < len(self._lines):
            return self._lines[number]
        return Strip.blank(self._look().width, self._look().style("ink"))

    def text(self) -> str:
        """Return everything that is laid out, as plain lines."""
        return "\n".join(line.text.rstrip() for line in self._lines)

    # Inside

    def _look(self) -> Look:
        variables = self.app.theme_variables
        colours = tuple((name, variables[name]) for name in DARK)
        return Look(max(self.scrollable_content_region.width, 12), colours, self._in_words)

    def _lay_out(self) -> None:
        look = self._look()
        lines: list[Strip] = []
        starts: list[int] = []
        for block in self.blocks:
            starts.append(len(lines))
            lines.extend(lay_out(block, look))
        above = max(self.scrollable_content_region.height - len(lines) - 1, 0)
        blank = Strip.blank(look.width, look.style("ink"))
        self._lines = [*[blank] * above, *lines, blank]
        self._starts = [start + above for start in starts]
        self.virtual_size = Size(look.width, len(self._lines))
        self.refresh()

    def _anchor(self) -> tuple[object, int] | None:
        """Return the first message in sight, and how many lines above the top it begins."""
        top = self.scroll_offset.y
        for index in range(max(bisect_right(self._starts, top) - 1, 0), len(self.blocks)):
            block = self.blocks[index]
            if isinstance(block, Bubble):
                return block.key, top - self._starts[index]
        return None

    def _hold(self, key: object, above: int) -> None:
        for start, block in zip(self._starts, self.blocks, strict=True):
            if block.key == key:
                self._go(start + above)
                return

    def _land(self) -> None:
        """Show the line above what is new, unless all of that is at the end anyway."""
        for start, block in zip(self._starts, self.blocks, strict=True):
            if isinstance(block, Rule) and block.kind == "new":
                self._go(min(start, self.max_scroll_y))
                self._follows = self.at_end
                return
        self._go(self.max_scroll_y)

    def _go(self, y: int) -> None:
        self.scroll_to(y=max(y, 0), animate=False, immediate=True, force=True)

    def _tell(self) -> None:
        if not self._lines or not self.is_attached:
            return
        bottom = self.scroll_offset.y + self.scrollable_content_region.height
        last = bisect_right(self._starts, bottom) - 1
        if self.at_end:
            last = len(self.blocks) - 1
        elif last >= 0 and self._end(last) > bottom:
            last -= 1
        seen = max((block.seq for block in self.blocks[: last + 1] if isinstance(block, Bubble)), default=0)
        self.post_message(self.Moved(seen, at_end=self.at_end))
        if self.scroll_offset.y < self.scrollable_content_region.height:
            self.post_message(self.NeedsOlder())

    def _end(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else len(self._lines)
