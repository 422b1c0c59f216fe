"""Pages of export rows, read by key: one query for a page's tasks, one for all their
annotations and one for corrections.

What is read is what stands at that moment. Batches that are done never change; the rows of an open one may be answered
or taken back while the export runs.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet

from labeling import kinds
from labeling.models import Annotation, Correction, Project, Task
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.weights import Weights, weights_of
from labeling.outgoing.tables import Page, Row
from labeling.questions import Question

PAGE = 500
UNCORRECTED = {"corrected_by": None, "corrected_at": None}


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What all rows of a batch have in common."""

    id: int
    number: int
    selected_by: int | None
    learned_by: int | None
    control_probability: float | None


@dataclass(frozen=True, slots=True)
class Training:
    """A model version, and when its training began, to judge which labels it has seen."""

    version: int
    began: datetime.datetime


@dataclass(frozen=True, slots=True)
class Shared:
    """What all rows of an export are made with."""

    kind: str
    asks: Question
    names: Mapping[int, str]
    weights: Weights
    trainings: list[Training]


def count_rows(project: Project, choice: Choice | None = None, *, at_most: int | None = None) -> int:
    """How many rows `pages` gives; `at_most` + 1 stands for any larger number, and spares counting them. One query."""
    choice = choice or Choice()
    found = Task.objects.filter(choice.tasks(), batch__project=project)
    if choice.batches is not None:
        found = found.filter(batch__number__in=choice.batches)
    return found.order_by()[: at_most + 1].count() if at_most is not None else found.count()


def pages(project: Project, choice: Choice | None = None, *, size: int = PAGE) -> Iterator[Page]:
    """The rows that were chosen (all labeled items, if nothing is), by batch and rank, up to `size` at a time.

    Queries: four, and up to three a page.
    """
    choice = choice or Choice()
    names = dict(project.classes.values_list("index", "name"))
    batches, trainings = _batches(project)
    shared = Shared(project.kind, project.asks, names, weights_of(project), trainings)
    for facts in batches:
        if choice.batches is None or facts.number in choice.batches:
            yield from _pages_of(facts, Task.objects.filter(choice.tasks()), shared, size)


def _batches(project: Project) -> tuple[list[BatchFacts], list[Training]]:
    """The project's batches and trainings in order. The first version trained after a batch's end is the first that
    knew it.
    """
    found = project.batches.order_by("-number").select_related("selected_by", "model_version")
    facts: list[BatchFacts] = []
    trainings: list[Training] = []
    learned_by = None
    for batch in found:
        version = getattr(batch, "model_version", None)
        if version is not None:
            learned_by = version.number
            trainings.append(Training(version.number, version.created_at - datetime.timedelta(seconds=version.seconds)))
        selected_by = batch.selected_by.number if batch.selected_by else None
        probability = batch.control_tasks / batch.pool_rows if batch.pool_rows else None
        facts.append(BatchFacts(batch.pk, batch.number, selected_by, learned_by, probability))
    return facts[::-1], trainings[::-1]


def _pages_of(facts: BatchFacts, tasks: QuerySet[Task], shared: Shared, size: int) -> Iterator[Page]:
    rank = -1
    while True:
        found = list(
            tasks.filter(batch=facts.id, rank__gt=rank)
            .order_by("rank")
            .values(
                "pk",
                "rank",
                "is_control",
                "prompted",
                "margin",
                "cluster",
                "cluster_size",
                "draw_pass",
                "item_id",
                row=F("item__row"),
                external_id=F("item__external_id"),
                source=F("item__source"),
                data=F("item__data"),
                media=F("item__media"),
                proposed=F("item__proposed"),
                label=F("item__label"),
                agreement=F("item__agreement"),
                labeled_at=F("item__labeled_at"),
            )[:size]
        )
        if not found:
            return
        answers = _annotations([task["pk"] for task in found], shared)
        corrections = _corrections([task["item_id"] for task in found])
        yield [
            _row(task, answers[task["pk"]], corrections.get(task["item_id"], UNCORRECTED), facts, shared)
            for task in found
        ]
        if len(found) < size:
            return
        rank = found[-1]["rank"]


def _annotations(tasks: list[int], shared: Shared) -> dict[int, list[dict[str, Any]]]:
    """The standing annotations of each task, in the order in which they were given."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    standing = Annotation.objects.standing().filter(task__in=tasks).order_by("created_at", "pk")
    for task, pk, annotator, value, reason, seconds, flagged, created_at in standing.values_list(
        "task_id", "pk", "user__username", "value", "skip_reason", "seconds", "flagged", "created_at"
    ):
        said = {"value": shared.asks.show(value, shared.names)} if value is not None else {"reason": reason}
        common = {"seconds": seconds, "flagged": flagged, "created_at": created_at}
        found[task].append({"id": str(pk), "annotator": annotator, **said, **common})
    return found


def _corrections(items: list[int]) -> dict[int, dict[str, Any]]:
    """Who set the label in place of the annotators, and when; only for items whose correction stands."""
    standing = Correction.objects.standing().filter(item__in=items)
    found = standing.values_list("item_id", "user__username", "created_at")
    return {item: {"corrected_by": name, "corrected_at": at} for item, name, at in found}


def _row(
    task: Mapping[str, Any],
    given: list[dict[str, Any]],
    correction: Mapping[str, Any],
    facts: BatchFacts,
    shared: Shared,
) -> Row:
    proposed, names, is_control = task["proposed"], shared.names, task["is_control"]
    weighs = is_control and not task["prompted"] and task["label"] is not None
    return {
        "item": task["item_id"],
        "external_id": task["external_id"],
        "source": task["source"],
        # Text from here on: all formats hold the same characters, and numbers of any length survive.
        "data": json.dumps(task["data"], ensure_ascii=False, separators=(",", ":")),
        # Vectors lie many to a file: its name would lead nobody to one of them.
        "media": (task["media"] or None) if kinds.get(shared.kind).is_file else None,
        "proposed": None if proposed is None else names[proposed],
        "label": shared.asks.show(task["label"], names),
        "agreement": task["agreement"],
        "annotations": [each for each in given if "value" in each],
        "skips": [each for each in given if "reason" in each],
        "batch": facts.number,
        "rank": task["rank"],
        "model_version": facts.selected_by,
        "learned_by": None if is_control or task["label"] is None else _learned_by(correction, facts, shared),
        "is_control": is_control,
        "prompted": task["prompted"],
        "control_probability": facts.control_probability if is_control else None,
        "control_weight": shared.weights.of(task["row"]) if weighs else None,
        "margin": task["margin"],
        "cluster": task["cluster"],
        "cluster_size": task["cluster_size"],
        "draw_pass": task["draw_pass"],
        "labeled_at": task["labeled_at"],
        **correction,
    }


def _learned_by(correction: Mapping[str, Any], facts: BatchFacts, shared: Shared) -> int | None:
    """The first version that was trained on the label as it stands."""
    corrected_at = correction["corrected_at"]
    if corrected_at is None:
        return facts.learned_by
    return next((training.version for training in shared.trainings if training.began >= corrected_at), None)
