"""The rows of a batch's table of tasks, with the reason for each task. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labeling import kinds
from labeling.models import Batch, Project, Task
from labeling.web.batches.reasons import reason
from labeling.web.items.item_view import excerpt, label_text
from labeling.web.shared.words import localized, number, percent

EXCERPT = 80


@dataclass(frozen=True, slots=True)
class PickedRow:
    """A row of the table of tasks. A text without a value is empty."""

    rank: str
    item_id: int
    title: str
    image: bool
    excerpt: str
    reason: str
    taken_for: str
    sure: str
    label: str
    open: bool
    margin: str
    cluster: int | None
    cluster_size: str
    draw_pass: str
    is_control: bool
    flagged_by: str


def picked_row(
    project: Project, batch: Batch, task: Task, names: Mapping[int, str], flags: Mapping[int, str]
) -> PickedRow:
    """Make the row of a task.

    The task must be selected with its item. `names` maps the occurring classes to names, `flags` the tasks' keys to the
    people who flagged them.
    """
    item = task.shown
    return PickedRow(
        rank=number(task.rank),
        item_id=item.pk,
        title=item.title,
        image=kinds.of(project).is_picture and bool(item.media),
        excerpt=excerpt(project, item)[:EXCERPT],
        reason=reason(batch, task),
        taken_for=taken_for(project, task, names),
        sure="" if task.confidence is None else percent(task.confidence),
        label=label_text(project.asks, item.label, dict(names)),
        open=task.outstanding > 0,
        margin="" if task.margin is None else localized(f"{task.margin:.4f}"),
        cluster=task.cluster,
        cluster_size="" if task.cluster_size is None else number(task.cluster_size),
        draw_pass="" if task.draw_pass is None else number(task.draw_pass + 1),
        is_control=task.is_control,
        flagged_by=flags.get(task.pk, ""),
    )


def taken_for(project: Project, task: Task, names: Mapping[int, str]) -> str:
    """Return the name of the class that the model predicted when it picked the item; empty without a prediction."""
    if task.predicted is None:
        return ""
    answers = project.asks.answers
    return answers[task.predicted] if answers else names.get(task.predicted, "")
