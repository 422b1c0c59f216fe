"""The items themselves, for rows of an export: texts, vectors, and the bytes of files.

Also their files by class: `train/cat/001.jpg`. Files with certified labels are in folders of their own:
`certified/train/cat/001.jpg`.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from labeling.kinds import Kind
from labeling.models import Item
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.short import original_name
from labeling.outgoing.formats import Layout, Page, Row
from labeling.outside import references
from labeling.projects.people.invisible import INVISIBLE
from labeling.questions import Question

# Files that are brought from an object store at a time.
AT_ONCE = 32
# Bytes of a folder's or file's name: file systems take 255.
MOST_BYTES = 150

Content = tuple[Row, Any]
"""A row with its text, vector or bytes; None if the item has none."""


_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
# Names that Windows keeps for devices, with any suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]) *(\.|\Z)", re.IGNORECASE)


def files_layout(facts: Facts) -> Layout:
    """Return the files of the rows, with their names in the archive."""
    names = Names(facts.question, facts.classes, facts.kind)

    def files(page: Page) -> Iterator[tuple[str, BinaryIO]]:
        labeled = [row for row in page if row["label"] is not None]
        return opened((name, row) for row in with_files(labeled) for name in names.of(row))

    return Layout(pa.schema([]), as_files=files)


def _brought(page: Page) -> Iterator[tuple[Row, bool]]:
    """Bring the files of the rows to this host, some at a time; yield each row with whether its file was lost."""
    rows = iter(page)
    while part := list(islice(rows, AT_ONCE)):
        lost = references.bring(row["media"] for row in part)
        yield from ((row, row["media"] in lost) for row in part)


def with_files(page: Page) -> Iterator[Row]:
    """Bring the files of rows to this host, and yield the rows but those without a file or with a lost one."""
    return (row for row, is_lost in _brought([row for row in page if row["media"]]) if not is_lost)


def opened(named: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, BinaryIO]]:
    """Yield each name with the opened file of its row."""
    for name, row in named:
        with references.opened(row["media"]) as file:
            yield name, file


def stem_of(row: Row, kind: Kind) -> str:
    """Return the name of the row's file, without its suffix, as a name that every system takes."""
    return safe_name(PurePosixPath(original_name(row, kind)).stem)


def safe_name(text: str) -> str:
    """Return the text as the name of a file or folder that every system takes, and that leads to no other folder.

    >>> safe_name("../a:b"), safe_name("CON"), safe_name("..")
    ('_a_b', '_CON', '_')
    """
    text = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", INVISIBLE.sub("", text))).strip(" .")
    text = text.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore").rstrip(" .")
    return f"_{text}" if not text or _DEVICE.match(text) else text


class Names:
    """The names in an archive. Different classes have different folders, files different names, whatever the case."""

    def __init__(self, question: Question, classes: Iterable[str], kind: Kind) -> None:
        self._question = question
        self._kind = kind
        self._folders: dict[str, str] = {}
        self._taken: set[str] = set()
        for name in classes:
            self._folder(name)

    def of(self, row: Row) -> list[str]:
        """Return the names of the row's file: one for each class of its label."""
        stem, suffix = stem_of(row, self._kind), PurePosixPath(row["media"]).suffix
        part = row["split"].replace("_", "/")  # certified_train
        folders = [f"{part}/{self._folder(label)}" for label in labels_of(self._question, row)]
        return [self._free(f"{folder}/{stem}", f"-{row['item']}", suffix) for folder in folders]

    def within(self, row: Row) -> str:
        """Return the path of the row's file at its source, or in the folder or archive of its import."""
        *folders, _ = PurePosixPath(original_name(row, self._kind).rpartition("://")[2]).parts
        safe = [safe_name(part) for part in folders if part not in ("/", ".", "..")]
        path = "/".join([*safe, stem_of(row, self._kind)])
        return self._free(path, f"-{row['item']}", PurePosixPath(row["media"]).suffix)

    def once(self, row: Row) -> str:
        """Return the one name of the row's file: in the folder of its class if its label is one class."""
        labels = [] if row["label"] is None else labels_of(self._question, row)
        folder = f"{row['split']}/{self._folder(labels[0])}" if len(labels) == 1 else row["split"]
        return self._free(f"{folder}/{stem_of(row, self._kind)}", f"-{row['item']}", PurePosixPath(row["media"]).suffix)

    def _folder(self, label: str) -> str:
        if label not in self._folders:
            self._folders[label] = self._free(safe_name(label), "-2", "")
        return self._folders[label]

    def _free(self, name: str, ending: str, suffix: str) -> str:
        while f"{name}{suffix}".casefold() in self._taken:
            name += ending
        self._taken.add(f"{name}{suffix}".casefold())
        return f"{name}{suffix}"


def labels_of(question: Question, row: Row) -> list[str]:
    """Return the classes of the row's label. The answer no to a proposed class is the class "not" it."""
    if question.proposes:
        return [row["proposed"] if row["label"] else f"not {row['proposed']}"]
    return question.label_names(row["label"])


def with_contents(page: Page, kind: Kind) -> Iterator[Content]:
    """Yield rows with the contents of their items, one file in memory at a time; None for a file lost at its source."""
    if kind.is_file:
        for row, is_lost in _brought(page):
            yield row, None if is_lost else _file(row["media"])
    elif kind.columns:
        for row in page:
            yield row, json.loads(row["data"]).get(kind.name)
    else:
        yield from zip(page, _vectors(page), strict=True)


def _vectors(page: Page) -> Iterator[np.ndarray | None]:
    items = Item.objects.filter(pk__in=[row["item"] for row in page])
    places = {pk: (name, offset) for pk, name, offset in items.values_list("pk", "media", "media_offset")}
    references.bring(name for name, _ in places.values())
    blocks: dict[str, np.ndarray] = {}
    for row in page:
        vector = references.read_content(*places.get(row["item"], ("", 0)), blocks)
        yield vector if isinstance(vector, np.ndarray) else None


def _file(name: str) -> bytes | None:
    return bytes(references.read_content(name, 0, {}) or b"") if name else None
