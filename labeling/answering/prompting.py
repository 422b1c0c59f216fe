"""Which answer a task shows to the people who are asked: the item's own suggestion, or what the model predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labeling.models import Project
from labeling.models.tasks import PromptedBy

SUGGESTED = 5
"""Classes that are suggested at most, where there are many: a key each."""


def shown_answer(project: Project, *, prompted: bool, prompted_by: str, predicted: int | None, suggestion: Any) -> Any:
    """The answer, as it is stored, that a task with these facts shows; None for none.

    It knows nothing of what the task is for: docs/decisions/0023-nothing-tells-a-control-task.md.
    """
    if not prompted:
        return None
    if prompted_by == PromptedBy.SUGGESTION:
        return project.follow(suggestion) if project.show_suggestions else None
    if not project.show_predictions or predicted is None or prompted_by == PromptedBy.NOTHING:
        return None
    return project.asks.as_answer(predicted)


def suggested_classes(project: Project, answer: Any, likely: str) -> list[int]:
    """Classes to be suggested beside the answer that a task shows, its own first: at most as many as models name, for
    `SUGGESTED` of those that are offered. None where the model named no others.

    All tasks of a batch have as many, whatever they are for and whoever the answer is from.
    """
    if not likely or not project.show_predictions:
        return []
    own: Iterable[int] = answer if isinstance(answer, list) else [answer]
    merges = project.merges
    return list(dict.fromkeys([*own, *(merges.get(index, index) for index in map(int, likely.split()))]))
