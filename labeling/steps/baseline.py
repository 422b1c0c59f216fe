"""After a batch, estimate how good models would be if all labels had been drawn uniformly. No other step waits for it.

Uniform labels are the labels of the control slice, and those of the first batches that were drawn at random. The step
divides them into folds; for each fold and a few sizes it trains a model on labels of the other folds and predicts the
fold's items. It stores the predictions and discards the models: no version learns from control items.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from labeling.loop.step import Step
from labeling.models import ModelVersion, Project
from labeling.projects.privacy import ledger
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import LabeledRows, open_features, read_labels, recipe_of, seed_for, training_set_of
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import LEAST_CONTROL, MISSING, Baseline
from labeling.storage.shared_files import store
from models_store.crossfit import FOLDS, FoldPredictions, cross_fit, sizes_for

SHARE, FREE_SECONDS = 0.5, 60.0
"""The step takes at most `SHARE` of the seconds that trainings took since the last baseline, or `FREE_SECONDS`."""


def baseline(step: Step) -> None:
    """Store predictions of temporary models for the uniform items, if there are enough labels and the time allows."""
    project = step.job.project
    version, first_picked = project.versions.trained().newest(), project.batches.picked().order_by("number").first()
    # While all batches were drawn at random, the versions themselves learn from uniform labels.
    if version is not None and first_picked is not None and first_picked.number <= version.last_batch:
        _baseline(step, project, version, first_picked.number)
    with step.finish():
        pass


def _baseline(step: Step, project: Project, version: ModelVersion, first_picked: int) -> None:
    files = ProjectFiles(project)
    last = stored.load(files.baseline, Baseline)
    if project.asks.why_best_class_is_no_answer or (last is not None and last.version >= version.number):
        return
    if ledger.is_private(project):  # the ledger would have to pay for the control items
        return
    if project.items.measuring().count() < LEAST_CONTROL:
        return
    n_classes = project.classes.count()
    drawn = project.items.of_batches_before(first_picked).drawn().labeled().kept()
    uniform = project.items.measuring() | drawn
    labeled = read_labels(project, uniform.filter(row__isnull=False), n_classes)
    sizes = sizes_for(len(labeled.rows))
    expected_seconds = FOLDS * sum(sizes) * version.seconds / max(version.labels, 1)
    if not sizes or expected_seconds > _granted_seconds(project, last):
        return
    partial = files.baseline.with_suffix(".partial.npz")
    baseline = _begin(labeled, sizes, version.number, stored.load(partial, Baseline))
    watch = step.patient_progress("estimating what uniform labels would do")
    for answers in _answers(project, labeled, sizes, n_classes, baseline.done, watch):
        baseline.said[answers.size, answers.items] = answers.best
        baseline = replace(baseline, done=baseline.done + 1)
        stored.save(partial, baseline)
    with step.write():
        stored.save(files.baseline, baseline)
    store().remove(partial)


def _begin(labeled: LabeledRows, sizes: list[int], version: int, earlier: Baseline | None) -> Baseline:
    """Return a baseline without answers, or with those of an attempt that gave way or was killed."""
    if earlier and (earlier.labels_hash, earlier.version) == (labeled.hash, version):
        return earlier
    answers = np.full((len(sizes), len(labeled.rows)), MISSING, np.int32)
    return Baseline(labeled.rows, np.array(sizes), answers, FOLDS, 0, version, labeled.hash)


def _granted_seconds(project: Project, last: Baseline | None) -> float:
    since = project.versions.trained().filter(number__gt=last.version if last else 0)
    return max(FREE_SECONDS, SHARE * sum(since.values_list("seconds", flat=True)))


def _answers(
    project: Project, labeled: LabeledRows, sizes: list[int], n_classes: int, skip: int, watch: Callable[[float], None]
) -> Iterator[FoldPredictions]:
    encoder = load_encoder(project)
    features = open_features(project, encoder)[labeled.rows]
    training_set = training_set_of(project, labeled, features, encoder, n_classes)
    recipe = recipe_of(project, encoder, n_classes, seed=seed_for(project, "baseline", len(labeled.rows)))
    return cross_fit(training_set, sizes, recipe, skip=skip, progress=watch)
