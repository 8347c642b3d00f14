"""The server that is killed: one process for each of its lives, forked from this one, which has imported everything.

    python -m faults.chaos.server FOLDER PORT BOARD

It is told on its standard input to start, a line for each life: the name of the planted fault, or `none`. It writes
JSON lines: `started` with the process id of the life, `ready` when connections are accepted, `ended` with how it
ended. When its input ends, it ends its life and itself. A life notes every step of its commits on the board.
"""

import gc
import os
import selectors
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from faults.chaos import planted
from faults.chaos.board import Board
from support.server import CHEAP
from tidings.server.app import Settings, serve
from tidings.server.services.passwords import Passwords


def say(**fields: object) -> None:
    """Write a line in one piece."""
    os.write(1, msgspec.json.encode(fields) + b"\n")


def live(settings: Settings, board: Board, fault: str) -> None:
    """Be the server, until killed or told to stop."""
    replaced: dict[str, Any] = {"on_step": board.note, "passwords": Passwords(CHEAP)}
    if fault != "none":
        replaced["around_mailboxes"] = partial(planted.plant, fault)
    uvloop.run(serve(settings, lambda *_: say(what="ready"), **replaced))


def main(data: str, port: str, board_path: str) -> None:
    """Fork lives until there is nobody to hear from."""
    # Checkpoints are frequent, so that kills fall into them; the rates per address are those of many machines.
    settings = Settings(
        data=Path(data), port=int(port), address_rate=1_000.0, checkpoint_seconds=0.5, log_level="warning"
    )
    board = Board(Path(board_path))
    gc.collect()
    gc.freeze()
    while fault := sys.stdin.readline().strip():
        board.note("away")
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                live(settings, board, fault)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a fork must not go on as its parent would
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        os.close(writing)
        say(what="started", pid=pid)
        if not _outlives(reading):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(reading)
        say(what="ended", code=os.waitstatus_to_exitcode(status))


def _outlives(pipe: int) -> bool:
    """Wait until a life, which holds the other end of a pipe, has ended; return False if the input ends before."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        return pipe in {key.fd for key, _ in selector.select()}


if __name__ == "__main__":
    main(*sys.argv[1:])
