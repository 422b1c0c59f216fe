"""Parquet files, a batch of rows at a time; what Hugging Face writes of images and classes is understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from .arrow_cells import Unreadable, cells, first_line, is_number
from .base import MIB, RESERVED, Limits, Record, Source, UnreadableFile, check_columns, excerpt, numbered_id, printable

_BATCH = {"image": 16, "text": 256, "vector": 256}  # rows held at once
_BUFFER = MIB  # bytes of a column read at once; without it, whole column chunks are


class ParquetSource(Source):
    """A Parquet file. Skipping steps over whole row groups."""

    def __init__(self, path: Path, *, kind: str, name: str, limits: Limits) -> None:
        super().__init__(path, kind=kind, name=name, limits=limits)
        try:
            self._file = _open(path)
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"{name}: the file is no Parquet file or is damaged: {first_line(error)}") from error
        try:
            self._check(schema)
            _check_packing(self._file, name=name, ratio=limits.unpack_ratio)
        except UnreadableFile:
            self.close()
            raise
        self._class_names = _class_names(schema)

    @property
    def total(self) -> int:
        return int(self._file.metadata.num_rows)

    def close(self) -> None:
        self._file.close()

    def records(self, skip: int = 0) -> Iterator[Record]:
        groups, number = self._groups_after(skip)
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH[self.kind], row_groups=groups):
                if number + batch.num_rows > skip:
                    first = max(0, skip - number)
                    yield from self._batch_records(batch.slice(first), number + first)
                number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"{self.name}, row {number + 1}: the file is damaged: {first_line(error)}") from error
        self._position = 1.0

    def _check(self, schema: pa.Schema) -> None:
        column, times = max(Counter(schema.names).items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise UnreadableFile(f'{self.name}: two columns are called "{printable(column)}": rename one of them')
        check_columns(schema.names, kind=self.kind, name=self.name)
        if self.kind == "vector" and "vector" not in schema.names:
            self.vector_columns = tuple(
                field.name for field in schema if field.name not in RESERVED and is_number(field.type)
            )
            if not self.vector_columns:
                raise UnreadableFile(f'{self.name}: no column holds numbers, and none is called "vector"')

    def _groups_after(self, skip: int) -> tuple[list[int], int]:
        """The row groups that hold rows from `skip` on, and the number of rows before them."""
        before = 0
        groups = self._file.metadata.num_row_groups
        for group in range(groups):
            rows = self._file.metadata.row_group(group).num_rows
            if before + rows > skip:
                return list(range(group, groups)), before
            before += rows
        return [], before

    def _batch_records(self, batch: pa.RecordBatch, before: int) -> Iterator[Record]:
        names = batch.schema.names
        limit = max(self.limits.row(self.kind), self.limits.image if self.kind == "image" else 0)
        columns = [cells(column, limit=limit) for column in batch.columns]
        for number, row in enumerate(zip(*columns, strict=True), start=before + 1):
            self._position = number / self.total
            fields = {name: self._named(name, cell) for name, cell in zip(names, row, strict=True)}
            where, default_id = f"row {number}", numbered_id(self.name, number)
            problem = _problem(fields)
            if problem:
                yield Record(where, None, problem, _excerpt(fields), default_id)
            else:
                yield Record(where, fields, default_id=default_id)

    def _named(self, column: str, cell: Any) -> Any:
        """The class that a number stands for, where the file says so; None for Hugging Face's -1, "unknown"."""
        names = self._class_names.get(column)
        if names is None or not isinstance(cell, int):
            return cell
        if cell == -1:
            return None
        return names[cell] if 0 <= cell < len(names) else cell


def _open(path: Path) -> pq.ParquetFile:
    """The file, set up so that a text or bytes that many rows share are read once."""
    with pq.ParquetFile(path) as file:
        schema, metadata = file.schema, file.metadata
    leaves = [schema.column(number) for number in range(len(schema))]
    shared = [
        leaf.path
        for leaf in leaves
        if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type in ("STRING", "NONE")
    ]
    return pq.ParquetFile(path, metadata=metadata, read_dictionary=shared, buffer_size=_BUFFER, pre_buffer=False)


def _check_packing(file: pq.ParquetFile, *, name: str, ratio: int) -> None:
    """Refuse a file by what it says it unpacks to, before any of it is. Lists may be packed by repeating values."""
    for group in range(file.metadata.num_row_groups):
        chunks = file.metadata.row_group(group)
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            unpacked = chunk.total_uncompressed_size
            if file.schema.column(number).max_repetition_level:
                unpacked = max(unpacked, 4 * chunk.num_values)
            if unpacked > max(64 * MIB, ratio * chunk.total_compressed_size):
                raise UnreadableFile(
                    f"{name}: column {printable(chunk.path_in_schema)} would unpack to more than"
                    f" {ratio} times its size: it is not read"
                )


def _problem(fields: dict[str, Any]) -> str:
    for column, cell in fields.items():
        if isinstance(cell, Unreadable):
            return f'column "{printable(column)}" cannot be read: {cell}'
    return ""


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Class names of the columns `label` and `truth`, from what Hugging Face's datasets note in the file."""
    try:
        features = orjson.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {
            column: features[column]["names"] for column in ("label", "truth") if "names" in features.get(column, ())
        }
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError):
        return {}
    return {column: names for column, names in found.items() if isinstance(names, list)}


def _excerpt(fields: dict[str, Any]) -> str:
    return excerpt("; ".join(f"{name}={str(cell)[:60]}" for name, cell in fields.items() if isinstance(cell, str)))
