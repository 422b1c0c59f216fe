"""Write a dataset version: the rows that differ from an earlier version, and the manifest.

A row is read again only if its stamp has changed, a cheap text: a million rows take most of a minute to read whole,
their stamps a few seconds. Each change of a label also changes the time at which the item was labeled, so the stamp of
an answered item is that time. Answers that leave a label as it is have times of their own.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Max
from django.utils import timezone

from labeling.intake.row_labels import ORIGIN
from labeling.models import DatasetFile, DatasetVersion, Event, EventType, Item, Project, ProjectStorage
from labeling.outgoing import layers
from labeling.outgoing.datasets.manifest import facts_of, manifest, seal
from labeling.outgoing.exports.choice import Choice, choose
from labeling.outgoing.exports.chosen import chosen_copies, chosen_labels, chosen_tasks
from labeling.outgoing.exports.facts import fields_of
from labeling.outgoing.exports.frozen_rows import digest_of_line, files_of, manifest_of, paths_of_files, text_of
from labeling.outgoing.exports.lineage import history_of
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.exports.splits import with_splits
from labeling.outgoing.formats.base import Page
from labeling.outgoing.layers import Index
from labeling.projects import quota
from labeling.storage.arrays.damage import report_damage
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import rows, stored_time
from labeling.storage.disk.files import FileDamaged, sha256_of_file
from labeling.storage.shared_files import store

MOST_FIELDS = 500
# A transaction that was open when a version was read may commit rows with times before that.
OPEN_FOR = datetime.timedelta(minutes=10)


class Stamps(NamedTuple):
    """The rows of an export by item, ascending, (N,) each. A row without stamp may change at any time."""

    items: np.ndarray
    texts: pa.Array

    def of(self, items: np.ndarray) -> pa.Array:
        """Return the texts of these items (M,); None for those without a row."""
        places = layers.places_in(self.items, items)
        return self.texts.take(pa.array(places, mask=places < 0))


def stamps_of(project: Project, choice: Choice) -> Stamps:
    """Return the stamps of all rows of the export. Takes one query to three."""
    tables, condition, values = chosen_tasks(project, choice)
    stamp = "CAST(item.labeled_at AS text) || COALESCE(' ' || CAST(item.label_probability AS text), '')"
    found = rows(f"SELECT task.item_id, {stamp} FROM {tables} WHERE {condition}", values)  # noqa: S608  constants
    copies = chosen_copies(project, choice).values_list("item", "batch", "batch__copy_radius", "of__labeled_at")
    found += [(item, f"{batch} {radius} {at}") for item, batch, radius, at in copies]
    found += [(item, str(of)) for item, of in chosen_labels(project, choice).values_list("pk", "certificate")]
    items = np.fromiter((item for item, _ in found), np.int64, len(found))
    order = np.argsort(items, kind="stable")
    return Stamps(items[order], pa.array([text for _, text in found], pa.string()).take(pa.array(order)))


def answered_since(project: Project, moment: datetime.datetime) -> np.ndarray:
    """Return the items with answers that were given or undone about that time or later."""
    at = stored_time(moment - OPEN_FOR)
    sql = """
        SELECT COALESCE(task.item_id, task.repeats_id)
        FROM labeling_annotation answer JOIN labeling_task task ON task.id = answer.task_id
            JOIN labeling_batch batch ON batch.id = task.batch_id
        WHERE batch.project_id = %s AND (answer.created_at >= %s OR answer.undone_at >= %s)"""
    return np.unique(np.fromiter((item for (item,) in rows(sql, [project.pk, at, at])), np.int64))


class Superseded(Exception):
    """Items were removed for good while the rows were read: read them again."""


@dataclass(frozen=True)
class Frozen:
    """The files of a version, the new ones not yet stored, and its manifest without its name."""

    files: list[DatasetFile]
    manifest: dict[str, Any]
    purges: int
    """Of the project's storage, when the reading began."""

    @property
    def new(self) -> list[DatasetFile]:
        return [file for file in self.files if file._state.adding]

    @property
    def layers(self) -> list[str]:
        return [file.digest for file in self.files]


