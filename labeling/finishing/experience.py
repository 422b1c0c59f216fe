"""Correct the probabilities of a model's labels by people's answers about items that versions had predicted before."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from labeling.finishing.certifying.corrected_probabilities import (
    HIGHEST_ERROR,
    Checked,
    PickedBatch,
    correct_probabilities,
    still_open,
    without_prior,
)
from labeling.insight.control_slice import ControlSlice
from labeling.labels.resolving.posterior import MOST_SURE
from labeling.models import Batch, ModelVersion, Project, Task
from labeling.questions import Stored
from labeling.storage.arrays.files import ProjectFiles

BATCHES = 3
"""The newest batches whose answers count: earlier versions tell less of the newest one."""
TASKS = 2000
"""The most tasks of each that are read."""
SAMPLE = 500
"""The first ranks of a batch whose picked items stand for all of them."""

LEAST_SURE = 0.05
"""A model's answer counts as no less probable: with 20 classes as probable as any other."""

Answer = tuple[Stored, float, Stored, float | None]
"""A model's answer with its probability, and people's label with its probability, if it has one."""


@dataclass
class Experience:
    """A model's answers about items that people have labeled, and from which it had not learned.

    sure, right : the probability of each answer, and whether people gave it, too.
    doubt : the probability that people's label is wrong; NaN if it has none.
    wrong_about : how many of the wrong ones are wrong about each class, where each class is a decision of its own.
    weight : how many open items each stands for, an array or one for all.
    with_model : whether the model's answer counted towards people's labels.
    """

    sure: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    doubt: list[float] = field(default_factory=list)
    weight: np.ndarray | float = 1.0
    wrong_about: Counter[int] = field(default_factory=Counter)
    with_model: bool = False

    def add(self, project: Project, answers: Iterable[Answer], *, within: int) -> None:
        """Add answers. `within`: the points by which a right score may differ."""
        for value, sure, label, probability in answers:
            predicted, given = project.follow(value), project.follow(label)
            self.sure.append(sure)
            self.right.append(not project.asks.is_wrong(predicted, given, within=within))
            self.doubt.append(np.nan if probability is None else 1 - probability)
            if project.asks.per_class:
                self.wrong_about.update(project.asks.wrong_classes(predicted, given))

    def checked(self, label_error: float) -> Checked:
        """Return the same, but for labels likely wrong. `label_error`: of labels without a probability."""
        sure, right, doubt = np.array(self.sure), np.array(self.right, bool), np.array(self.doubt)
        if self.with_model:
            prior = np.clip(sure, LEAST_SURE, MOST_SURE)
            doubt = np.where(right, doubt, without_prior(doubt, prior))
        error = np.where(np.isnan(doubt), label_error, doubt)
        likely = error < HIGHEST_ERROR
        weight = np.broadcast_to(self.weight, sure.shape)
        return Checked(sure[likely], right[likely], error[likely], weight=weight[likely])


def worst_share(experiences: Sequence[Experience]) -> float:
    """Return the share of wrong answers that are wrong about the worst class, with one more, so that it is never 0."""
    most = max(sum((each.wrong_about for each in experiences), Counter[int]()).values(), default=0)
    return (most + 1) / (sum(each.right.count(False) for each in experiences) + 1)


def control_experience(project: Project, version: ModelVersion, *, within: int) -> Experience:
    """Return the version's answers about the control items that it has predicted, weighed as open items. Takes up to
    four queries, and reads a file for each batch that a version picked.
    """
    experience = Experience()
    if project.asks.why_best_class_is_no_answer:
        items = project.items.measuring()
        labeled = items.values_list("row", "label", "label_probability")
        experience.add(project, _predicted(project, version, labeled), within=within)
        return experience
    slice_ = ControlSlice(project)
    predicted = slice_.predicted(version)
    if predicted is not None:
        labels, best, confidences = predicted
        if project.merged:
            best = np.array([project.follow(index) for index in best.tolist()])
        experience.sure = confidences.tolist()
        experience.right = (project.asks.distances(best, labels) <= within).tolist()
        experience.doubt = slice_.doubts[: len(labels)].tolist()
        experience.weight = still_open(len(labels), _picked(project, slice_), project.control_share or 0)
    return experience


