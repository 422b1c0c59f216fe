"""Read answer values that clients send."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.utils.translation import gettext

from labeling.models import Project
from labeling.models.project_settings import MAX_CLASSES
from labeling.questions import InvalidValue, Stored
from labeling.storage.db.statements import marks, rows


def indices_of(project: Project, names: Iterable[str]) -> Mapping[str, int]:
    """Return the index of each class with one of these names; unknown names are left out. Takes one query; none without
    names.

    The same query refreshes `project.earlier_names`: a class may have been renamed since the project was read, and its
    old name may belong to another class now.
    """
    unique = list(set(names))
    if not unique:
        return {}
    # "index" is quoted because it is an SQL keyword.
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
    """Convert a client's value (class names or a bool) to its stored form. Raises `InvalidValue`. At most one query."""
    names = project.asks.names_in(value)
    if len(names) > MAX_CLASSES:
        raise InvalidValue(gettext("These are too many class names."))
    return project.asks.parse(value, project.as_called(indices_of(project, names), None))
