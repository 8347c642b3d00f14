"""Jobs that are repeated as long as the server runs. One that fails is logged and comes round again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

LOG = logging.getLogger("tidings.jobs")


class Job(NamedTuple):
    """`work` is done every `seconds`; the first time after as long."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]


class Jobs:
    """Runs jobs until it is stopped."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(_repeat(job), name=job.name) for job in self._jobs]

    async def stop(self) -> None:
        """Stop all, and wait until they have."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _repeat(job: Job) -> None:
    while True:
        await asyncio.sleep(job.seconds)
        try:
            await job.work()
        except Exception:
            LOG.exception("a job failed", extra={"reason": job.name})
