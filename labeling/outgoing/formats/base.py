"""Shared by the formats: rows, pages of rows, the layout of a file, and the declaration of a format."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, BinaryIO, NamedTuple

import orjson
import pyarrow as pa

from labeling.kinds import Kind

Row = dict[str, Any]
Page = list[Row]

LABELS = {str: pa.string(), bool: pa.bool_(), int: pa.int64()}
JSON_OPTIONS = orjson.OPT_UTC_Z


def label_type(exported_as: Any) -> pa.DataType:
    """Return the Arrow type of labels (`Question.exported_as`).

    >>> label_type([str]), label_type({"start": int})
    (ListType(list<item: string>), StructType(struct<start: int64>))
    """
    if isinstance(exported_as, list):
        return pa.list_(label_type(exported_as[0]))
    if isinstance(exported_as, dict):
        return pa.struct([(name, label_type(each)) for name, each in exported_as.items()])
    return LABELS[exported_as]


class Shard(NamedTuple):
    """A file of an archive with rows of one split; its name in the archive, and the SHA-256 of its content."""

    split: str
    name: str
    digest: str


def splits_of(shards: Iterable[Shard]) -> list[str]:
    return list(dict.fromkeys(shard.split for shard in shards))


@dataclass(frozen=True)
class Layout:
    """The layout that all rows of a file share."""

    schema: pa.Schema
    """The columns in their order, with their types."""
    as_columns: Callable[[Page], Page] = lambda page: page
    """A page of rows with a value for each column."""
    for_people: bool = False
    """Whether spreadsheets open the file: CSV then begins with a byte order mark, and quotes all texts."""
    delimiter: str = ","
    """What stands between the cells of CSV."""
    as_objects: Callable[[Page], Iterable[Any]] = lambda page: page
    """A page of rows as JSON has them."""
    as_files: Callable[[Page], Iterable[tuple[str, BinaryIO]]] = lambda page: ()
    """The opened files of a page, with their names in an archive."""
    as_parts: Callable[[Page], Iterable[tuple[str, Page]]] = lambda page: [("train", page)]
    """A page of rows as parts of one split each, with a value for each column. No part holds more than one file."""
    as_samples: Callable[[Page], Iterable[tuple[str, Mapping[str, bytes]]]] = lambda page: ()
    """The split and the files of each row, by the suffix of their names."""
    opening: Sequence[tuple[str, bytes]] = ()
    """The first files of an archive: people see that their download begins, however long the rows take."""
    closing: Callable[[Sequence[Shard]], Iterable[tuple[str, bytes]]] = lambda shards: ()
    """The last files of an archive with these shards, such as its README.md, once all rows are read."""


@dataclass(frozen=True)
class Format:
    """A file format. Each format can hold all rows and columns of every layout."""

    name: str
    """In addresses and commands."""
    title: str
    note: str
    """When to choose it, for people."""
    _: KW_ONLY
    write: Callable[[Iterable[Page], Layout], Iterator[bytes]]
    """Pages of rows as chunks of bytes. A page is read when the chunks before it are taken, and no more than some pages
    are in memory.
    """
    ending: str = ""
    """The ending of a file's name; "" if it is the format's name."""
    content_type: str = "application/zip"
    is_text: bool = False
    """Whether a terminal can show it."""
    takes: Callable[[Kind], bool] = lambda kind: True
    """Whether it can hold items of this kind."""
    holds: str = "items"
    """The word for the items that it can hold."""

    @property
    def suffix(self) -> str:
        return f".{self.ending or self.name}"


def columns(rows: Sequence[Row], names: Sequence[str]) -> Iterable[list[Any]]:
    """Return the values of the rows column by column, for the columns `names`. A row of a dataset version that is older
    than a column has None there.
    """
    return ([row.get(name) for row in rows] for name in names)
