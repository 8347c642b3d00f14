"""What the first page promises."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from support.pages import ROOT, code_blocks, page
from support.server import new_person, server_process
from tidings.sdk import Client

pytestmark = pytest.mark.anyio

TEXT = page("README.md")


def test_the_two_commands_come_first() -> None:
    first = next(code_blocks(TEXT, "sh")).splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make run", "make test"]
    assert TEXT.index("```sh") < 20


def test_the_tour_shows_every_picture_that_is_taken() -> None:
    taken = {path.name for path in (ROOT / "docs" / "tour").glob("*.png")}
    shown = set(re.findall(r"docs/tour/([a-z-]+\.png)", TEXT))
    assert shown == taken
    screens = {name.rsplit("-", 2)[0] for name in taken}
    assert taken == {
        f"{screen}-{size}-{theme}.png"
        for screen in screens
        for size in ("desktop", "phone")
        for theme in ("light", "dark")
    }


def test_the_licence_is_the_whole_text_of_what_the_package_says() -> None:
    licence = page("LICENSE")
    assert 'license = "Apache-2.0"' in page("pyproject.toml")
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", licence)
    assert "END OF TERMS AND CONDITIONS" in licence


async def test_the_bot_of_ten_lines_answers(tmp_path: Path) -> None:
    (program,) = code_blocks(TEXT, "python")
    assert len([line for line in program.splitlines() if line]) <= 10
    async with server_process(tmp_path) as server:
        ada_store = await new_person(server, tmp_path, "ada")
        async with asyncio.timeout(30), Client.open(ada_store) as ada:
            await ada.ready()
            await new_person(server, tmp_path, "bot", await ada.invite())
            bot = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=tmp_path, stderr=PIPE)
            try:
                await ada.send("@bot", "hello")
                assert (await anext(ada.messages())).text == "You said: hello"
            finally:
                bot.kill()
                await bot.communicate()


def test_every_command_that_is_shown_is_one_of_the_command_line() -> None:
    known = set(re.findall(r'^    "(\w+)": ', (ROOT / "src/tidings/cli/__main__.py").read_text(), re.MULTILINE))
    shown = set(re.findall(r"(?:^|`)tidings (\w+)", TEXT, re.MULTILINE))
    assert shown <= known
    assert "serve" in shown
