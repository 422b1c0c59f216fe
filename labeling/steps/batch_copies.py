"""The near-copies of a batch's items: chosen by the dendrogram, and trusted up to the height that checks confirm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Copy, Item, Project, Task
from labeling.models.items import ItemQuerySet
from labeling.models.near_copies import COPY_CHECKS, COPY_ERROR
from labeling.steps.cluster import read_dendrogram
from labeling.steps.copy_numbers import Neighbours, numbers_shown, stored_copies, unseen_tasks
from labeling.steps.model_inputs import CopyRow
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import insert_many
from selector.near_copies import NearCopies
from selector.radius import Radius, learn_radius

# Copies written in one transaction: other writers wait for its end.
PART = 1000
CHUNK = 2000


def due_rows(project: Project) -> np.ndarray:
    """Return rows of the copies that the next batch asks people about, to check propagated labels; oldest first."""
    due = Copy.objects.due().filter(batch__project=project, item__row__isnull=False).order_by("pk")
    return np.fromiter(due.values_list("item__row", flat=True).iterator(chunk_size=CHUNK), np.int64)


def update_radius(project: Project) -> Radius:
    """Learn from all checks to which height copies have their source's label; store it on the dendrogram's batches."""
    clustering = Clustering.objects.filter(project=project).first()
    if clustering is None or not Copy.objects.filter(batch__project=project).exists():
        return Radius(None, None)
    batches = project.batches.filter(dendrogram_hash=clustering.digest)
    checked = Copy.objects.checked().filter(batch__in=batches).order_by("pk")
    checks = list(checked.values_list("height", "of__label", "item__label"))
    radius = learn_radius(
        np.array([height for height, *_ in checks], np.float64),
        np.array([project.follow(source) == project.follow(own) for _, source, own in checks], bool),
        error=COPY_ERROR,
    )
    batches.update(copy_radius=radius.trusted)
    return radius


def learned_rows(project: Project, items: ItemQuerySet) -> list[CopyRow]:
    """Return the near-copies with propagated labels that a model learns from beside these items.

    Empty in a project without near-copies, and in a private one.
    """
    if not project.near_copies or project.privacy_epsilon is not None:
        return []
    copies = Copy.objects.propagated().filter(of__in=items, item__row__isnull=False).order_by("item__row")
    rows: Any = copies.values_list("item__row", "of__row", "of__label")
    return [CopyRow(*each) for each in rows]


def choose(step: Step, batch: Batch, facts: Mapping[str, Any]) -> dict[str, float | None]:
    """Choose and write the near-copies of the batch's items, and set how many of them each task shows.

    Only in projects that show near-copies, and if the selection used clusters, as its `facts` say. The numbers shown
    have the same distribution for all kinds of tasks. Tasks that were assigned before keep their number. Removes the
    copies of items that are no longer in the batch.

    Returns values for the batch's row. `copy_reach`: the largest height between an item and its copies, which is the
    height of the selection's cut or the height that checks have not refuted; `copy_radius`: the largest height at which
    copies get their source's label. A call after a killed one does the rest.
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
    asked = np.union1d(*(_rows(items.filter(row__lt=clustering.rows)) for items in _shown_by(batch)))
    free = np.zeros(clustering.rows, bool)
    pool = project.items.unlabeled().filter(reserved=False, queued_at=None, as_copy=None)
    free[_rows(pool.filter(row__lt=len(free)))] = True
    neighbours = Neighbours(read_dendrogram(project, clustering), free, reach, project.near_copies)
    copies, tasks = neighbours.copies(asked), unseen_tasks(batch)
    stored = stored_copies(tasks.items)
    new = np.bincount(asked[copies.owners], minlength=tasks.rows.max(initial=0) + 1)[tasks.rows]
    shown = numbers_shown(batch, tasks, neighbours, np.minimum(stored + new, neighbours.most), asked)
    _write(step, batch, asked, _first(copies, asked, tasks.rows, shown - stored))
    changed = shown != tasks.showing
    _show(step, tasks.keys[changed], shown[changed])
    return {"copy_reach": reach, "copy_radius": radius.trusted}


def hide(step: Step, batch: Batch) -> None:
    """Let all tasks that were never assigned show no copies until `choose` has ended."""
    if batch.project.near_copies:
        showing = batch.tasks.unseen().exclude(copies_shown=0).order_by("pk")
        tasks = np.fromiter(showing.values_list("pk", flat=True).iterator(chunk_size=CHUNK), np.int64)
        _show(step, tasks, np.zeros_like(tasks))


