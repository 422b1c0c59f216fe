"""The rules of a project for the rows of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from labeling.questions import Question


@dataclass(frozen=True)
class Rules:
    """What a project takes. `vector_length` None takes any; the caller sets it from the first draft it accepts."""

    kind: str
    question: Question
    classes: tuple[str, ...]
    vector_length: int | None = None
    with_truth: bool = True  # what a row says of truth and label must be right; without, it is passed over
    allow_files: bool = False  # rows may name files beside a CSV, JSONL or Parquet file
    id_of: Callable[[str], str] | None = None  # the id of a row that has none, by its place; None: the place itself
    knows_places: bool = False  # the project may have items that an earlier version named after their places
    smaller: bool = False  # smaller pictures of large files are wanted, to be stored beside them

    @cached_property
    def indices(self) -> Mapping[str, int]:
        """The indices of `classes`, by name."""
        return {name: index for index, name in enumerate(self.classes)}
