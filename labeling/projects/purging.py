"""Remove deleted items for good after 30 days: their files, rows, annotations and search words.

The rows of the project's matrices keep their numbers: the row of a removed item stays, unused.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from labeling import kinds, references
from labeling.answering import counting
from labeling.db.long_writes import in_parts
from labeling.disk.files import FileDamaged
from labeling.items import search
from labeling.kinds import media
from labeling.models import Annotation, Batch, Item, Project, ProjectStorage, Reference, Task
from labeling.models.batches import IMPORTED
from labeling.projects import quota
from labeling.shared_files import StoreAway

logger = logging.getLogger(__name__)

KEPT_DAYS = 30
# Items in one transaction, for which other writers wait, and in one call of `purge`, for which deadlines wait.
CHUNK = 50
MOST = 1_000


def _nothing(project: Project, items: Sequence[int]) -> None:
    """Forget nothing: no other code owns files with items."""


def purge(now: datetime.datetime, *, forget: Callable[[Project, Sequence[int]], None] = _nothing) -> int:
    """Remove up to `MOST` items that were deleted 30 days ago or earlier. Returns their number.

    `forget` removes items from files that other code owns. Before the rows are removed it gets all items of a project
    that are due, because it writes the files anew; and afterwards those that were removed, because a step may have
    stored a file meanwhile.

    An item stays until the batches of its tasks are done, for an unfinished batch counts its tasks. An item of a
    project without a batch stays until the first batch: until then the encoder may be fitted again on all rows.
    """
    end = now - datetime.timedelta(days=KEPT_DAYS)
    # `excluded()` has a partial index; a scan of all items would be slow.
    over = Item.objects.excluded().filter(excluded_at__lte=end, deleted_at__lte=end)
    unfinished = Task.objects.exclude(batch__state=Batch.State.DONE)
    over = over.filter(project__batches__isnull=False).exclude(
        Exists(unfinished.filter(Q(item=OuterRef("pk")) | Q(repeats=OuterRef("pk"))))
    )
    ids = list(over.order_by("project", "pk").values_list("project", "pk").distinct()[:MOST])
    for project in Project.objects.filter(pk__in={project for project, _ in ids}):
        items = [pk for owner, pk in ids if owner == project.pk]
        try:
            forget(project, list(over.filter(project=project).order_by("pk").values_list("pk", flat=True).distinct()))
            for part in in_parts(items, CHUNK):
                _remove(project, part)
            forget(project, items)
        except (FileDamaged, StoreAway) as error:  # of this project alone; the next call tries again
            logger.error("Items of %s cannot be removed for good: %s", project, error)
    return len(ids)


def _remove(project: Project, ids: Sequence[int]) -> None:
    """Remove the files first, then the rows: a killed process leaves no file without an item."""
    size = _remove_files(list(project.items.deleted().filter(pk__in=ids).select_related("project")))
    with transaction.atomic():
        items = Item.objects.deleted().filter(pk__in=ids)
        # The lock makes transactions that insert references to these items wait.
        gone = list(items.select_for_update().order_by("pk").values_list("pk", flat=True))
        tasks = Task.objects.filter(Q(item__in=gone) | Q(repeats__in=gone))
        dropped = Counter(tasks.values_list("batch", flat=True))
        control = Counter(tasks.filter(is_control=True).values_list("batch", flat=True))
        further = Counter(tasks.further().values_list("batch", flat=True))
        labeled = Counter(tasks.filter(item__label__isnull=False).values_list("batch", flat=True))
        rows = Item.objects.filter(pk__in=gone, row__isnull=False).count()
        in_rows = _row_bytes(gone)
        tasks.delete()  # with their assignments and annotations
        names = list(Item.objects.filter(pk__in=gone).exclude(media="").values_list("media", flat=True))
        Item.objects.filter(pk__in=gone).delete()
        Reference.objects.filter(project=project, name__in=names).delete()
        search.forget(gone)
        for batch, n in sorted(dropped.items()):
            Batch.objects.filter(pk=batch).update(
                size=F("size") - n,
                dropped=F("dropped") + n,
                control_tasks=F("control_tasks") - control[batch],
                further=F("further") - further[batch],
                labeled=F("labeled") - labeled[batch],
            )
        # After the batches: a submit that completes a batch locks them in this order.
        Project.objects.filter(pk=project.pk).update(purged_rows=F("purged_rows") + rows)
        quota.count(project, media=-size, rows=-in_rows)
        ProjectStorage.objects.filter(project=project).update(purges=F("purges") + 1)
    for touched in Batch.objects.filter(pk__in=dropped):
        counting.recount(touched)  # a part of the counted answers is gone


def _row_bytes(ids: Sequence[int]) -> int:
    """Return the bytes that were counted for these items, and for their imported answers, at their import."""
    items = Item.objects.filter(pk__in=ids).values_list("external_id", "source", "data")
    answers = Annotation.objects.filter(task__item__in=ids, task__batch__strategy=IMPORTED)
    return sum(quota.item_bytes(name, source, json.dumps(data)) for name, source, data in items) + sum(
        quota.answer_bytes(value, reason) for value, reason in answers.values_list("value", "skip_reason")
    )


def _remove_files(items: list[Item]) -> int:
    """Remove the files of these items that no other item shares. Returns the bytes that were counted for the items.

    Files of vectors hold the vectors of many items, and stay.
    """
    if not items or not kinds.of(items[0].project).is_file:
        return 0
    names = {item.media for item in items if item.media}
    others = items[0].project.items.filter(media__in=names).exclude(pk__in=[item.pk for item in items])
    shared = set(others.values_list("media", flat=True))
    size = 0
    for name in names:
        size += media.size_of(name) * sum(item.media == name for item in items)
        if name not in shared:
            references.remove(name)
    return size
