"""Asking again about items that were answered: they lose their label, and wait for a task in the next batch."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from labeling import database
from labeling.answering import batches, counting
from labeling.models import Item, Project, Task
from labeling.models.items import ItemQuerySet

# Items in one transaction: others wait for its end.
PART = 100


def repeatable(items: ItemQuerySet) -> ItemQuerySet:
    """Those of these items that can be asked again: they have all their answers, and no manager has settled them."""
    settled = items.kept().uncorrected().filter(row__isnull=False, task__outstanding=0, again_at__isnull=True)
    return settled.exclude(pk__in=Task.objects.further().filter(is_gold=False, outstanding__gt=0).values("repeats"))


def ask_again(*, project: Project, ids: Sequence[int]) -> int:
    """Take the labels off these items and have people asked again. Returns how many items that were.

    What was answered stays, and decides nothing any more. A part in each transaction: killed at any moment and called
    again, it does what is left.
    """
    asked = 0
    for part in database.in_parts(sorted(ids), PART):
        with transaction.atomic():
            # Behind the locks that undoing an answer takes.
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
