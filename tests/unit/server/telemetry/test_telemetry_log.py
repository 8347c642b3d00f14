"""What is written into the logs, and what never is."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tidings.server.telemetry.log import JsonLines, start_logging

SECRET = "what Ada wrote to Bob"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Let the server's logs be written into a text, and put everything back."""
    root = logging.getLogger()
    named = [root, logging.getLogger("tidings"), logging.getLogger("uvicorn.error")]
    before, levels = root.handlers[:], [logger.level for logger in named]
    stream = io.StringIO()
    start_logging("info", stream)
    yield stream
    root.handlers[:] = before
    for logger, level in zip(named, levels, strict=True):
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_fields_that_are_known_and_no_others(written: io.StringIO) -> None:
    logging.getLogger("tidings.gateway").info("closed", extra={"code": 4100, "account": SECRET, "count": 2})
    (line,) = lines(written)
    assert line.pop("time")
    assert line == {"level": "info", "logger": "tidings.gateway", "message": "closed", "code": 4100, "count": 2}


def test_an_error_is_named_by_its_type_and_place_and_never_quoted(written: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("tidings").exception("a command failed")
    (line,) = lines(written)
    assert line["error"] == "ValueError"
    assert "test_telemetry_log.py:" in line["at"][-1]
    assert SECRET not in written.getvalue()


def test_what_a_library_says_is_cut_before_it_quotes_anybody(written: io.StringIO) -> None:
    asyncio_says = f"Task exception was never retrieved\nfuture: ValueError({SECRET!r})"
    logging.getLogger("asyncio").error(asyncio_says)
    logging.getLogger("somebody").warning("cannot send %s to %s", SECRET, "127.0.0.1")
    assert [line["message"] for line in lines(written)] == [
        "Task exception was never retrieved",
        "cannot send %s to %s",
    ]
    assert SECRET not in written.getvalue()
    assert "127.0.0.1" not in written.getvalue()


def test_levels_hold_for_our_own_logs_and_libraries_are_heard_when_they_warn(written: io.StringIO) -> None:
    logging.getLogger("tidings.jobs").debug("too much")
    logging.getLogger("httpx").info("too much")
    logging.getLogger("uvicorn.error").error("what we say ourselves")
    logging.getLogger("sqlalchemy").warning("mind this")
    assert [line["message"] for line in lines(written)] == ["mind this"]


def test_a_record_without_an_error_has_none() -> None:
    record = logging.LogRecord("tidings", logging.INFO, "", 0, "plain", None, (None, None, None))
    assert "error" not in json.loads(JsonLines().format(record))
