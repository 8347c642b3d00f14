"""Futures of the server's ports, for what stands between a port and who uses it."""

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import TypeVar

from tidings.server.ports.mailboxes import Appended

A = TypeVar("A")
B = TypeVar("B")


def then(future: "Future[A]", change: Callable[[A], B]) -> "Future[B]":
    """Return a Future of what `change` makes of the result of another one."""
    changed: Future[B] = asyncio.get_running_loop().create_future()

    def settle(done: "Future[A]") -> None:
        error = done.exception()
        if error is not None:
            changed.set_exception(error)
        else:
            changed.set_result(change(done.result()))

    future.add_done_callback(settle)
    return changed


def to_be_read(appending: "Future[Appended]") -> "Future[Appended]":
    """Hand nothing over from memory: devices read the message, through whatever stands before their mailboxes."""
    return then(appending, lambda appended: appended._replace(places=()))
