"""Pick the next batch: the control slice at random, the rest by the project's strategy; then open it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling import batches
from labeling.models import Batch, Clustering, Item, Project, Task
from labeling.pipeline.clustering import clusters_at
from labeling.pipeline.files import ProjectFiles, load_array
from labeling.pipeline.step import Step, StepFailed
from labeling.pipeline.training import seed_for
from selector.strategies import pick

CHUNK = 2000
# The first batch, before there is a model: uniform.
SEED = "seed"
NOT_APPLICABLE = -1


@dataclass(frozen=True, slots=True)
class Pool:
    """The unlabeled items: rows (n,), which of them are reserved for control (n,) bool, and their order keys (n,)."""

    rows: np.ndarray
    reserved: np.ndarray
    control_keys: np.ndarray


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch in the order in which it is served; all arrays (k,), with NOT_APPLICABLE where a control item has none."""

    rows: np.ndarray
    is_control: np.ndarray
    passes: np.ndarray
    clusters: np.ndarray
    cluster_sizes: np.ndarray
    candidates: int


def plan_batch(
    pool: Pool,
    *,
    batch_size: int,
    control_share: float,
    strategy: str,
    candidate_factor: float,
    margins: np.ndarray | None,
    clusters: np.ndarray | None,
    rng: np.random.Generator,
) -> Plan:
    """Decide what goes into a batch. Pure: same input and generator state, same plan.

    `margins` and `clusters` are indexed by row; the strategy "seed" needs neither, "margin" no clusters. The
    control slice comes from the front of the reserved items' permutation. Reserved items are picked otherwise only
    when nothing else is left, and then they are control items all the same.
    """
    reserved = np.flatnonzero(pool.reserved)
    reserved = reserved[np.argsort(pool.control_keys[reserved], kind="stable")]
    others = np.flatnonzero(~pool.reserved)
    n_control = min(len(reserved), round(control_share * batch_size))
    n_control = max(n_control, min(len(reserved), batch_size - len(others)))
    control = pool.rows[reserved[:n_control]]
    open_rows = pool.rows[others]
    selection = pick(
        "uniform" if strategy == SEED else strategy,
        margins=margins[open_rows] if margins is not None else np.zeros(len(open_rows), np.float32),
        clusters=clusters[open_rows] if clusters is not None else np.zeros(len(open_rows), np.int64),
        batch_size=min(batch_size - n_control, len(open_rows)),
        candidate_factor=candidate_factor,
        rng=rng,
    )
    rows = np.concatenate([open_rows[selection.indices], control])
    n_picked = len(selection.indices)
    passes = np.full(len(rows), NOT_APPLICABLE)
    cluster_sizes = np.full(len(rows), NOT_APPLICABLE)
    if clusters is not None:
        passes[:n_picked] = selection.passes
        cluster_sizes[:n_picked] = selection.cluster_sizes
    # Nobody may see from a task's place whether it is a control task.
    order = rng.permutation(len(rows))
    return Plan(
        rows=rows[order],
        is_control=order >= n_picked,
        passes=passes[order],
        clusters=clusters[rows[order]] if clusters is not None else np.full(len(rows), NOT_APPLICABLE),
        cluster_sizes=cluster_sizes[order],
        candidates=selection.candidates,
    )


def select(step: Step) -> None:
    """Plan the batch, write its tasks and how they were picked, and open it: one transaction."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    report = step.progress("picking the batch")
    report(0)
    strategy = batch.strategy or SEED
    margins = clusters = height = None
    pool_rows = project.encoded_rows
    if batch.selected_by is not None:
        margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
        pool_rows = len(margins)
    clustering = Clustering.objects.filter(project=project).first()
    if strategy == Project.Strategy.CLUSTER_MARGIN:
        if clustering is None or clustering.joined_rows < pool_rows:
            raise StepFailed("The pool is not clustered. Retry the batch.")
        clusters, height = clusters_at(project, clustering, project.mean_cluster_size)
    pool = _read_pool(project, pool_rows)
    seed = seed_for(project, "select", batch.number)
    plan = plan_batch(
        pool,
        batch_size=project.batch_size,
        control_share=project.control_share,
        strategy=strategy,
        candidate_factor=project.candidate_factor,
        margins=margins,
        clusters=clusters,
        rng=np.random.default_rng(seed),
    )
    with step.finish():
        _write_tasks(batch, project, plan, margins)
        Batch.objects.filter(pk=batch.pk).update(
            strategy=strategy,
            seed=seed,
            batch_size=project.batch_size,
            candidate_factor=project.candidate_factor,
            candidates=plan.candidates,
            mean_cluster_size=project.mean_cluster_size,
            cut_height=height,
            clusters=int(clusters.max()) + 1 if clusters is not None and len(clusters) else None,
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


def _read_pool(project: Project, pool_rows: int) -> Pool:
    found = project.items.unlabeled().filter(row__lt=pool_rows).order_by("row")
    values = np.array(
        list(found.values_list("row", "is_control", "control_key").iterator(chunk_size=CHUNK)),
        dtype=[("row", np.int64), ("reserved", bool), ("key", np.float64)],
    )
    return Pool(values["row"], values["reserved"], values["key"])


def _write_tasks(batch: Batch, project: Project, plan: Plan, margins: np.ndarray | None) -> None:
    """One task for each row of the plan, ranked in its order."""
    for start in range(0, len(plan.rows), CHUNK):
        rows = plan.rows[start : start + CHUNK].tolist()
        ids = dict(Item.objects.filter(project=project, row__in=rows).values_list("row", "pk"))
        Task.objects.bulk_create(
            Task(
                batch=batch,
                item_id=ids[row],
                rank=rank,
                is_control=bool(plan.is_control[rank]),
                margin=float(margins[row]) if margins is not None else None,
                cluster=_known(plan.clusters[rank]),
                cluster_size=_known(plan.cluster_sizes[rank]),
                draw_pass=_known(plan.passes[rank]),
                free=project.overlap,
                outstanding=project.overlap,
            )
            for rank, row in enumerate(rows, start)
        )


def _known(value: np.integer) -> int | None:
    return int(value) if value >= 0 else None
