"""Write the tasks of a batch: for each item the reason why the selection picked it, and the model's prediction.

A batch may have a million tasks, which are written in parts. They are served only after the batch opens.
"""

from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db.models import Max
from django.utils import timezone

from labeling.finishing import audits
from labeling.finishing.audits import Draw
from labeling.finishing.candidates import load
from labeling.finishing.certifying import schedule
from labeling.loop.step import Step
from labeling.models import AuditDraw, Batch, Finish, Item, ModelVersion, Project, Task
from labeling.models.batches import PROMPTED_SHARE
from labeling.models.tasks import PromptedBy
from labeling.queue.prompting import suggests
from labeling.steps.further import Further
from labeling.storage.arrays.batch_plan import Plan, Pool
from labeling.storage.arrays.files import ProjectFiles, load_mapped
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import among, insert_many

# The columns of a task that a selection fills.
TASK_FACTS = (
    "item_id", "is_control", "asked", "margin", "predicted", "confidence", "likely", "prompted", "prompted_by",
    "cluster", "cluster_size", "draw_pass", "stand_in", "copies_shown",
)  # fmt: skip
# Those that are the model's prediction, and the answer that annotators see.
SHOWN = ("margin", "predicted", "confidence", "likely", "prompted", "prompted_by", "stand_in")
# A task shows no near-copies until `labeling.steps.batch_copies` sets their number.
NO_COPIES = {"copies_shown": 0}
# The values for a task whose item is asked again: no selection picked it.
NOT_PICKED = {
    "item_id": None, "is_control": False, "asked": False, "cluster": None, "cluster_size": None, "draw_pass": None,
    **NO_COPIES,
}  # fmt: skip
# Tasks written in one transaction: other writers wait for its end.
PART = 500
# Progress of the step when the tasks are picked: pages estimate the time left from it.
PICKING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Picked:
    """The result of a selection: the plan, the facts that replay it, and the version that picked.

    clusters : (rows,) the cluster of each row, if the selection used clusters.
    draws : the draws of audits among the plan's items, by row.
    """

    plan: Plan
    facts: dict[str, Any]
    version: ModelVersion | None
    clusters: np.ndarray | None = None
    draws: Mapping[int, Draw] = field(default_factory=dict)


def prompted(project: Project, number: int, n: int, *, suggesting: bool = False) -> np.ndarray:
    """Draw the tasks (n,) bool, by rank, on which annotators see a prediction or suggestion, independent of the tasks.

    The draw includes tasks whose item has no prediction or suggestion: so the control items that are not drawn
    represent the pool, whichever items have one. Models are measured on the control tasks that are not drawn:
    docs/decisions/07-nothing-tells-a-task.md.
    """
    if not project.show_predictions and not suggesting:
        return np.zeros(n, bool)
    coins = np.random.default_rng(int.from_bytes(project.keyed("prompt", number), "big")).random(n)
    return coins < PROMPTED_SHARE


