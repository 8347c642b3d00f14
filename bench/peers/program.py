"""A server of another project, run as a process with children, in a folder of its own."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.peers.peer import PeerFailed
from tidings.cli.benching.process import TICKS_PER_SECOND, Process

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.02
LOG_TAIL: Final = 2000
AT_OUR_END: Final = ("setpriv", "--pdeathsig", "KILL")  # a run that is killed leaves no server behind


class Program:
    """A command that runs on some cores alone, its children with it, and its output in `folder`/output.log."""

    def __init__(self, folder: Path, cores: Sequence[int]) -> None:
        self.folder = folder
        self._cores = ",".join(map(str, cores))
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process. Raises PeerFailed if it is not running."""
        if self._child is None or self._child.poll() is not None:
            raise PeerFailed(f"the server is not running: {self.log_tail()}")
        return self._child.pid

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the command; what it prints is added to the log. The calling thread must outlive the command."""
        assert self._child is None
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with (self.folder / "output.log").open("ab") as log:
            self._child = subprocess.Popen(
                [*AT_OUR_END, "prlimit", f"--nofile={most}:{most}", "taskset", "--cpu-list", self._cores, *command],
                cwd=self.folder,
                env={**environment, "PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Ask again and again whether it has got as far as that. Raises PeerFailed."""
        deadline = time.monotonic() + START_SECONDS
        while not done():
            _ = self.pid  # raises if it has ended
            if time.monotonic() > deadline:
                self.kill()
                raise PeerFailed(f"the server did not start in {START_SECONDS:.0f} s: {self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes, of those that have ended too."""
        return sum(_cpu_seconds(pid) for pid in tree(self.pid))

    def memory_bytes(self) -> int:
        """Return the proportional set size of all its processes."""
        total = Process(self.pid).memory_bytes()
        for pid in tree(self.pid)[1:]:
            with contextlib.suppress(OSError):  # a child may end at any time
                total += Process(pid).memory_bytes()
        return total

    def kill(self) -> None:
        """End it with SIGKILL, and its children with it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL what is left after STOP_SECONDS. Does nothing if it is not running."""
        if self._child is not None:
            self._end(signal.SIGTERM)

    def log_tail(self) -> str:
        """Return the end of what it printed."""
        log = self.folder / "output.log"
        return log.read_text(errors="replace")[-LOG_TAIL:] if log.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        assert self._child is not None
        child, self._child = self._child, None
        with contextlib.ExitStack() as stack:
            # Children may have sessions of their own, so they are looked up while their parent still lives, and held
            # by descriptors: by the time that they are to end, their numbers may be those of others.
            children = [handle for handle in map(_handle, tree(child.pid)[1:]) if handle is not None]
            for handle in children:
                stack.callback(os.close, handle)
            child.send_signal(number)
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for handle in children:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], STOP_SECONDS)  # readable when it has ended


def tree(pid: int) -> Sequence[int]:
    """Return a process and all below it, itself first."""
    return [pid, *(below for child in _children(pid) for below in tree(child))]


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (task / "children").read_text().split())


def _handle(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.pidfd_open(pid)
    return None


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended, and its parent counts its time
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_SECOND


def accepts(port: int) -> bool:
    """Return whether something accepts connections at a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
