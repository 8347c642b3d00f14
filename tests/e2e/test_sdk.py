"""Two programs talk through a real server process."""

from pathlib import Path

import pytest

from support.server import server_process, two_people

pytestmark = pytest.mark.anyio


async def test_two_people_talk(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, two_people(server, tmp_path) as (ada, bob):
        sent = await ada.send("@bob", "hi")
        messages = bob.messages()
        assert (await anext(messages)).text == "hi"
        assert sent.state == "sent"
        await bob.send("@ada", "hello")
        assert (await anext(ada.messages())).text == "hello"
