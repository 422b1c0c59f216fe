"""The reason why a task is in its batch, as a sentence. Pure functions."""

from django.utils.translation import gettext

from labeling.models import Batch, Task
from labeling.models.batches import IMPORTED
from labeling.web.shared.words import count, localized, number
from selector.strategies import STRATEGIES


def reason(batch: Batch, task: Task) -> str:
    """Return the reason why the task is in its batch, as a sentence. Select the task with its `audit_draw` and its
    item's `as_copy` and `certified_label`.
    """
    if batch.strategy == IMPORTED:
        return gettext("Imported with its label, not picked.")
    if task.is_control and task.replaces_id:
        return gettext(
            "Drawn at random for control, in place of an item that all annotators skipped: it measures the model, "
            "which does not learn from it."
        )
    if task.is_control:
        return gettext("Drawn at random for control: it measures the model, which does not learn from it.")
    if hasattr(task, "audit_draw"):
        if task.audit_draw.is_decoy:
            return gettext(
                "It keeps audit tasks from being recognized: annotators see its prediction, so its answer is not "
                "part of the proof."
            )
        return gettext("An audit asks about it, to prove labels of the model.")
    if task.asked and task.shown.queued_at:
        return gettext("A manager asked for it.")
    picked = batch.selection_numbered(task.selection)
    if task.asked and hasattr(task.shown, "as_copy"):
        return gettext("It checks the label of a near-copy.")
    if task.asked:
        covers = batch.number == 1 and picked.selected_by is None and not hasattr(task.shown, "certified_label")
        if covers:
            return gettext("Picked because many items are like it: there was no model yet.")
        return gettext("A manager corrected its certified label.")
    if task.replaces_id and picked.selected_by is not None:
        return _with_margin(gettext("Picked because it is like an item that all annotators skipped"), task)
    if picked.selected_by is None and task.replaces_id:
        return gettext("Drawn at random, in place of an item that all annotators skipped: there was no model yet.")
    if picked.selected_by is None:
        return gettext("Drawn at random: there was no model yet.")
    strategy = STRATEGIES.get(picked.strategy)
    if strategy is not None and strategy.fair:
        return f"{gettext(strategy.reason)}."
    if task.cluster is not None and task.draw_pass is not None:
        return _with_margin(_place(task), task)
    if strategy is not None and strategy.reason:
        return _with_margin(gettext(strategy.reason), task)
    return _with_margin(gettext("Picked by %(strategy)s") % {"strategy": picked.strategy}, task)


def _place(task: Task) -> str:
    values = {"number": number((task.draw_pass or 0) + 1), "cluster": task.cluster}
    if task.cluster_size is None:
        return gettext("Picked in pass %(number)s from cluster %(cluster)s") % values
    values["candidates"] = count(task.cluster_size, "candidate")
    return gettext("Picked in pass %(number)s from cluster %(cluster)s, which held %(candidates)s") % values


def _with_margin(text: str, task: Task) -> str:
    """Return the sentence, with the task's margin if there is one."""
    if task.margin is None:
        return f"{text}."
    return gettext("%(reason)s; margin %(margin)s.") % {"reason": text, "margin": short_margin(task.margin)}


def short_margin(margin: float) -> str:
    """Return the margin with few digits: 0.03, 0.5, < 0.001."""
    text = "< 0.001" if 0 < margin < 0.001 else f"{margin:.2g}" if margin < 0.1 else f"{margin:.2f}"
    return localized(text)
