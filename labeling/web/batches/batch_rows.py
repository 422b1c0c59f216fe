"""The rows of tables of batches and of a batch's tasks. Pure functions."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from labeling.models import Batch, Project, Task
from labeling.models.batches import BY_CHANCE, IMPORTED, SEED
from labeling.web.batches.reasons import reason
from labeling.web.items.item_view import excerpt, label_text
from labeling.web.shared.words import accuracy, duration, interval, localized, number, percent

STATES = {
    Batch.State.SELECTING: gettext_lazy("selecting"),
    Batch.State.READY: gettext_lazy("ready"),
    Batch.State.OPEN: gettext_lazy("open"),
    Batch.State.TRAINING: gettext_lazy("training"),
    Batch.State.DONE: gettext_lazy("done"),
    Batch.State.FAILED: gettext_lazy("failed"),
    Batch.State.IMPORTING: gettext_lazy("importing"),
}
"""The states of a batch, in one word."""
EXCERPT = 80


def batch_rows(batches: Iterable[Batch], hours: Mapping[int, float] | None = None) -> list[dict[str, Any]]:
    """Make a row for each batch.

    The batches must be selected with `selected_by` and `model_version`. `hours` maps a batch's key to its hours of
    work; with it, the rows have the duration, the work and the resulting accuracy, for members who may read them.
    """
    return [
        {
            "batch": batch,
            "state": STATES[Batch.State(batch.state)],
            "answered": _of_all(batch),
            "left_out": left_out(batch),
            "picked_by": picked_by(batch),
            **({} if hours is None else _effort(batch, hours)),
        }
        for batch in batches
    ]


def answered_of(answered: int, answers: int, size: int) -> str:
    """Return the progress of a batch in answers, or in items where each item needs one answer; empty without items."""
    if not size:
        return ""
    by_item = gettext("%(answered)s of %(all)s done")
    text = by_item if answers == size else gettext("%(answered)s of %(all)s answers")
    return text % {"answered": number(answered), "all": number(answers)}


def _of_all(batch: Batch) -> str:
    values = {"part": number(batch.size - batch.remaining), "all": number(batch.size)}
    return gettext("%(part)s of %(all)s") % values if batch.size else "–"


def left_out(batch: Batch) -> str:
    """Say how many tasks were left out of a batch that was ended early; empty if none."""
    text = ngettext("%(n)s left out", "%(n)s left out", batch.dropped)
    return text % {"n": number(batch.dropped)} if batch.dropped else ""


def _effort(batch: Batch, hours: Mapping[int, float]) -> dict[str, str]:
    version = getattr(batch, "model_version", None)
    control = (version.metrics.get("control") if version else None) or {}
    known = bool(control.get("n"))
    return {
        "lasted": stretch(batch.opened_at, batch.completed_at) or "–",
        "work": duration(hours[batch.pk] * 3600) if batch.pk in hours else "–",
        "accuracy": accuracy(control["accuracy"], control["n"]) if known else "–",
        "interval": interval(control["low"], control["high"]) if known else "",
    }


def picked_by(batch: Batch) -> str:
    """Say in a few words how the batch was picked."""
    if batch.strategy == IMPORTED:
        return gettext("imported")
    if batch.strategy == SEED:
        return gettext("without a model")
    if batch.strategy in BY_CHANCE or (batch.strategy and batch.selected_by is None):
        return gettext("at random")
    if batch.selected_by is None:
        return "–"
    number, newest = batch.selected_by.number, batch.newest_version
    values = {"strategy": batch.strategy, "number": number, "newest": newest}
    if newest in (None, number):
        return gettext("by %(strategy)s, version %(number)s") % values
    return gettext("by %(strategy)s, version %(number)s, not %(newest)s") % values


def stretch(start: datetime.datetime | None, end: datetime.datetime | None) -> str:
    """Return the time between two moments, in words; empty if either is missing."""
    return duration(max(0.0, (end - start).total_seconds())) if start and end else ""


def picked_row(
    project: Project, batch: Batch, task: Task, names: Mapping[int, str], flags: Mapping[int, str]
) -> dict[str, Any]:
    """Make the row of a task.

    The task must be selected with its item. `names` maps the occurring classes to names, `flags` the tasks' keys to the
    people who flagged them.
    """
    item = task.shown
    return {
        "task": task,
        "item": item,
        "excerpt": excerpt(project, item)[:EXCERPT],
        "reason": reason(batch, task),
        "taken_for": taken_for(project, task, names),
        "sure": "" if task.confidence is None else percent(task.confidence),
        "label": label_text(project.asks, item.label, dict(names)),
        "margin": "" if task.margin is None else localized(f"{task.margin:.4f}"),
        "cluster_size": "" if task.cluster_size is None else number(task.cluster_size),
        "draw_pass": "" if task.draw_pass is None else number(task.draw_pass + 1),
        "flagged_by": flags.get(task.pk, ""),
    }


def taken_for(project: Project, task: Task, names: Mapping[int, str]) -> str:
    """Return the name of the class that the model predicted when it picked the item; empty without a prediction."""
    if task.predicted is None:
        return ""
    answers = project.asks.answers
    return answers[task.predicted] if answers else names.get(task.predicted, "")
