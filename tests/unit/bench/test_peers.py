import base64
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.peers.peer import HOST, PASSWORD, Make, Peer, PeerFailed
from bench.peers.program import tree
from bench.peers.variants import PEERS, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"these packages are not installed: {', '.join(missing())}")


@pytest.fixture(params=["ejabberd-sqlite", "prosody-archive"])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    make: Make = PEERS[request.param]
    peer = make(tmp_path / "peer", 0)
    yield peer
    peer.stop()


def answer_to(peer: Peer, account: str, password: str) -> bytes:
    """Sign in, and return what comes back after the features."""
    plain = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
    with closing(socket.create_connection(("127.0.0.1", peer.port), timeout=10)) as connection:
        connection.sendall(
            f"<stream:stream to='{HOST}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            f"version='1.0'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>".encode()
        )
        said = b""
        while b"<success" not in said and b"<failure" not in said:
            more = connection.recv(4096)
            assert more, said
            said += more
    return said


@pytest.mark.slow
def test_a_peer_has_its_accounts_from_the_start_and_after_it_was_killed(peer: Peer) -> None:
    peer.start(accounts=3)
    assert b"<success" in answer_to(peer, "u2", PASSWORD)
    assert b"<failure" in answer_to(peer, "u2", "wrong")
    assert b"<failure" in answer_to(peer, "u3", PASSWORD)
    assert peer.version.lower().startswith(peer.name.split(",", maxsplit=1)[0].lower() + " ")
    assert any(letter.isdigit() for letter in peer.version)
    assert peer.cpu_seconds() > 0
    assert peer.memory_bytes() > 1_000_000

    processes = tree(peer.pid)
    assert all(os.sched_getaffinity(pid) == {0} for pid in processes)
    peer.kill()
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in processes)
    with pytest.raises(PeerFailed):
        _ = peer.pid

    peer.start()
    assert b"<success" in answer_to(peer, "u2", PASSWORD)
    peer.stop()
    peer.stop()


STARTS = """
import sys
from pathlib import Path
from bench.peers.variants import PEERS

peer = PEERS["prosody"](Path(sys.argv[1]), 0)
peer.start()
print(peer.pid, flush=True)
input()
"""


def test_a_run_that_is_killed_leaves_no_server_behind(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", STARTS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    assert run.stdout is not None
    with run.stdin, run.stdout:
        handle = os.pidfd_open(int(run.stdout.readline()))
        try:
            run.kill()
            run.wait()
            assert select.select([handle], [], [], 30)[0], "the server still runs"
        finally:
            os.close(handle)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_says_what_it_stores(name: str, tmp_path: Path) -> None:
    peer = PEERS[name](tmp_path, 0)
    assert peer.name
    assert "stored" in peer.durability.lower() or "archived" in peer.durability.lower()
    assert "synced" in peer.durability
