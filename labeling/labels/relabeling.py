"""Settle labels again after a merge or a split of classes, or after its undo."""

from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.utils import timezone

from labeling.labels import counting, item_labels
from labeling.models import Annotation, ClassChange, Correction, Item, LabelCounts, Project, Task
from labeling.models.items import ItemQuerySet
from labeling.storage.db.long_writes import in_parts

PART = 200
"""Tasks per transaction: other writers wait for its end."""


def relabel(
    project: Project, *, writing: Callable[[], AbstractContextManager[None]], progress: Callable[[float], None]
) -> int:
    """Settle the labels that the project's pending class changes affect. Return the number of tasks that were examined.

    `writing` opens a transaction for each `PART` tasks; `progress` gets the finished share. After an interruption, a
    second call starts from the beginning: to settle a label twice changes nothing.
    """
    changes = list(project.class_changes.filter(relabels=True).order_by("revision"))
    indices = {index for change in changes for index in change.classes[:1]}
    indices |= {old for change in changes for old, new in _merges(change).items() if new in indices}
    keys = array("q", sorted(_tasks_of(project, indices)))
    for part in in_parts(keys, PART):
        with writing():
            _settle_tasks(project, list(part))
        progress((keys.index(part[0]) + len(part)) / len(keys))
    with writing():
        ClassChange.objects.filter(pk__in=[change.pk for change in changes]).update(relabels=False)
        LabelCounts.objects.filter(batch__project=project).delete()  # they count the old labels
    return len(keys)


def _merges(change: ClassChange) -> dict[int, int]:
    return {int(old): new for old, new in change.merged_before.items()}


def _tasks_of(project: Project, indices: set[int]) -> set[int]:
    """Return the ids of the tasks with an answer, or a correction of their item, that names one of these classes."""

    def names(value: Any) -> bool:
        return not indices.isdisjoint(project.asks.classes_in(value))

    answers = Annotation.objects.answers().filter(task__batch__project=project).order_by()
    tasks = {key for key, value in answers.values_list("task", "value").iterator(chunk_size=5000) if names(value)}
    corrections = Correction.objects.standing().filter(item__project=project).order_by()
    items = {item for item, value in corrections.values_list("item", "value").iterator(chunk_size=5000) if names(value)}
    return tasks | set(Task.objects.of_items(items).values_list("pk", flat=True)) if items else tasks


def _settle_tasks(project: Project, tasks: list[int]) -> None:
    """Settle the labels of the complete ones of these tasks, and count the changes. Call in a transaction."""
    # Read the merges again: a manager may have changed the classes since this step began.
    project.refresh_from_db(fields=["merged", "split"])
    locked = list(
        Task.objects.filter(pk__in=tasks, outstanding=0).select_for_update(no_key=True, of=("self",)).order_by("pk")
    )
    keys = [task.item_key for task in locked if not task.is_gold]
    items = Item.objects.filter(pk__in=keys)
    with counting.labels_counted(keys):
        open_again = _settle_corrections(project, items)
        item_labels.resolve(project, locked)
        items.filter(pk__in=open_again).update(label=None, agreement=None, labeled_at=None, again_at=timezone.now())
        items.labeled().filter(sent_back=False).update(again_at=None)


def _settle_corrections(project: Project, items: ItemQuerySet) -> list[int]:
    """Apply the class changes to the standing corrections of these items. Withdraw corrections that name a split class,
    and return the ids of their items, which lack a label until annotators or an undo of the split settle them.
    """
    open_again = []
    split = (
        project.class_changes.filter(kind=ClassChange.Kind.SPLIT, undone_at__isnull=True).order_by("revision").last()
    )
    for correction in Correction.objects.standing().filter(item__in=items.values("pk")):
        label = project.follow(correction.value)
        if split is not None and project.is_split(label):
            ended = Correction.objects.filter(pk=correction.pk)
            ended.update(withdrawn_at=split.created_at, withdrawn_by=split.user)
            open_again.append(correction.item_id)
        else:
            Item.objects.filter(pk=correction.item_id).update(label=label, labeled_at=timezone.now())
    return open_again


def restore_corrections(split: ClassChange) -> None:
    """Restore the corrections that this split withdrew, after its undo, unless the item has a newer correction."""
    ended = Correction.objects.filter(item__project=split.project, withdrawn_at=split.created_at)
    standing = Correction.objects.standing().values("item")
    ended.exclude(item__in=standing).update(withdrawn_at=None, withdrawn_by=None)
