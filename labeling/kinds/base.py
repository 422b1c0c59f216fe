"""The interface of a kind of item: all that differs between images, texts, vectors and the like. Values in, values out.

To add one, subclass `Kind`, or `FileKind` where an item is a file, in a file of this folder, and list it in
`kinds/__init__.py` (docs/how-to/add-a-kind.md walks through it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, ClassVar, NamedTuple, SupportsBytes

import numpy as np

from labeling.kinds.values import BadFile, value_text


@dataclass(frozen=True, slots=True)
class ItemContent:
    """What an item is: a file, a vector, or fields alone.

    `shown` are the fields that annotators see of it. `file` holds the bytes as they came and `suffix` is "", until the
    file is opened. `vector` is 1-D float32, all of it finite.
    """

    shown: dict[str, Any] = field(default_factory=dict)
    file: bytes | None = None
    suffix: str = ""
    vector: np.ndarray | None = None


class OpenedFile(NamedTuple):
    """A file as it can be shown, and the suffix of its real format.

    `preview` and `thumbnail` are smaller pictures of it; b"" where it is small itself, is no picture, or none were
    wanted.
    """

    content: bytes
    suffix: str
    preview: bytes = b""
    thumbnail: bytes = b""


class Surroundings(NamedTuple):
    """What a row does not say itself.

    `number_columns` make up the vector where no column is called so; `vector_length` is that of the project's vectors,
    None if any will do. `open_file` gives the bytes of a file that the row names, and raises BadFile; None where rows
    may name none. `in_tree` says that the row stands for a file of a folder or zip file.
    """

    number_columns: tuple[str, ...] = ()
    vector_length: int | None = None
    open_file: Callable[[str], bytes] | None = None
    in_tree: bool = False


class Kind(ABC):
    """A kind of item. It holds no state: there is one instance of each, in `labeling.kinds.KINDS`.

    Templates of its own lie in `templates/kinds/NAME/`, the module that shows it to annotators in
    `static/js/label/kinds/NAME.js`.
    """

    name: ClassVar[str]
    """In the database, the API and commands; also the column of a row that holds the content. Never changed."""

    sentence: ClassVar[str]
    """What it is for, where somebody chooses."""

    noun: ClassVar[str]
    plural: ClassVar[str]
    """An item of it, and several, in a sentence."""

    columns: ClassVar[frozenset[str]] = frozenset()
    """A table needs one of these; empty: any table will do."""

    forms: ClassVar[frozenset[str]] = frozenset()
    """Formats that are read for this kind beside tables: "npy", "folder", "zip"."""

    takes_number_columns: ClassVar[bool] = False
    """Columns of numbers together are the content, where no column bears the kind's name."""

    rows_at_once: ClassVar[int] = 256
    """Rows of a Parquet file that are held at once."""

    chunk: ClassVar[int] = 500
    """Items that are read at one time."""

    chunks_at_once: ClassVar[int] = 1
    """Chunks that an import stores in one transaction."""

    is_file: ClassVar[bool] = False
    """An item is a file, which is stored, served and exported."""

    is_picture: ClassVar[bool] = False
    """It can be shown small, in lists."""

    in_grids: ClassVar[bool] = False
    """Many can be judged side by side, at a glance each."""

    folder: ClassVar[str] = ""
    """Where its files lie below the project's media."""

    content_types: ClassVar[Mapping[str, str]] = {}
    """What the files are served as, by their suffix. Nothing else is served."""

    bare: ClassVar[str] = ""
    """What stands in a list for an item that has nothing to be quoted."""

    keys: ClassVar[Sequence[tuple[str, str]]] = ()
    """Keys of the annotators' screen that only this kind has, with what they do."""

    signs: ClassVar[Sequence[tuple[str, str]]] = ()
    """Likewise, keys that are no letters: they need no Shift where letters search."""

    styles: ClassVar[Sequence[str]] = ()
    """Style sheets that the annotators' screen needs for it."""

    def missing(self) -> str:
        """What is to be installed before such items can be imported, in one line; "" if nothing is."""
        return ""

    @abstractmethod
    def take(self, fields: dict[str, Any], around: Surroundings) -> ItemContent:
        """Take the content out of the fields of a row. Raises BadValue or BadFile."""

    def open(self, files: Sequence[bytes], *, smaller: bool = False) -> Iterator[OpenedFile | BadFile]:
        """Of each file, in order: what can be shown, with smaller pictures of it if they are wanted; or why it is
        refused.
        """
        return iter(())

    def file_problem(self, name: str) -> str:
        """Why a file of this name, in a folder or zip file, is none of this kind; "" if it may be one."""
        return ""

    def raw(self, data: Mapping[str, Any], stored: SupportsBytes | np.ndarray | None) -> Any:
        """What an encoder takes of an item with these fields, whose file or vector is `stored`."""
        return stored

    def identity(self, data: Mapping[str, Any], media: str, vector: np.ndarray | None) -> bytes:
        """What two items have in common that hold the same content, whatever they are called; b"" if it cannot be
        told. `media` is the storage name of the item's file, which follows from the file's bytes.
        """
        return b"" if media.endswith(".npy") else PurePosixPath(media).stem.encode()

    def excerpt(self, data: Mapping[str, Any]) -> str:
        """What a list quotes of an item; "" if nothing."""
        return ""

    def facts(self, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The fields that are shown beside the item itself, as people read them."""
        return [(name, value_text(value)) for name, value in data.items() if value not in (None, "")]
