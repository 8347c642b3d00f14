"""The app: it opens the store, leads in who has none, and passes on what happens."""

import os
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import AppBlur, AppFocus

from tidings.cli.terminal import words
from tidings.cli.terminal.desk import Desk
from tidings.cli.terminal.screens.main import Main
from tidings.cli.terminal.screens.welcome import SignedOut, Welcome
from tidings.cli.terminal.theme import DARK, THEMES, guess
from tidings.sdk import Client, NotSignedIn, TidingsError


class Chat(App[str]):
    """`tidings chat`. What it returns is one line to say when it has ended, if any."""

    CSS_PATH = "terminal.tcss"
    TITLE = "Tidings"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "Quit", show=False, priority=True)]

    def __init__(
        self, store: Path, link: str = "", *, theme: str | None = None, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._theme_wanted = theme
        super().__init__()
        self.store = store
        self.link = link
        self.verify = verify
        self.in_words = bool(os.environ.get("NO_COLOR"))
        self.parting = ""
        self.desk: Desk | None = None
        self._opened = AsyncExitStack()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """See App: the style sheet names our tokens, whatever the theme."""
        return DARK

    async def on_mount(self) -> None:
        """Open the store, or lead in."""
        for theme in THEMES.values():
            self.register_theme(theme)
        self._use_theme(self._theme_wanted or guess(os.environ.get("COLORFGBG", "")))
        await self.come_in()

    async def come_in(self) -> None:
        """Open the store, and show what is in it; without a device in it, the way in."""
        await self._close()
        try:
            client = await self._opened.enter_async_context(Client.open(self.store, verify=self.verify))
        except NotSignedIn:
            link, self.link = self.link, ""
            self.push_screen(Welcome(link))
            return
        except TidingsError as error:
            self.exit(words.failure(error), return_code=1)
            return
        if self._theme_wanted is None:
            self._use_theme(client.recall("theme") or self.theme.removeprefix("tidings-"))
        self.in_words = (client.recall("words") or str(int(self.in_words))) == "1"
        self.desk = Desk(client)
        main = Main(self.desk)
        await self._clear()
        await self.push_screen(main)
        link, self.link = self.link, ""
        if link:
            self.notify("You are here already, as before. The invite was not used: others can use it.", markup=False)
        self.run_worker(self._follow(client, main), group="events", exclusive=True)

    async def _follow(self, client: Client, main: Main) -> None:
        """Pass on what happens, until the device is signed out."""
        events = client.events()
        await client.set_online(online=self.app_focus)
        try:
            async for event in events:
                main.take(event)
        except NotSignedIn as gone:
            # Not from here: what closes the store ends this worker.
            self.call_later(self._be_signed_out, SignedOut(str(gone), client.url, client.name))
        except TidingsError as error:
            self.exit(f"It ended by a fault: {words.failure(error)}", return_code=1)

    async def _be_signed_out(self, screen: SignedOut) -> None:
        """Close the store, so that the same one can be signed in with again."""
        await self._clear()
        await self._close()
        self.parting = ""
        await self.push_screen(screen)

    async def _clear(self) -> None:
        while len(self.screen_stack) > 1:
            await self.pop_screen()

    async def on_app_focus(self, _: AppFocus) -> None:
        """Tell that the person looks at it."""
        if self.desk is not None:
            await self.desk.client.set_online(online=True)
            if isinstance(self.screen, Main):
                await self.screen.talk.read()

    async def on_app_blur(self, _: AppBlur) -> None:
        """Tell that the person has turned away."""
        if self.desk is not None:
            await self.desk.client.set_online(online=False)

    def action_turn_theme(self) -> None:
        """Turn from light to dark, or back."""
        name = "light" if self.theme == "tidings-dark" else "dark"
        self._use_theme(name)
        if self.desk is not None:
            self.desk.client.remember("theme", name)

    def action_turn_words(self) -> None:
        """Turn from ticks to words, or back."""
        self.in_words = not self.in_words
        if self.desk is not None:
            self.desk.client.remember("words", str(int(self.in_words)))
        if isinstance(self.screen, Main):
            self.screen.show_list()
            self.screen.talk.renew()

    async def on_unmount(self) -> None:
        """Close the store."""
        await self._close()

    def _use_theme(self, name: str) -> None:
        self.theme = THEMES[name if name in THEMES else "dark"].name

    async def _close(self) -> None:
        """Close the store, and note what waits in it."""
        if self.desk is not None:
            self.desk.keep_drafts()
            waiting = self.desk.waiting()
            self.parting = (
                f"{words.count(waiting, 'message is', 'messages are')} not sent yet. Run it again to send."
                if waiting
                else ""
            )
        self.desk = None
        self.workers.cancel_group(self, "events")
        opened, self._opened = self._opened, AsyncExitStack()
        await opened.aclose()
