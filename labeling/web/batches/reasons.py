"""The reason why a task is in its batch, as a sentence. Pure functions."""

from __future__ import annotations

from labeling.models import Batch, Task
from labeling.models.batches import IMPORTED
from labeling.web.shared.words import count, number
from selector.strategies import STRATEGIES


def reason(batch: Batch, task: Task) -> str:
    """Return the reason why the task is in its batch, as a sentence. Select the task with its `audit_draw` and its
    item's `as_copy` and `certified_label`.
    """
    if batch.strategy == IMPORTED:
        return "Imported with its label, not picked."
    replaces = ", in place of an item that all annotators skipped" if task.replaces_id else ""
    if task.is_control:
        return f"Drawn at random for control{replaces}: it measures the model, which does not learn from it."
    if hasattr(task, "audit_draw"):
        if task.audit_draw.is_decoy:
            return "It keeps an audit unrecognised: annotators see its prediction, so its answer proves nothing."
        return "An audit asks about it, to prove labels of the model."
    if task.asked and task.shown.queued_at:
        return "A manager asked for it."
    picked = batch.selection_numbered(task.selection)
    if task.asked and hasattr(task.shown, "as_copy"):
        return "It checks the label of a near-copy."
    if task.asked:
        covers = batch.number == 1 and picked.selected_by is None and not hasattr(task.shown, "certified_label")
        if covers:
            return "Picked because many items are like it: there was no model yet."
        return "A manager corrected its certified label."
    if replaces and picked.selected_by is not None:
        return f"Picked because it is like an item that all annotators skipped{_doubt(task)}."
    if picked.selected_by is None:
        return f"Drawn at random{replaces}: there was no model yet."
    strategy = STRATEGIES.get(picked.strategy)
    if strategy is not None and strategy.fair:
        return f"{strategy.reason}."
    doubt = _doubt(task)
    if task.cluster is not None and task.draw_pass is not None:
        held = "" if task.cluster_size is None else f", which held {count(task.cluster_size, 'candidate')}"
        return f"Picked in pass {number(task.draw_pass + 1)} from cluster {task.cluster}{held}{doubt}."
    return f"{(strategy and strategy.reason) or f'Picked by {picked.strategy}'}{doubt}."


def _doubt(task: Task) -> str:
    return "" if task.margin is None else f"; margin {short_margin(task.margin)}"


def short_margin(margin: float) -> str:
    """Return the margin with few digits: 0.03, 0.5, < 0.001."""
    return "< 0.001" if 0 < margin < 0.001 else f"{margin:.2g}" if margin < 0.1 else f"{margin:.2f}"
