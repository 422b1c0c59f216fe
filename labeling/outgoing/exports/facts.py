"""The facts about a project that layouts and rows of an export need.

They are read once, when the export begins, so that all rows and the list of classes name a class alike, although a
manager may rename it meanwhile.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from labeling import kinds
from labeling.kinds import Kind
from labeling.models import Project
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.chosen import chosen_labels, chosen_tasks
from labeling.outgoing.exports.frozen_rows import manifest_of
from labeling.questions import Question
from labeling.storage.db.statements import among, rows

# A table with more columns is no table for people. The most frequent fields come first.
MOST_FIELDS = 100


@dataclass(frozen=True)
class Facts:
    """The facts of one export. `names` are the classes by index."""

    project: Project
    choice: Choice
    names: Mapping[int, str]

    @property
    def kind(self) -> Kind:
        return kinds.of(self.project)

    @property
    def question(self) -> Question:
        return self.project.asks

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes by index."""
        return [name for _, name in sorted(self.names.items())]

    @cached_property
    def fields(self) -> Sequence[str]:
        """The names of the imported fields, but the content; the most frequent first. One query or two."""
        names = fields_of(self.project, self.choice, most=MOST_FIELDS)
        return [name for name in names if name not in self.kind.columns]

    def show(self, label: Any) -> Any:
        """Return the text of a stored label."""
        return self.question.show(self.project.follow(label), self.names)

    def media(self, name: str) -> str | None:
        """Return the name of an item's file; None without one. A file of vectors holds many items, so its name does
        not identify one.
        """
        return (name or None) if self.kind.is_file else None


def facts_of(project: Project, choice: Choice) -> Facts:
    """Return the facts of an export, with the present classes, or those of the dataset version. At most one query."""
    if dataset := choice.get("dataset"):
        return Facts(project, choice, {each["index"]: each["name"] for each in manifest_of(dataset)["classes"]})
    return Facts(project, choice, _Names(project))


class _Names(dict[int, str]):
    """The names of a project's classes by index. A class that is added later is read when it is first asked for."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.classes.values_list("index", "name"))
        self._project = project

    def __missing__(self, index: int) -> str:
        self[index] = name = self._project.classes.values_list("name", flat=True).get(index=index)
        return name


def fields_of(project: Project, choice: Choice, *, most: int, only: Sequence[int] | None = None) -> list[str]:
    """Return the names of the fields that the chosen items were imported with, at most `most`, the most frequent
    first. `only`: those of these items alone. One query, or two.
    """
    if dataset := choice.get("dataset"):
        return list(manifest_of(dataset)["fields"])[:most]
    on_postgres = connection.vendor == "postgresql"
    of_item = "jsonb_object_keys(item.data) AS field(key)" if on_postgres else "json_each(item.data) AS field"
    items = [chosen_tasks(project, choice)]
    with suppress(EmptyResultSet):  # Django's way to say that the filters leave no certified label
        keys, of_keys = chosen_labels(project, choice).values("pk").query.sql_with_params()
        items.append(("labeling_item item", f"item.id IN ({keys})", list(of_keys)))
    counts: Counter[str] = Counter()
    for tables, condition, values in items:
        if only is not None:
            these = among(only)
            condition, values = f"{condition} AND item.id IN ({these.sql})", [*values, *these.params]
        sql = f"""
            SELECT field.key, COUNT(*) FROM {tables} JOIN {of_item} ON true WHERE {condition}
            GROUP BY field.key ORDER BY COUNT(*) DESC, field.key LIMIT %s"""
        counts.update(dict(rows(sql, [*values, most])))
    return [name for name, _ in counts.most_common(most)]
