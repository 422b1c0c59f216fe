"""Select: read the pool, plan the next batch, write its tasks and open it.

The step writes up to a million tasks in parts. They are served only after the last, small transaction opens the batch.
The next attempt after a kill removes the tasks written so far, and plans the batch again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from labeling.finishing.advance import advance
from labeling.finishing.goal import batch_size_of
from labeling.loop import batches
from labeling.loop.step import Step, StepFailed
from labeling.loop.table import BatchEvent
from labeling.models import Batch, Clustering, Job, ModelVersion, Project
from labeling.models.batches import SEED
from labeling.models.items import ItemQuerySet
from labeling.projects.version_in_use import in_use, is_outdated
from labeling.queue import rechecking
from labeling.steps import batch_copies, batch_tasks
from labeling.steps.batch_tasks import PICKING_SHARE, Picked, remove_tasks, write_tasks
from labeling.steps.cluster import Clustered, clusters_at
from labeling.steps.compute import compute
from labeling.steps.embed import look_at_pool
from labeling.steps.further import choose_further
from labeling.storage.arrays.batch_forecast import split_batch
from labeling.storage.arrays.batch_plan import Guard, Pool, plan_batch
from labeling.storage.arrays.damage import name_of, note_damage
from labeling.storage.arrays.files import ProjectFiles, load_checked
from labeling.storage.disk.files import FileDamaged
from models_store.training.spreading import directions
from selector.covering import CANDIDATES, covering
from selector.strategies import STRATEGIES

CHUNK = 2000
POOL = [("row", np.int64), ("reserved", bool), ("key", np.float64)]
COVERING_SHARE = 0.8
"""Of the items that a model learns from and no manager asked for. The others are drawn at random: they calibrate the
first versions.
"""
MOST_COVERING = 200
"""A random sample of more items covers the pool as well, and from 200 random labels on, these alone calibrate."""


def select(step: Step) -> None:
    """Plan the batch and write its tasks; then write the selection's facts and open the batch in one transaction."""
    batch, project = step.batch, step.job.project
    report = step.progress("picking the batch", end=PICKING_SHARE)
    report(0)
    if batch.selected_by is not None and (batch.selected_by.damaged or is_outdated(project, batch.selected_by)):
        look_again(step, batch)
    remove_tasks(step, batch)
    _advance(step, project)
    pool_rows = (batch.pool_rows if batch.selected_by is not None else None) or project.encoded_rows
    batch_size = batch_size_of(project)
    draws = batch_tasks.due(project, batch_size)
    if not batches.is_any_left(project):  # the rest of the pool has just been certified
        with step.finish():
            batches.advance(batch, BatchEvent.NOTHING_LEFT)
        return
    if pool_rows < project.encoded_rows and not project.items.unlabeled().filter(row__lt=pool_rows).exists():
        # Drawn at random: predictions from outside cover earlier items alone.
        _change(step, batch, {"selected_by": None, "strategy": SEED, "pool_rows": None})
        pool_rows = project.encoded_rows
    pool = read_pool(project, pool_rows, also=project.items.filter(pk__in=[draw.item for draw in draws]))
    seed = seed_of(project, batch.number)
    is_first = batch.number == 1 and batch.selected_by is None
    first = covering_rows(project, pool, batch_size, seed) if is_first else ()
    picked = make_plan(
        project,
        pool,
        pool_rows=pool_rows,
        batch_size=batch_tasks.size_of(project, draws, pool, batch_size),
        strategy=batch.strategy or SEED,
        version=batch.selected_by,
        seed=seed,
        before_others=[*(draw.row for draw in draws), *first],
        progress=report,
    )
    further = choose_further(project, batch, picked.plan.rows, pool_rows=pool_rows)
    picked = batch_tasks.seat(batch, picked, further, draws)
    write_tasks(step, batch, picked, further)
    of_copies = batch_copies.choose(step, batch, picked.facts)
    with step.finish():
        size = len(picked.plan.rows) + len(further.items)
        Batch.objects.filter(pk=batch.pk).update(
            **picked.facts,
            **of_copies,
            overlap=project.overlap,
            overlap_max=project.overlap_max,
            answers_expected=rechecking.expected_answers(project, size),
            size=size,
            further=len(further.items),
            remaining=size,
            select_seconds=step.seconds,
        )
        batches.advance(batch, BatchEvent.PICKED)


