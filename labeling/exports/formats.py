"""Pages of rows as bytes, a chunk at a time. A format knows nothing of the database."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from labeling.exports.choice import Choice
from labeling.exports.columns import COLUMNS, Page, Row
from labeling.exports.parquet import parquet
from labeling.exports.rows import pages
from labeling.models import Project

# What a spreadsheet takes for the start of a formula; blanks before it, some of them invisible, may be trimmed.
# Apostrophes before it count too, so that taking one off again always gives back what was there.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠])")
_JSON_OPTIONS = orjson.OPT_UTC_Z


class Format(NamedTuple):
    """How rows are written: `write` takes pages and the project's question."""

    content_type: str
    suffix: str
    write: Callable[[Iterable[Page], str], Iterator[bytes]]


def export(
    project: Project,
    format_name: str,
    choice: Choice | None = None,
    *,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Iterator[bytes]:
    """The export as chunks of bytes, read from the database as they are taken. Raises KeyError for no such format.

    `progress` is told the number of rows of each page as it is read.
    """
    return FORMATS[format_name].write(_told(pages(project, choice), progress), project.question)


def _told(rows: Iterable[Page], progress: Callable[[int], Any]) -> Iterator[Page]:
    for page in rows:
        progress(len(page))
        yield page


def jsonl(rows: Iterable[Page], question: str) -> Iterator[bytes]:
    """One JSON object a line."""
    for page in rows:
        yield b"".join(
            orjson.dumps(
                {**row, "data": orjson.Fragment(row["data"])}, option=_JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE
            )
            for row in page
        )


def csv_text(rows: Iterable[Page], question: str) -> Iterator[bytes]:
    """A header line and one record a row; lists and objects as JSON, text that looks like a formula defused."""
    yield _csv_lines([[column.name for column in COLUMNS]])
    for page in rows:
        yield _csv_lines([_cells(row) for row in page])


def _csv_lines(lines: list[list[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue().encode()


def _cells(row: Row) -> list[Any]:
    return [_cell(row[column.name]) for column in COLUMNS]


def defused(text: str) -> str:
    """The text for a cell of a CSV file: with an apostrophe in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _cell(value: Any) -> Any:
    """A number as it is, None as an empty cell, anything else as text."""
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, bool | list):
        return orjson.dumps(value, option=_JSON_OPTIONS).decode()
    if isinstance(value, datetime.datetime):
        return orjson.dumps(value, option=_JSON_OPTIONS).decode().strip('"')
    return value


FORMATS = {
    "jsonl": Format("application/x-ndjson", ".jsonl", jsonl),
    "csv": Format("text/csv; charset=utf-8", ".csv", csv_text),
    "parquet": Format("application/vnd.apache.parquet", ".parquet", parquet),
}
