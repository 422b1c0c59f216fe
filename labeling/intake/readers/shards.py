"""Zip files and folders of shards, as exports have them: Parquet or Arrow files, WebDataset's tar files, or lists of
tasks.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import orjson

from labeling.intake.answer_cells import ClassIndex
from labeling.kinds import BadFile, Kind
from labeling.kinds.wording import MIB, printable, size

from .base import Record, Source, SourceFile, UnreadableFile, find_inside
from .file_tree import TABLES
from .forms import FORMS, form_of_suffix
from .layout import Layout
from .tar_file import TAR_ERRORS, count_samples
from .trees import ZIP_ERRORS, Tree

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
