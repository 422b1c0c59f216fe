"""Repick: a newer model picks the untouched tasks of a batch again that was picked ahead.

The other untouched tasks, gold tasks among them, keep their items and show the newer model's predictions: beside
picked tasks with predictions, annotators could recognise gold tasks without.

People go on labeling meanwhile. A task keeps its place and gets another item, unless a person is assigned it first:
then it stays as it was. Each task records the selection that picked it. The facts of the last selection are on the
batch, those of earlier ones in rows of `Selection`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.loop.step import Step
from labeling.models import Batch, ModelVersion, Project, Selection
from labeling.models.batches import BY_CHANCE, SEED, SelectionFacts
from labeling.models.tasks import TaskQuerySet
from labeling.projects.version_in_use import InUse, in_use
from labeling.queue import removing
from labeling.queue.gold import is_below
from labeling.queue.prompting import suggests
from labeling.steps import batch_copies
from labeling.steps.batch_tasks import PART, SHOWN, TASK_FACTS, Picked, TaskFacts, next_rank
from labeling.steps.cluster import Clustered
from labeling.steps.embed import drop_wide_arrays, look_at_pool
from labeling.steps.further import suggested_among
from labeling.steps.select import make_plan, read_pool, seed_of
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import change_each

UNTOUCHED = [(name, np.int64) for name in ("key", "rank", "row")]
KEPT = [*UNTOUCHED, ("gold", bool), ("again", bool)]
FACTS = [field.attname for field in SelectionFacts._meta.fields]


def repick(step: Step) -> None:
    """Pick the untouched tasks of the newest batch on offer again with the version in use, unless it picked them."""
    project = step.job.project
    batch = project.batches.on_offer().last()
    used = in_use(project)
    if batch is not None and used is not None and not used.version.damaged:
        if not _is_picked_by(batch, used.version):
            _repick(step, project, batch, used, project.strategy if batch.strategy == SEED else batch.strategy)
        elif step.job.attempts > 1:  # killed after the last task: tasks may still hide their copies
            batch_copies.choose_again(step, batch)
    with step.finish():
        pass


def _is_picked_by(batch: Batch, version: ModelVersion) -> bool:
    """Return whether the version has picked the batch, and no task is left from an earlier selection after a kill."""
    begun = version == batch.selected_by
    return begun and not _replaceable(batch).filter(selection__lt=batch.selection).exists()


def _replaceable(batch: Batch) -> TaskQuerySet:
    """Return the tasks of picked items that were never assigned, that replace no other, and that the strategy picked:
    no manager asked for them, and they neither check a near-copy nor cover the pool. Of a first batch that no version
    has picked, those that cover the pool are replaced, too.
    """
    tasks = batch.tasks.picked().untouched().filter(replaces=None)
    if batch.number == 1 and batch.selected_by is None:
        return tasks.exclude(item__queued_at__isnull=False)
    return tasks.filter(asked=False)


def _repick(step: Step, project: Project, batch: Batch, used: InUse, strategy: str) -> None:
    begun = timezone.now()
    look = look_at_pool(project, used, strategy, progress=step.progress("surveying the pool", end=0.4))
    if strategy in BY_CHANCE:
        return  # no model picks; the run over the pool is for the pages
    pool_rows = look.facts["pool_rows"]
    if look.clustered:
        clustered = Clustered(step, batch, used.version, pool_rows)
        with step.write():
            clustered.save()
        clustered.clean_up()
    untouched = _untouched(batch)
    number = batch.selection + 1
    if not len(untouched):
        return
    kept = _kept(batch)
    if project.show_predictions and (kept["row"][kept["gold"]] >= pool_rows).any():
        return  # predictions from outside lack these gold items, whose tasks alone would show none
    picked = make_plan(
        project,
        read_pool(project, pool_rows, also=project.items.filter(task__in=_replaceable(batch))),
        pool_rows=pool_rows,
        batch_size=len(untouched),
        strategy=strategy,
        version=used.version,
        seed=seed_of(project, batch.number, number),
        progress=step.progress("picking the batch again", start=0.4, end=0.6),
    )
    if _suggestions_tell_gold(project, kept["row"][kept["gold"]], picked.plan.rows):
        return
    facts = {
        **look.facts,
        **picked.facts,
        "kept": _ranges(next_rank(batch), untouched["rank"]),
        "control_tasks": batch.control_tasks,  # until the tasks are written
        "select_seconds": step.seconds,
        "selection": number,
    }
    with step.write():
        Selection.objects.create(batch=batch, number=batch.selection, **{name: getattr(batch, name) for name in FACTS})
        Batch.objects.filter(pk=batch.pk).update(**facts)
    batch_copies.hide(step, batch)
    facts_of = TaskFacts(project, batch, picked, size=next_rank(batch), further=_by_kind(kept))
    _show(step, batch, kept, facts_of)  # first: after a kill, `_is_picked_by` reads what `_replace` has written
    _replace(step, batch, picked, untouched, facts_of, number)
    of_copies = batch_copies.choose(step, batch, picked.facts)
    removing.close_excluded(batch, since=begun, until=timezone.now())
    with step.write():
        control = batch.tasks.filter(is_control=True).count()
        Batch.objects.filter(pk=batch.pk).on_offer().update(control_tasks=control, **of_copies)
    drop_wide_arrays(project, used.version)


def _untouched(batch: Batch) -> np.ndarray:
    """Return the replaceable tasks of the batch by rank, (n,) `UNTOUCHED`."""
    tasks = _replaceable(batch).order_by("rank").values_list("pk", "rank", "item__row")
    return np.fromiter(tasks.iterator(chunk_size=2000), UNTOUCHED)


def _ranges(size: int, ranks: np.ndarray) -> list[list[int]]:
    """Return the ranks below `size` that are not in `ranks`, as ranges [start, stop)."""
    kept = np.ones(size + 2, bool)
    kept[0] = kept[-1] = False
    kept[ranks + 1] = False
    ends = np.flatnonzero(np.diff(kept)).tolist()
    return [list(each) for each in zip(ends[::2], ends[1::2], strict=True)]


def _kept(batch: Batch) -> np.ndarray:
    """Return the untouched tasks that are not picked again, (n,) `KEPT`.

    Draws of audits are left out: the earlier selection placed them where no prediction is shown.
    """
    tasks = (
        batch.tasks.untouched()
        .filter(audit_draw=None)
        .exclude(pk__in=_replaceable(batch).values("pk"))
        .order_by("rank")
    )
    row = Coalesce("item__row", "repeats__row")
    values = tasks.values_list("pk", "rank", row, "is_gold", "repeats")
    return np.fromiter(values.iterator(chunk_size=2000), KEPT)


def _suggestions_tell_gold(project: Project, gold: np.ndarray, picked: np.ndarray) -> bool:
    """Return whether the `gold` tasks have suggestions significantly more or less often than the `picked` items; rows,
    (n,) and (m,). The gold items were chosen beside others, perhaps before items with suggestions were imported.
    """
    if not len(gold) or not len(picked) or not suggests(project):
        return False
    n, share = suggested_among(project, gold), suggested_among(project, picked) / len(picked)
    return is_below(n, len(gold), share) or is_below(len(gold) - n, len(gold), 1 - share)


def _by_kind(kept: np.ndarray) -> list[np.ndarray]:
    """Return the rows of gold tasks, of tasks that ask again, and of the others."""
    gold, again = kept["gold"], kept["again"] & ~kept["gold"]
    return [kept["row"][kind] for kind in (gold, again, ~(gold | again))]


def _show(step: Step, batch: Batch, kept: np.ndarray, facts_of: TaskFacts) -> None:
    """Give the kept tasks the predictions of the version that picks again."""
    for part in in_parts(range(len(kept)), PART):
        some = kept[part.start : part.stop]
        facts = facts_of.shown(some["row"].tolist(), some["rank"].tolist())
        with step.write():
            _write(some["key"].tolist(), SHOWN, facts, batch.overlap)


def _replace(step: Step, batch: Batch, picked: Picked, untouched: np.ndarray, facts_of: TaskFacts, number: int) -> None:
    """Give the untouched tasks the items of the plan. An item of the batch that is picked again keeps its task."""
    places = _places(picked.plan.rows, untouched["row"])
    report = step.progress("writing the batch", start=0.6)
    for part in in_parts(range(len(places)), PART):
        index = np.arange(part.start, part.stop)[places[part.start : part.stop] >= 0]
        facts = facts_of(places[index].tolist(), untouched["rank"][index].tolist())
        with step.write():
            selected = [{**each, "selection": number} for each in facts]
            _write(untouched["key"][index].tolist(), (*TASK_FACTS, "selection"), selected, batch.overlap)
        report(part.stop / len(places))


def _places(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return, for tasks with the rows `old` (n,), the place (n,) in `new` of each task's new row, -1 for none.

    A row in both stays with its task; the other tasks get the other rows in order.
    """
    places = np.full(len(old), -1)
    if not len(new):  # nothing is left that could be picked instead
        return places
    order = np.argsort(new)
    at = np.searchsorted(new, old, sorter=order)
    stays = (at < len(new)) & (new[order[np.minimum(at, len(new) - 1)]] == old)
    places[stays] = order[at[stays]]
    coming = np.flatnonzero(~np.isin(new, old))
    going = np.flatnonzero(~stays)[: len(coming)]
    places[going] = coming[: len(going)]
    return places


def _write(keys: Sequence[int], names: Sequence[str], facts: Sequence[dict[str, Any]], overlap: int) -> None:
    """Write the facts with these names to the tasks that are still unassigned: each statement checks that."""
    change_each(
        f"""
        UPDATE labeling_task SET {", ".join(f"{name} = %s" for name in names)}
        WHERE id = %s AND free = %s
        AND NOT EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.task_id = labeling_task.id)
        """,
        [(*(each[name] for name in names), key, overlap) for key, each in zip(keys, facts, strict=True)],
    )
