"""The tasks of a batch as a selection writes them: with why each item was picked, and what the model made of it.

They may be a million, and are written in parts. Nobody is given one before the batch opens.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils import timezone

from labeling import database
from labeling.arrays.files import ProjectFiles, load_array
from labeling.arrays.plan import Plan
from labeling.arrays.stand_ins import stand_ins
from labeling.loop.step import Step
from labeling.models import Batch, Item, ModelVersion, Project, Task
from labeling.models.batches import PROMPTED_SHARE
from labeling.models.tasks import PromptedBy
from labeling.statements import insert_many
from labeling.steps.further import Further

# What a selection says of each task: columns of the table.
TASK_FACTS = (
    "item_id", "is_control", "asked", "margin", "predicted", "confidence", "likely", "prompted", "prompted_by",
    "cluster", "cluster_size", "draw_pass", "stand_in", "copies_shown",
)  # fmt: skip
# Until it is known how many near-copies a task shows (`labeling.steps.copies`), it shows none.
NO_COPIES = {"copies_shown": 0}
# What it says of one whose item is asked again: no selection picked it.
NOT_PICKED = {
    "item_id": None, "is_control": False, "asked": False, "cluster": None, "cluster_size": None, "draw_pass": None,
    **NO_COPIES,
}  # fmt: skip
# Tasks that are written in one transaction: others wait for its end.
PART = 500
# How far the step is when the tasks are picked: what people are told of the time left goes by it.
PICKING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Picked:
    """What a selection came to: the plan, and the facts that replay it."""

    plan: Plan
    facts: dict[str, Any]
    version: ModelVersion | None


def prompted(project: Project, number: int, n: int, *, suggesting: bool = False) -> np.ndarray:
    """(n,) bool: the tasks on which annotators are shown a prediction or suggestion, drawn by chance whatever the task.

    Also where an item has none: control items that were not prompted stand for the pool whichever items have one.

    Models are measured on the control tasks among the others: docs/decisions/0023-nothing-tells-a-control-task.md.
    """
    if not project.show_predictions and not suggesting:
        return np.zeros(n, bool)
    coins = np.random.default_rng(int.from_bytes(project.keyed("prompt", number), "big")).random(n)
    return coins < PROMPTED_SHARE


class TaskFacts:
    """What is written down of each task: its item, why it was picked, and what the model predicted for it.

    `size`: the number of ranks of the batch. `further`: (m,) rows of the tasks whose items are asked again. `sureness`:
    how sure the model is of picked tasks; of the plan's, if left out.
    """

    def __init__(
        self,
        project: Project,
        batch: Batch,
        picked: Picked,
        *,
        size: int,
        further: np.ndarray | None = None,
        sureness: np.ndarray | None = None,
    ) -> None:
        self._project = project
        self._plan = picked.plan
        self._suggesting = project.show_suggestions and project.items.suggested().exists()
        self._shown = prompted(project, batch.number, size, suggesting=self._suggesting)
        self._arrays: dict[str, np.ndarray] = {}
        self._likely = np.empty((0, 0), np.int16)
        if picked.version is not None:
            files = ProjectFiles(project)
            names = ("margins", "best", "confidence")
            self._arrays = {name: load_array(files.pool(picked.version, name)) for name in names}
            if project.show_predictions:
                with suppress(FileNotFoundError):
                    self._likely = load_array(files.pool(picked.version, "likely"), mmap=True)
        self._stand_in = self._stand_ins(batch, further, sureness)

    def _stand_ins(self, batch: Batch, further: np.ndarray | None, sureness: np.ndarray | None) -> dict[int, float]:
        """By row, the stand-ins of tasks that were not picked for doubt: each kind by itself."""
        if not self._arrays:
            return {}
        plan, confidence = self._plan, self._arrays["confidence"]
        chosen = plan.rows[~plan.is_control & ~plan.is_asked]
        if sureness is None:
            sureness = confidence[chosen[chosen < len(confidence)]]
        subject = f"{batch.number}/{batch.selection}/{len(plan.rows)}"
        rng = np.random.default_rng(int.from_bytes(self._project.keyed("stand in", subject), "big"))
        found: dict[int, float] = {}
        for rows in (plan.rows[plan.is_control], plan.rows[plan.is_asked], further):
            if rows is not None:
                rows = rows[rows < len(confidence)]
                values = stand_ins(confidence[rows], sureness, rng)
                found.update(zip(rows.tolist(), values.tolist(), strict=True) if len(sureness) else ())
        return found

    def __call__(self, places: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Of the rows at these places of the plan, for tasks with these ranks."""
        plan = self._plan
        rows = [int(plan.rows[place]) for place in places]
        items = Item.objects.filter(project=self._project, row__in=database.among(rows))
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
            for place, row, shown in zip(places, rows, self._of_rows(rows, ranks), strict=True)
        ]

    def of_further(self, rows: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Of tasks with these ranks, whose items, with these rows, are asked again."""
        return [{**NOT_PICKED, **shown} for shown in self._of_rows(rows, ranks)]

    def _of_rows(self, rows: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        suggested = self._suggested(rows)
        return [self._of_row(row, rank, is_suggested=row in suggested) for row, rank in zip(rows, ranks, strict=True)]

    def _suggested(self, rows: Sequence[int]) -> set[int]:
        """Those of these rows whose items came with a suggestion, if suggestions are shown."""
        if not self._suggesting:
            return set()
        items = Item.objects.filter(project=self._project, row__in=rows)
        return {row for row in items.suggested().values_list("row", flat=True) if row is not None}

    def _of_row(self, row: int, rank: int, *, is_suggested: bool) -> dict[str, Any]:
        """What the model predicted for a row, and whose answer the task with this rank shows."""
        arrays = self._arrays
        facts: dict[str, Any] = {"margin": None, "predicted": None, "confidence": None, "likely": ""}
        is_known = bool(arrays) and row < len(arrays["margins"])  # not if encoded since the model looked at the pool
        if is_known:
            facts = {
                "margin": float(arrays["margins"][row]),
                "predicted": int(arrays["best"][row]),
                "confidence": float(arrays["confidence"][row]),
                "likely": " ".join(map(str, self._likely[row].tolist())) if row < len(self._likely) else "",
            }
        prompt = self._prompt(rank, is_known=is_known, is_suggested=is_suggested)
        return {**facts, "stand_in": self._stand_in.get(row), **prompt}

    def _prompt(self, rank: int, *, is_known: bool, is_suggested: bool) -> dict[str, Any]:
        """Whether an answer may be shown, and whose: the suggestion that the item came with goes before the model's."""
        predicting = is_known and self._project.show_predictions
        if not self._shown[rank] or not (predicting or self._suggesting):
            return {"prompted": False, "prompted_by": ""}
        # Among tasks with five suggestions, one with its own alone would be known as one that came late, as gold does.
        alone = not predicting and len(self._likely) > 0
        if is_suggested and not alone:
            return {"prompted": True, "prompted_by": PromptedBy.SUGGESTION.value}
        source = PromptedBy.MODEL if predicting else PromptedBy.NOTHING
        return {"prompted": True, "prompted_by": source.value}


def remove_tasks(step: Step, batch: Batch) -> None:
    """Give back what an attempt that was killed had taken from the pool."""
    keys = array("q", batch.tasks.order_by("pk").values_list("pk", flat=True).iterator())
    for part in database.in_parts(keys, PART):
        with step.write():
            again = batch.tasks.further().filter(is_gold=False, pk__range=(part[0], part[-1]))
            Item.objects.filter(pk__in=again.values("repeats")).update(again_at=timezone.now())
            batch.tasks.filter(pk__range=(part[0], part[-1])).delete()


def write_tasks(step: Step, batch: Batch, picked: Picked, further: Further) -> None:
    """One task for each row of the plan, ranked in its order, and for each item that is asked again.

    Tasks get their ids in the order in which they are written. That order is drawn by chance, so that no id tells
    annotators a rank, nor which items are asked again: docs/decisions/0057-ids-of-tasks-tell-nothing.md.
    """
    n, m = len(picked.plan.rows), len(further.items)
    facts_of = TaskFacts(batch.project, batch, picked, size=n + m, further=further.rows)
    report = step.progress("writing the batch", start=PICKING_SHARE)
    ranks = np.concatenate([further.ranks_of_others(n), further.ranks])
    rng = np.random.default_rng(int.from_bytes(batch.project.keyed("task ids", batch.number), "big"))
    order = rng.permutation(n + m)
    for part in database.in_parts(range(n + m), PART, uncontended=True):
        some = order[part.start : part.stop]
        # What is picked and what is asked again come from different tables, and are written as one.
        chosen, again = some[some < n], some[some >= n]
        values = dict(zip(chosen.tolist(), _picked_values(facts_of, chosen, ranks[chosen]), strict=True))
        values |= zip(again.tolist(), _further_values(facts_of, further, again - n), strict=True)
        waited = further.items[again - n][~further.is_gold[again - n]].tolist()
        with step.write():
            _insert(batch, ranks[some].tolist(), [values[place] for place in some.tolist()])
            if waited:
                Item.objects.filter(pk__in=waited).update(again_at=None, sent_back=False)
        report(part.stop / (n + m))


def _picked_values(facts_of: TaskFacts, places: np.ndarray, ranks: np.ndarray) -> list[tuple[Any, ...]]:
    facts = facts_of(places.tolist(), ranks.tolist())
    return [(None, False, *(each[name] for name in TASK_FACTS)) for each in facts]


def _further_values(facts_of: TaskFacts, further: Further, places: np.ndarray) -> list[tuple[Any, ...]]:
    facts = facts_of.of_further(further.rows[places].tolist(), further.ranks[places].tolist())
    shown = zip(further.items[places].tolist(), further.is_gold[places].tolist(), facts, strict=True)
    return [(item, is_gold, *(each[name] for name in TASK_FACTS)) for item, is_gold, each in shown]


def _insert(batch: Batch, ranks: Sequence[int], values: Sequence[tuple[Any, ...]]) -> None:
    """Tasks with these ranks; of each, what it repeats, whether its answer is known, and TASK_FACTS."""
    overlap = batch.project.overlap
    fixed = {"free": overlap, "outstanding": overlap, "selection": 1}
    insert_many(
        Task,
        ("batch", "rank", *fixed, "repeats", "is_gold", *TASK_FACTS),
        [(batch.pk, rank, *fixed.values(), *each) for rank, each in zip(ranks, values, strict=True)],
    )


def _known(value: np.integer) -> int | None:
    return int(value) if value >= 0 else None
