"""Values of a project as people send them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labeling.models import Project
from labeling.models.projects import MAX_CLASSES
from labeling.questions import InvalidValue, Stored
from labeling.statements import marks, rows


def indices_of(project: Project, names: Iterable[str]) -> Mapping[str, int]:
    """The index of each of these classes that there is, by its name of today. One query; none for no name."""
    unique = list(set(names))
    if not unique:
        return {}
    # The last column is a word of SQL too.
    sql = f'SELECT name, "index" FROM labeling_labelclass WHERE project_id = %s AND name IN ({marks(len(unique))})'
    return dict(rows(sql, [project.pk, *unique]))


def read_value(project: Project, value: Any) -> Stored:
    """What a client sent (class names, or a bool) as it is stored. Raises `InvalidValue`. One query at most."""
    names = project.asks.names_in(value)
    if len(names) > MAX_CLASSES:
        raise InvalidValue("These are too many class names.")
    return project.asks.parse(value, project.as_called(indices_of(project, names), None))
