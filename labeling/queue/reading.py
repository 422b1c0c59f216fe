"""Read answer values that clients send, and check that they fit their items."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from labeling.models import Project, Task, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.questions import InvalidValue, Stored
from labeling.queue.answer import Answer
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


def unfit_answers(project: Project, user: User, answers: Iterable[Answer]) -> dict[int, str]:
    """Return, by task id, why an answer does not fit the item of a task that the user has held. One query if the
    question checks contents, else none.
    """
    if not project.asks.checks_content:
        return {}
    by_task = {answer.task: answer for answer in answers}
    held = Task.objects.filter(pk__in=by_task, batch__project=project, assignments__user=user)
    unfit = {}
    for task, content in held.values_list("pk", Coalesce("item__data", "repeats__data")):
        try:
            project.asks.check_content(by_task[task].value, content)
        except InvalidValue as error:
            unfit[task] = str(error)
    return unfit
