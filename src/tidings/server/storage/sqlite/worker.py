"""A thread that does one thing after the other for an event loop.

An executor would do, at three Futures, two locks and two callbacks for each COMMIT.
"""

import contextlib
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Work = Callable[[], object]
Done = Callable[[BaseException | None], None]


class Worker:
    """Does work in a thread of its own, and tells the loop when it is done, or with which error it ended."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[tuple[Work, Done] | None] = SimpleQueue()
        self._loop: AbstractEventLoop

    def start(self, loop: AbstractEventLoop) -> None:
        """Start the thread."""
        self._loop = loop
        Thread(target=self._serve, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Let the thread end when all is done."""
        self._tasks.put(None)

    def do(self, work: Work, done: Done) -> None:
        """Do `work`; then the loop calls `done`."""
        self._tasks.put((work, done))

    def run(self, work: Work) -> "Future[None]":
        """Do `work`; the Future is done when it is."""
        future: Future[None] = self._loop.create_future()

        def done(error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.do(work, done)
        return future

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            work, done = task
            error: BaseException | None = None
            try:
                work()
            except BaseException as caught:  # noqa: BLE001 - whatever it is, the loop is told
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(done, error)
