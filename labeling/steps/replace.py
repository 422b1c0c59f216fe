"""Replace: add a new task to the open batch for each item that all its annotators skipped.

So a batch keeps its number of labels and its spread over clusters. The batch never waits for this step: the last answer
or skip completes it. New tasks have the last ranks. The step replaces all kinds of tasks alike, gold tasks too, so that
the batch's size tells an annotator nothing. `queue.undo` of a skip deletes a replacement that was never assigned.

Rows are locked in the usual order: tasks, items, the batch, the project.
"""

import datetime
from collections.abc import Sequence

import numpy as np
from django.db.models import F
from django.utils import timezone

from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Job, Project, Task
from labeling.models.tasks import TaskQuerySet
from labeling.steps import batch_copies
from labeling.steps.batch_tasks import Picked, TaskFacts, next_rank
from labeling.steps.cluster import clusters_at
from labeling.steps.further import choose_gold
from labeling.steps.select import read_pool
from labeling.storage.arrays.batch_plan import NOT_APPLICABLE, Plan, Pool
from labeling.storage.arrays.files import ProjectFiles

# The largest share of a batch that is replaced: a person who skips every item must not drain the pool.
MOST_REPLACED = 0.2
# The delay of the next attempt while a selection is running.
LATER = datetime.timedelta(seconds=1)


class _Picking(Exception):
    """A selection is running or about to run: this step must not take items that the selection may pick."""


class _Closed(Exception):
    """The batch is already complete."""


def replace(step: Step) -> None:
    """Replace the skipped tasks of the project's open batches. A second call does the rest."""
    report = step.progress("replacing skipped items")
    report(0)
    project = step.job.project
    for batch in project.batches.open().order_by("number") if project.replace_skips else ():
        try:
            _replace(step, project, batch)
        except _Closed:
            continue
        except _Picking:
            Job.objects.put_back(step.job, attempts=0, run_after=timezone.now() + LATER)
            return
    with step.finish():
        pass


def _skipped(batch: Batch) -> TaskQuerySet:
    """Return the batch's skipped tasks without a replacement, except those of excluded items."""
    kept = batch.tasks.filter(item__excluded_at=None, repeats__excluded_at=None)
    return kept.skipped().filter(replaced_by=None).order_by("pk")


def _replace(step: Step, project: Project, batch: Batch) -> None:
    _reuse(step, batch)
    replaced = batch.tasks.filter(replaces__isnull=False).count()
    room = int(MOST_REPLACED * (batch.size - replaced)) - replaced
    skipped = list(_skipped(batch).select_related("item", "repeats")[: max(0, room)])
    if not skipped:
        return
    picked = _pick(project, batch, skipped)
    pairs = list(zip(skipped, picked.plan.rows.tolist(), strict=False))
    gold = _gold(project, batch, sum(task.is_gold for task, _ in pairs))
    facts_of = TaskFacts(
        project, batch, picked, size=next_rank(batch) + len(pairs),
        further=[np.array([row for _, row in gold], np.int64)], sureness=_sureness(batch),
    )  # fmt: skip
    with step.write():
        # Read again under the locks: a skip may have been undone, an item excluded.
        still = set(
            _skipped(batch)
            .filter(pk__in=[task.pk for task, _ in pairs])
            .select_for_update(no_key=True, of=("self",))
            .values_list("pk", flat=True)
        )
        unlabeled = project.items.unlabeled().filter(row__in=[row for _, row in pairs]).order_by("pk")
        rows = set(unlabeled.select_for_update(no_key=True, of=("self",)).values_list("row", flat=True))
        places = [n for n, (task, row) in enumerate(pairs) if task.pk in still and row in rows]
        by_gold = dict(zip([n for n in places if pairs[n][0].is_gold], gold, strict=False))
        by_picked = [n for n in places if n not in by_gold]
        _grow(batch, len(places), int(picked.plan.is_control[by_picked].sum()), len(by_gold))
        _keep_selections_off(project)
        first = next_rank(batch)
        ranks = {n: first + i for i, n in enumerate(places)}
        facts = dict(zip(by_picked, facts_of(by_picked, [ranks[n] for n in by_picked]), strict=True))
        for n, (item, row) in by_gold.items():
            [of_row] = facts_of.of_further([row], [ranks[n]])
            facts[n] = {**of_row, "repeats_id": item, "is_gold": True}
        Task.objects.bulk_create(
            Task(batch=batch, replaces=pairs[n][0], rank=ranks[n], free=batch.overlap, outstanding=batch.overlap,
                 selection=batch.selection, **facts[n])
            for n in places
        )  # fmt: skip
    batch_copies.choose_again(step, batch)


