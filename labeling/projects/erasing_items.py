"""Erase items: remove deleted items for good after 30 days, or at once on request.

What happens to each thing is declared once, where the thing is:

- rows of an item: `on_delete` of the tables' keys. Tasks come first, since they protect their item;
- the item's own file: `_remove_files`, unless another item shares it;
- files with many items, such as dataset versions: functions that `erase_items` gets, since code above owns these files;
- words in the search index: `search.forget_words`; words that imports and changes of many items noted: `_Notes`;
- what the removed rows leave in the database's files: `labeling.labels.items.leftovers` overwrites it.

The rows of the project's matrices keep their numbers: the row of an erased item stays, unused.
`projects.erasing_projects` erases whole projects, `observing.auditlog.sealing` what names an erased person.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q

from labeling import kinds
from labeling.labels import counting
from labeling.labels.items import search
from labeling.models import (
    Annotation,
    Batch,
    BulkChange,
    Item,
    Job,
    Leftover,
    LogKind,
    Project,
    ProjectStorage,
    Reference,
    RejectedRow,
    Removal,
    Task,
)
from labeling.models.batches import BEING_PICKED, IMPORTED
from labeling.models.items import ItemQuerySet
from labeling.models.job_kinds import BINDING_KINDS
from labeling.models.jobs import JobQuerySet
from labeling.models.tasks import TaskQuerySet
from labeling.observing import auditlog
from labeling.outside import references
from labeling.projects import quota
from labeling.queue import removing
from labeling.storage import media
from labeling.storage.arrays import damage as damaged
from labeling.storage.db.long_writes import exclusive, in_parts
from labeling.storage.db.statements import among
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import StoreAway

logger = logging.getLogger(__name__)

KEPT_DAYS = 30
# Items in one transaction, for which other writers wait; and, of all projects, in one call of `erase_items`, for which
# deadlines wait.
CHUNK = 50
MOST = 1_000
# So many letters at the beginning of a text tell it from others.
TELLING = 12


def _no_files(project: Project, items: Sequence[int]) -> None:
    """Forget nothing: no other code owns files with items."""


def erase_items(now: datetime.datetime, *, forget: Callable[[Project, Sequence[int]], None] = _no_files) -> int:
    """Remove up to `MOST` items that are to be erased at once, or were deleted 30 days ago or earlier. Returns their
    number. Does nothing while another worker does this: `forget` removes files of killed calls.

    `forget` removes items from files that other code owns. Before the rows are removed it gets all items of a project
    that are due, because it writes the files anew; and afterwards those that were removed, because a step may have
    stored a file meanwhile.
    """
    with exclusive("erasing") as alone:
        if not alone:
            return 0
        number = 0
        for due in (_asked_to_erase(), _deleted_long_ago(now)):
            owners = list(due.order_by("project").values_list("project", flat=True).distinct())
            for project in Project.objects.filter(pk__in=owners):
                most = max(1, MOST // len(owners))
                try:
                    number += _erase_items_of(project, due.filter(project=project), most, forget)
                except FileDamaged as damage:  # of this project alone: managers see the file on the overview
                    damaged.note_damage(project, damaged.name_of(project, damage.path), damage.problem)
                except (StoreAway, OSError) as error:  # likewise; the next call tries again
                    logger.error("Items of %s cannot be removed for good: %s", project, error)
        return number


def _erase_items_of(
    project: Project, due: ItemQuerySet, most: int, forget: Callable[[Project, Sequence[int]], None]
) -> int:
    items = list(due.order_by("pk").values_list("pk", flat=True).distinct())
    forget(project, items)
    notes = _Notes(project)
    for part in in_parts(items[:most], CHUNK):
        _erase_part(project, part, notes)
    forget(project, items[:most])
    return len(items[:most])


def _deleted_long_ago(now: datetime.datetime) -> ItemQuerySet:
    """Return the items that were deleted 30 days ago or earlier.

    An item stays until the batches of its tasks are done, for an unfinished batch counts its tasks. An item of a
    project without a batch stays until the first batch: until then the encoder may be fitted again on all rows.
    """
    end = now - datetime.timedelta(days=KEPT_DAYS)
    # `excluded()` has a partial index; a scan of all items would be slow.
    over = Item.objects.excluded().filter(excluded_at__lte=end, deleted_at__lte=end)
    unfinished = Task.objects.exclude(batch__state=Batch.State.DONE)
    return over.filter(project__batches__isnull=False).exclude(
        Exists(unfinished.filter(Q(item=OuterRef("pk")) | Q(repeats=OuterRef("pk"))))
    )


def _asked_to_erase() -> ItemQuerySet:
    """Return the items that are to be erased at once.

    They wait only for running steps that may write rows about items that they read before.
    """
    asked = Removal.objects.at_once().values("item")
    return Item.objects.deleted().filter(pk__in=asked).exclude(project__in=_binding().values("project"))


def _binding() -> JobQuerySet:
    return Job.objects.running().filter(kind__in=BINDING_KINDS)


def _erase_part(project: Project, ids: Sequence[int], notes: _Notes) -> None:
    """Remove the files first, then the rows: a killed process leaves no file without an item. Do nothing if items are
    urgent and a step has begun that binds them.
    """
    urgent = Removal.objects.at_once().filter(item__in=ids)
    if urgent.exists() and _binding().filter(project=project).exists():
        return
    size = _remove_files(list(project.items.deleted().filter(pk__in=ids).select_related("project")))
    notes.find(ids)
    with transaction.atomic():
        # In the queue's order: tasks, items. The locks make transactions that insert references to these items wait.
        Task.objects.filter(Q(item__in=ids) | Q(repeats__in=ids)).lock()
        items = Item.objects.deleted().filter(pk__in=ids)
        gone = list(items.select_for_update().order_by("pk").values_list("pk", flat=True))
        is_urgent = urgent.exists()
        if is_urgent and _binding().filter(project=project).exists():
            return
        rows = Item.objects.filter(pk__in=gone, row__isnull=False).count()
        in_rows = _row_bytes(project, gone) + notes.remove()
        dropped = _remove_tasks(Task.objects.filter(Q(item__in=gone) | Q(repeats__in=gone)))
        names = list(Item.objects.filter(pk__in=gone).exclude(media="").values_list("media", flat=True))
        Item.objects.filter(pk__in=gone).delete()
        Reference.objects.filter(project=project, name__in=names).delete()
        search.forget_words(gone)
        # After the batches: a submit that completes a batch locks them in this order.
        Project.objects.filter(pk=project.pk).update(purged_rows=F("purged_rows") + rows)
        quota.count(project, media=-size, rows=-in_rows)
        ProjectStorage.objects.filter(project=project).update(purges=F("purges") + 1)
        if gone:
            Leftover.objects.create(urgent=is_urgent)
            auditlog.record(LogKind.ITEMS_ERASED, project=project, after={"count": len(gone), "items": gone})
    # After a kill here, `removing.close_left_over` settles the batches.
    for touched in Batch.objects.filter(pk__in=dropped):
        counting.recount(touched)  # a part of the counted answers is gone
        removing.settle_batch(touched)


def _remove_tasks(tasks: TaskQuerySet) -> list[int]:
    """Remove the tasks with their assignments and annotations. Return the keys of their batches."""
    counts = (
        tasks.order_by()
        .values("batch")
        .annotate(
            n=Count("pk"),
            control=Count("pk", filter=Q(is_control=True)),
            further=Count("repeats"),
            labeled=Count("pk", filter=Q(item__label__isnull=False)),
            waiting=Count("pk", filter=Q(outstanding__gt=0)),
        )
    )
    dropped = list(counts.order_by("batch"))
    tasks.delete()
    for each in dropped:
        # A selection counts its own tasks when it ends.
        counted = Batch.objects.filter(pk=each["batch"]).exclude(BEING_PICKED & ~Q(state=Batch.State.READY))
        counted.update(
            size=F("size") - each["n"],
            dropped=F("dropped") + each["n"],
            control_tasks=F("control_tasks") - each["control"],
            further=F("further") - each["further"],
            labeled=F("labeled") - each["labeled"],
            remaining=F("remaining") - each["waiting"],
        )
    return [each["batch"] for each in dropped]


class _Notes:
    """What imports and changes of many items noted about items: the rejected rows with their ids or contents, and the
    filters of ended changes.

    Rows and items are compared before the transaction that removes the items, because this takes long.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._rows: list[_Note] = []
        self._last = 0
        self._items: list[tuple[str, str, list[str]]] = []
        self._about_items: list[_Note] = []

    def find(self, ids: Sequence[int]) -> None:
        """Find the notes about these items."""
        items = Item.objects.filter(pk__in=ids).values_list("external_id", "source", "data")
        self._items = [(name, source, _beginnings(data)) for name, source, data in items]
        self._read()
        self._about_items = [row for row in self._rows if row.is_about(self._items)]

    def remove(self) -> int:
        """Remove the notes about the items of the last `find`. Return the bytes that were counted for the rows."""
        ended = BulkChange.objects.filter(project=self._project, finished_at__isnull=False)
        ended.exclude(filters={}).update(filters={})
        rows = [*self._about_items, *(row for row in self._read() if row.is_about(self._items))]
        gone = {row.pk for row in rows}
        RejectedRow.objects.filter(pk__in=among(gone)).delete()
        self._rows = [row for row in self._rows if row.pk not in gone]
        return sum(row.size for row in rows)

    def _read(self) -> list[_Note]:
        """Read the rows that were stored since the last call, and return them."""
        stored = RejectedRow.objects.filter(item_import__project=self._project, pk__gt=self._last).order_by("pk")
        new = [_Note.of(row) for row in stored.iterator()]
        self._rows += new
        self._last = max([self._last, *(row.pk for row in new)])
        return new


