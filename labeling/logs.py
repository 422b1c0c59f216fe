"""Lines of the log as JSON, with the request or the step that each belongs to."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("fields of the log", default={})  # noqa: B039  never changed


def begin(**fields: Any) -> None:
    """Write these fields, and no earlier ones, to all further lines of this thread."""
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
    """One JSON object a line: `time` (UTC), `level`, `logger`, `process`, `message`, `exception` if there is one, and
    the fields of `begin` and `about`. All but ASCII is escaped: nothing in a message can break a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds"),
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