def _reuse(step: Step, batch: Batch) -> None:
    """Assign the replacements of undone skips to later skips.

    Otherwise the batch would grow with each skip that a person undoes while its replacement is assigned.
    """
    replacements = batch.tasks.filter(replaces__isnull=False)
    spare = list(replacements.exclude(replaces__in=batch.tasks.skipped()).order_by("pk"))
    for replacement, skipped in zip(spare, _skipped(batch), strict=False):
        with step.write():
            replacements.filter(pk=replacement.pk).update(replaces=skipped)


def _gold(project: Project, batch: Batch, number: int) -> list[tuple[int, int]]:
    """Return keys and rows of at most `number` gold items that are not in the batch, to replace skipped gold tasks:
    whether a skip is replaced must not reveal a gold task.
    """
    if not number:
        return []
    shown = {key for key in batch.tasks.further().values_list("repeats", flat=True) if key is not None}
    rng = np.random.default_rng(int.from_bytes(project.keyed("replace", f"{batch.number}/{next_rank(batch)}"), "big"))
    return choose_gold(project, number, shown, rng, pool_rows=_pool_rows(project, batch), beside=_picked_rows(batch))


def _picked_rows(batch: Batch) -> np.ndarray:
    """Return the rows of the batch's picked items, (n,) int64."""
    tasks = batch.tasks.filter(item__row__isnull=False)
    return np.fromiter(tasks.values_list("item__row", flat=True), np.int64)


def _pool_rows(project: Project, batch: Batch) -> int:
    """Return the number of rows that the batch is picked from."""
    return project.encoded_rows if batch.pool_rows is None else batch.pool_rows


def _sureness(batch: Batch) -> np.ndarray:
    """Return the model's confidence on the first thousand picked tasks of the batch, (n,) float."""
    chosen = batch.tasks.picked().filter(is_control=False, asked=False, confidence__isnull=False).order_by("rank")
    return np.array(list(chosen.values_list("confidence", flat=True)[:1000]), np.float64)


def _grow(batch: Batch, tasks: int, control: int, gold: int) -> None:
    """Add these new tasks, and the control and gold tasks among them, to the batch's counts.

    Raises `_Closed` if the batch is not open any more.
    """
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.OPEN).update(
        size=F("size") + tasks,
        remaining=F("remaining") + tasks,
        control_tasks=F("control_tasks") + control,
        further=F("further") + gold,
    ):
        raise _Closed


