"""RFC 6455, as Autobahn's cases see it, against a socket that sends back what it gets."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kosoku import FailureError, run_fuzzingclient

from support.server import local_server
from tidings.server.gateway.framing import BINARY, TEXT
from tidings.server.gateway.websocket import WebSocket
from tidings.wire.limits import MAX_FRAME

pytestmark = pytest.mark.anyio

LEFT_OUT = ["9.*", "12.*", "13.*"]
"""Sixteen-megabyte messages, and compression, which there is not."""


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


class Echo:
    """Sends every message back."""

    most = MAX_FRAME
    line: WebSocket

    def on_connected(self, line: WebSocket) -> None:
        self.line = line

    def on_message(self, data: bytes, *, text: bool) -> None:
        self.line.send(TEXT if text else BINARY, data)

    def on_ping(self, payload: bytes) -> None:
        self.line.pong(payload)

    def on_violation(self, code: int, reason: str) -> None:
        self.line.hang_up(code, reason)
        self.line.close()

    def on_heard(self, idle: int = 0) -> None:
        """Nothing depends on it."""

    def on_gone(self) -> None:
        """Nor on this."""

    pause_writing = resume_writing = on_gone


async def test_every_case_of_autobahn_is_passed_to_the_letter(tmp_path: Path) -> None:
    async with local_server(tmp_path, extra_sockets={"/echo": Echo}) as server:
        address = f"ws://127.0.0.1:{server.port}/echo"
        try:
            results = await run_fuzzingclient(address, exclude_cases=LEFT_OUT, concurrency=8)
        except FailureError as failed:
            results = failed.results
    judged = Counter((result.behavior.value, result.behavior_close.value) for result in results)
    print(judged)
    imperfect = {
        result.case_id: (result.behavior.value, result.behavior_close.value, result.result_close)
        for result in results
        if {result.behavior.value, result.behavior_close.value} - {"OK", "INFORMATIONAL"}
    }
    assert imperfect == {}
    assert len(results) == 247
    assert judged["OK", "OK"] == 244
