"""Everything that is counted."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tidings.server.telemetry.commits import Commits
from tidings.server.telemetry.numbers import Number, Numbers, Spread, Spreads

LAG_SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class Metric(NamedTuple):
    """What a number, or several of one kind, are called. A `rising` one counts what has happened since the start."""

    name: str
    help: str
    numbers: Number | Numbers | Spread | Spreads
    rising: bool = False


class Metrics:
    """The numbers of one server. Those that `app` looks up when they are asked for are set by it just before."""

    def __init__(self) -> None:
        self.connections = Number()
        self.devices = Number()
        self.messages = Number()
        self.entries = Number()
        self.refused = Numbers("code")
        self.closed = Numbers("code")
        self.sign_ins = Numbers("outcome")
        self.commits = Commits()
        self.batches = Number()
        self.jobs = Number()
        self.waiting = Number()
        self.under_way = Number()
        self.buffered = Number()
        self.most_buffered = Number()
        self.log_bytes = Number()
        self.ready = Number()
        self.lag = Spread(LAG_SECONDS)

    def set_load(self, waiting: int, under_way: int, buffered: int, most_buffered: int) -> None:
        """Note what is waiting now, and where."""
        self.waiting.set(waiting)
        self.under_way.set(under_way)
        self.buffered.set(buffered)
        self.most_buffered.set(most_buffered)

    def __iter__(self) -> Iterator[Metric]:
        yield Metric("tidings_ready", "1 while messages can be taken", self.ready)
        yield Metric("tidings_connections", "Open sockets", self.connections)
        yield Metric("tidings_devices_online", "Signed-in devices", self.devices)
        yield Metric("tidings_messages", "Messages accepted", self.messages, rising=True)
        yield Metric("tidings_entries_sent", "Mailbox entries written to sockets", self.entries, rising=True)
        yield Metric("tidings_refused", "Commands refused", self.refused, rising=True)
        yield Metric("tidings_closed", "Sockets closed by the server", self.closed, rising=True)
        yield Metric("tidings_sign_ins", "Password sign-ins", self.sign_ins, rising=True)
        yield Metric("tidings_commit_batches", "Transactions of the mailbox store", self.batches)
        yield Metric("tidings_commit_jobs", "Calls in these transactions", self.jobs)
        yield Metric("tidings_commit_size", "Calls in a transaction", self.commits.sizes)
        yield Metric("tidings_stage_seconds", "How long messages stay in a stage of a commit", self.commits.stages)
        yield Metric("tidings_jobs_waiting", "Calls that wait for the next transaction", self.waiting)
        yield Metric("tidings_commands_under_way", "Commands of devices that are not answered yet", self.under_way)
        yield Metric("tidings_write_buffer_bytes", "Bytes that wait for sockets", self.buffered)
        yield Metric("tidings_write_buffer_most_bytes", "Bytes that wait for the slowest socket", self.most_buffered)
        yield Metric("tidings_log_bytes", "Size of the write-ahead log", self.log_bytes)
        yield Metric("tidings_loop_lag_seconds", "How late the event loop runs its timers", self.lag)
