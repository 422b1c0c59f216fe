"""Labels follow their classes: after a merge or a split, or once one is undone, answers are settled again."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.utils import timezone

from labeling import database
from labeling.answering import counting, labels
from labeling.models import Annotation, ClassChange, Correction, Item, LabelCounts, Project, Task
from labeling.models.items import ItemQuerySet

PART = 200
"""Tasks whose labels are settled in one transaction: others wait for its end."""


def relabel(
    project: Project, *, writing: Callable[[], AbstractContextManager[None]], progress: Callable[[float], None]
) -> int:
    """Settle the labels that the project's pending changes are about, a part in each transaction that `writing` begins.

    Killed at any moment and called again, it does all of it again: settling a label twice changes nothing. Returns how
    many items were looked at.
    """
    changes = list(project.class_changes.filter(relabels=True).order_by("revision"))
    indices = {index for change in changes for index in change.classes[:1]}
    indices |= {old for change in changes for old, new in _merges(change).items() if new in indices}
    keys = array("q", sorted(_tasks_of(project, indices)))
    for part in database.in_parts(keys, PART):
        with writing():
            _settle(project, list(part))
        progress((keys.index(part[0]) + len(part)) / len(keys))
    with writing():
        ClassChange.objects.filter(pk__in=[change.pk for change in changes]).update(relabels=False)
        LabelCounts.objects.filter(batch__project=project).delete()  # they are of the labels before
    return len(keys)


def _merges(change: ClassChange) -> dict[int, int]:
    return {int(old): new for old, new in change.merged_before.items()}


def _tasks_of(project: Project, indices: set[int]) -> set[int]:
    """Keys of the tasks that were answered, or whose item was corrected, with one of these classes."""

    def names(value: object) -> bool:
        return not indices.isdisjoint(value if isinstance(value, list) else [value])

    answers = Annotation.objects.answers().filter(task__batch__project=project).order_by()
    tasks = {key for key, value in answers.values_list("task", "value").iterator(chunk_size=5000) if names(value)}
    corrections = Correction.objects.standing().filter(item__project=project).order_by()
    items = {item for item, value in corrections.values_list("item", "value").iterator(chunk_size=5000) if names(value)}
    return tasks | set(Task.objects.of_items(items).values_list("pk", flat=True)) if items else tasks


def _settle(project: Project, tasks: list[int]) -> None:
    # Read again: what was answered between the change and now went by the merges that hold now.
    project.refresh_from_db(fields=["merged", "split"])
    locked = list(
        Task.objects.filter(pk__in=tasks, outstanding=0).select_for_update(no_key=True, of=("self",)).order_by("pk")
    )
    keys = [task.item_key for task in locked if not task.is_gold]
    items = Item.objects.filter(pk__in=keys)
    with counting.labels_counted(keys):
        open_again = _settle_corrections(project, items)
        labels.resolve(project, locked)
        items.filter(pk__in=open_again).update(label=None, agreement=None, labeled_at=None, again_at=timezone.now())
        items.labeled().filter(sent_back=False).update(again_at=None)


def _settle_corrections(project: Project, items: ItemQuerySet) -> list[int]:
    """What managers have set follows too. What names a class that was split holds no more, until the split is undone:
    returns the items that this leaves open.
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
    """Let what managers had set hold again, now that the split is undone."""
    ended = Correction.objects.filter(item__project=split.project, withdrawn_at=split.created_at)
    standing = Correction.objects.standing().values("item")
    ended.exclude(item__in=standing).update(withdrawn_at=None, withdrawn_by=None)
