"""Select: read the pool, plan the next batch, write its tasks and open it.

The tasks, up to a million, are written in parts. Nobody is given one before the last transaction, which is small, opens
the batch. An attempt that was killed in between has left some: they are removed, and the batch is planned anew.
"""

from __future__ import annotations

from array import array

import numpy as np

from labeling import database
from labeling.answering import batches
from labeling.arrays.files import ProjectFiles, load_array
from labeling.arrays.plan import SEED, Guard, Plan, Pool, plan_batch
from labeling.loop.step import Step, StepFailed
from labeling.models import Batch, Clustering, Item, Project, Task
from labeling.models.batches import PROMPTED_SHARE
from labeling.steps.cluster import clusters_at
from selector.strategies import KNOWN

FIRST = KNOWN["uniform"]  # as the first batch is drawn
CHUNK = 2000
# Tasks that are written in one transaction: others wait for its end.
PART = 200
# How far the step is when the tasks are picked: what people are told of the time left goes by it.
PICKING_SHARE = 0.5


def select(step: Step) -> None:
    """Plan the batch and write its tasks; then say how they were picked, and open it, in one transaction."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    report = step.progress("picking the batch", end=PICKING_SHARE)
    report(0)
    strategy = batch.strategy or SEED
    known = KNOWN.get(strategy, FIRST)
    margins = clusters = height = guard = None
    pool_rows = project.encoded_rows
    said: dict[str, np.ndarray] = {}
    if batch.selected_by is not None:
        files = ProjectFiles(project)
        margins = load_array(files.pool(batch.selected_by, "margins"))
        pool_rows = len(margins)
        needed = (name for name in known.needs if name not in ("margins", "clusters"))
        said = {name: load_array(files.pool(batch.selected_by, name), mmap=True) for name in needed}
        if project.class_guard is not None:
            best = load_array(files.pool(batch.selected_by, "best"))
            guard = Guard(best, project.answer_count, project.class_guard)
    clustering = Clustering.objects.filter(project=project).first()
    if "clusters" in known.needs:
        if clustering is None or clustering.joined_rows < pool_rows:
            raise StepFailed("The pool is not clustered. Retry the batch.")
        clusters, height = clusters_at(project, clustering, project.mean_cluster_size)
    _remove_tasks(step, batch)
    pool = read_pool(project, pool_rows)
    seed = seed_of(project, batch.number)
    plan = plan_batch(
        pool,
        batch_size=project.batch_size,
        control_share=project.control_share,
        strategy=strategy,
        candidate_factor=project.candidate_factor,
        margins=margins,
        clusters=clusters,
        **said,
        labeled_rows=_trainable_rows(project, pool_rows) if known.apart_from_labeled else None,
        guard=guard,
        rng=np.random.default_rng(seed),
        progress=report,
    )
    _write_tasks(step, batch, project, plan)
    with step.finish():
        Batch.objects.filter(pk=batch.pk).update(
            strategy=strategy,
            seed=seed,
            batch_size=project.batch_size,
            candidate_factor=plan.candidate_factor,
            candidates=plan.candidates if known.by_candidates else None,
            mean_cluster_size=project.mean_cluster_size,
            cut_height=height,
            clusters=int(clusters.max()) + 1 if clusters is not None and len(clusters) else None,
            class_guard=project.class_guard if guard else None,
            control_share=project.control_share,
            control_tasks=int(plan.is_control.sum()),
            pool_size=len(pool.rows),
            pool_rows=pool_rows,
            dendrogram_hash=clustering.digest if clustering and clusters is not None else "",
            overlap=project.overlap,
            size=len(plan.rows),
            remaining=len(plan.rows),
            select_seconds=step.seconds,
        )
        batches.opened(batch=batch)


def seed_of(project: Project, number: int) -> int:
    """The seed of a batch's selection, 63 bits. It decides the order of the tasks, so it is keyed by the secret."""
    return int.from_bytes(project.keyed("select", number)[:8], "big") >> 1


def prompted(project: Project, number: int, n: int) -> np.ndarray:
    """(n,) bool: the tasks on which annotators are shown a prediction, drawn by chance whatever the task.

    Models are measured on the control tasks among the others: docs/decisions/0023-nothing-tells-a-control-task.md.
    """
    if not project.show_predictions:
        return np.zeros(n, bool)
    coins = np.random.default_rng(int.from_bytes(project.keyed("prompt", number), "big")).random(n)
    return coins < PROMPTED_SHARE


def read_pool(project: Project, pool_rows: int) -> Pool:
    found = project.items.unlabeled().filter(row__lt=pool_rows).order_by("row")
    # Straight into the array: a list of so many tuples would take ten times its memory.
    values = np.fromiter(
        found.values_list("row", "is_control", "control_key").iterator(chunk_size=CHUNK),
        dtype=[("row", np.int64), ("reserved", bool), ("key", np.float64)],
    )
    return Pool(values["row"], values["reserved"], values["key"])


def _trainable_rows(project: Project, pool_rows: int) -> np.ndarray:
    """The rows that the model learned from."""
    found = project.items.trainable().filter(row__lt=pool_rows).order_by("row")
    return np.fromiter(found.values_list("row", flat=True).iterator(chunk_size=CHUNK), np.int64)


def _remove_tasks(step: Step, batch: Batch) -> None:
    """Give back what an attempt that was killed had taken from the pool."""
    keys = array("q", batch.tasks.order_by("pk").values_list("pk", flat=True).iterator())
    for part in database.in_parts(keys, PART):
        with step.write():
            batch.tasks.filter(pk__range=(part[0], part[-1])).delete()


def _write_tasks(step: Step, batch: Batch, project: Project, plan: Plan) -> None:
    """One task for each row of the plan, ranked in its order, with what the model said of the item."""
    said = {}
    shown = prompted(project, batch.number, len(plan.rows))
    if batch.selected_by is not None:
        files = ProjectFiles(project)
        said = {name: load_array(files.pool(batch.selected_by, name)) for name in ("margins", "best", "confidence")}
    report = step.progress("writing the batch", start=PICKING_SHARE)
    for ranks in database.in_parts(range(len(plan.rows)), PART):
        rows = plan.rows[ranks.start : ranks.stop].tolist()
        ids = dict(Item.objects.filter(project=project, row__in=rows).values_list("row", "pk"))
        tasks = [
            Task(
                batch=batch,
                item_id=ids[row],
                rank=rank,
                is_control=bool(plan.is_control[rank]),
                margin=float(said["margins"][row]) if said else None,
                predicted=int(said["best"][row]) if said else None,
                confidence=float(said["confidence"][row]) if said else None,
                prompted=bool(said) and bool(shown[rank]),
                cluster=_known(plan.clusters[rank]),
                cluster_size=_known(plan.cluster_sizes[rank]),
                draw_pass=_known(plan.passes[rank]),
                free=project.overlap,
                outstanding=project.overlap,
            )
            for rank, row in zip(ranks, rows, strict=True)
        ]
        with step.write():
            Task.objects.bulk_create(tasks)
        report(ranks.stop / len(plan.rows))


def _known(value: np.integer) -> int | None:
    return int(value) if value >= 0 else None
