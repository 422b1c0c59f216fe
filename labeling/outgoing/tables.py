"""Rows on their way out as CSV and Parquet, a chunk at a time. Knows neither the database nor what the rows mean."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
Page = list[Row]
Layout = TypeVar("Layout")


class Format(NamedTuple, Generic[Layout]):
    """How rows are written: `write` takes pages, and what tells their columns."""

    content_type: str
    suffix: str
    write: Callable[[Iterable[Page], Layout], Iterator[bytes]]


# A row group is what readers load at one time. Few large ones keep the footer, which stays in memory, small.
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20

# What a spreadsheet takes for the start of a formula; blanks before it, some of them invisible, may be trimmed.
# Apostrophes before it count too, so that taking one off again always gives back what was there.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠])")
# Of labels: `Question.exported_as`.
LABELS = {"text": pa.string(), "texts": pa.list_(pa.string()), "boolean": pa.bool_(), "number": pa.int64()}
JSON_OPTIONS = orjson.OPT_UTC_Z
# Kinds of values of which a CSV file has what their writer makes of them.
_AS_THEY_ARE = {int, float, type(None)}
_YES_OR_NO = {True: "true", False: "false"}


def csv_lines(lines: Iterable[Sequence[Any]]) -> bytes:
    """Records of a CSV file, their cells as `cell` makes them."""
    return _csv([cell(value) for value in line] for line in lines)


def csv_page(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    """The same of these columns, made column by column: those of plain numbers are many, and pass as they are."""
    return _csv(zip(*map(_cells, _columns(rows, names)), strict=True))


def _columns(rows: Sequence[Row], names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*map(itemgetter(*names), rows), strict=True)


def _csv(lines: Iterable[Iterable[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue().encode()


def _cells(column: Sequence[Any]) -> Iterable[Any]:
    kinds = set(map(type, column))
    if kinds <= _AS_THEY_ARE:
        return column
    if kinds == {bool}:
        return map(_YES_OR_NO.__getitem__, column)
    return map(defused, column) if kinds == {str} else map(cell, column)


def defused(text: str) -> str:
    """The text for a cell of a CSV file: with an apostrophe in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if not text[:1].isalnum() and _FORMULA.match(text) else text


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
        yield sink.take()  # the format's mark: whoever waits sees that it begins
        for group in _groups(pages, schema):
            writer.write_table(group)
            yield sink.take()
    yield sink.take()


def _groups(pages: Iterable[Page], schema: pa.Schema) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for page in pages:
        batch = pa.RecordBatch.from_arrays(_arrays(page, list(schema)), schema=schema)
        pending.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending, rows, size = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending)


def _arrays(rows: Sequence[Row], fields: Sequence[pa.Field]) -> list[pa.Array]:
    if not rows:
        return [pa.array([], field.type) for field in fields]
    columns = _columns(rows, [field.name for field in fields])
    return [_array(column, field.type) for column, field in zip(columns, fields, strict=True)]


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)) or None in values:
        return pa.array(values, kind)
    # Lists of objects are taken apart: Arrow takes longer over them.
    fields = list(kind.value_type)
    objects = pa.StructArray.from_arrays(_arrays(list(chain.from_iterable(values)), fields), fields=fields)
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, objects, type=kind)


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
