"""Write the lines of the log as JSON, with fields that name the request or the background step."""

import datetime
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("fields of the log", default={})  # noqa: B039  never changed


def begin(**fields: Any) -> None:
    """Set the fields of all further lines of this thread, in place of earlier fields."""
    _FIELDS.set(fields)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Add these fields to the lines that are written within the block."""
    before = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(before)


class JsonLines(logging.Formatter):
    """Format a record as one JSON object a line: `time` (UTC), `level`, `logger`, `process`, `message`, the fields of
    `begin` and `about`, and `exception` and `stack` if the record has them.

    Characters outside ASCII are escaped, so no message can break a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **_FIELDS.get(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


class Seldom(logging.Filter):
    """Let each message pass at most once in `seconds`, whatever its arguments."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, message = time.monotonic(), str(record.msg)
        if now - self._passed.get(message, -self._seconds) < self._seconds:
            return False
        self._passed[message] = now
        return True
