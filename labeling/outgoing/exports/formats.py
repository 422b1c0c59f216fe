"""Pages of rows as bytes, a chunk at a time. A format knows nothing of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from labeling.models import Project
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.parquet import parquet
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.tables import JSON_OPTIONS, Format, Page, csv_lines, csv_page
from labeling.questions import Question
from labeling.replica import streamed


def export(
    project: Project,
    format_name: str,
    choice: Choice | None = None,
    *,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Iterator[bytes]:
    """The export as chunks of bytes, read from the database as they are taken, from a replica if there is one. Raises
    KeyError for no such format.

    `progress` is told the number of rows of each page as it is read.
    """
    return streamed(FORMATS[format_name].write(_reporting(pages(project, choice), progress), project.asks))


def _reporting(rows: Iterable[Page], progress: Callable[[int], Any]) -> Iterator[Page]:
    for page in rows:
        progress(len(page))
        yield page


def jsonl(rows: Iterable[Page], question: Question) -> Iterator[bytes]:
    """One JSON object a line."""
    for page in rows:
        yield b"".join(
            orjson.dumps({**row, "data": orjson.Fragment(row["data"])}, option=JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE)
            for row in page
        )


def csv_text(rows: Iterable[Page], question: Question) -> Iterator[bytes]:
    """A header line and one record a row; lists and objects as JSON, text that looks like a formula defused."""
    names = [column.name for column in COLUMNS]
    yield csv_lines([names])
    for page in rows:
        yield csv_page(page, names)


FORMATS = {
    "jsonl": Format("application/x-ndjson", ".jsonl", jsonl),
    "csv": Format("text/csv; charset=utf-8", ".csv", csv_text),
    "parquet": Format("application/vnd.apache.parquet", ".parquet", parquet),
}
