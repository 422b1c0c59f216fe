"""After a batch, find labels that look wrong to models that have not learned them. No other step waits for it.

The question defines a doubt: `models_store.questions.Question.doubts`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from labeling.loop.step import Step
from labeling.models import Item, Job, Project
from labeling.projects.privacy import ledger
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import LabeledRows, open_features, read_labels, recipe_of, seed_for, training_set_of
from labeling.storage.db.long_writes import in_parts
from models_store import questions
from models_store.class_sets import ClassSets
from models_store.crossfit import held_out_probabilities

NEWEST = 20_000
"""The most labels that the step checks."""
MOST_CELLS = 20_000_000
"""The most probabilities, labels × classes: with many classes the step checks fewer labels."""
FOLDS = 5
MOST_STEPS, MOST_SECONDS = 400, 4.0
"""The limits of each training. The models need not be good, only independent of the labels they check."""
FEWEST = 200
"""The least number of labels: models that learn from part of fewer labels predict the others badly."""
LEAST = 2 * FOLDS
"""The least number of labels of a class, for the same reason."""
PART = 100
Doubt = tuple[int, Any, float, int]
"""A label that looks wrong: its row, itself, its quality, and the likely label. The latter is the class that the models
predict; for `verify` 1 for yes, for `multi` the class that they doubt or miss.
"""


def mislabeled(step: Step) -> None:
    """Mark the items whose labels look wrong, and unmark all others."""
    project = step.job.project
    later = project.jobs.waiting().filter(kind=Job.Kind.MISLABELED, pk__gt=step.job.pk)
    # In a private project, these trainings would spend the privacy budget.
    if not ledger.is_private(project) and not later.exists():
        _write(step, project, _look(step, project))
    with step.finish():
        pass


def _look(step: Step, project: Project) -> list[Doubt]:
    n_classes = project.classes.count()
    most = min(NEWEST, MOST_CELLS // project.answer_count)
    newest = project.items.trainable().order_by("-labeled_at", "-pk").values("pk")[:most]
    labeled = read_labels(project, project.items.filter(pk__in=newest), n_classes)
    if len(labeled.rows) < FEWEST:
        return []
    targets = labeled.targets.dense(slice(None)) if isinstance(labeled.targets, ClassSets) else labeled.targets
    p = _held_out(project, labeled, n_classes, step.patient_progress("looking for label errors"))
    doubts = questions.named(project.question).doubts(targets, p, least=LEAST)
    labels = [labeled.labels[place] for place in doubts.places.tolist()]
    rows = labeled.rows[doubts.places].tolist()
    return list(zip(rows, labels, doubts.quality.tolist(), doubts.likely.tolist(), strict=True))


def _held_out(project: Project, labeled: LabeledRows, n_classes: int, watch: Callable[[float], object]) -> np.ndarray:
    encoder = load_encoder(project)
    recipe = recipe_of(project, encoder, n_classes, seed=seed_for(project, "mislabeled", len(labeled.rows)))
    short = replace(
        recipe.config,
        temperature="none",
        max_steps=min(recipe.config.max_steps, MOST_STEPS),
        max_seconds=min(recipe.config.max_seconds or MOST_SECONDS, MOST_SECONDS),
    )
    features = open_features(project, encoder)[labeled.rows]
    training_set = training_set_of(project, labeled, features, encoder, n_classes)
    return held_out_probabilities(training_set, replace(recipe, config=short), folds=FOLDS, progress=watch)


def _write(step: Step, project: Project, doubts: list[Doubt]) -> None:
    """Write the marks, in transactions of `PART` items. A label that changed since it was read gets no mark."""
    doubted = {row for row, *_ in doubts}
    marked = project.items.filter(label_quality__isnull=False).values_list("pk", "row")
    over = [pk for pk, row in marked if row not in doubted]
    for part in in_parts(over, PART):
        with step.write():
            Item.objects.filter(pk__in=part).update(label_quality=None, likely_label=None)
    for some in in_parts(doubts, PART):
        with step.write():
            for row, label, quality, likely in some:
                project.items.filter(row=row, label=label).update(label_quality=quality, likely_label=likely)
