"""How often each class is a label, and what the control slice says of the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count

from labeling.insight.certainty import interval
from labeling.models import Batch, Project
from labeling.models.items import ItemQuerySet

# Classes that are told of one by one.
SHOWN = 20
NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Frequency:
    """A class among the labels, and its share of the pool, estimated by `control` items of it, with its interval."""

    name: str
    labels: int
    share: float
    control: int
    pool: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Balance:
    """The most frequent classes of `labeled` items; `control` of these were drawn at random."""

    classes: list[Frequency]
    labeled: int
    control: int
    seen: int
    n_classes: int

    @property
    def others(self) -> int:
        """Classes that have labels and are not told of."""
        return self.seen - len(self.classes)


def balance_of(project: Project, batch: Batch | None = None) -> Balance:
    """Of the project's labels, or of one batch's; the pool is estimated by all control items in any case.

    Four queries; the database counts over the labeled items. A `multi` item counts for each class of its label.
    """
    labeled = project.items.labeled()
    labels, n_labeled = _count(labeled.filter(task__batch=batch) if batch else labeled)
    control, n_control = _count(project.items.measuring())
    known = {index: n for index, n in labels.items() if index != NO_CLASS}
    shown = sorted(known, key=lambda index: (-known[index], index))[:SHOWN]
    if labels.get(NO_CLASS):
        shown.append(NO_CLASS)
    names = {**project.answer_names(shown), NO_CLASS: "none applies"}
    return Balance(
        classes=[
            _frequency(names[index], labels[index], n_labeled, control.get(index, 0), n_control) for index in shown
        ],
        labeled=n_labeled,
        control=n_control,
        seen=len(known) + (NO_CLASS in shown),
        n_classes=project.answer_count + (NO_CLASS in shown),
    )


def _frequency(name: str, labels: int, n_labeled: int, control: int, n_control: int) -> Frequency:
    low, high = interval(control, n_control)
    return Frequency(name, labels, labels / n_labeled, control, control / n_control if n_control else 0.0, low, high)


def _count(items: ItemQuerySet) -> tuple[Mapping[int, int], int]:
    """Items of each class, and items in all."""
    found: Counter[int] = Counter()
    total = 0
    for label, n in items.order_by().values_list("label").annotate(n=Count("pk")):
        total += n
        for index in label if isinstance(label, list) else [int(label)]:
            found[index] += n
        if label == []:
            found[NO_CLASS] += n
    return found, total
