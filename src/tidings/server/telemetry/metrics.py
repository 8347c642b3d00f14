"""Everything that is counted, on a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge("tidings_connections", "Open sockets", registry=self.registry)
        self.devices = Gauge("tidings_devices_online", "Signed-in devices", registry=self.registry)
        self.messages = Counter("tidings_messages", "Messages accepted", registry=self.registry)
        self.entries = Counter("tidings_entries_sent", "Mailbox entries written to sockets", registry=self.registry)
        self.refused = Counter("tidings_refused", "Commands refused", ["code"], registry=self.registry)
        self.closed = Counter("tidings_closed", "Sockets closed by the server", ["code"], registry=self.registry)
        self.sign_ins = Counter("tidings_sign_ins", "Password sign-ins", ["outcome"], registry=self.registry)
        self.batches = Gauge("tidings_commit_batches", "Transactions of the mailbox store", registry=self.registry)
        self.jobs = Gauge("tidings_commit_jobs", "Calls in these transactions", registry=self.registry)
        self.log_bytes = Gauge("tidings_log_bytes", "Size of the write-ahead log", registry=self.registry)
        self.ready = Gauge("tidings_ready", "1 while messages can be taken", registry=self.registry)
        self.lag = Histogram(
            "tidings_loop_lag_seconds",
            "How late the event loop runs its timers",
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            registry=self.registry,
        )

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self.registry)
