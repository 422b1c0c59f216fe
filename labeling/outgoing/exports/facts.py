"""The facts about a project that layouts and rows of an export need.

They are read once, when the export begins, so that all rows and the list of classes name a class alike, although a
manager may rename it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from labeling import kinds
from labeling.kinds import Kind
from labeling.models import Project
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.rows import fields_of, names_of
from labeling.questions import Question

# A table with more columns is no table for people. The most frequent fields come first.
MOST_FIELDS = 100


@dataclass(frozen=True)
class Facts:
    """The facts of one export. `names` are the classes by index."""

    title: str
    slug: str
    kind: Kind
    question: Question
    names: Mapping[int, str]
    vector_length: int
    choice: Choice
    number_of: Callable[[str], int]
    """The number that stands for a person in all exports of the project."""
    read_fields: Callable[[], Sequence[str]]

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes by index."""
        return [name for _, name in sorted(self.names.items())]

    @cached_property
    def fields(self) -> Sequence[str]:
        """The names of the fields that the items were imported with, but the content; the most frequent first."""
        return [name for name in self.read_fields() if name not in self.kind.columns]


def facts_of(project: Project, choice: Choice) -> Facts:
    """Return the facts of an export. One query; one or two when `fields` are read."""
    return Facts(
        title=project.name,
        slug=project.slug,
        kind=kinds.of(project),
        question=project.asks,
        names=names_of(project, choice),
        vector_length=project.vector_length or 1,
        choice=choice,
        number_of=lambda name: int.from_bytes(project.keyed("annotator", name)[:6], "big"),
        read_fields=lambda: fields_of(project, choice, most=MOST_FIELDS),
    )
