"""Shared by the readers: the file to read, its limits, the source, its records, and the errors."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from labeling.kinds import BadFile, BadValue, FileKind, KeptAtSource, Kind
from labeling.kinds.wording import MIB, excerpt, printable, too_large

from . import tools
from .layout import Layout, missing

# Columns that say something about the item and so are never a part of a vector.
RESERVED = frozenset({"id", "external_id", "truth", "label", "suggestion", "class"})

# Columns of an export, one of which has the fields of the item.
EXPORTED = frozenset({"external_id", "data", "annotations"})


class UnreadableFile(ValueError):
    """The whole file is unreadable. The message is one line with the place, the problem and the remedy."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in bytes, unless a comment names another unit. A larger row is rejected; a larger file is refused."""

    line: int = MIB
    file_line: int = 16 * MIB  # a row may hold a file itself, as a data: URL
    file: int | None = None  # None: as its kind has it
    vector_length: int = 65_536  # numbers
    columns: int = 4096  # of tables, where they are not the numbers of a vector
    zip_directory: int = 128 * MIB  # zipfile holds the whole table of contents in memory
    shard: int = 2048 * MIB  # of a zip file, unpacked to the disk
    shards: int = 16 * 1024 * MIB  # of a zip file, together
    unpack_ratio: int = 200  # unpacked to packed size, of zip and Parquet files

    def row(self, kind: Kind) -> int:
        """Return the limit for a row in a project of this kind."""
        return self.file_line if kind.is_file else self.line

    def of_file(self, kind: Kind) -> int:
        """Return the limit for an item's file; 0 if items of this kind have no file."""
        return (self.file or kind.most_bytes) if isinstance(kind, FileKind) else 0


DEFAULT_LIMITS = Limits()
_FIRST = 200  # rows that tell the questions of a file
PLAIN = Layout()


