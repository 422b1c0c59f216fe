"""Resolve a task's answers to a label, and write the label to the task's item."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.utils import timezone

from labeling.models import Annotation, Item, Project, Task
from labeling.storage.db.statements import change_each, stored

NO_ITEM = 0


class _Label(NamedTuple):
    value: Any
    agreement: float | None
    split: bool  # the answers name a class that was split: the item is asked again


def resolve(project: Project, tasks: Sequence[Task]) -> None:
    """Write the labels that follow from the standing answers to these locked tasks, if the tasks decide on a label. The
    caller counts the labels.
    """
    deciding = Task.objects.deciding().filter(pk__in=[task.pk for task in tasks])
    items = {task.pk: task.item_key for task in deciding}
    write_labels(project, items, answers_to(items))


def answers_to(tasks: Collection[int]) -> dict[int, list[Any]]:
    """Return the standing answers to each of these tasks, by time."""
    answers: dict[int, list[Any]] = {pk: [] for pk in tasks}
    if tasks:
        standing = Annotation.objects.deciding().filter(task__in=tasks).order_by("created_at")
        for task, value in standing.values_list("task", "value"):
            answers[task].append(value)
    return answers


def write_labels(project: Project, items: Mapping[int, int], answers: Mapping[int, Sequence[Any]]) -> set[int]:
    """Write the labels that follow from the answers to these tasks. `items`: item id by task id; `answers`: by task id.

    Return the ids of the tasks whose answers give a label. The caller counts the labels.
    """
    labels = {task: _resolve(project, answers[task]) for task in items}
    _store_labels({item: labels[task] for task, item in items.items()})
    return {task for task, label in labels.items() if label.value is not None}


def keep_gold_labels(project: Project, items: Mapping[int, int], answers: Mapping[int, Sequence[Any]]) -> None:
    """Leave the labels of these gold items unchanged, in as many database statements as `write_labels` takes for other
    items: the time of a reply must not identify gold tasks. Parameters as of `write_labels`.
    """
    change_each("UPDATE labeling_item SET label = label WHERE id = %s", [(item,) for item in items.values()])
    if any(_resolve(project, answers[task]).split for task in items):
        _ask_again([NO_ITEM])


def _resolve(project: Project, answers: Sequence[Any]) -> _Label:
    value, agreement = project.asks.resolve([project.follow(each) for each in answers if each is not None])
    return _Label(None, None, True) if project.is_split(value) else _Label(value, agreement, False)


def _store_labels(labels: Mapping[int, _Label]) -> None:
    """Write the label of each item, except items with a standing correction."""
    now = stored(Item, "labeled_at", timezone.now())
    change_each(
        """
        UPDATE labeling_item SET label = %s, agreement = %s, labeled_at = %s
        WHERE id = %s AND NOT EXISTS (
            SELECT 1 FROM labeling_correction c WHERE c.item_id = labeling_item.id AND c.withdrawn_at IS NULL
        )
        """,
        [
            (stored(Item, "label", label.value), label.agreement, None if label.value is None else now, item)
            for item, label in labels.items()
        ],
    )
    split = [item for item, label in labels.items() if label.split]
    if split:
        _ask_again(split)


def _ask_again(split: Sequence[int]) -> None:
    """Mark these items, whose answers name a class that was split, for the next batch."""
    Item.objects.uncorrected().filter(pk__in=split, again_at__isnull=True).update(again_at=timezone.now())
