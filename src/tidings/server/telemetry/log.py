"""Logs as JSON lines. Only the fields named here are ever written: no content, no addresses, no names."""

import logging
import sys
from typing import Final, TextIO

import msgspec

FIELDS: Final = ("code", "count", "port", "reason", "seconds", "signal", "version")


class JsonLines(logging.Formatter):
    """A line of JSON for each record: time, level, logger, message, the known fields, an error's type and place."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= {field: getattr(record, field) for field in FIELDS if hasattr(record, field)}
        if record.exc_info and record.exc_info[0]:
            # The text of an error may quote what a person sent; its type and place do not.
            line["error"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return msgspec.json.encode(line).decode()


def start_logging(level: str, stream: TextIO = sys.stderr) -> None:
    """Write the logs of Tidings, and warnings of its libraries, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tidings").setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it says what Tidings says itself


def _message(record: logging.LogRecord) -> str:
    """Return what a record says. Of a library's only the first words, unfilled: the rest may quote or name somebody."""
    return record.getMessage() if record.name.startswith("tidings") else str(record.msg).partition("\n")[0]


def _places(trace: object) -> list[str]:
    places: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code  # type: ignore[attr-defined]
        places.append(f"{code.co_filename.rpartition('tidings/')[2]}:{trace.tb_lineno}")  # type: ignore[attr-defined]
        trace = trace.tb_next  # type: ignore[attr-defined]
    return places[-5:]
