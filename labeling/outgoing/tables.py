"""Rows on their way out as CSV and Parquet, a chunk at a time. Knows neither the database nor what the rows mean."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
Page = list[Row]

# A row group is what readers load at one time. Few large ones keep the footer, which stays in memory, small.
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20

# What a spreadsheet takes for the start of a formula; blanks before it, some of them invisible, may be trimmed.
# Apostrophes before it count too, so that taking one off again always gives back what was there.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠])")
# Of labels: `Question.exported_as`.
LABELS = {"text": pa.string(), "texts": pa.list_(pa.string()), "boolean": pa.bool_(), "number": pa.int64()}
JSON_OPTIONS = orjson.OPT_UTC_Z


def csv_lines(lines: Iterable[Sequence[Any]]) -> bytes:
    """Records of a CSV file, their cells as `cell` makes them."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([cell(value) for value in line] for line in lines)
    return buffer.getvalue().encode()


def defused(text: str) -> str:
    """The text for a cell of a CSV file: with an apostrophe in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def cell(value: Any) -> Any:
    """A number as it is, None as an empty cell, anything else as text."""
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, bool | list):
        return orjson.dumps(value, option=JSON_OPTIONS).decode()
    if isinstance(value, datetime.datetime):
        return orjson.dumps(value, option=JSON_OPTIONS).decode().strip('"')
    return value


def parquet(pages: Iterable[Page], schema: pa.Schema) -> Iterator[bytes]:
    """A Parquet file; the whole of it is never in memory, a row group is."""
    sink = _Drain()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in _groups(pages, schema):
            writer.write_table(group)
            yield sink.take()
    yield sink.take()


def _groups(pages: Iterable[Page], schema: pa.Schema) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    for page in pages:
        pending.append(pa.RecordBatch.from_pylist(page, schema=schema))
        if sum(b.num_rows for b in pending) >= GROUP_ROWS or sum(b.nbytes for b in pending) >= GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


class _Drain:
    """A file to pyarrow, which only ever appends; what was written is taken out from time to time."""

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._written = 0

    def write(self, chunk: bytes) -> int:
        self._chunks.append(bytes(chunk))
        self._written += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken
