"""Why a task is in its batch, in one sentence. Values in, words out."""

from __future__ import annotations

from labeling.models import Batch, Project, Task
from labeling.web.shared.words import count, number

_OTHERS = {
    str(Project.Strategy.MARGIN): "Picked because the model could hardly decide between two answers",
    str(Project.Strategy.ENTROPY): "Picked because the model's probability is spread over many answers",
    str(Project.Strategy.CORESET): "Picked because it is unlike all that was labeled or picked before it",
    str(Project.Strategy.BADGE): "Picked because its answer would change the model much, and unlike the others picked",
}


def reason(batch: Batch, task: Task) -> str:
    """Why the task is in its batch, in one sentence."""
    if task.is_control:
        return "Drawn at random for control: it measures the model, which never learns from it."
    if batch.selected_by_id is None:
        return "Drawn at random: there was no model yet."
    if batch.strategy == Project.Strategy.UNIFORM:
        return "Drawn at random."
    doubt = "" if task.margin is None else f"; margin {short_margin(task.margin)}"
    if task.cluster is not None and task.draw_pass is not None:
        held = "" if task.cluster_size is None else f", which held {count(task.cluster_size, 'candidate')}"
        return f"Picked in pass {number(task.draw_pass + 1)} from cluster {task.cluster}{held}{doubt}."
    return f"{_OTHERS.get(batch.strategy, f'Picked by {batch.strategy}')}{doubt}."


def short_margin(margin: float) -> str:
    """0.03, 0.5, < 0.001: as much as one takes in."""
    return "< 0.001" if 0 < margin < 0.001 else f"{margin:.2g}" if margin < 0.1 else f"{margin:.2f}"
