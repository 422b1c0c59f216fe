"""Parquet files, read in batches of rows, including Hugging Face's images and class labels; and Arrow files and
streams, which a process of its own writes as Parquet first.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labeling.kinds.wording import MIB, excerpt, printable, size

from . import parquet_facts, tools
from .base import Record, Source, SourceFile, UnreadableFile, numbered_id
from .layout import Layout


class Unreadable(str):
    """An unreadable cell; the text gives the reason."""

    __slots__ = ()


def cells(column: pa.Array, *, limit: int) -> list[Any]:
    """Return the values of a column; None for null, `Unreadable` for a value that is damaged or longer than `limit`
    bytes.

    Lists of numbers become arrays, with NaN for null; structs become dicts; maps become lists of dicts of key and
    value.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _dictionary(column, limit)
    if pa.types.is_struct(kind):
        return _structs(column, limit)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if is_number(kind.value_type):
            return [cell.values.to_numpy(zero_copy_only=False) if cell.is_valid else None for cell in column]
        return _lists(column, limit)
    if pa.types.is_map(kind):
        return [_map(row, limit) for row in column]
    return _leaves(column, limit)


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened and printable."""
    return excerpt((str(error) or type(error).__name__).splitlines()[0])


def _dictionary(column: pa.DictionaryArray, limit: int) -> list[Any]:
    used = column.indices.drop_null().unique()
    values = dict(zip(used.to_pylist(), _leaves(column.dictionary.take(used), limit), strict=True))
    return [None if index is None else values[index] for index in column.indices.to_pylist()]


def _structs(column: pa.StructArray, limit: int) -> list[Any]:
    names = [column.type.field(number).name for number in range(column.type.num_fields)]
    parts = [cells(part, limit=limit) for part in column.flatten()]
    rows: list[Any] = []
    for valid, *row in zip(column.is_valid().to_pylist(), *parts, strict=True):
        rows.append(_readable(row, dict(zip(names, row, strict=True))) if valid else None)
    return rows


def _lists(column: pa.Array, limit: int) -> list[Any]:
    values = cells(column.flatten(), limit=limit)
    rows: list[Any] = []
    at = 0
    for length in pc.list_value_length(column).to_pylist():
        row = values[at : at + (length or 0)]
        at += length or 0
        rows.append(None if length is None else _readable(row, row))
    return rows


def _map(row: pa.MapScalar, limit: int) -> Any:
    if not row.is_valid:
        return None
    pairs = cells(row.values, limit=limit)
    return _readable(pairs, pairs)


def _readable(parts: list[Any], value: Any) -> Any:
    """Return `value`; if one of its `parts` is unreadable, return that part instead."""
    return next((part for part in parts if isinstance(part, Unreadable)), value)


def _leaves(column: pa.Array, limit: int) -> list[Any]:
    if pa.types.is_binary(column.type) or pa.types.is_string(column.type):
        lengths = pc.binary_length(column).to_pylist()
        if any(length is not None and length > limit for length in lengths):
            too_long = Unreadable(f"it is longer than {size(limit)}")
            pairs = zip(lengths, column, strict=True)
            return [too_long if length is not None and length > limit else _leaf(leaf) for length, leaf in pairs]
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # not UTF-8, a date beyond the calendar: find out which
        return [_leaf(leaf) for leaf in column]


def _leaf(leaf: pa.Scalar) -> Any:
    try:
        return leaf.as_py()
    except UnicodeDecodeError:
        return Unreadable("it is not UTF-8")
    except (ValueError, OverflowError) as error:
        return Unreadable(first_line(error))


_BUFFER = MIB  # bytes of a column read at once; without it, whole column chunks are
# To look through the footer of a file, which takes a second where there are millions of rows.
FOOTER_SECONDS = 60.0
_NO_PARQUET = "the file is not a Parquet file or is damaged: write it again"
_DAMAGE = (pa.ArrowException, OSError, ValueError)


class ParquetSource(Source):
    """A Parquet file. Skipping steps over whole row groups."""

    is_table = True

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        self._groups = _groups(file)
        try:
            self._parquet = pq.ParquetFile(file.path, buffer_size=_BUFFER, pre_buffer=False)
            schema = self._parquet.schema_arrow
        except _DAMAGE as error:
            raise UnreadableFile(f"{self.name}: {_NO_PARQUET}") from error
        self.columns = tuple(schema.names)
        self.columns_of_numbers = tuple(field.name for field in schema if is_number(field.type))
        try:
            column, times = max(Counter(self.columns).items(), key=lambda item: item[1], default=("", 0))
            if times > 1:
                raise UnreadableFile(f'{self.name}: two columns are called "{printable(column)}": rename one of them')
            self.settle(file.layout)
        except UnreadableFile:
            self.close()
            raise
        self.total: int = sum(group.rows for group in self._groups)
        # A value stored once can stand for any number of rows: limit the bytes read in proportion to the file.
        self._most_bytes = max(16 * MIB, self.limits.unpack_ratio * file.path.stat().st_size)

    def settle(self, layout: Layout) -> None:
        super().settle(layout)
        self._class_names = _class_names(self._parquet.schema_arrow, layout)

    def close(self) -> None:
        self._parquet.close()

    def _records(self, skip: int) -> Iterator[Record]:
        before, unpacked = 0, 0
        for index, group in enumerate(self._groups):
            if before + group.rows > skip:
                for record in self._group_records(index, before, skip=max(0, skip - before)):
                    unpacked += record.size
                    if unpacked > self._most_bytes:
                        times = self.limits.unpack_ratio
                        raise UnreadableFile(
                            f"{self.name}, {record.where}: the rows unpack to more than {times} times the file:"
                            " what follows is not read"
                        )
                    yield record
            before += group.rows

    def _group_records(self, index: int, before: int, *, skip: int) -> Iterator[Record]:
        """Yield the records of a row group after the first `skip`. `before`: the number of rows before the group."""
        group, n_read = self._groups[index], 0
        try:
            for batch in self._parquet.iter_batches(batch_size=group.rows_at_once, row_groups=[index]):
                first = min(max(0, skip - n_read), batch.num_rows)
                yield from self._batch_records(batch.slice(first), before + n_read + first)
                n_read += batch.num_rows
        except _DAMAGE as error:
            where = f"{self.name}, row {before + n_read + 1}"
            raise UnreadableFile(f"{where}: the file is damaged: {first_line(error)}") from error
        if n_read != group.rows:
            raise UnreadableFile(
                f"{self.name}, row {before + n_read}: the file has other rows than it says: write it again"
            )

    def _batch_records(self, batch: pa.RecordBatch, before: int) -> Iterator[Record]:
        names = batch.schema.names
        limit = max(self.file.row_limit, self.limits.of_file(self.kind))
        columns = [cells(column, limit=limit) for column in batch.columns]
        for number, row in enumerate(zip(*columns, strict=True), start=before + 1):
            fields = {name: self._named(name, cell) for name, cell in zip(names, row, strict=True)}
            where, default_id = f"row {number}", numbered_id(self.name, number)
            problem = _problem(fields)
            if problem:
                yield Record(where, None, problem, _excerpt(fields), default_id)
            else:
                yield Record(where, fields, default_id=default_id, size=sum(map(_size, row)))

    def _named(self, column: str, cell: Any) -> Any:
        """Replace a number by its class name, if the file has class names; Hugging Face's -1, "unknown", by None."""
        names = self._class_names.get(column)
        if names is not None and isinstance(cell, np.ndarray):
            return [self._named(column, int(each)) for each in cell]
        if names is None or not isinstance(cell, int):
            return cell
        if cell == -1:
            return None
        return names[cell] if 0 <= cell < len(names) else cell


