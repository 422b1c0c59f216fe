"""The rules of a project for the rows of a file."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from labeling.kinds import KeptAtSource
from labeling.questions import Question


@dataclass(frozen=True)
class Rules:
    """The rules of a project. With `vector_length` None every length is accepted; the first accepted draft sets it."""

    kind: str
    question: Question
    classes: tuple[str, ...]
    vector_length: int | None = None
    with_truth: bool = True  # check truth and label of a row; False: ignore them
    allow_files: bool = False  # rows may name files beside a CSV, JSONL or Parquet file
    # reads a file at a source, which rows may name, or returns its place
    files_at: Callable[[str], bytes | KeptAtSource] | None = None
    id_of: Callable[[str], str] | None = None  # place → id, for a row without an id; None: the place is the id
    knows_places: bool = False  # an earlier release may have named items of the project after their places
    smaller: bool = False  # make smaller pictures of large files

    @cached_property
    def indices(self) -> Mapping[str, int]:
        """The indices of `classes`, by name."""
        return {name: index for index, name in enumerate(self.classes)}

    def class_named(self, name: str) -> str | None:
        """Return the class with this name, or else the only one with the same `folded` name; None without one."""
        for spelling in (name, unicodedata.normalize("NFC", name.strip())):
            if spelling in self.indices:
                return spelling
        return self._by_folded.get(folded(name)) or None

    @cached_property
    def _by_folded(self) -> Mapping[str, str]:
        """The classes by folded name; "" where several have the same one."""
        by_folded: dict[str, str] = {}
        for name in self.classes:
            by_folded[folded(name)] = "" if folded(name) in by_folded else name
        return by_folded

    @cached_property
    def answers_are_numbers(self) -> bool:
        """Whether a number is an answer: yes or no, or the name of a class, so that it cannot be a class's index."""
        return self.question.proposes or any(name.strip().isdecimal() for name in self.classes)


def folded(name: str) -> str:
    """Return the name without differences of letter case, of surrounding spaces, and of how accents are encoded."""
    return unicodedata.normalize("NFC", name.strip().casefold())