@dataclass(frozen=True)
class Base:
    """The version that a new one is written beside, and its rows."""

    version: DatasetVersion | None
    index: Index
    files: list[DatasetFile]


def _no_base() -> Base:
    return Base(None, layers.index_of([], ["stamp"]), [])


def freeze(dataset: DatasetVersion, *, draft: str) -> Frozen:
    """Write the files of a version. `draft`: a name for the file while it is written, the same for each attempt.
    Raises `FilterError` if a filter names a batch that is gone.
    """
    try:
        return _frozen(dataset, _base_of(dataset), draft)
    except FileDamaged as damage:
        report_damage(dataset.project, damage)
        return _frozen(dataset, _no_base(), draft)  # all rows are written anew


def _frozen(dataset: DatasetVersion, base: Base, draft: str) -> Frozen:
    project = dataset.project
    purges = _purges(project)
    choice = choose(project, dataset.filters)
    dataset.read_at = timezone.now()
    history = history_of(project)
    facts = facts_of(project, choice, history)
    stamps = stamps_of(project, choice)
    items = _changed(project, base, stamps, facts)
    facts["fields"] = _fields(project, choice, base, items)
    gone = base.index.items[layers.places_in(stamps.items, base.index.items) < 0]
    rows = pages(project, choice, history=history, items=items) if items is None or items else iter(())
    fresh = _differing(with_splits(project, rows), stamps, base.index)
    removals = layers.batch_of({"item": gone})
    files = _with_changes(project, base.files, chain(fresh, [removals]), draft)
    return Frozen(files, manifest(dataset, facts, files), purges)


def store_frozen(dataset: DatasetVersion, frozen: Frozen) -> None:
    """Store a frozen version and its new files; a version without a number gets the next one. Call it in a
    transaction. Raises `NoRoom`, and `Superseded` if items were removed for good meanwhile.
    """
    new = frozen.new
    kept = [file.pk for file in frozen.files if not file._state.adding]
    quota.check_room(dataset.project, sum(file.size for file in new), lock=True)
    if _purges(dataset.project) != frozen.purges or DatasetFile.objects.filter(pk__in=kept).count() < len(kept):
        raise Superseded
    if not dataset.number:
        dataset.number = next_number(dataset.project)
        dataset.name = f"v{dataset.number}"
    seal(dataset, frozen.manifest)
    for file in new:
        values = {"size": file.size, "rows": file.rows}
        DatasetFile.objects.get_or_create(project=dataset.project, digest=file.digest, defaults=values)
    dataset.state = DatasetVersion.State.WHOLE
    dataset.save()
    Event.objects.announce(EventType.DATASET_VERSION_CREATED, dataset.project, number=dataset.number)


def discard(dataset: DatasetVersion, frozen: Frozen) -> None:
    """Remove the new files of a version that is not stored."""
    for file in frozen.new:
        if not DatasetFile.objects.filter(project=dataset.project, digest=file.digest).exists():
            store().remove(ProjectFiles(dataset.project).owned(file))


def _purges(project: Project) -> int:
    return int(ProjectStorage.objects.filter(project=project).values_list("purges", flat=True).first() or 0)


def next_number(project: Project) -> int:
    """Return the number of the project's next version; its lock is that of the quota."""
    return int(project.datasets.aggregate(last=Max("number"))["last"] or 0) + 1


def _base_of(dataset: DatasetVersion) -> Base:
    """Return the newest version with the same filters; the batches may differ."""
    whole = dataset.project.datasets.whole().defer("manifest")
    same = (each for each in whole.order_by("-number") if _without_batch(each) == _without_batch(dataset))
    version = next(same, None)
    if version is None:
        return _no_base()
    files = files_of(version)
    return Base(version, layers.index_of(paths_of_files(files), ["stamp"]), files)


