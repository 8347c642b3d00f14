"""The peers by name, as a run picks them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.peers import ejabberd, prosody
from bench.peers.peer import Make

# With the modules that Debian's configuration turns on, but for those that have nothing to do with messages; `lean`
# shows what is gained by having none of them. Groups (MUC) are on in all. No transport or store is left out for speed.
PEERS: Final[Mapping[str, Make]] = {
    "ejabberd-tcp": ejabberd.tcp,
    "ejabberd-lean": ejabberd.lean,
    "ejabberd-websocket": ejabberd.websocket,
    "ejabberd-mnesia": ejabberd.mnesia,
    "ejabberd-sqlite": ejabberd.sqlite,
    "prosody": prosody.memory,
    "prosody-archive": prosody.archive,
}

PACKAGES: Final = {  # a file of each
    "ejabberd": "usr/sbin/ejabberdctl",
    "erlang-p1-sqlite3": "usr/lib/erlang/lib/p1_sqlite3-*",
    "prosody": "usr/bin/prosody",
    "util-linux": "usr/bin/taskset",
}


def missing() -> list[str]:
    """Return the Debian packages that the peers need and this machine lacks."""
    return [package for package, pattern in PACKAGES.items() if not any(Path("/").glob(pattern))]