def _advance(step: Step, project: Project) -> None:
    """Advance the project's goal. If a file for that is damaged, the step of the goal rebuilds it: no batch waits."""
    try:
        advance(step, project)
    except FileDamaged as found:
        note_damage(project, name_of(project, found.path), found.problem)
        with step.write():
            Job.objects.enqueue(Job.Kind.FINISH, project=project)


def look_again(step: Step, batch: Batch) -> None:
    """Let the version now in use pick the batch, because the version that was to pick it is damaged, or learned from an
    earlier encoder. If all versions are damaged, the batch is drawn at random.
    """
    project, used = batch.project, in_use(batch.project)
    facts: dict[str, Any] = {"selected_by": None, "strategy": SEED}
    if used is not None and not used.version.damaged:
        look = look_at_pool(project, used, project.strategy, progress=step.progress("surveying the pool"))
        facts = look.facts
        if look.clustered:
            clustered = Clustered(step, batch, used.version, facts["pool_rows"])
            with step.write():
                clustered.save()
    _change(step, batch, facts)


def _change(step: Step, batch: Batch, facts: dict[str, Any]) -> None:
    with step.write():
        Batch.objects.filter(pk=batch.pk).update(**facts)
    batch.refresh_from_db()


def make_plan(
    project: Project,
    pool: Pool,
    *,
    pool_rows: int,
    batch_size: int,
    strategy: str,
    version: ModelVersion | None,
    seed: int,
    progress: Callable[[float], None],
    before_others: Sequence[int] = (),
) -> Picked:
    """Plan a batch of `batch_size` items of this pool by the version's predictions. `before_others`: rows that it takes
    before the strategy picks, for an audit or to cover the pool.

    Raises `StepFailed` if the strategy needs clusters and the clustering does not cover `pool_rows`.
    """
    by = STRATEGIES["uniform" if strategy == SEED else strategy]
    arrays = {} if version is None else _arrays_of(project, version, by.needs, pool_rows)
    clusters = height = guard = None
    if version is not None and version.answers and project.class_guard is not None:
        best = ProjectFiles(project).read(version, "best", rows=pool_rows)
        guard = Guard(best, project.answer_count, project.class_guard)
    clustering = Clustering.objects.filter(project=project).first()
    copies = batch_copies.due_rows(project)
    if "clusters" in by.needs:
        if clustering is None or clustering.joined_rows < pool_rows:
            raise StepFailed("The pool is not clustered. Retry the batch.")
        clusters, height = clusters_at(project, clustering, project.mean_cluster_size)
        arrays["clusters"] = clusters
    plan = plan_batch(
        pool,
        batch_size=batch_size,
        control_share=project.control_share,
        strategy=by.name,
        candidate_factor=project.candidate_factor,
        labeled_rows=_taken_rows(project, pool, pool_rows) if by.apart_from_labeled else None,
        guard=guard,
        asked=_asked_rows(project),
        checks=np.concatenate([np.array(before_others, np.int64), copies[~np.isin(copies, before_others)]]),
        rng=np.random.default_rng(seed),
        progress=progress,
        workers=compute.workers,
        **arrays,
    )
    facts = {
        "strategy": strategy,
        "seed": seed,
        "batch_size": batch_size,
        "candidate_factor": plan.candidate_factor,
        "candidates": plan.candidates if by.candidates != "pool" else None,
        "mean_cluster_size": project.mean_cluster_size,
        "cut_height": height,
        "clusters": int(clusters.max()) + 1 if clusters is not None and len(clusters) else None,
        "class_guard": project.class_guard if guard else None,
        "control_share": project.control_share,
        "control_tasks": int(plan.is_control.sum()),
        "pool_size": len(pool.rows),
        "pool_rows": pool_rows,
        "dendrogram_hash": clustering.digest if clustering and clusters is not None else "",
    }
    return Picked(plan, facts, version, clusters)


