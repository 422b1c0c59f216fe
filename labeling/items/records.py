"""What is known of items: a line for each in a list, and everything about one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from labeling.items.filters import State
from labeling.models import Annotation, Correction, Item, Project, Task
from labeling.questions import Stored

Names = dict[int, str]


@dataclass(slots=True)
class ItemLine:
    """An item as lists show it. `said`: (annotator, answer or None for a skip), as they came."""

    item: Item
    said: list[tuple[str, Stored | None]] = field(default_factory=list)
    flagged: bool = False
    corrected: bool = False

    @property
    def task(self) -> Task | None:
        return task_of(self.item)

    @property
    def state(self) -> State | None:
        return state_of(self.item)


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """Everything about one item: all annotations, those taken back too, and all corrections, the newest first."""

    item: Item
    task: Task | None
    annotations: list[Annotation]
    corrections: list[Correction]
    names: Names

    @property
    def correction(self) -> Correction | None:
        """The one that stands."""
        return next((each for each in self.corrections if each.withdrawn_at is None), None)

    @property
    def flagged(self) -> bool:
        return any(each.flagged and each.undone_at is None for each in self.annotations)

    @property
    def state(self) -> State | None:
        return state_of(self.item)

    @property
    def predicted(self) -> Any:
        """What the model took the item for when it was picked: a class's name, or yes or no; None if there was none."""
        if self.task is None or self.task.predicted is None:
            return None
        return self.item.project.asks.predicted(self.task.predicted, self.names)

    @property
    def can_be_corrected(self) -> bool:
        return self.task is not None and self.task.has_all_answers


def task_of(item: Item) -> Task | None:
    """The item's task; None if no batch has taken it. Needs it selected with the item, or asks."""
    return item.task if hasattr(item, "task") else None


def state_of(item: Item) -> State | None:
    """Where the item stands, as the filter of that name has it; None for one that is still to be encoded, or that a
    batch ended without.
    """
    task = task_of(item)
    if item.label is not None:
        return State.LABELED
    if task is None:
        if item.row is None:
            return State.UNREADABLE if item.encode_error else None
        return State.UNLABELED
    if task.outstanding == 0:
        return State.SKIPPED
    return State.OPEN if task.batch.state == "open" else None


def lines_of(project: Project, ids: Sequence[int]) -> tuple[list[ItemLine], Names]:
    """The items with these ids, in this order, and the names of the classes that occur. Four queries."""
    found = project.items.select_related("task__batch").in_bulk(ids)
    lines = {pk: ItemLine(found[pk]) for pk in ids if pk in found}
    given = Annotation.objects.standing().filter(task__item__in=list(lines)).order_by("created_at", "pk")
    for item, username, value, flagged in given.values_list("task__item", "user__username", "value", "flagged"):
        lines[item].said.append((username, value))
        lines[item].flagged |= flagged
    for item in Correction.objects.standing().filter(item__in=list(lines)).values_list("item", flat=True):
        lines[item].corrected = True
    return list(lines.values()), names_of(project, [line.item.label for line in lines.values()])


def record_of(project: Project, item_id: int) -> ItemRecord:
    """All that is known of one item. Four queries. Raises `Item.DoesNotExist`."""
    item = project.items.select_related("task__batch__selected_by").get(pk=item_id)
    task = task_of(item)
    annotations = list(
        Annotation.objects.filter(task=task).select_related("user").order_by("created_at", "pk") if task else []
    )
    corrections = list(item.corrections.select_related("user", "withdrawn_by").order_by("-pk"))
    values = [item.label, *(each.value for each in annotations), *(each.value for each in corrections)]
    predicted = None if task is None or project.asks.proposes else task.predicted
    also = [index for index in (item.proposed, predicted) if index is not None]
    return ItemRecord(item, task, annotations, corrections, names_of(project, values, also))


def names_of(project: Project, values: Iterable[Any], also: Iterable[int] = ()) -> Names:
    """The names of the classes that occur in these stored values (and `also`), by index."""
    indices = set(also)
    for value in values:
        if value is not None and not isinstance(value, bool):
            indices.update(value if isinstance(value, list) else [value])
    return project.class_names(indices)