class Record(NamedTuple):
    """A row of a source. A row that cannot be read has a `problem`, and its `fields` are None.

    `where` names the row for people: "line 17", "row 3" (both from 1) or "cats/a.png". `default_id` is the external id
    of an item whose row has no id; repeated readings give the same one. `size` is the number of bytes in the file,
    where it tells how much memory the row takes. `tool` is the annotation tool that wrote the row, "" for none that is
    known, and `outcome` one of `tools.OUTCOMES`.
    """

    where: str
    fields: dict[str, Any] | None
    problem: str = ""
    excerpt: str = ""
    default_id: str = ""
    size: int = 0
    tool: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file or folder to read, for a project of this kind.

    `name` is the file's name in messages and in the ids of items without an id. `truth_path` names a file with a truth
    for each row; only .npy files come with one.
    """

    path: Path
    kind: Kind
    name: str
    limits: Limits = DEFAULT_LIMITS
    layout: Layout = PLAIN
    truth_path: Path | None = None

    @property
    def row_limit(self) -> int:
        """The most bytes of a row."""
        return self.limits.row(self.kind)


class Source(ABC):
    """A file or folder of rows, opened by `open_source`; a context manager.

    `columns`: the columns of a table, as the file names them; () if rows differ. `columns_of_numbers`: those that hold
    numbers; `number_columns`: those that form the vector if no column is called `vector`. `is_table`: all rows have
    these columns. `total`: the number of records; None if it is unknown before the file is read. `holds_files`: the
    source itself contains the named files. `truth_from_folder`: the folder of a file may be its class.
    """

    layout: Layout = PLAIN
    columns: tuple[str, ...] = ()
    columns_of_numbers: tuple[str, ...] = ()
    number_columns: tuple[str, ...] = ()
    is_table = False
    total: int | None = None
    holds_files = False
    truth_from_folder = False
    number_advice = ""
    """What to know of numbers in such a file, for the message that no column holds any."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.path, self.kind, self.name = file.path, file.kind, file.name
        self.limits, self.layout = file.limits, file.layout
        self._position = 0.0

    def settle(self, layout: Layout) -> None:
        """Read the rows in this layout from now on; encoding and delimiter stay those of the opening.

        Raises UnreadableFile unless the columns of the table can hold items of the kind.
        """
        self.layout = layout
        if not self.is_table:
            return
        check_columns(self.columns, self.file, layout)
        if self.kind.takes_number_columns and self.kind.name not in self.columns and not layout.content:
            others = RESERVED | layout.taken
            self.number_columns = tuple(name for name in self.columns_of_numbers if name not in others)
            if not self.number_columns and not layout.unsettled:
                problem = f'no column holds numbers, and none is called "{self.kind.name}"'
                raise UnreadableFile(f"{self.name}: {problem}{self.number_advice}")

    def records(self, skip: int = 0) -> Iterator[Record]:
        """Yield all records after the first `skip`, in the same order at every call.

        Raises UnreadableFile if the damage affects more than a single row.
        """
        for number, record in enumerate(self._records(skip), start=skip + 1):
            if self.total:
                self._position = number / self.total
            yield record
        self._position = 1.0

    @abstractmethod
    def _records(self, skip: int) -> Iterator[Record]:
        """Yield what `records` does. A source without a total sets `_position`, or has a `position` of its own."""

    def known(self, skip: int = 0) -> Iterator[Record]:
        """Yield the records, those of annotation tools in the product's own form. Errors as for `records`."""
        question = self.question  # before the records: a reader has one place in its file
        for record in self.records(skip):
            yield record if record.fields is None else self._known(record, record.fields, question)

    def rows(self, skip: int = 0) -> Iterator[Record]:
        """Yield the records in the product's own columns. Errors as for `records`."""
        return (self.in_layout(record, self.layout) for record in self.known(skip))

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The questions that the first rows answer, if a tool has written them: first the one that is read unless the
        column of labels names another.
        """
        if self.holds_files:
            return ()
        return tools.questions_of(record.fields for record in islice(self.records(), _FIRST) if record.fields)

    @property
    def question(self) -> str:
        """The one of `questions` that is read; "" if there is none."""
        named = self.layout.label_column
        return named if named in self.questions else next(iter(self.questions), "")

    def _known(self, record: Record, fields: dict[str, Any], question: str) -> Record:
        tool = tools.tool_of(fields)
        if tool is None:
            return record
        if not fields.keys().isdisjoint(self.layout.leave_out):
            fields = {name: value for name, value in fields.items() if name not in self.layout.leave_out}
            tool = tools.tool_of(fields)
            if tool is None:
                return record._replace(fields=fields)
        try:
            row, outcome = tool.row(fields, question)
        except BadValue as error:
            shown = excerpt("; ".join(f"{name}={str(value)[:80]}" for name, value in fields.items()))
            return record._replace(fields=None, problem=str(error), excerpt=shown, tool=tool.name)
        if tool.names_content:
            row = self._with_content(row)
        if (the_id := self.layout.id_column) in fields:  # the tool's own id, if a person names it
            row = {**row, "external_id" if "external_id" in row else the_id: fields[the_id]}
        return record._replace(fields=row, tool=tool.name, outcome=outcome)

    def _with_content(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row with its first field as the content, unless a column has its name, or the layout names one."""
        if row.keys() & {self.kind.name, "file_name", self.layout.content}:
            return row
        first = next(iter(row))
        return {self.kind.name if name == first else name: value for name, value in row.items()}

    def in_layout(self, record: Record, layout: Layout) -> Record:
        """Return a record of `known` in the product's own columns."""
        if record.fields is None or layout.keeps_columns:
            return record
        if not record.tool:
            return record._replace(fields=layout.own(record.fields, self.kind.name))
        fields = dict(record.fields)
        if layout.labels_as == "ignore":
            fields.pop("suggestion", None)
        elif fields.get("label") is None and "suggestion" in fields:  # nothing, which must not take its place
            fields.pop("label", None)
        return record._replace(fields=layout.within(fields).own(fields, self.kind.name))

    @property
    def estimate(self) -> int:
        """Return about the number of records, rather too many. May read the whole file, without parsing."""
        return self.total or 1

    def check_whole(self) -> None:  # noqa: B027  # other sources cannot tell before they are read
        """Raise UnreadableFile if a part of the source is cut short. May read the whole source."""

    def position(self) -> float:
        """Return the share of the source, in [0, 1], that the last call of `records` has read."""
        return self._position

    def open_file(self, name: str) -> bytes | KeptAtSource:
        """Read the file `name` in the folder of this file, or below it; a file at a source may stay there, unread.
        Raises BadFile.
        """
        return read_inside(self.path.parent, name, limit=self.limits.of_file(self.kind))

    def close(self) -> None:  # noqa: B027  # most hold nothing open between calls
        """Close the files that the source holds open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def numbered_id(name: str, number: int) -> str:
    """Return the external id for row `number` of the file `name`: at most 200 characters."""
    return f"{name[-180:]}:{number}"


def check_columns(columns: Collection[str], file: SourceFile, layout: Layout) -> None:
    """Raise UnreadableFile unless the columns of a table can hold items of the file's kind, in this layout."""
    kind, name, limits = file.kind, file.name, file.limits
    most = limits.columns + (limits.vector_length if kind.takes_number_columns else 0)
    if len(columns) > most:
        raise UnreadableFile(
            f"{name}: there are {len(columns):,} columns, more than the {most:,} allowed: leave some out"
        )
    if layout.unsettled or tools.is_known(columns):
        return
    there = ", ".join(f'"{printable(column)}"' for column in list(columns)[:10])
    if absent := missing(layout, columns):
        raise UnreadableFile(f'{name}: no column is called "{printable(absent[0])}" (there are {there}): name another')
    if kind.columns and kind.columns.isdisjoint(columns) and not layout.content and not EXPORTED.issubset(columns):
        names = " or ".join(f'"{column}"' for column in sorted(kind.columns, key=lambda column: column != kind.name))
        raise UnreadableFile(
            f"{name}: no column is called {names} (there are {there}): rename one in the header, or name the column"
        )


def inside(name: str) -> str | None:
    """Return `name` as a relative path with "/" between its parts; None for one that is empty or leads outside."""
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        return None
    return "/".join(part for part in parts if part not in ("", ".")) or None


def find_inside(root: Path, name: str) -> Path:
    """Return the path of the file `name` below `root`. Links must stay below `root`. Raises BadFile."""
    plain = inside(name)
    if plain is None:
        raise BadFile("is named by a path outside of the folder: give a path within it")
    try:
        path = (root / plain).resolve()
        if not path.is_relative_to(root.resolve()):
            raise BadFile("is a link out of the folder: put the file itself there")
        if not path.is_file():  # a pipe or a device would never end
            raise BadFile(f"is missing: there is no file {excerpt(plain)}")
    except (OSError, RuntimeError, UnicodeEncodeError) as error:  # too long a name, links in a circle, half a character
        raise BadFile("is named by a path that no file can have") from error
    return path


def read_inside(root: Path, name: str, *, limit: int) -> bytes:
    """Read the file `name` below `root`. Raises BadFile."""
    path = find_inside(root, name)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadFile(f"cannot be opened: {error.strerror}") from error
    if len(data) > limit:
        raise BadFile(too_large(limit))
    return data
