"""The answer that a task shows to annotators: the item's own suggestion, or the model's prediction."""

from typing import Any

from labeling.models import Project
from labeling.models.tasks import PromptedBy

SUGGESTED = 5
"""The most classes that a page suggests; each has a key."""


def suggests(project: Project) -> bool:
    """Return whether annotators see imported suggestions. At most one query."""
    return project.show_suggestions and project.items.suggested().exists()


def shown_answer(project: Project, *, prompted: bool, prompted_by: str, predicted: int | None, suggestion: Any) -> Any:
    """Return the stored form of the answer that a task with these facts shows; None if it shows no answer.

    The kind of the task is no argument, so the answer cannot identify control tasks:
    docs/decisions/07-nothing-tells-a-task.md.
    """
    if not prompted:
        return None
    if prompted_by == PromptedBy.SUGGESTION:
        return project.follow(suggestion) if project.show_suggestions else None
    if not project.show_predictions or predicted is None or prompted_by == PromptedBy.NOTHING:
        return None
    return project.asks.as_answer(predicted)


def suggested_classes(project: Project, answer: Any, likely: str) -> list[int]:
    """Return the indices of the classes that a task suggests: those of the shown `answer`, then the model's `likely`
    classes.

    Empty if the model named no likely classes. The caller leaves out classes that are not offered any more and keeps
    the first `SUGGESTED`. Control, gold and ordinary tasks of a batch have equally many suggestions.
    """
    if not likely or not project.show_predictions:
        return []
    own, merges = project.asks.classes_in(answer), project.merges
    return list(dict.fromkeys([*own, *(merges.get(index, index) for index in map(int, likely.split()))]))
