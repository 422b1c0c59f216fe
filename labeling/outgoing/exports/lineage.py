"""Find the version that picked an exported row, and the first version that was trained on its label."""

import datetime
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from labeling.models import Batch, ClassChange, Project
from labeling.models.batches import IMPORTED
from labeling.outgoing.exports.weights import Weights, imported_rows, weights_of


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """The values that all rows of a batch share."""

    batch: Batch
    selected_by: Mapping[int, int | None]
    """The version that picked, by selection: a batch that was picked ahead may have several selections."""
    learned_by: int | None
    control_probability: float | None

    @property
    def imported(self) -> bool:
        return self.batch.strategy == IMPORTED


@dataclass(frozen=True, slots=True)
class Training:
    """A model version, the start of its training, and the merges of classes then: they tell what it has learned."""

    version: int
    began: datetime.datetime
    merges: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class History:
    """The batches and trainings of a project in order, and the present weights of its control items."""

    batches: list[BatchFacts]
    trainings: list[Training]
    weights: Weights


def history_of(project: Project) -> History:
    """Return the project's history.

    The first version trained after the end of a batch is the first that learned its labels. Takes up to six queries.
    """
    batches = project.batches.order_by("-number").select_related("selected_by", "model_version")
    newest_first = list(batches.prefetch_related("earlier_selections__selected_by"))
    imported = imported_rows(project) if any(batch.strategy == IMPORTED for batch in newest_first) else ()
    merged = project.class_changes.filter(kind=ClassChange.Kind.MERGED, undone_at__isnull=True).order_by("revision")
    merges = list(merged.values_list("created_at", "merged_before")) if project.merged else []
    facts: list[BatchFacts] = []
    trainings: list[Training] = []
    learned_by = None
    for batch in newest_first:
        version = getattr(batch, "model_version", None)
        if version is not None:
            learned_by = version.number
            began = version.created_at - datetime.timedelta(seconds=version.seconds)
            merged_then = next((before for at, before in merges if at > began), project.merged)
            trainings.append(Training(version.number, began, {int(old): new for old, new in merged_then.items()}))
        selections = {each.number: each.selected_by for each in batch.earlier_selections.all()}
        selections[batch.selection] = batch.selected_by
        selected_by = {number: version.number if version else None for number, version in selections.items()}
        drawable = batch.pool_rows and batch.pool_rows - bisect_left(imported, batch.pool_rows)
        probability = batch.control_tasks / drawable if drawable else None
        facts.append(BatchFacts(batch, selected_by, learned_by, probability))
    trainings.sort(key=lambda training: training.version)
    return History(facts[::-1], trainings, weights_of(project, imported))


def first_learned_by(
    values: list[str], corrected_at: datetime.datetime | None, facts: BatchFacts, history: History, project: Project
) -> int | None:
    """Return the first version that was trained on the present label, which follows from stored answers (`values`)."""
    if corrected_at is not None:
        later = (training for training in history.trainings if training.began >= corrected_at)
    elif facts.learned_by is not None:
        first = facts.learned_by
        later = (training for training in history.trainings if training.version >= first)
    else:
        return None
    return next((each.version for each in later if _same_label(values, each.merges, project)), None)


def _same_label(values: list[str], merges: Mapping[int, int], project: Project) -> bool:
    """Return whether these answers give the same label now as with the merges `merges`."""
    if merges == project.merges:
        return True
    answers = [orjson.loads(value) for value in values]
    then, now = ([project.asks.follow(value, each) for value in answers] for each in (merges, project.merges))
    return project.asks.resolve(then)[0] == project.asks.resolve(now)[0]
