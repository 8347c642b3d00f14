"""Fault 1: kill -9 at any step of a commit. What was answered is there, and the rest can be repeated (D2, D4)."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.killed_store import CALM, DURABLE_AT, FATAL, KINDS, STEPS, Scene, open_scene, prepare, run_and_die

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    await prepare(folder)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copy(prepared / "mailboxes.db", tmp_path)
    return tmp_path


async def done(scene: Scene, kind: str) -> list[int]:
    return [number for number in (*CALM, *FATAL) if await KINDS[kind].is_done(scene, number)]


async def assert_sound(scene: Scene) -> None:
    """Assert that the file is whole, and that each conversation counts without gaps."""
    database = scene.mailboxes.database
    await database.write(scene.mailboxes.book.settle, grows=False)
    reader = database.reader
    assert reader.execute("select count(*) from journal").fetchall() == [(0,)]
    assert reader.execute("pragma integrity_check").fetchall() == [("ok",)]
    conversations: list[Any] = reader.execute("select id, seq from conversation").fetchall()
    for conversation, seq in conversations:
        rows = reader.execute("select seq from record where conversation = ? order by seq", (conversation,)).fetchall()
        assert [row[0] for row in rows] == list(range(1, seq + 1))


async def assert_kept_and_repeatable(folder: Path, step: str, *kinds: str) -> None:
    answered = run_and_die(folder, step, *kinds)
    assert [(kind, number) for kind, number, _ in answered] == [(kind, number) for number in CALM for kind in kinds]
    async with open_scene(folder) as scene:
        await assert_sound(scene)
        for kind in kinds:
            assert await done(scene, kind) == [*CALM, *(FATAL if step in DURABLE_AT else ())]
        for kind, number, result in answered:
            assert plain(await KINDS[kind].do(scene, number)) == result
        first = [plain(await KINDS[kind].do(scene, number)) for number in FATAL for kind in kinds]
        again = [plain(await KINDS[kind].do(scene, number)) for number in FATAL for kind in kinds]
        assert again == first
        for kind in kinds:
            assert await done(scene, kind) == [*CALM, *FATAL]
        await assert_sound(scene)


def plain(result: object) -> object:
    return list(result) if isinstance(result, tuple) else result


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
async def test_fault_01_what_was_answered_survives_a_kill_at_any_step_and_the_rest_can_be_repeated(
    folder: Path, kind: str, step: str
) -> None:
    await assert_kept_and_repeatable(folder, step, kind)


@pytest.mark.parametrize("step", STEPS)
async def test_fault_01_a_batch_of_all_kinds_is_there_as_a_whole_or_not_at_all(folder: Path, step: str) -> None:
    await assert_kept_and_repeatable(folder, step, *KINDS)