class _Group(NamedTuple):
    rows: int
    rows_at_once: int


def _groups(file: SourceFile) -> list[_Group]:
    """Return the row groups, checked in a process of its own, which Arrow may abort. Raises UnreadableFile."""
    name, numbers = file.name, (str(file.kind.rows_at_once), str(file.limits.unpack_ratio))
    command = [sys.executable, "-I", parquet_facts.__file__, str(file.path.absolute()), *numbers]
    try:
        child = subprocess.run(  # noqa: S603  a fixed command
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=FOOTER_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(
            f"{name}: the file takes more than {FOOTER_SECONDS:g} s to look through: write it with fewer row groups"
        ) from error
    if child.returncode != 0:
        raise UnreadableFile(f"{name}: {_NO_PARQUET}")
    facts = json.loads(child.stdout)
    if facts["problem"]:
        raise UnreadableFile(f"{name}: {printable(facts['problem'])}")
    return [_Group(*group) for group in facts["groups"]]


def _size(cell: Any) -> int:
    """Estimate the bytes that the cell takes."""
    match cell:
        case str() | bytes():
            return len(cell)
        case np.ndarray():
            return int(cell.nbytes)
        case dict():
            return sum(map(_size, cell.values()))
        case list():
            return sum(map(_size, cell))
    return 8


def _problem(fields: dict[str, Any]) -> str:
    for column, cell in fields.items():
        if isinstance(cell, Unreadable):
            return f'column "{printable(column)}" cannot be read: {cell}'
    return ""


def _class_names(schema: pa.Schema, layout: Layout) -> dict[str, list[str]]:
    """Return the class names of the columns of labels, from the metadata of Hugging Face's datasets."""
    try:
        features = orjson.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        is_whole = layout.unsettled or tools.is_known(schema.names)
        labels = features if is_whole else ("label", "proposed", "truth", layout.label_column)
        # The classes of a list are those of its elements.
        known = {column: features[column].get("feature", features[column]) for column in labels if column in features}
        columns = {column: feature["names"] for column, feature in known.items() if "names" in feature}
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError):
        return {}
    return {column: names for column, names in columns.items() if isinstance(names, list)}


def _excerpt(fields: dict[str, Any]) -> str:
    return excerpt("; ".join(f"{name}={str(cell)[:60]}" for name, cell in fields.items() if isinstance(cell, str)))


_SCRIPT = Path(__file__).with_name("arrow_to_parquet.py")
_DAMAGED = "the file is not an Arrow file, or is damaged, cut short or too large: write it again, or as Parquet"
_PROBLEM = 3  # the script's status for a file that it refuses


class ArrowSource(ParquetSource):
    """The rows of an Arrow file, through a Parquet file that exists while the source is open."""

    def __init__(self, file: SourceFile) -> None:
        with ExitStack() as stack:
            copy = Path(stack.enter_context(NamedTemporaryFile(prefix="arrow-", suffix=".parquet")).name)
            _write_parquet(file, copy)
            super().__init__(replace(file, path=copy))
            self.path = file.path
            self._copy = stack.pop_all()

    def close(self) -> None:
        super().close()
        self._copy.close()


def _write_parquet(file: SourceFile, copy: Path) -> None:
    """Write the rows of the Arrow file as Parquet. Raises UnreadableFile."""
    most = min(file.limits.shards, max(64 * MIB, file.limits.unpack_ratio * file.path.stat().st_size))
    command = [sys.executable, "-I", str(_SCRIPT), str(file.path.absolute()), str(copy), str(most)]
    child = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  a fixed command
    if child.returncode:
        reason = child.stderr.decode(errors="replace") if child.returncode == _PROBLEM else _DAMAGED
        raise UnreadableFile(f"{file.name}: {printable(reason)}")