def choose_again(step: Step, batch: Batch) -> None:
    """Run `choose` with the clusters of the batch's selection, for an open batch to which tasks were added."""
    project = batch.project
    if project.near_copies and Clustering.objects.filter(project=project, digest=batch.dendrogram_hash).exists():
        facts = {"dendrogram_hash": batch.dendrogram_hash, "cut_height": batch.cut_height}
        if of_copies := choose(step, batch, facts):
            with step.write():
                Batch.objects.filter(pk=batch.pk).update(**of_copies)


def _show(step: Step, tasks: np.ndarray, numbers: np.ndarray) -> None:
    """Set the number of copies that each of these tasks shows, unless the task was assigned meanwhile."""
    for number in np.unique(numbers).tolist():
        for part in in_parts(tasks[numbers == number].tolist(), PART):
            with step.write():
                Task.objects.filter(pk__in=part).unseen().update(copies_shown=number)


def _first(copies: NearCopies, asked: np.ndarray, rows: np.ndarray, numbers: np.ndarray) -> NearCopies:
    """Return the nearest copies of the items with these rows, `numbers` (k,) each; of other items none."""
    most = np.zeros(len(asked), np.int64)
    known = np.isin(rows, asked)
    most[np.searchsorted(asked, rows[known])] = numbers[known]
    _, starts, sizes = np.unique(copies.owners, return_index=True, return_counts=True)
    kept = np.arange(len(copies.items)) - np.repeat(starts, sizes) < most[copies.owners]
    return NearCopies(copies.owners[kept], copies.items[kept], copies.heights[kept])


def _shown_by(batch: Batch) -> tuple[ItemQuerySet, ItemQuerySet]:
    """Return the items that the batch picked, and the items that it asks again."""
    items = batch.project.items
    return items.filter(task__batch=batch), items.filter(further_tasks__batch=batch)


def _rows(items: Any) -> np.ndarray:
    return np.unique(np.fromiter(items.values_list("row", flat=True).iterator(chunk_size=CHUNK), np.int64))


def _remove_stale(step: Step, batch: Batch) -> None:
    """Remove copies of items that are not in the batch: it was picked again, or an attempt at it was killed."""
    if not batch.copies.exists():
        return
    picked, again = _shown_by(batch)
    stale = batch.copies.exclude(of__in=picked).exclude(of__in=again)
    keys = list(stale.order_by("pk").values_list("pk", flat=True))
    for part in in_parts(keys, PART):
        with step.write():
            batch.copies.filter(pk__in=part, answers=None).delete()


def _write(step: Step, batch: Batch, asked: np.ndarray, copies: NearCopies) -> None:
    """Write the copies of the items with the rows `asked`, some of them as checks.

    Ids are assigned in random order, so that no id tells one kind of task from another.
    """
    project = batch.project
    rng = np.random.default_rng(int.from_bytes(project.keyed("copies", f"{batch.number}/{len(asked)}"), "big"))
    order = rng.permutation(len(copies.items))
    # At most half of the copies: a checked copy needs an answer, and saves none.
    missing = round(COPY_CHECKS * batch.tasks.count()) - batch.copies.filter(is_check=True).count()
    checks = min(missing, len(order) // 2)
    for part in in_parts(range(len(order)), PART):
        some = order[part.start : part.stop]
        sources, rows = asked[copies.owners[some]].tolist(), copies.items[some].tolist()
        heights = copies.heights[some].tolist()
        with step.write():
            ids = dict(Item.objects.filter(project=project, row__in=sources).values_list("row", "pk"))
            unused = _unused(project, rows)
            values = [
                (ids[source], unused[row], batch.pk, height, part.start + place < checks)
                for place, (source, row, height) in enumerate(zip(sources, rows, heights, strict=True))
                if row in unused
            ]
            insert_many(Copy, ("of", "item", "batch", "height", "is_check"), values)


def _unused(project: Project, rows: list[int]) -> dict[int, int]:
    """Lock the items with these rows; return the keys, by row, of those that no other batch has made copies."""
    locked = Item.objects.filter(project=project, row__in=rows).select_for_update(no_key=True).order_by("pk")
    ids: dict[Any, int] = dict(locked.values_list("row", "pk"))
    used = set(Copy.objects.filter(item__in=list(ids.values())).values_list("item", flat=True))
    return {row: pk for row, pk in ids.items() if pk not in used}
