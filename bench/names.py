"""How workloads, metrics and servers are called, in the results and on the page."""

from typing import Final

TIDINGS: Final = "tidings"
WORKERS: Final = "tidings-{}-workers"
MACHINE: Final = "machine"
"""Stands as the server of what was measured of the machine itself."""

FSYNC: Final = "fsync"
P50: Final = "p50"
P99: Final = "p99"

# W1
RATE: Final = "messages a second"
CPU: Final = "CPU per message"
CPU_HALF: Final = "CPU per message at half load"
P50_HALF: Final = "p50 at half load"
P99_HALF: Final = "p99 at half load"
SERVER_CORES: Final = "cores used by the server"
LOAD_CORES: Final = "cores used by the load generator"
RATE_ALONE: Final = "messages a second without the generator's share"

# W2
STORED_RATE: Final = "stored a second"
STORED_CPU: Final = "CPU per message stored"
DRAINED_RATE: Final = "drained a second"
DRAINED_CPU: Final = "CPU per message drained"
SENT: Final = "messages that were stored"
KEPT: Final = "messages kept after kill -9"
START: Final = "start after kill -9"

# W3
CONNECTIONS: Final = "idle connections"
PER_CONNECTION: Final = "memory per idle connection"
SIGN_IN_CPU: Final = "CPU per sign-in"
SIGN_IN_RATE: Final = "sign-ins a second"
MANY: Final = "idle connections over several processes"
MANY_MEMORY: Final = "memory per connection over several processes"

# W4, with the number of members put in
DELIVERY_CPU: Final = "CPU per delivery, group of {}"
DELIVERY_RATE: Final = "deliveries a second, group of {}"

# W5
ALL_BACK: Final = "until all are back and caught up"
BACK: Final = "devices that came back"
LOST: Final = "messages lost"
STORM_CPU: Final = "CPU per device that comes back"

# W6, with one of BACKLOGS put in
BACKLOGS: Final = (1_000, 100_000, 10_000_000)
"""Messages that wait for others."""
WAITING: Final = "CPU per message, {:,} waiting"
START_WAITING: Final = "start, {:,} waiting"
WAITING_RATE: Final = "messages a second, {:,} waiting"

# W7
DAY_CPU: Final = "cores used"
DAY_ACTION_CPU: Final = "CPU per message, delivery and signal"
DAY_P50: Final = "p50 of a message"
DAY_P99: Final = "p99 of a message"
DAY_MEMORY: Final = "memory"
