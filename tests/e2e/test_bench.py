"""The measurements run from one command, on a disk, and bring figures that can be."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from tidings.cli.benching.disk import file_system

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECONDS = 120.0
MEMORY = Path("/dev/shm")


async def bench(folder: Path, *options: str) -> tuple[int, str, str]:
    """Run `tidings bench`; return its exit code, what it printed, and what it complained of."""
    command = [sys.executable, "-m", "tidings", "bench", *options, "--folder", str(folder)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def figures(folder: Path, *options: str) -> dict[str, Any]:
    """Run `tidings bench --json`; return the figures, and see that nothing is left of the measurement."""
    code, output, errors = await bench(folder, *options, "--json")
    assert code == 0, errors
    assert is_empty(folder)
    result: dict[str, Any] = json.loads(output)
    disk = result["surroundings"]["disk"]
    assert disk["type"]
    assert 0 < disk["fsync_p50_ms"] <= disk["fsync_p99_ms"]
    assert result["surroundings"]["machine"]["processors"] >= 1
    return result


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


async def test_a_relay_is_measured_in_rate_cost_and_latency(tmp_path: Path) -> None:
    result = await figures(tmp_path / "bench", "relay", "--pairs", "10", "--seconds", "2")
    assert result["messages_per_second"] == pytest.approx(result["messages"] / 2, abs=0.1)
    assert result["messages"] > 100
    assert 10 < result["cpu_us_per_message"] < 10_000
    assert 0 < result["p50_ms"] <= result["p99_ms"] < 5_000
    assert result["latency_at_per_second"] == pytest.approx(result["messages_per_second"] / 2, rel=0.05)
    assert result["limits_raised"] == {}  # twenty devices need none


async def test_idle_connections_are_measured_in_memory(tmp_path: Path) -> None:
    result = await figures(tmp_path / "bench", "idle", "--connections", "500", "--quiet-seconds", "1")
    assert result["connections"] == 500
    assert 1 < result["kb_per_connection"] < 20
    assert result["server_mb_before"] < result["server_mb_after"]


async def test_starts_are_measured_until_a_device_is_signed_in(tmp_path: Path) -> None:
    result = await figures(tmp_path / "bench", "start", "--messages", "1000", "--starts", "1")
    (after_stop,), (after_kill,) = result["after_stop"], result["after_kill"]
    assert 0.01 < result["seconds"] <= result["most_seconds"] == max(after_stop, after_kill)
    assert result["messages"] == 1_000
    assert result["cpu_seconds"] > 0.01
    assert result["first_start"] > 0.01


async def test_without_json_the_figures_are_a_table(tmp_path: Path) -> None:
    code, output, errors = await bench(tmp_path / "bench", "relay", "--pairs", "2", "--seconds", "0.5")
    assert code == 0, errors
    assert output.startswith("messages per second")
    assert "fsync p50 ms" in output


async def test_memory_that_looks_like_a_disk_is_refused(tmp_path: Path) -> None:
    assert file_system(MEMORY)[0] == "tmpfs"
    folder = MEMORY / tmp_path.name
    code, output, errors = await bench(folder, "relay", "--pairs", "2", "--seconds", "0.5")
    assert code == 1
    assert output == ""
    assert "tmpfs" in errors
    assert not folder.exists()


async def test_more_connections_than_a_process_may_open_are_refused(tmp_path: Path) -> None:
    code, output, errors = await bench(tmp_path / "bench", "idle", "--connections", "100000000")
    assert code == 1
    assert output == ""
    assert "files" in errors
    assert is_empty(tmp_path / "bench")