def _keep_selections_off(project: Project) -> None:
    """Prevent new selections of the project until this transaction ends. Raises `_Picking` if a selection is running.

    The lock on the project's row keeps new selections out, and locks on waiting jobs keep workers from taking them.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    picking = Job.objects.unfinished().filter(project=project, kind__in=[Job.Kind.SELECT, Job.Kind.REPICK])
    if not picking.keep_waiting():
        raise _Picking


def _pick(project: Project, batch: Batch, skipped: list[Task]) -> Picked:
    """Return a row of the pool for each skipped task, as a selection does; fewer if the pool does not suffice."""
    version = batch.selected_by if batch.selected_by is None or not batch.selected_by.damaged else None
    pool_rows = _pool_rows(project, batch)
    margins = None if version is None else ProjectFiles(project).read(version, "margins", rows=pool_rows)
    clusters = _clusters(project, batch, pool_rows)
    rows = choose_rows(
        read_pool(project, pool_rows),
        [(task.shown.row or 0, task.is_control) for task in skipped],
        taken=np.fromiter(batch.tasks.filter(item__row__lt=pool_rows).values_list("item__row", flat=True), np.int64),
        has_control=batch.control_tasks > 0,
        margins=margins,
        clusters=clusters,
    )
    n, none = len(rows), np.full(len(rows), NOT_APPLICABLE)
    plan = Plan(
        rows=np.array(rows, np.int64),
        is_control=np.array([task.is_control for task in skipped[:n]], bool),
        is_asked=np.zeros(n, bool),
        passes=none,
        clusters=none if clusters is None else clusters[rows],
        cluster_sizes=none,
        candidates=n,
        candidate_factor=None,
    )
    return Picked(plan, {}, version)


def _clusters(project: Project, batch: Batch, pool_rows: int) -> np.ndarray | None:
    """Return cluster ids by row at the selection's cut; None if it used none, or a clustering since replaced."""
    clustering = Clustering.objects.filter(project=project).first()
    if not batch.clusters or clustering is None or clustering.digest != batch.dendrogram_hash:
        return None
    if clustering.joined_rows < pool_rows or batch.mean_cluster_size is None:
        return None
    return clusters_at(project, clustering, batch.mean_cluster_size)[0]


def choose_rows(
    pool: Pool,
    skipped: Sequence[tuple[int, bool]],
    *,
    taken: np.ndarray,
    has_control: bool,
    margins: np.ndarray | None,
    clusters: np.ndarray | None,
) -> list[int]:
    """Choose a row of the pool for each skipped task, in their order; fewer if the pool does not suffice.

    The next item of the reserved items' permutation replaces a control task. The permutation was fixed before the first
    answer, so the control slice stays a uniform draw. Skipped items give no label: the control slice measures the
    accuracy on items that people can answer, and the skips count the others.

    The item of the same cluster with the nearest margin replaces any other task; if the cluster is used up, an item of
    the clusters with the fewest items in the batch, as in the next pass of the selection. Without margins no
    model picked the batch, and the next item of the permutation is the replacement.

    In a batch with control tasks, replacing ends when either kind of item runs out: whether a skip is replaced must
    tell annotators nothing about the task.

    Parameters
    ----------
    pool : Pool
    skipped : sequence of (int, bool)
        For each skipped task, its row and whether it is a control task.
    taken : ndarray of shape (k,), int64
        The rows of the batch.
    has_control : bool
        Whether the batch has control tasks.
    margins : ndarray of shape (rows,), float, or None
    clusters : ndarray of shape (rows,), int64, or None
        The cluster of each row at the cut of the batch.
    """
    order = np.argsort(pool.control_keys, kind="stable")
    control = pool.rows[order[pool.reserved[order]]].tolist()
    others = pool.rows[order[~pool.reserved[order]]]
    uses = np.bincount(clusters[taken], minlength=int(clusters.max()) + 1) if clusters is not None else None
    chosen: list[int] = []
    for row, is_control in skipped:
        if not len(others) or (has_control and not control):
            break
        if is_control:
            chosen.append(control.pop(0))
            continue
        at = _nearest(others, row, margins=margins, clusters=clusters, uses=uses)
        chosen.append(int(others[at]))
        if clusters is not None and uses is not None:
            uses[clusters[others[at]]] += 1
        others = np.delete(others, at)
    return chosen


def _nearest(
    rows: np.ndarray, row: int, *, margins: np.ndarray | None, clusters: np.ndarray | None, uses: np.ndarray | None
) -> int:
    """Return the index in `rows` of the best replacement for `row`."""
    if margins is None or row >= len(margins):  # a gold item encoded after the model's predictions
        return 0
    among = np.arange(len(rows))
    if clusters is not None and uses is not None:
        same = among[clusters[rows] == clusters[row]]
        if len(same):
            among = same
        else:
            often = uses[clusters[rows]]
            among = among[often == often.min()]
    return int(among[np.argmin(np.abs(margins[rows[among]] - margins[row]))])