def _arrays_of(
    project: Project, version: ModelVersion, needs: Collection[str], pool_rows: int
) -> dict[str, np.ndarray]:
    """Return the version's arrays by row: the margins, and the other arrays that the strategy needs."""
    files = ProjectFiles(project)
    others = [name for name in needs if name not in ("margins", "clusters")]
    return {
        "margins": files.read(version, "margins", rows=pool_rows),
        **{name: files.read(version, name, rows=pool_rows, load=load_checked) for name in others},
    }


def seed_of(project: Project, number: int, selection: int = 1) -> int:
    """Return the seed of a selection, 63 bits, keyed by the project's secret: it decides the order of tasks."""
    subject = number if selection == 1 else f"{number}/{selection}"
    return int.from_bytes(project.keyed("select", subject)[:8], "big") >> 1


def read_pool(project: Project, pool_rows: int, *, also: ItemQuerySet | None = None) -> Pool:
    """Return the unlabeled items of the first `pool_rows` rows and the items `also`, in the order of the rows."""
    items = [project.items.unlabeled(), *([] if also is None else [also])]
    # Straight into the array: a list of tuples would take ten times its memory.
    values = np.concatenate([np.fromiter(_pool_values(part, pool_rows), POOL) for part in items])
    values = values[np.unique(values["row"], return_index=True)[1]]
    return Pool(values["row"], values["reserved"], values["key"])


def _pool_values(items: ItemQuerySet, pool_rows: int) -> Iterator[tuple[Any, ...]]:
    values = items.filter(row__lt=pool_rows).values_list("row", "reserved", "control_key")
    return values.order_by().iterator(chunk_size=CHUNK)


def _asked_rows(project: Project) -> np.ndarray:
    """Return the rows of the items that a manager asked for, the longest waiting first."""
    rows = project.items.queued().filter(row__isnull=False).order_by("queued_at", "row").values_list("row", flat=True)
    return np.fromiter(rows.iterator(chunk_size=CHUNK), np.int64)


def _taken_rows(project: Project, pool: Pool, pool_rows: int) -> np.ndarray:
    """Return the rows that a model learns from: of labeled items, and of open, ready and training batches."""
    learned = project.items.trainable() | project.items.filter(
        task__batch__state__in=[Batch.State.OPEN, Batch.State.READY, Batch.State.TRAINING], reserved=False
    )
    items = learned.filter(row__lt=pool_rows).order_by("row")
    rows = np.fromiter(items.values_list("row", flat=True).iterator(chunk_size=CHUNK), np.int64)
    return rows[~np.isin(rows, pool.rows)]


def covering_rows(project: Project, pool: Pool, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows, in the order of the picks, that together are near most items of the pool. None if the project's
    strategy draws at random, if the batch takes the whole pool, or if features are missing, damaged or not finite.

    The features of a random sample decide. The seed and the pool determine the rows.
    """
    open_rows = pool.rows[~pool.reserved]
    n_open, n_reserved = len(open_rows), len(pool.rows) - len(open_rows)
    size, _ = split_batch(n_open, n_reserved, batch_size=batch_size, control_share=project.control_share)
    asked = project.items.queued().filter(row__isnull=False, reserved=False).count()
    count = min(round(COVERING_SHARE * (size - asked)), MOST_COVERING)
    features = ProjectFiles(project).stored_features()
    if STRATEGIES[project.strategy].fair or size == n_open or count <= 0 or features is None:
        return np.empty(0, np.int64)
    rng = np.random.default_rng((seed, 1))  # the plan draws from `seed` alone
    sample = np.sort(rng.permutation(open_rows)[:CANDIDATES])
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            points = directions(features[sample]).numpy()
    except (FileDamaged, ValueError):
        return np.empty(0, np.int64)
    rows: np.ndarray = sample[covering(points, count, rng)]
    return rows