class TaskFacts:
    """The values of each task's columns `TASK_FACTS`: its item, the reason of its pick, and the model's prediction.

    `size`: the number of ranks of the batch. `further`: for each kind of task that asks an item again, the rows of its
    items. `sureness`: (n,) float, the model's confidence on picked tasks; by default, on the picked tasks of the plan.
    """

    def __init__(
        self,
        project: Project,
        batch: Batch,
        picked: Picked,
        *,
        size: int,
        further: Sequence[np.ndarray] = (),
        sureness: np.ndarray | None = None,
    ) -> None:
        self._project = project
        self._plan = picked.plan
        self._drawn = list(picked.draws)
        self._suggesting = suggests(project)
        self._shown = prompted(project, batch.number, size, suggesting=self._suggesting)
        self._margins = np.empty(0, np.float32)
        self._arrays: dict[str, np.ndarray] = {}
        self._likely = np.empty((0, 0), np.int16)
        if picked.version is not None:
            files, rows = ProjectFiles(project), picked.facts.get("pool_rows", batch.pool_rows)
            self._margins = files.read(picked.version, "margins", rows=rows)
            names = ("best", "confidence") if picked.version.answers else ()
            self._arrays = {name: files.read(picked.version, name, rows=rows) for name in names}
            if project.show_predictions:
                with suppress(FileNotFoundError):
                    self._likely = files.read(picked.version, "likely", rows=rows, load=load_mapped)
        self._stand_in = self._stand_ins(batch, further, sureness)

    def _stand_ins(self, batch: Batch, further: Sequence[np.ndarray], sureness: np.ndarray | None) -> dict[int, float]:
        """Return the stand-ins by row of control, audit, asked and further tasks, computed for each kind by itself."""
        if not self._arrays:
            return {}
        plan, confidence = self._plan, self._arrays["confidence"]
        chosen = plan.rows[~plan.is_control & ~plan.is_asked]
        if sureness is None:
            sureness = confidence[chosen[chosen < len(confidence)]]
        subject = f"{batch.number}/{batch.selection}/{len(plan.rows)}"
        rng = np.random.default_rng(int.from_bytes(self._project.keyed("stand in", subject), "big"))
        found: dict[int, float] = {}
        is_drawn = np.isin(plan.rows, self._drawn)
        for rows in (
            plan.rows[plan.is_control], plan.rows[is_drawn], plan.rows[plan.is_asked & ~is_drawn], *further,
        ):  # fmt: skip
            rows = rows[rows < len(confidence)]
            values = stand_ins(confidence[rows], sureness, rng)
            found.update(zip(rows.tolist(), values.tolist(), strict=True) if len(sureness) else ())
        return found

    def __call__(self, places: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Return the values for tasks with these ranks, whose items are at these places of the plan."""
        plan = self._plan
        rows = [int(plan.rows[place]) for place in places]
        items = Item.objects.filter(project=self._project, row__in=among(rows))
        ids = dict(items.values_list("row", "pk"))
        return [
            {
                "item_id": ids[row],
                "is_control": bool(plan.is_control[place]),
                "asked": bool(plan.is_asked[place]),
                "cluster": _known(plan.clusters[place]),
                "cluster_size": _known(plan.cluster_sizes[place]),
                "draw_pass": _known(plan.passes[place]),
                **NO_COPIES,
                **shown,
            }
            for place, row, shown in zip(places, rows, self.shown(rows, ranks), strict=True)
        ]

    def of_further(self, rows: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Return the values for tasks with these ranks, whose items have these rows and are asked again."""
        return [{**NOT_PICKED, **shown} for shown in self.shown(rows, ranks)]

    def shown(self, rows: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Return the values of `SHOWN` for tasks with these ranks, whose items have these rows."""
        suggested = self._suggested(rows)
        return [self._of_row(row, rank, is_suggested=row in suggested) for row, rank in zip(rows, ranks, strict=True)]

    def _suggested(self, rows: Sequence[int]) -> set[int]:
        """Return the rows whose items were imported with a suggestion; empty if the project shows no suggestions."""
        if not self._suggesting:
            return set()
        items = Item.objects.filter(project=self._project, row__in=rows)
        return {row for row in items.suggested().values_list("row", flat=True) if row is not None}

    def _of_row(self, row: int, rank: int, *, is_suggested: bool) -> dict[str, Any]:
        """Return the model's prediction for a row, and the source of the answer that the task with this rank shows."""
        arrays = self._arrays
        facts: dict[str, Any] = {"margin": None, "predicted": None, "confidence": None, "likely": ""}
        is_known = bool(arrays) and row < len(self._margins)  # false if encoded after the predictions
        if row < len(self._margins):
            facts["margin"] = float(self._margins[row])
        if is_known:
            facts |= {
                "predicted": int(arrays["best"][row]),
                "confidence": float(arrays["confidence"][row]),
                "likely": " ".join(map(str, self._likely[row].tolist())) if row < len(self._likely) else "",
            }
        prompt = self._prompt(rank, is_known=is_known, is_suggested=is_suggested)
        return {**facts, "stand_in": self._stand_in.get(row), **prompt}

    def _prompt(self, rank: int, *, is_known: bool, is_suggested: bool) -> dict[str, Any]:
        """Return whether the task shows an answer, and its source: a suggestion takes precedence over the model."""
        predicting = is_known and self._project.show_predictions
        if not self._shown[rank] or not (predicting or self._suggesting):
            return {"prompted": False, "prompted_by": ""}
        # If other tasks show the model's several suggestions, a single one would reveal an item encoded late, such as
        # gold.
        alone = not predicting and len(self._likely) > 0
        if is_suggested and not alone:
            return {"prompted": True, "prompted_by": PromptedBy.SUGGESTION.value}
        source = PromptedBy.MODEL if predicting else PromptedBy.NOTHING
        return {"prompted": True, "prompted_by": source.value}


def remove_tasks(step: Step, batch: Batch) -> None:
    """Remove the tasks that a killed attempt wrote; their items that were to be asked again wait again."""
    keys = array("q", batch.tasks.order_by("pk").values_list("pk", flat=True).iterator())
    for part in in_parts(keys, PART):
        with step.write():
            again = batch.tasks.further().filter(is_gold=False, pk__range=(part[0], part[-1]))
            Item.objects.filter(pk__in=again.values("repeats")).update(again_at=timezone.now())
            batch.tasks.filter(pk__range=(part[0], part[-1])).delete()


def write_tasks(step: Step, batch: Batch, picked: Picked, further: Further) -> None:
    """Write a task for each row of the plan, ranked in its order, and a task for each item that is asked again.

    Tasks are written, and so get their ids, in random order: an id tells annotators neither a rank nor an item that is
    asked again: docs/decisions/07-nothing-tells-a-task.md.
    """
    n, m = len(picked.plan.rows), len(further.items)
    by_kind = (further.rows[further.is_gold], further.rows[~further.is_gold])
    facts_of = TaskFacts(batch.project, batch, picked, size=n + m, further=by_kind)
    report = step.progress("writing the batch", start=PICKING_SHARE)
    ranks = np.concatenate([further.ranks_of_others(n), further.ranks])
    rng = np.random.default_rng(int.from_bytes(batch.project.keyed("task ids", batch.number), "big"))
    order = rng.permutation(n + m)
    overlap = batch.project.overlap
    fixed = {"batch": batch.pk, "free": overlap, "outstanding": overlap, "selection": 1}
    for part in in_parts(range(n + m), PART, uncontended=True):
        some = order[part.start : part.stop]
        # Picked and further tasks are computed apart, and written together in the random order.
        chosen, again = some[some < n], some[some >= n]
        items, rows, is_gold = (every[again - n].tolist() for every in (further.items, further.rows, further.is_gold))
        facts = facts_of(chosen.tolist(), ranks[chosen].tolist()) + facts_of.of_further(rows, ranks[again].tolist())
        repeated = [*((None, False) for _ in chosen), *zip(items, is_gold, strict=True)]
        places = np.concatenate([chosen, again]).tolist()
        values = {
            place: (int(ranks[place]), *fixed.values(), *of_repeat, *(each[name] for name in TASK_FACTS))
            for place, of_repeat, each in zip(places, repeated, facts, strict=True)
        }
        waited = [item for item, known in zip(items, is_gold, strict=True) if not known]
        with step.write():
            columns = ("rank", *fixed, "repeats", "is_gold", *TASK_FACTS)
            insert_many(Task, columns, [values[place] for place in some.tolist()])
            _insert_draws(batch, picked, chosen, ranks)
            if waited:
                Item.objects.filter(pk__in=waited).update(again_at=None, sent_back=False)
        report(part.stop / (n + m))


def _insert_draws(batch: Batch, picked: Picked, places: np.ndarray, ranks: np.ndarray) -> None:
    """Insert the draws of audits among these places of the plan, whose tasks are there."""
    of_rank = {int(ranks[n]): row for n in places.tolist() if (row := int(picked.plan.rows[n])) in picked.draws}
    if of_rank:
        tasks = batch.tasks.filter(rank__in=of_rank).values_list("pk", "rank")
        drawn = [(pk, picked.draws[of_rank[rank]]) for pk, rank in tasks]
        whole = batch.project.asks.whole
        AuditDraw.objects.bulk_create(
            AuditDraw(audit=draw.audit, place=draw.place, task_id=pk, value=whole(draw.value), is_decoy=draw.is_decoy)
            for pk, draw in drawn
        )


def next_rank(batch: Batch) -> int:
    """Return the rank after the batch's last task. If tasks were dropped, it is more than the number of tasks."""
    last = batch.tasks.aggregate(last=Max("rank"))["last"]
    return 0 if last is None else int(last) + 1


def _known(value: np.integer) -> int | None:
    return int(value) if value >= 0 else None


def stand_ins(own: np.ndarray, picked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the confidence with which a model's prediction counts when a rule decides whether one more person answers
    a task.

    The strategy picks tasks that the model doubts. Control tasks and gold tasks are not picked: the model's confidence
    and accuracy on them are higher, so fewer of them would need a second person, and annotators who compare notes could
    recognise them. Stand-ins have the distribution of confidence and accuracy of the picked tasks.

    The tasks get confidences of picked tasks in the same order, highest to highest. A prediction with confidence p and
    stand-in q keeps its answer with probability q / p, so that it is right with probability q if the model is
    calibrated.

    Parameters
    ----------
    own : ndarray of shape (m,), float
        The model's confidence on these tasks, each greater than 0.
    picked : ndarray of shape (n,), float
        The model's confidence on picked tasks.
    rng : Generator

    Returns
    -------
    ndarray of shape (m,), float64
        The stand-ins. Negative: the prediction counts for another answer than the model's. NaN: there are no picked
        tasks, and the model's own confidence counts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> np.abs(stand_ins(np.array([0.99, 0.9]), np.array([0.5, 0.5, 0.25, 0.25]), rng)).tolist()
    [0.5, 0.25]
    """
    if not len(picked) or not len(own):
        return np.full(len(own), np.nan)
    places = np.empty(len(own), np.int64)
    places[np.lexsort((rng.random(len(own)), own))] = np.arange(len(own))
    at = (places + rng.random(len(own))) / len(own)
    sure = np.sort(picked)[(at * len(picked)).astype(np.int64)]
    keeps = rng.random(len(own)) * own < sure
    result: np.ndarray = np.where(keeps, sure, -sure)
    return result


# The draws of audits that a batch asks people about, among its other tasks.
#
# A draw is asked without the model's answer. In a project that shows answers, chance decides by a task's rank whether
# its annotators see one (`batch_tasks.prompted`). On these ranks a decoy takes the place of a draw: a candidate from
# the end of the order. So tasks with and without a shown answer are equally often of an audit.


def due(project: Project, batch_size: int) -> list[Draw]:
    """Return the draws that the next batch asks, the earliest first; empty without a running goal."""
    if not Finish.objects.filter(project=project, running=True).exists():
        return []
    left = 0.0
    for audit in project.audits.asking():
        plan, found = audits.plan_of(audit), audits.outcomes(audit)
        left += max(schedule.advise(plan, found.ranks, found.wrong).left - found.awaited, 0)
    return audits.next_draws(project, schedule.draws(left, batch_size)) if left else []


def size_of(project: Project, draws: Sequence[Draw], pool: Pool, batch_size: int) -> int:
    """Return the size of a batch that asks these draws: less than `batch_size` if other tasks had to be candidates.

    A candidate that is picked for training takes the place of a label that the audit could prove. But half of such a
    batch are no draws, so that its tasks are not all of an audit.
    """
    if not draws:
        return batch_size
    candidates = np.concatenate([load(audit).rows for audit in project.audits.asking()])
    others = int(np.count_nonzero(~np.isin(pool.rows, candidates)))
    return min(batch_size, len(draws) + max(others, len(draws)))


def seat(batch: Batch, picked: Picked, further: Further, draws: Sequence[Draw]) -> Picked:
    """Place the audit's draws on the batch's ranks, and return the plan with them.

    The plan has put the draws on random ranks. Ranks whose page shows no predicted answer get the first draws of the
    audit, in its order. Ranks whose page shows one get decoys.
    """
    plan, project = picked.plan, batch.project
    of_row = {draw.row: draw for draw in draws}
    places = np.flatnonzero(np.isin(plan.rows, list(of_row)))
    if not len(places):
        return picked
    size = len(plan.rows) + len(further.ranks)
    shows = prompted(project, batch.number, size, suggesting=suggests(project))[
        further.ranks_of_others(len(plan.rows))[places]
    ]
    n_draws, n_decoys = int((~shows).sum()), int(shows.sum())
    taken = sorted((of_row[row] for row in plan.rows[places].tolist()), key=lambda draw: draw.place)
    decoys = audits.next_decoys(project, n_decoys, besides=set(plan.rows.tolist()))
    # Near the end of a small pool, draws themselves are the decoys.
    decoys += [replace(draw, is_decoy=True) for draw in taken[n_draws:][: n_decoys - len(decoys)]]
    seated = taken[:n_draws] + decoys
    rows = plan.rows.copy()
    rows[np.concatenate([places[~shows], places[shows]])] = [draw.row for draw in seated]
    clusters = plan.clusters if picked.clusters is None else picked.clusters[rows]
    plan = replace(plan, rows=rows, clusters=clusters)
    return replace(picked, plan=plan, draws={draw.row: draw for draw in seated})
