"""Holds a commit of a store up where a test wants it."""

import asyncio
import threading
from typing import Final

SECONDS: Final = 20.0
"""How long anything may take."""


class Gate:
    """Stands in a commit: notes its steps, and holds one of them up (of those that are no step of the loop's)."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._held = ""
        self._go = threading.Event()
        self._error: Exception | None = None

    def hold(self, step: str, error: Exception | None = None) -> None:
        """Hold up the next `step`, once; `error` is raised there when it may go on."""
        self._held, self._error = step, error
        self.reached.clear()
        self._go.clear()

    def let_go(self) -> None:
        self._go.set()

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        if step != self._held:
            return
        self._held = ""
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._go.wait(SECONDS)
        if self._error is not None:
            raise self._error
