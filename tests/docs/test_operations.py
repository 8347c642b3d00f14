"""What docs/operations.md says is so: options, metrics, rates, and the backup of a running server."""

import argparse
import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from support.pages import code_blocks, page, rows, section
from support.server import new_person, server_process
from tidings.cli import serve
from tidings.sdk import Client
from tidings.server.domain.rates import PER_ADDRESS, RATES, Rate
from tidings.server.telemetry.log import FIELDS
from tidings.server.telemetry.metrics import Metrics

TEXT = page("docs/operations.md")


def test_every_option_of_the_server_is_told_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:

    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    parser.print_help()
    known = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out)) - {"--help"}
    told = {
        name for cells in rows(section(TEXT, "Install and first run")) for name in re.findall("`(--.+?)`", cells[0])
    }
    assert told == known


def test_every_metric_is_told_and_no_other() -> None:
    known = {metric.name for metric in Metrics()}
    table = rows(section(TEXT, "Metrics, health, logs"))
    assert {name for cells in table for name in re.findall(r"`(tidings_\w+)`", cells[0])} == known


def test_every_field_of_the_log_is_told() -> None:
    listed = re.search(r"other fields only (.*?)\. Of", TEXT, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall("`(.+?)`", listed[1])) == FIELDS


def test_every_rate_is_told_with_its_numbers() -> None:
    table = rows(section(TEXT, "Limits"))
    assert {cells[0].strip("`"): Rate(int(cells[2]), float(cells[3].removesuffix(" s"))) for cells in table} == RATES
    assert {cells[0].strip("`") for cells in table if cells[1] == "address"} == PER_ADDRESS


@pytest.mark.anyio
async def test_a_copy_of_a_running_server_can_take_its_place(tmp_path: Path) -> None:
    program = tmp_path / "backup.py"
    program.write_text(next(code_blocks(TEXT, "python")))
    copy = tmp_path / "copy"
    async with server_process(tmp_path) as server, asyncio.timeout(60):
        ada_store = await new_person(server, tmp_path, "ada")
        async with Client.open(ada_store) as ada:
            await ada.ready()
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            await ada.send("@bob", "one")
            backup = await asyncio.create_subprocess_exec(sys.executable, program, server.data, copy, stderr=PIPE)
            during = [await ada.send("@bob", f"during {number}") for number in range(20)]
            assert (await backup.communicate())[1] == b""
            async with Client.open(bob_store) as bob:
                messages = bob.messages()
                seen = [(await anext(messages)).text for _ in range(1 + len(during))]

                await server.kill()
                shutil.rmtree(server.data)
                copy.rename(server.data)
                await server.begin()

                await ada.send("@bob", "after")
                await bob.send("@ada", "after, too")
                assert (await anext(ada.messages())).text == "after, too"
                seen.append((await anext(messages)).text)
            assert seen == ["one", *(f"during {number}" for number in range(20)), "after"]
            assert (server.data.stat().st_mode & 0o777, (server.data / "server.json").stat().st_mode & 0o777) == (
                0o700,
                0o600,
            )