def _without_batch(dataset: DatasetVersion) -> dict[str, Any]:
    return {name: value for name, value in dataset.filters.items() if name != "batch"}


def _changed(project: Project, base: Base, stamps: Stamps, facts: dict[str, Any]) -> list[int] | None:
    """Return the items whose rows may differ from the base's; None for all items."""
    version = base.version
    if version is None or version.read_at is None:
        return None
    before = manifest_of(version)
    if any(before[name] != orjson.loads(orjson.dumps(facts[name])) for name in ("classes", "merged_classes")):
        return None  # rows name the classes
    places = base.index.places(stamps.items)
    earlier = base.index.table["stamp"].take(pa.array(places, mask=places < 0))
    same = np.asarray(pc.fill_null(pc.equal(stamps.texts, earlier), False))
    answered = np.isin(stamps.items, answered_since(project, version.read_at))
    return list(stamps.items[~same | answered].tolist())


def _fields(project: Project, choice: Choice, base: Base, changed: Sequence[int] | None) -> list[str]:
    """Return the names of the imported fields: those of the base, and of the items that may differ from it."""
    before = manifest_of(base.version)["fields"] if base.version and changed is not None else []
    new = [] if changed == [] else fields_of(project, choice, most=MOST_FIELDS, only=changed)
    return list(dict.fromkeys([*before, *new]))[:MOST_FIELDS]


def _differing(rows: Iterable[Page], stamps: Stamps, base: Index) -> Iterator[pa.RecordBatch]:
    """Yield the rows that the base does not have."""
    for page in rows:
        items = np.array([row["item"] for row in page], np.int64)
        splits = [row.pop("split") for row in page]
        weighing = [row["item"] for row in page if row["control_weight"] is not None]
        pool_rows = dict(Item.objects.filter(pk__in=weighing).values_list("pk", "row")) if weighing else {}
        data = [row["data"] for row in page]
        texts = [text_of(row) for row in page]
        digests = [digest_of_line(text, its_data) for text, its_data in zip(texts, data, strict=True)]
        batch = layers.batch_of(
            {
                "item": items,
                "digest": digests,
                "stamp": stamps.of(items),
                "label": [None if row["label"] is None else orjson.dumps(row["label"]) for row in page],
                "origin": [row[ORIGIN] for row in page],
                "pool_row": [pool_rows.get(row["item"]) for row in page],
                "split": splits,
                "data": data,
                "row": texts,
            }
        )
        places = base.places(items).tolist()
        differs = [
            place < 0 or base.digests[place].tobytes() != digest for place, digest in zip(places, digests, strict=True)
        ]
        yield batch if all(differs) else batch.filter(pa.array(differs))


def _with_changes(
    project: Project, files: list[DatasetFile], rows: Iterable[pa.RecordBatch], draft: str
) -> list[DatasetFile]:
    """Return the files of a version with these rows on top of `files`.

    The new file takes in those before it that are not larger. So a version has few files, and each row is written again
    as often as the number of rows after it doubles.
    """
    path = ProjectFiles(project).root / DatasetFile.noun / f"{draft}.draft"
    written = layers.write_layer(path, layers.gathered(rows))
    if not written:
        path.unlink()
        return files
    kept = len(files)
    while kept and files[kept - 1].rows <= written:
        kept -= 1
        written += files[kept].rows
    if kept < len(files):
        merged = layers.stored([*paths_of_files(files[kept:]), path], keep_gone=kept > 0)
        written = layers.write_layer(path.with_suffix(".merged"), merged)
        path.with_suffix(".merged").replace(path)
    if not written:
        path.unlink()
        return files[:kept]
    return [*files[:kept], publish(project, path, written)]


def publish(project: Project, draft: Path, rows: int) -> DatasetFile:
    """Give a written file the name of its content."""
    file = DatasetFile(project=project, digest=sha256_of_file(draft), size=draft.stat().st_size, rows=rows)
    path = ProjectFiles(project).owned(file)
    draft.replace(path)
    store().publish(path)
    return file
