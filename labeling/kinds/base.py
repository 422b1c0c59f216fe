"""The interface of a kind of item: everything that differs between images, texts, vectors and audio, as pure functions.

To add a kind, subclass `Kind` (or `FileKind` if an item is a file) in a new file of this folder, and list it in
`kinds/__init__.py` (docs/how-to/add-a-kind.md shows the steps).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, ClassVar, NamedTuple, SupportsBytes

import numpy as np

from labeling.kinds.wording import BadFile, value_text


@dataclass(frozen=True, slots=True)
class KeptAtSource:
    """A file that stays at a source, unread. `size` is None and `etag` is "" if they are not known.

    `address` names the file for managers and in exports.
    """

    source: int
    key: str
    address: str
    size: int | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class ItemContent:
    """The content of an item: a file, a vector, or fields alone.

    `shown` are the fields that annotators see. Until the file is opened, `file` has the original bytes and `suffix` is
    "". Of a file that stays at a source, `kept` is the place, and `suffix` is that of the file that browsers get.
    `vector` has the shape (d,) and dtype float32; all its values are finite.
    """

    shown: dict[str, Any] = field(default_factory=dict)
    file: bytes | None = None
    suffix: str = ""
    vector: np.ndarray | None = None
    kept: KeptAtSource | None = None


class OpenedFile(NamedTuple):
    """A file that browsers can show, and the suffix of its real format.

    `preview` and `thumbnail` are smaller pictures of the file; b"" if the file is small or no picture, or if the caller
    asked for none.
    """

    content: bytes
    suffix: str
    preview: bytes = b""
    thumbnail: bytes = b""


class Surroundings(NamedTuple):
    """The facts about a table or project that `Kind.pop_content` needs beside the row.

    Parameters
    ----------
    number_columns: the columns that make up the vector in a table without a column `vector`.
    vector_length: the length of the project's vectors; None before the first one.
    open_file: returns the bytes of a file that the row names, or its place at a source, or raises BadFile; None if rows
        must not name files.
    in_tree: whether the row stands for a file in a folder or zip file.
    at_source: whether files that rows name stay at a source, so that rows may name them by their address.
    """

    number_columns: tuple[str, ...] = ()
    vector_length: int | None = None
    open_file: Callable[[str], bytes | KeptAtSource] | None = None
    in_tree: bool = False
    at_source: bool = False


class Kind(ABC):
    """A kind of item. Instances have no state; `labeling.kinds.KINDS` has one instance of each kind.

    The templates of a kind lie in `templates/kinds/NAME/`, the module that shows its items to annotators in
    `static/js/label/kinds/NAME.js`.
    """

    name: ClassVar[str]
    """Names the kind in the database, the API and commands; also the column with the content. It never changes."""

    sentence: ClassVar[str]
    """The description of the kind in the form for a new project."""

    noun: ClassVar[str]
    plural: ClassVar[str]
    """The words for one item and for several items in a sentence."""

    columns: ClassVar[frozenset[str]] = frozenset()
    """A table must have one of these columns; empty: any table is accepted."""

    forms: ClassVar[frozenset[str]] = frozenset()
    """The formats beside tables that an import of this kind reads: "npy", "folder", "zip"."""

    takes_number_columns: ClassVar[bool] = False
    """Whether the columns of numbers together are the content if no column has the kind's name."""

    rows_at_once: ClassVar[int] = 256
    """The rows of a Parquet file that an import holds in memory at a time."""

    chunk: ClassVar[int] = 500
    """The items that an import reads at a time."""

    chunks_at_once: ClassVar[int] = 1
    """The most chunks that an import stores in one transaction: see `labeling.intake.run.ChunkSize`."""

    can_be_typed: ClassVar[bool] = False
    """Whether people can type or paste items."""

    is_file: ClassVar[bool] = False
    """Whether an item is a file, which is stored, served and exported."""

    is_picture: ClassVar[bool] = False
    """Whether lists show a small picture of an item."""

    in_file_order: ClassVar[bool] = False
    """Whether items are encoded in the order of their file. Others come in a random order."""

    in_grids: ClassVar[bool] = False
    """Whether annotators can judge many items side by side in a grid."""

    folder: ClassVar[str] = ""
    """The folder of its files below the project's media."""

    content_types: ClassVar[Mapping[str, str]] = {}
    """The content types of the served files, by suffix. Files with other suffixes are not served."""

    examples: ClassVar[str] = ""
    """The words for its example items in the sentence "200 …"; empty for a kind without examples."""

    bare: ClassVar[str] = ""
    """The words in a list for an item without an excerpt."""

    keys: ClassVar[Sequence[tuple[str, str]]] = ()
    """Letter keys that the annotators' screen has only for this kind: (key, effect)."""

    signs: ClassVar[Sequence[tuple[str, str]]] = ()
    """Other keys for this kind: (key, effect). They need no Shift while letters search for a class."""

    styles: ClassVar[Sequence[str]] = ()
    """The style sheets that the annotators' screen needs for this kind."""

    def missing(self) -> str:
        """Return the packages to install before an import of this kind, in one line; "" if none is missing."""
        return ""

    @abstractmethod
    def pop_content(self, fields: dict[str, Any], around: Surroundings) -> ItemContent:
        """Remove the content from the fields of a row, and return it. Raises BadValue or BadFile."""

    def example(self, number: int) -> dict[str, Any]:
        """Return the row of an example item of the kind, for `examples`."""
        raise NotImplementedError

    def open(self, files: Sequence[bytes], *, smaller: bool = False) -> Iterator[OpenedFile | BadFile]:
        """For each file, in order, the opened file, or the reason for its refusal. `smaller`: with smaller pictures."""
        return iter(())

    def file_problem(self, name: str) -> str:
        """Return why a file with this name, in a folder or zip file, is not of this kind; "" if it may be."""
        return ""

    def names_file(self, path: str) -> bool:
        """Return whether this is the path of a file of this kind."""
        return self.is_file and bool(PurePosixPath(path).suffix) and not self.file_problem(path)

    def raw(self, data: Mapping[str, Any], stored: SupportsBytes | np.ndarray | None) -> Any:
        """Return the encoder's input for an item with the fields `data` and the file or vector `stored`."""
        return stored

    def identity(self, data: Mapping[str, Any], media: str, vector: np.ndarray | None) -> bytes:
        """Return bytes that are equal for items with the same content, whatever their ids; b"" if the kind cannot tell.

        `media` is the storage name of the item's file, which contains the hash of the file's bytes.
        """
        return b"" if media.endswith(".npy") else PurePosixPath(media).stem.encode()

    def is_likely(self, data: Mapping[str, Any]) -> bool:
        """Return whether an item that can be of this kind is likely to be meant as such."""
        return True

    def excerpt(self, data: Mapping[str, Any]) -> str:
        """Return the text that a list quotes from an item; "" without such a text."""
        return ""

    def facts(self, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the fields that pages show beside the item itself, as (name, text)."""
        return [(name, value_text(value)) for name, value in data.items() if value not in (None, "")]
