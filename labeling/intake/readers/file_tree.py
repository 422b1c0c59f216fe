"""Folders and zip files of items, with Hugging Face's metadata files, or with a folder for each class."""

import shutil
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import numpy as np

from labeling.kinds.wording import size

from .base import Record, Source, SourceFile, UnreadableFile, check_columns, inside
from .csv_file import CsvTable
from .json_file import json_line_records
from .lines import skip_mark
from .parquet_file import ParquetSource
from .trees import ZIP_ERRORS, Entry, Tree

TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


class FileTreeSource(Source):
    """Files of a folder or zip file, each a record with its `file_name`; everything else is set aside.

    If a folder has a `metadata.jsonl` or `metadata.csv`, its rows are the records, in its order, and files that no
    metadata file names are rejected. Otherwise each file is a record, and its folder may be its class.
    """

    holds_files = True

    def __init__(self, file: SourceFile, tree: Tree) -> None:
        super().__init__(file)
        self._tree = tree
        self._count = 0
        self._tables: list[str] = []
        for entry in tree.entries():
            if PurePosixPath(entry.name).name in TABLES:
                self._tables.append(entry.name)
            else:
                self._count += 1
        folders = [PurePosixPath(table).parent for table in self._tables]
        if len(set(folders)) < len(folders):
            several = next(folder for folder in folders if folders.count(folder) > 1)
            there = [table for table in TABLES if (several / table).as_posix() in self._tables]
            raise UnreadableFile(f"{self.name}: there is both a {' and a '.join(there)}: keep one of them")
        if not self._count:
            raise UnreadableFile(f"{self.name}: there are no {self.kind.plural} in it")
        self.truth_from_folder = not self._tables
        self.total = None if self._tables else self._count

    @property
    def estimate(self) -> int:
        return self._count

    def close(self) -> None:
        self._tree.close()

    def open_file(self, name: str) -> bytes:
        return self._tree.read_file(name)

    def _records(self, skip: int) -> Iterator[Record]:
        every = self._described() if self._tables else map(_alone, self._files())
        for number, record in enumerate(islice(every, skip, None), start=skip + 1):
            self._position = min(1.0, number / self._count)
            yield record

    def _files(self) -> Iterator[Entry]:
        return (entry for entry in self._tree.entries() if entry.name not in self._tables)

    def _described(self) -> Iterator[Record]:
        names = array("q")  # hashes of those described: 8 bytes each, so that millions fit
        for table in self._tables:
            for record in self._table_records(table):
                if record.fields is not None:
                    names.append(hash(str(record.fields.get("file_name"))))
                yield record
        noun, tables = self.kind.noun, " or ".join(self._tables[:3])
        described = np.unique(np.array(names, dtype=np.int64))
        for entry in self._files():
            at = np.searchsorted(described, hash(entry.name))
            if entry.problem:
                yield _alone(entry)
            elif at == len(described) or described[at] != hash(entry.name):
                yield Record(entry.name, None, f"the {noun} is not named in {tables}")

    def _table_records(self, table: str) -> Iterator[Record]:
        folder = PurePosixPath(table).parent
        try:
            with closing(self._tree.open(table)) as file:
                for record in self._read(file, table):
                    yield _within(record, folder, table)
        except UnreadableFile:
            raise
        except ZIP_ERRORS as error:
            raise UnreadableFile(f"{self.name}: {table} in it cannot be read: create it again") from error

    def _read(self, file: BinaryIO, table: str) -> Iterator[Record]:
        name, limit = f"{self.name}: {table}", self.limits.line
        if table.endswith(".jsonl"):
            return json_line_records(file, name=name, limit=limit)
        if table.endswith(".parquet"):
            if self._tree.size(table) > self.limits.shard:
                raise UnreadableFile(f"{name}: it is larger than {size(self.limits.shard)}: split the files")
            return self._parquet(file, name)
        rows = CsvTable(file, name=name, limit=limit, start=skip_mark(file, name))
        if "file_name" not in rows.columns:
            raise UnreadableFile(
                f'{name}: no column is called "file_name": rename the one that names the {self.kind.plural}'
            )
        check_columns(rows.columns, replace(self.file, name=name), self.layout)
        return rows.records()

    def _parquet(self, file: BinaryIO, name: str) -> Iterator[Record]:
        """Yield the records of a Parquet file, which is unpacked to the disk."""
        with NamedTemporaryFile(prefix="metadata-") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            unpacked = replace(self.file, path=Path(copy.name), name=name, layout=self.layout)
            with ParquetSource(unpacked) as source:
                yield from source.records()


def _alone(entry: Entry) -> Record:
    if entry.problem:
        return Record(entry.name, None, f"the file {entry.problem}")
    return Record(entry.name, {"file_name": entry.name}, default_id=_short(entry.name))


def _within(record: Record, folder: PurePosixPath, table: str) -> Record:
    """Return the record of a metadata file, with the file's name relative to the top folder."""
    where = f"{table}, {record.where}"
    if record.fields is None:
        return Record(where, None, record.problem, record.excerpt)
    name = record.fields.get("file_name")
    if not isinstance(name, str) or inside(name) is None:
        return Record(where, record.fields, default_id=record.default_id)  # refused when it is checked
    name = inside((folder / name).as_posix()) or name
    return Record(where, {**record.fields, "file_name": name}, default_id=_short(name), size=record.size)


def _short(name: str) -> str:
    """Return the path as an external id; a long path becomes a hash and its end."""
    return name if len(name) <= 200 else f"{sha256(name.encode()).hexdigest()[:16]}…{name[-160:]}"
