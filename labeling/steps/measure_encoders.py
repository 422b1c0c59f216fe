"""Measure how right the project's model is with each encoder, by its own labels. No other step waits for it.

Control items take no part: their labels must not choose what they measure. Models learn from all sampled labels of the
other folds, and are tested on labels of random batches alone if there are enough of these.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.utils import timezone

from labeling.loop.step import ComputeAway, Step, StepFailed
from labeling.models import EncoderComparison, Project
from labeling.projects.encoders.encoder_comparison import Measured, own_choice
from labeling.projects.encoders.encoder_settings import encoder_of, encoder_with_options
from labeling.projects.privacy import ledger
from labeling.steps.features import encode_items, fit_encoder, load_encoder
from labeling.steps.model_inputs import LabeledRows, read_labels, recipe_of, seed_for, training_set_of
from models_store import metrics
from models_store.crossfit import held_out_probabilities
from models_store.encoders import Encoder
from models_store.estimators import EstimatorError

MOST = 3000
"""The most labels in the sample."""
MOST_CELLS = 20_000_000
"""The most probabilities, labels × classes: with many classes the sample is smaller."""
LEAST_DRAWN = 100
"""The fewest labels of random batches that are tested alone: with fewer, the interval would be too wide."""
FOLDS = 5


def measure_encoders(step: Step) -> None:
    """Measure the encoders of the project's `EncoderComparison`, and store the result of each."""
    project = step.job.project
    comparison = EncoderComparison.objects.filter(project=project).first()
    if comparison is not None and not ledger.is_private(project):
        _measure(step, project, comparison)
    with step.finish():
        EncoderComparison.objects.filter(project=project).update(measured_at=timezone.now())


def _measure(step: Step, project: Project, comparison: EncoderComparison) -> None:
    n_classes = project.classes.count()
    most = min(MOST, MOST_CELLS // project.answer_count)
    # The order is a permutation, and the items of random batches come first.
    drawn = project.items.trainable().drawn().order_by("control_key").values_list("pk", flat=True)[:most]
    every = project.items.trainable().order_by("control_key").values_list("pk", flat=True)[: 2 * most]
    keys = list(dict.fromkeys([*drawn, *every]))[:most]
    labeled = read_labels(project, project.items.filter(pk__in=keys), n_classes)
    by_chance = project.items.filter(pk__in=keys).drawn().order_by("row").values_list("row", flat=True)
    tested = np.isin(labeled.rows, np.fromiter(by_chance, np.int64))
    drawn_alone = bool(tested.sum() >= LEAST_DRAWN)
    if not drawn_alone:
        tested[:] = True
    # An attempt that gave way or was killed has stored results; they hold for the same labels only.
    results = comparison.results if comparison.labels_hash == labeled.hash else []
    facts = {"labels": len(labeled.rows), "drawn": drawn_alone, "labels_hash": labeled.hash}
    for number in range(len(results), len(comparison.choices)):
        share = number / len(comparison.choices)
        watch = step.patient_progress("measuring encoders", start=share, end=share + 1 / len(comparison.choices))
        results = [*results, asdict(_measured(step, project, comparison.choices[number], labeled, tested, watch))]
        with step.write():
            EncoderComparison.objects.filter(pk=comparison.pk).update(results=results, **facts)


def _measured(
    step: Step,
    project: Project,
    choice: dict[str, Any],
    labeled: LabeledRows,
    tested: np.ndarray,
    watch: Callable[[float], object],
) -> Measured:
    """Return the result for one encoder; with its `problem` if it cannot be set up or cannot encode the items."""
    try:
        began = time.monotonic()
        encoder = _encoder(step, project, choice)
        fitted = time.monotonic()
        items = project.items.filter(row__in=labeled.rows.tolist()).order_by("row")
        features = encode_items(project, encoder, items, lambda share: watch(share / 2))
        seconds = time.monotonic() - fitted
        right = _right(project, encoder, labeled, features, lambda share: watch(0.5 + share / 2))
    except (ValidationError, StepFailed, ComputeAway, EstimatorError) as error:
        if isinstance(error, ComputeAway):
            is_silent = encoder_of(project.kind, choice).sends_items and not error.moved_on
            if not is_silent:  # a limit of rates, or the cluster is away: the next attempt goes on
                raise
        reason = error.messages[0] if isinstance(error, ValidationError) else str(error)
        return Measured(choice, problem=reason)
    share = metrics.accuracy(np.ones(int(tested.sum()), bool), right[tested])
    pool_seconds = fitted - began + seconds / len(labeled.rows) * project.encoded_rows
    return Measured(choice, share.value, share.low, share.high, share.n, round(seconds, 2), round(pool_seconds, 1))


def _encoder(step: Step, project: Project, choice: dict[str, Any]) -> Encoder:
    """Return the project's frozen encoder, or another, fitted to a sample of the pool."""
    if choice == own_choice(project):
        return load_encoder(project)
    return fit_encoder(step, project, *encoder_with_options(project.kind, choice))


def _right(
    project: Project, encoder: Encoder, labeled: LabeledRows, features: np.ndarray, watch: Callable[[float], object]
) -> np.ndarray:
    """Return whether models that have not learned each label predict it, (n,) bool; of several classes, all of them."""
    n_classes = project.classes.count()
    training_set = training_set_of(project, labeled, features, encoder, n_classes)
    recipe = recipe_of(project, encoder, n_classes, seed=seed_for(project, "encoders", len(labeled.rows)))
    plain = replace(recipe, config=replace(recipe.config, temperature="none", soft_labels=False))
    p = held_out_probabilities(training_set, plain, folds=FOLDS, progress=watch)
    return training_set.asks.are_right(p, labeled.targets)
