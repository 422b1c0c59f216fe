"""Near-copies of what a batch asks about: chosen by the dendrogram, and trusted as far as checks bear it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labeling import database
from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Copy, Item, Project
from labeling.models.items import ItemQuerySet
from labeling.statements import insert_many
from labeling.steps.cluster import read_dendrogram
from labeling.steps.reading import CopyRow
from selector.copies import Copies, near_copies
from selector.radius import Radius, learn_radius

# Copies that are written in one transaction: others wait for its end.
PART = 1000
CHUNK = 2000


def due_rows(project: Project) -> np.ndarray:
    """Rows of the copies that people are to be asked about next, as checks of what was propagated; oldest first."""
    due = Copy.objects.due().filter(of__project=project, item__row__isnull=False).order_by("pk")
    return np.fromiter(due.values_list("item__row", flat=True).iterator(chunk_size=CHUNK), np.int64)


def update_radius(project: Project) -> Radius:
    """Learn from all checks under the project's dendrogram how near is near enough, and let it hold for the copies of
    all batches that were picked by it.
    """
    clustering = Clustering.objects.filter(project=project).first()
    if clustering is None or not Copy.objects.filter(of__project=project).exists():
        return Radius(None, None)
    batches = project.batches.filter(dendrogram_hash=clustering.digest)
    checked = Copy.objects.checked().filter(batch__in=batches).order_by("pk")
    checks = list(checked.values_list("height", "of__label", "item__label"))
    radius = learn_radius(
        np.array([height for height, *_ in checks], np.float64),
        np.array([project.follow(source) == project.follow(own) for _, source, own in checks], bool),
        error=project.copy_error,
    )
    batches.update(copy_radius=radius.trusted)
    return radius


def learned_rows(project: Project, items: ItemQuerySet) -> list[CopyRow]:
    """The near-copies that a model learns from beside these items: propagated ones, if they count anything."""
    if not project.copy_weight or project.privacy_epsilon is not None:
        return []
    copies = Copy.objects.propagated().filter(of__in=items, item__row__isnull=False).order_by("item__row")
    rows: Any = copies.values_list("item__row", "of__row", "of__label")
    return [CopyRow(*each) for each in rows]


def choose(step: Step, batch: Batch, facts: Mapping[str, Any]) -> dict[str, float | None]:
    """Give the items that the batch's tasks show their near-copies, where the project shows any and clusters had a part
    in the selection, as its `facts` say. Copies of items that the batch has no more are removed.

    Returns what the batch is to keep of it: how far apart an item and its copies may be, which is as far as the
    clusters of the selection reach or as checks have not refuted, and how far apart they may be to have its label.
    Killed at any moment and called again, it does what is left.
    """
    project = batch.project
    _remove_stale(step, batch)
    if not project.near_copies or not project.can_show_copies or not facts["dendrogram_hash"]:
        return {}
    clustering = Clustering.objects.get(project=project)
    radius = update_radius(project)
    reach = float(facts["cut_height"])
    if radius.reach is not None:
        reach = min(reach, radius.reach)
    asked = np.union1d(
        *(_rows(items.filter(copies=None, row__lt=clustering.rows)) for items in _shown_by(batch)),
    )
    free = np.zeros(clustering.rows, bool)
    pool = project.items.unlabeled().filter(reserved=False, queued_at=None, as_copy=None)
    free[_rows(pool.filter(row__lt=len(free)))] = True
    copies = near_copies(read_dendrogram(project, clustering), asked, free, radius=reach, most=project.near_copies)
    _write(step, batch, asked, copies)
    return {"copy_reach": reach, "copy_radius": radius.trusted}


def _shown_by(batch: Batch) -> tuple[ItemQuerySet, ItemQuerySet]:
    """The items that the batch picked, and those that it asks again."""
    items = batch.project.items
    return items.filter(task__batch=batch), items.filter(further_tasks__batch=batch)


def _rows(items: Any) -> np.ndarray:
    return np.unique(np.fromiter(items.values_list("row", flat=True).iterator(chunk_size=CHUNK), np.int64))


def _remove_stale(step: Step, batch: Batch) -> None:
    """Remove the batch's copies of items that it does not ask about: it was picked again, or its selection killed."""
    if not batch.copies.exists():
        return
    picked, again = _shown_by(batch)
    stale = batch.copies.exclude(of__in=picked).exclude(of__in=again)
    keys = list(stale.order_by("pk").values_list("pk", flat=True))
    for part in database.in_parts(keys, PART):
        with step.write():
            batch.copies.filter(pk__in=part, answers=None).delete()


def _write(step: Step, batch: Batch, asked: np.ndarray, copies: Copies) -> None:
    """Write the copies of the items with the rows `asked`, some of them as checks. Their ids follow chance, so that no
    id tells one batch's tasks from others.
    """
    project = batch.project
    rng = np.random.default_rng(int.from_bytes(project.keyed("copies", f"{batch.number}/{len(asked)}"), "big"))
    order = rng.permutation(len(copies.items))
    # At most every second one: what is checked is answered, and saves nobody an answer.
    missing = round(project.copy_checks * batch.tasks.count()) - batch.copies.filter(is_check=True).count()
    checks = min(missing, len(order) // 2)
    for part in database.in_parts(range(len(order)), PART):
        some = order[part.start : part.stop]
        rows = np.concatenate([asked[copies.owners[some]], copies.items[some]]).tolist()
        ids = dict(Item.objects.filter(project=project, row__in=rows).values_list("row", "pk"))
        values = [
            (ids[source], ids[item], batch.pk, height, part.start + place < checks)
            for place, (source, item, height) in enumerate(
                zip(rows[: len(some)], rows[len(some) :], copies.heights[some].tolist(), strict=True)
            )
        ]
        with step.write():
            insert_many(Copy, ("of", "item", "batch", "height", "is_check"), values)
