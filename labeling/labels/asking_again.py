"""Ask annotators again about answered items: the items lose their label and get a task in the next batch."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from labeling.labels import counting
from labeling.loop import batches
from labeling.models import Item, Project, Task
from labeling.models.items import ItemQuerySet
from labeling.storage.db.long_writes import in_parts

# Items per transaction: other writers wait for its end.
PART = 100


def repeatable(items: ItemQuerySet) -> ItemQuerySet:
    """Return the items that can be asked again: they have all their answers, and no manager has settled them."""
    settled = items.kept().uncorrected().filter(row__isnull=False, task__outstanding=0, again_at__isnull=True)
    return settled.exclude(pk__in=Task.objects.further().filter(is_gold=False, outstanding__gt=0).values("repeats"))


def ask_again(*, project: Project, ids: Sequence[int]) -> int:
    """Remove the labels of these items and mark them for the next batch. Return the number of items.

    The old answers are kept and do not count any more. Each transaction changes `PART` items, so a second call after an
    interruption changes the remaining ones.
    """
    asked = 0
    for part in in_parts(sorted(ids), PART):
        with transaction.atomic():
            # The same locks as those of an undo.
            tasks = Task.objects.of_items(part).select_for_update(no_key=True, of=("self",)).order_by("pk")
            list(tasks.values_list("pk", flat=True))
            items = Item.objects.filter(
                pk__in=list(repeatable(project.items.filter(pk__in=part)).values_list("pk", flat=True))
            )
            with counting.labels_counted(part):
                asked += items.update(
                    label=None, agreement=None, labeled_at=None, label_quality=None, likely_label=None,
                    again_at=timezone.now(), sent_back=True,
                )  # fmt: skip
    if asked:  # the pool may have been empty
        batches.ensure_next(project=project)
    return asked
