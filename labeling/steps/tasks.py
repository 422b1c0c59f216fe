"""The tasks of a batch as a selection writes them: with why each item was picked, and what the model made of it.

They may be a million, and are written in parts. Nobody is given one before the batch opens.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils import timezone

from labeling import database
from labeling.arrays.files import ProjectFiles, load_array
from labeling.arrays.plan import Plan
from labeling.loop.step import Step
from labeling.models import Batch, Item, ModelVersion, Project, Task
from labeling.models.batches import PROMPTED_SHARE, PromptedBy
from labeling.statements import insert_many
from labeling.steps.further import Further

# What a selection says of each task: columns of the table.
TASK_FACTS = (
    "item_id", "is_control", "asked", "margin", "predicted", "confidence", "prompted", "prompted_by", "cluster",
    "cluster_size", "draw_pass",
)  # fmt: skip
MODEL_FACTS = ("margin", "predicted", "confidence", "prompted", "prompted_by")
# Tasks that are written in one transaction: others wait for its end.
PART = 200
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
    """What is written down of each task: its item, why it was picked, and what the model said of the item."""

    def __init__(self, project: Project, batch: Batch, picked: Picked, *, size: int) -> None:
        self._project = project
        self._plan = picked.plan
        self._suggesting = project.show_suggestions and project.items.suggested().exists()
        self._shown = prompted(project, batch.number, size, suggesting=self._suggesting)
        self._arrays: dict[str, np.ndarray] = {}
        if picked.version is not None:
            files = ProjectFiles(project)
            names = ("margins", "best", "confidence")
            self._arrays = {name: load_array(files.pool(picked.version, name)) for name in names}

    def __call__(self, places: Sequence[int], ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Of the rows at these places of the plan, for tasks with these ranks."""
        plan = self._plan
        rows = [int(plan.rows[place]) for place in places]
        ids = dict(Item.objects.filter(project=self._project, row__in=rows).values_list("row", "pk"))
        suggested = self.suggested(rows)
        return [
            {
                "item_id": ids[row],
                "is_control": bool(plan.is_control[place]),
                "asked": bool(plan.is_asked[place]),
                "cluster": _known(plan.clusters[place]),
                "cluster_size": _known(plan.cluster_sizes[place]),
                "draw_pass": _known(plan.passes[place]),
                **self.of_row(row, rank, is_suggested=row in suggested),
            }
            for place, rank, row in zip(places, ranks, rows, strict=True)
        ]

    def suggested(self, rows: Sequence[int]) -> set[int]:
        """Those of these rows whose items came with a suggestion, if suggestions are shown."""
        if not self._suggesting:
            return set()
        items = Item.objects.filter(project=self._project, row__in=rows)
        return {row for row in items.suggested().values_list("row", flat=True) if row is not None}

    def of_row(self, row: int, rank: int, *, is_suggested: bool) -> dict[str, Any]:
        """What the model said of a row, and whose answer the task with this rank shows."""
        arrays = self._arrays
        facts: dict[str, Any] = {"margin": None, "predicted": None, "confidence": None}
        is_known = bool(arrays) and row < len(arrays["margins"])  # not if encoded since the model looked at the pool
        if is_known:
            facts = {
                "margin": float(arrays["margins"][row]),
                "predicted": int(arrays["best"][row]),
                "confidence": float(arrays["confidence"][row]),
            }
        return {**facts, **self._prompt(rank, is_known=is_known, is_suggested=is_suggested)}

    def _prompt(self, rank: int, *, is_known: bool, is_suggested: bool) -> dict[str, Any]:
        """Whether an answer may be shown, and whose: the suggestion that the item came with goes before the model's."""
        predicting = is_known and self._project.show_predictions
        if not self._shown[rank] or not (predicting or self._suggesting):
            return {"prompted": False, "prompted_by": ""}
        if is_suggested:
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
    """One task for each row of the plan, ranked in its order, and for each item that is asked again."""
    n = len(picked.plan.rows)
    facts_of = TaskFacts(batch.project, batch, picked, size=n + len(further.items))
    report = step.progress("writing the batch", start=PICKING_SHARE)
    ranks = further.ranks_of_others(n).tolist()
    for places in database.in_parts(range(n), PART):
        facts = facts_of(places, ranks[places.start : places.stop])
        values = [tuple(each[name] for name in TASK_FACTS) for each in facts]
        with step.write():
            _insert(batch, TASK_FACTS, ranks[places.start : places.stop], values)
        report(places.stop / n)
    for part in database.in_parts(range(len(further.items)), PART):
        _write_further(step, batch, further, part, facts_of)


def _write_further(step: Step, batch: Batch, further: Further, part: range, facts_of: TaskFacts) -> None:
    items, gold = further.items[part.start : part.stop].tolist(), further.is_gold[part.start : part.stop].tolist()
    ranks, rows = further.ranks[part.start : part.stop].tolist(), further.rows[part.start : part.stop].tolist()
    suggested = facts_of.suggested(rows)
    facts = [facts_of.of_row(row, rank, is_suggested=row in suggested) for row, rank in zip(rows, ranks, strict=True)]
    values = [
        (item, is_gold, *(each[name] for name in MODEL_FACTS))
        for item, is_gold, each in zip(items, gold, facts, strict=True)
    ]
    waited = [item for item, is_gold in zip(items, gold, strict=True) if not is_gold]
    with step.write():
        _insert(batch, ("repeats", "is_gold", *MODEL_FACTS), ranks, values)
        Item.objects.filter(pk__in=waited).update(again_at=None, sent_back=False)


def _insert(batch: Batch, names: Sequence[str], ranks: Sequence[int], values: Sequence[tuple[Any, ...]]) -> None:
    """Tasks with these ranks, and what `names` say of each. The columns that are left out are false or empty."""
    overlap = batch.project.overlap
    fixed = {"free": overlap, "outstanding": overlap, "selection": 1}
    if "is_control" not in names:
        fixed |= {"is_control": False, "asked": False}
    insert_many(
        Task,
        ("batch", "rank", *fixed, *names),
        [(batch.pk, rank, *fixed.values(), *each) for rank, each in zip(ranks, values, strict=True)],
    )


def _known(value: np.integer) -> int | None:
    return int(value) if value >= 0 else None
