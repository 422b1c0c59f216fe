"""Which answer a task shows to the people who are asked: the item's own suggestion, or what the model predicts."""

from __future__ import annotations

from typing import Any

from labeling.models import Project
from labeling.models.tasks import PromptedBy


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