def _picked(project: Project, slice_: ControlSlice) -> list[PickedBatch]:
    """Return what the versions that picked batches say of control items and of picked ones. Two queries. Both are read
    from calibrated arrays: tasks keep what was said before.
    """
    tasks = Task.objects.filter(
        batch__project=project, batch__selected_by__isnull=False, is_control=False, repeats=None, rank__lt=SAMPLE
    )
    rows: dict[int, list[tuple[int | None, bool]]] = {}
    for key, row, asked in tasks.order_by().values_list("batch", "item__row", "asked"):
        rows.setdefault(key, []).append((row, asked))
    files, found = ProjectFiles(project), []
    for batch in project.batches.filter(pk__in=rows).select_related("selected_by"):
        assert batch.selected_by is not None
        drawn = slice_.predictions(batch.selected_by, "confidence")
        doubted = np.array(sorted(row for row, asked in rows[batch.pk] if row is not None and not asked), np.int64)
        picked = files.predictions(batch.selected_by, "confidence", doubted)
        if drawn is None or picked is None or not batch.pool_size:
            continue
        n_picked = (batch.size - batch.control_tasks - batch.further) * len(doubted) / len(rows[batch.pk])
        n_open = batch.pool_size * (1 - (batch.control_share or 0))
        found.append(PickedBatch(drawn, picked, min(n_picked / n_open, 1)))
    return found


def batch_experience(project: Project, *, within: int) -> Experience:
    """Return what the versions that picked the newest batches had predicted for their items, from answers of people who
    saw no prediction. Reads at most `BATCHES` × `TASKS` tasks.
    """
    # Without a best class, no answer of a model counts towards a label (`answering.rechecking`).
    experience = Experience(with_model=not project.asks.why_best_class_is_no_answer)
    picked = project.batches.exclude(selected_by=None).filter(done_at__isnull=False).order_by("-number")
    for batch in picked.select_related("selected_by")[:BATCHES]:
        experience.add(project, _answered(project, batch), within=within)
    return experience


def corrected(
    probabilities: np.ndarray,
    drawn: Experience,
    picked: Experience | None = None,
    *,
    label_error: float = 0.0,
    each_class: bool = False,
) -> np.ndarray:
    """Return the corrected probabilities (n,) of a version's labels, in order: `certifying.corrected_probabilities`.

    label_error : the share of people's labels that are wrong, of those without a probability.
    each_class : that a label is right about the class that is wrong most often, and not as a whole.
    """
    experiences = [drawn, picked or Experience()]
    whole = correct_probabilities(probabilities, *(each.checked(label_error) for each in experiences))
    return 1 - worst_share(experiences) * (1 - whole) if each_class else whole


def _answered(project: Project, batch: Batch) -> Iterable[Answer]:
    """Return the whole predictions of a batch's tasks, with their probabilities and people's labels."""
    answered = {"is_control": False, "prompted": False, "predicted__isnull": False, "item__label__isnull": False}
    tasks: Any = batch.tasks.filter(**answered).order_by("rank")
    if project.asks.why_best_class_is_no_answer:
        assert batch.selected_by is not None
        labeled = tasks.values_list("item__row", "item__label", "item__label_probability")[:TASKS]
        return _predicted(project, batch.selected_by, labeled)
    rows = tasks.values_list("predicted", "confidence", "item__label", "item__label_probability")[:TASKS]
    return ((project.asks.as_answer(index), *answer) for index, *answer in rows)


def _predicted(project: Project, version: ModelVersion, labeled: Iterable[Any]) -> Iterable[Answer]:
    """Return the version's stored whole answers for `labeled`, rows with labels and their probabilities, as far as it
    has predicted the rows; none if its answers are not stored.
    """
    rows = sorted(labeled, key=itemgetter(0))
    values, sure = (
        ProjectFiles(project).predictions(version, name, np.array([row for row, *_ in rows], np.int64))
        for name in project.asks.answer_arrays
    )
    if values is None or sure is None:
        return []
    predicted = zip(values.tolist(), sure.tolist(), rows, strict=False)
    return ((project.asks.whole(value), each, *label) for value, each, (_, *label) in predicted)