class _Note(NamedTuple):
    """A rejected row. `size`: the bytes that were counted for it."""

    pk: int
    where: str
    excerpt: str
    letters: str
    size: int

    @classmethod
    def of(cls, row: RejectedRow) -> _Note:
        size = quota.REJECTED_BYTES + len(row.where) + len(row.reason) + len(row.excerpt)
        return cls(row.pk, row.where, row.excerpt, _letters(f"{row.excerpt} {row.reason}"), size)

    def is_about(self, items: Sequence[tuple[str, str, list[str]]]) -> bool:
        """Return whether the note has the id of one of these items, its file, or the beginning of one of its texts."""
        return any(
            self.excerpt == name
            or f"={name};" in f"{self.excerpt};"
            or (source and source in self.where)
            or any(beginning in self.letters for beginning in beginnings)
            for name, source, beginnings in items
        )


def _beginnings(data: Mapping[str, Any]) -> list[str]:
    """Return the first letters of the texts that are long enough to be told from others."""
    texts = (_letters(value, TELLING) for value in data.values() if isinstance(value, str))
    return [text for text in texts if len(text) == TELLING]


def _letters(text: str, most: int | None = None) -> str:
    """Return the letters and digits alone, the first `most`: excerpts have other spaces than the texts."""
    return "".join(islice(filter(str.isalnum, text), most))


def _row_bytes(project: Project, ids: Sequence[int]) -> int:
    """Return the bytes that were counted for these items, and for their imported answers, at their import."""
    items = Item.objects.filter(pk__in=ids).values_list("external_id", "source", "data")
    answers = Annotation.objects.filter(task__item__in=ids, task__batch__strategy=IMPORTED)
    weight = project.asks.weight
    return sum(quota.item_bytes(name, source, json.dumps(data)) for name, source, data in items) + sum(
        quota.answer_bytes(weight(value), reason) for value, reason in answers.values_list("value", "skip_reason")
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
            references.remove_content(name)
    return size
