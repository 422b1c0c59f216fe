"""Folders and zip files: of items, with Hugging Face's metadata files or a folder for each class; or of shards, as
exports have them: Parquet or Arrow files, WebDataset's tar files, lists of tasks.
"""

import re
import shutil
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import numpy as np
import orjson

from labeling.intake.answer_cells import ClassIndex
from labeling.kinds import BadFile, Kind
from labeling.kinds.wording import MIB, printable, size

from .base import Record, Source, SourceFile, UnreadableFile, check_columns, find_inside, inside
from .csv_file import CsvTable
from .forms import FORMS, form_of_suffix
from .json_file import json_line_records
from .layout import Layout
from .lines import skip_mark
from .parquet_file import ParquetSource
from .tar_file import TAR_ERRORS, count_samples
from .trees import ZIP_ERRORS, Entry, Tree

TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


class FileTreeSource(Source):
    """Files of a folder or zip file, each a record with its `file_name`; everything else is rejected.

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


_CLASSES = "classes.json"  # beside shards of WebDataset, as exports have it
_END_BYTES = 1024
_ENDS = {".json": (b"]", b"}"), ".parquet": (b"PAR1",), ".arrow": (b"ARROW1", b"\xff\xff\xff\xff\0\0\0\0")}
_CACHED = re.compile(r"cache-\w+\.arrow")  # what `datasets` computes, beside the rows of `save_to_disk`
_TASKS = re.compile(r"tasks-\d+\.json")
TEXT_TABLES = frozenset(suffix for form in FORMS if form.is_text for suffix in form.suffixes)


def shards_in(tree: Tree, kind: Kind) -> list[str]:
    """Return the names of the shards in the tree, or that of its only table; none if it has files of the kind, which
    are then the items.
    """
    names: list[str] = []
    tables: list[str] = []
    for entry in tree.entries():
        path = PurePosixPath(entry.name)
        if _CACHED.fullmatch(path.name):
            continue
        if path.name not in TABLES and (path.suffix in (".parquet", ".arrow", ".tar") or _TASKS.fullmatch(path.name)):
            names.append(entry.name)
        elif kind.is_file and path.suffix and not entry.problem:
            return []
        elif path.suffix.lower() in TEXT_TABLES:
            tables.append(entry.name)
    return names or (tables if len(tables) == 1 and not kind.is_file else [])


class ShardsSource(Source):
    """The records of all shards, one shard after the other. `check_whole` finds a shard that is cut short."""

    def __init__(self, file: SourceFile, tree: Tree, names: list[str]) -> None:
        super().__init__(file)
        self._tree = tree
        self._names = names
        sizes = [self._size(shard) for shard in names]
        if sum(sizes) > self.limits.shards and not self.path.is_dir():
            raise UnreadableFile(f"{self.name}: its shards unpack to more than {size(self.limits.shards)}: split it")
        self._check_end(names[0])
        with self._opened(names[0]) as source:
            self._know(source)
            # Items of later shards may be smaller.
            self._estimate = 2 * source.estimate * sum(sizes) // sizes[0] + len(names)
        self._classes = self._class_names() if names[0].endswith(".tar") else []

    def settle(self, layout: Layout) -> None:
        self.layout = layout
        with self._opened(self._names[0]) as source:
            self._know(source)

    def _know(self, source: Source) -> None:
        self.columns, self.number_columns = source.columns, source.number_columns

    @property
    def estimate(self) -> int:
        return self._estimate

    def close(self) -> None:
        self._tree.close()

    def _records(self, skip: int) -> Iterator[Record]:
        for place, name in enumerate(self._names):
            with self._opened(name) as source:
                number = first = 0 if source.total is None else skip  # a shard with a total steps over records unread
                for number, record in enumerate(source.records(first), start=first + 1):
                    if number > skip:
                        self._position = (place + source.position()) / len(self._names)
                        yield self._named_class(record)._replace(where=f"{name}, {record.where}")
                skip = max(0, skip - (number if source.total is None else source.total))

    def _class_names(self) -> list[str]:
        """Return the classes that indices of samples stand for; [] without a list, or if numbers are answers."""
        try:
            with self._reading(_CLASSES) as file:
                names = orjson.loads(file.read(self.limits.file_line))
        except (UnreadableFile, orjson.JSONDecodeError):
            return []
        is_list = isinstance(names, list) and all(isinstance(name, str) and not name.isdecimal() for name in names)
        return names if is_list else []

    def _named_class(self, record: Record) -> Record:
        label = (record.fields or {}).get("label")
        if not (self._classes and record.fields and isinstance(label, ClassIndex)):
            return record
        if label.number >= len(self._classes):
            problem = f"its .cls is {label}, but {_CLASSES} has {len(self._classes)} classes, from 0"
            return record._replace(fields=None, problem=problem)
        named = label._replace(name=self._classes[label.number])
        return record._replace(fields={**record.fields, "label": named})

    @contextmanager
    def _opened(self, name: str) -> Iterator[Source]:
        """Open a shard; one of a zip file is unpacked first. Raises UnreadableFile."""
        if self.path.is_dir():
            with self._source(find_inside(self.path, name), name) as source:
                yield source
            return
        with NamedTemporaryFile(prefix="shard-") as copy:
            with self._reading(name) as file:
                shutil.copyfileobj(file, copy, MIB)
            copy.flush()
            with self._source(Path(copy.name), name) as source:
                yield source

    def check_whole(self) -> None:
        for name in self._names:
            self._check_end(name)

    def _check_end(self, name: str) -> None:
        """Raise UnreadableFile if the shard is cut short. Unpacks it, in little memory."""
        with self._reading(name) as file:
            is_whole = _is_whole(PurePosixPath(name).suffix, file, self._tree.size(name))
        if not is_whole:
            raise UnreadableFile(f"{self._named(name)}: it is cut short: create it again")

    def _size(self, name: str) -> int:
        """Return the bytes of a shard. Raises UnreadableFile if it is too large to unpack."""
        with self._reading(name):
            length = self._tree.size(name)
        if length > self.limits.shard and not self.path.is_dir():
            most = size(self.limits.shard)
            raise UnreadableFile(f"{self._named(name)}: it is larger than {most}: make smaller shards")
        return length

    @contextmanager
    def _reading(self, name: str) -> Iterator[BinaryIO]:
        try:
            with closing(self._tree.open(name)) as file:
                yield file
        except UnreadableFile:
            raise
        except (BadFile, *ZIP_ERRORS) as error:
            raise UnreadableFile(f"{self._named(name)}: it cannot be read: create it again") from error

    def _named(self, name: str) -> str:
        return f"{self.name}/{printable(name)}"

    def _source(self, path: Path, name: str) -> Source:
        form = form_of_suffix(name)
        assert form is not None
        assert form.reader is not None
        return form.reader(replace(self.file, path=path, name=self._named(name), layout=self.layout))


def _is_whole(suffix: str, file: BinaryIO, length: int) -> bool:
    """Return whether a shard of this length has its end."""
    if suffix == ".tar":
        try:
            count_samples(file)
        except TAR_ERRORS:
            return False
        return True
    if suffix not in _ENDS:
        return True  # the table itself does not say where it ends; the zip file has its checksum
    file.seek(max(0, length - _END_BYTES))
    return file.read().rstrip().endswith(_ENDS[suffix])
