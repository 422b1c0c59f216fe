"""Values of a project as people send them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from labeling.models import Project
from labeling.models.project_settings import MAX_CLASSES
from labeling.questions import InvalidValue, Stored
from labeling.statements import marks, rows


def indices_of(project: Project, names: Iterable[str]) -> Mapping[str, int]:
    """The index of each of these classes that there is, by its name of today. One query; none for no name.

    The project gets the earlier names of the same moment: a class may have been renamed since it was read, and a name
    that is another's by now must not be taken for the new one's.
    """
    unique = list(set(names))
    if not unique:
        return {}
    # The last column is a word of SQL too.
    read = rows(
        f"""
        SELECT p.earlier_names, c.name, c."index" FROM labeling_project p
        LEFT JOIN labeling_labelclass c ON c.project_id = p.id AND c.name IN ({marks(len(unique))}) WHERE p.id = %s
        """,
        [*unique, project.pk],
    )
    if read:
        earlier_names = read[0][0]
        project.earlier_names = orjson.loads(earlier_names) if isinstance(earlier_names, str) else earlier_names
    return {name: index for _, name, index in read if name is not None}


def read_value(project: Project, value: Any) -> Stored:
    """What a client sent (class names, or a bool) as it is stored. Raises `InvalidValue`. One query at most."""
    names = project.asks.names_in(value)
    if len(names) > MAX_CLASSES:
        raise InvalidValue("These are too many class names.")
    return project.asks.parse(value, project.as_called(indices_of(project, names), None))
