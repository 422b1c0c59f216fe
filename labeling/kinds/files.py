"""The base of kinds whose items are files: read a file from a row, and open untrusted bytes."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, NamedTuple, SupportsBytes

import numpy as np

from labeling.kinds.base import ItemContent, KeptAtSource, Kind, OpenedFile, Surroundings
from labeling.kinds.opening import Opener
from labeling.kinds.wording import MIB, BadFile, BadValue, is_blank, too_large, type_name

# The characters of an address that an item stores.
MOST_ADDRESS = 300
_TABLES = frozenset({".csv", ".tsv", ".jsonl", ".json", ".parquet", ".npy"})


class Foreign(NamedTuple):
    """A format of files that imports refuse."""

    noun: str
    """The word for a file of this format, for example "photo"."""

    formats: str
    """The names of the formats, for example "HEIC or AVIF"."""

    problem: str
    """Ends the sentence "the file …"."""

    advice: str
    """How to convert a file before the import."""


class FileKind(Kind):
    """An item is a file: in a folder or zip file, beside a table, or within a row."""

    forms = frozenset({"folder", "zip"})
    rows_at_once = 16
    chunk = 100
    is_file = True

    formats: ClassVar[str]
    """The accepted formats, for a sentence: "PNG, JPEG or GIF"."""

    suffixes: ClassVar[frozenset[str]]
    """The suffixes of files that may be of this kind. The opener finds the real format from the bytes."""

    shown_suffixes: ClassVar[Mapping[str, str]] = {}
    """The suffixes of the files that browsers get, by other suffixes that such a file may have at a source."""

    foreign: ClassVar[Mapping[str, Foreign]] = {}
    """Widespread formats that imports refuse, by suffix."""

    most_bytes: ClassVar[int] = 20 * MIB
    """The most bytes of a file."""

    most_content: ClassVar[int]
    """The opener's limit on the content of a file, for example in pixels."""

    opener: ClassVar[Opener]
    """Opens untrusted bytes in a separate process."""

    def pop_content(self, fields: dict[str, Any], around: Surroundings) -> ItemContent:
        """Take the file from the row: bytes, Hugging Face's {"bytes", "path"}, a data: URL, or a file's name."""
        column = "file_name" if around.in_tree or is_blank(fields.get(self.name)) else self.name
        value = fields.pop(column, None)
        if column == "file_name":
            fields.pop(self.name, None)
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return ItemContent(file=value)
        what = f"the {self.noun}"
        if is_blank(value):
            raise BadValue(f'{what} is missing: name a file or give a data: URL in column "{self.name}"')
        if not isinstance(value, str):
            raise BadValue(f'column "{column}" must name a file or hold a data: URL, not a {type_name(value)}')
        if value[:5].lower() == "data:":
            return ItemContent(file=self._data_url(value))
        if "://" in value[:20] and not around.at_source:
            raise BadValue(f"{what} is an address on the network, which is not fetched: give the file itself")
        if around.open_file is None:
            raise BadValue(f"{what} is named by a file, and an upload has none beside it: use a zip file or data: URLs")
        found = around.open_file(value)
        return self._kept(found) if isinstance(found, KeptAtSource) else ItemContent(file=found)

    def _kept(self, file: KeptAtSource) -> ItemContent:
        """Return the content of a file at a source. Its name and size alone are checked: the encoder opens it."""
        suffix = PurePosixPath(file.key).suffix.lower()
        if problem := self.file_problem(file.key) or _size_problem(file.size, self.most_bytes):
            raise BadFile(problem)
        if len(file.address) > MOST_ADDRESS:
            raise BadFile(f"has an address of more than {MOST_ADDRESS} characters: rename it")
        if not suffix:
            raise BadFile(
                f"has no ending such as {next(iter(self.content_types))}: rename it, or copy the files of the source"
            )
        return ItemContent(kept=file, suffix=self.shown_suffixes.get(suffix, suffix))

    def _data_url(self, url: str) -> bytes:
        head, comma, body = url.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise BadValue(f"the data: URL of the {self.noun} is not in base64")
        try:
            return base64.b64decode(body.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise BadValue(f"the data: URL of the {self.noun} is damaged or cut short") from None

    def open(
        self,
        files: Sequence[bytes],
        *,
        smaller: bool = False,
        most_bytes: int | None = None,
        most_content: int | None = None,
    ) -> Iterator[OpenedFile | BadFile]:
        """Return, for each file in order, a file that browsers can show (the same one if they can), or the reason for
        its refusal.

        Many small files in one call are faster than a call for each.
        """
        checked = [(file, _size_problem(len(file), most_bytes or self.most_bytes)) for file in files]
        good = [file for file, problem in checked if not problem]
        opened = self.opener.opened(good, most_content or self.most_content, smaller=smaller)
        for _, problem in checked:
            yield BadFile(problem) if problem else next(opened)

    def file_problem(self, name: str) -> str:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in self.suffixes or not suffix:
            return ""
        if suffix in self.foreign:
            return self.foreign[suffix].problem
        if suffix == ".zip":
            return "is a zip file, which is not opened here: import it by itself"
        if suffix in _TABLES:
            return (
                f"is no {self.noun}: import it by itself, or call it metadata.csv or metadata.jsonl if it describes "
                f"the {self.plural}"
            )
        return f"is no {self.formats} {self.noun}: convert it, or leave it out"

    def raw(self, data: Mapping[str, Any], stored: SupportsBytes | np.ndarray | None) -> Any:
        return b"" if stored is None else stored


def _size_problem(size: int | None, most_bytes: int) -> str:
    if size is not None and size > most_bytes:
        return too_large(most_bytes)
    return "is empty" if size == 0 else ""
