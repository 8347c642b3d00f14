"""A database is looked through for damage: a small one before it is used, a large one while it is."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tidings.server.storage.sqlite import opening
from tidings.server.storage.sqlite.opening import Corrupt, Inspection, check

pytestmark = pytest.mark.anyio

PAGE = 4096


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database of some hundred pages, which counts as a large one, with one other connection that uses it."""
    path = tmp_path / "large.db"
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("pragma journal_mode = wal").fetchall()
        connection.execute("create table few (n); insert into few values (1); create table many (n, bytes)")
        source = random.Random(7)
        with connection:
            for number in range(1_000):
                connection.execute("insert into many values (?, ?)", (number, source.randbytes(1_000)))
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        monkeypatch.setattr(opening, "SMALL", 10 * PAGE)
        monkeypatch.setattr(opening, "FIRST_PAGES", 200)
        yield path


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def damage(path: Path, page: int) -> bytes:
    """Overwrite a page (numbered from 0); return what the file was."""
    whole = path.read_bytes()
    write(path, whole[: page * PAGE] + b"\xff" * PAGE + whole[(page + 1) * PAGE :])
    return whole


def last_page(path: Path) -> int:
    return path.stat().st_size // PAGE - 1


async def test_a_large_database_without_damage_is_used_at_once_and_looked_through_meanwhile(large: Path) -> None:
    check(large)
    await Inspection(large).run()
    assert sorted(file.name for file in large.parent.iterdir()) == ["large.db", "large.db-shm", "large.db-wal"]


@pytest.mark.parametrize("page", [0, 1, 2])
async def test_the_first_pages_of_a_large_database_are_looked_at_before_it_is_used(large: Path, page: int) -> None:
    damage(large, page)
    with pytest.raises(Corrupt, match=r"large\.db is damaged, restore it from a backup: "):
        check(large)


async def test_damage_behind_the_first_pages_is_found_while_the_database_is_used_and_at_each_start_from_then_on(
    large: Path,
) -> None:
    whole = damage(large, last_page(large))
    check(large)
    with pytest.raises(Corrupt, match=r"large\.db is damaged, restore it from a backup: "):
        await Inspection(large).run()
    for _ in range(2):
        with pytest.raises(Corrupt, match=r"large\.db is damaged"):
            check(large)
    write(large, whole)
    check(large)
    damage(large, last_page(large))
    check(large)


async def test_an_inspection_that_is_stopped_finds_nothing(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "STEPS", 1)
    damage(large, last_page(large))
    inspection = Inspection(large)
    inspection.stop()
    await inspection.run()


async def test_an_inspection_gives_way_while_the_log_is_long(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "STEPS", 1)
    monkeypatch.setattr(opening, "MOST_LOG", 10 * PAGE)
    monkeypatch.setattr(opening, "AGAIN_SECONDS", 0.01)
    damage(large, last_page(large))
    log = large.with_name("large.db-wal")
    inspection = Inspection(large)
    with contextlib.closing(apsw.Connection(str(large))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute("pragma wal_autocheckpoint = 0").fetchall()
        connection.execute("create table long (bytes); insert into long values (zeroblob(100000))")
        assert opening.log_size(large) == log.stat().st_size > 10 * PAGE
        looking = asyncio.create_task(inspection.run())
        await asyncio.sleep(0)
        assert not looking.done()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        with pytest.raises(Corrupt, match="damaged"):
            await looking


async def test_a_small_database_is_looked_through_before_it_is_used_and_not_again(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "SMALL", PAGE * (last_page(large) + 1))
    await Inspection(large).run()
    damage(large, last_page(large))
    await Inspection(large).run()
    with pytest.raises(Corrupt, match="damaged"):
        check(large)
