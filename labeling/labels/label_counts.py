"""The number of labels of each class, counted once per batch: only corrections change the labels of a done batch."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Count, Max, OuterRef, QuerySet, Subquery

from labeling.models import Batch, Correction, Item, LabelCounts, Task
from labeling.models.items import ItemQuerySet
from labeling.questions import Question

NO_CLASS = -1
# An open batch of at least `LARGE` items is recounted after each hundredth of its labels; a smaller one at each call.
LARGE, STEPS = 20_000, 100


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of items by class index, as `Question.counted` assigns them, and the number of all items."""

    classes: Mapping[int, int]
    items: int


@dataclass(frozen=True, slots=True)
class _Corrections:
    newest: int = 0
    withdrawn: int = 0


def count_labels(asks: Question, items: ItemQuerySet) -> Counts:
    """Return the counts of these labeled items. Takes one query, which reads all of them."""
    classes: Counter[int] = Counter()
    total = 0
    for label, n in items.order_by().values_list("label").annotate(n=Count("pk")):
        total += n
        for index in asks.counted(label) or [NO_CLASS]:
            classes[index] += n
    return Counts(classes, total)


def counts_of(asks: Question, batches: Iterable[Batch]) -> Counts:
    """Return the counts of the labeled items of these batches, without excluded items. `asks`: the project's question.

    At most four queries, and the query for the batches, which must have `label_counts` selected.
    """
    of_batch = {batch.pk: batch for batch in batches}
    corrections = _corrections(of_batch)
    counts: list[Counts] = []
    lasting: list[_Key] = []
    passing: list[int] = []
    for pk, batch in of_batch.items():
        corrected, kept = corrections.get(pk, _Corrections()), getattr(batch, "label_counts", None)
        if kept and _is_current(kept, batch, corrected):
            counts.append(Counts({int(index): n for index, n in kept.classes.items()}, kept.labeled))
        elif batch.state == Batch.State.DONE:
            lasting.append((pk, batch.labeled, corrected))
        elif batch.size >= LARGE:
            lasting.append((pk, STEPS * batch.labeled // batch.size, corrected))
        else:
            passing.append(pk)
    if lasting:
        counts.append(_counted(asks, tuple(lasting)))
    if passing:
        counts.append(count_labels(asks, _labeled(passing)))
    return _without(counts, _excluded(asks, of_batch)) if counts else Counts({}, 0)


def _without(counts: Iterable[Counts], excluded: Counts) -> Counts:
    """Return the sum of these counts minus the excluded items, which change while the counts of their batch are
    stored.
    """
    classes: Counter[int] = Counter()
    for each in counts:
        classes.update(each.classes)
    classes.subtract(excluded.classes)
    return Counts(+classes, max(0, sum(each.items for each in counts) - excluded.items))


def _excluded(asks: Question, batches: Mapping[int, Batch]) -> Counts:
    # Start from the few excluded items of the projects, not from the batches' many tasks.
    excluded = Item.objects.excluded().filter(project__in={batch.project_id for batch in batches.values()})
    return count_labels(asks, excluded.labeled().filter(task__batch__in=batches))


def store_counts(batch: Batch) -> None:
    """Store the label counts of a done batch, unless the stored counts are current."""
    # Read the batch before the labels: if a label changes meanwhile, the stored counts are outdated and counted again.
    batch.refresh_from_db()
    corrected = _corrections([batch.pk]).get(batch.pk, _Corrections())
    kept = LabelCounts.objects.filter(batch=batch).first()
    if batch.state != Batch.State.DONE or (kept and _is_current(kept, batch, corrected)):
        return
    counts = count_labels(batch.project.asks, _labeled([batch.pk]))
    if counts.items == batch.labeled:
        values = {
            "labeled": counts.items,
            "corrected": corrected.newest,
            "withdrawn": corrected.withdrawn,
            "classes": counts.classes,
        }
        LabelCounts.objects.update_or_create(batch=batch, defaults=values)


# A batch's id, the (rounded) number of its labels, and its corrections.
_Key = tuple[int, int, _Corrections]


@lru_cache(maxsize=64)
def _counted(asks: Question, batches: tuple[_Key, ...]) -> Counts:
    """Return the counts of these batches. Each process caches them; the key changes with the labels and corrections."""
    return count_labels(asks, _labeled([pk for pk, _, _ in batches]))


def _labeled(batches: Iterable[int]) -> ItemQuerySet:
    return Item.objects.labeled().filter(task__batch__in=batches)


def corrections_in(batches: QuerySet[Batch]) -> QuerySet[Any]:
    """Return the corrections, standing or withdrawn, of items of these batches, annotated with the batch's id as
    `batch`.
    """
    # A subquery for each of the few corrections: for a join, SQLite would scan all items.
    task = Task.objects.filter(item=OuterRef("item"), batch__in=batches).order_by().values("batch")
    return Correction.objects.annotate(batch=Subquery(task)).filter(batch__isnull=False)


def _corrections(batches: Iterable[int]) -> dict[int, _Corrections]:
    """Return, by batch id, the newest correction and the number of withdrawn ones. Batches without corrections are left
    out.
    """
    made = corrections_in(Batch.objects.filter(pk__in=batches)).values("batch")
    return {
        row["batch"]: _Corrections(row["newest"], row["withdrawn"])
        for row in made.annotate(newest=Max("pk"), withdrawn=Count("withdrawn_at"))
    }


def _is_current(kept: LabelCounts, batch: Batch, corrected: _Corrections) -> bool:
    return (kept.labeled, kept.corrected, kept.withdrawn) == (batch.labeled, corrected.newest, corrected.withdrawn)
