"""Train a version on all labels except those of control items.

The step `calibrate` runs the further trainings that only calibrate the version.
"""

import logging
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from labeling.intake import prediction_sets
from labeling.loop import batches
from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.loop.table import BatchEvent
from labeling.models import Batch, DatasetVersion, Event, EventType, ModelVersion, PrivateTraining, Project
from labeling.models.items import ItemQuerySet
from labeling.outgoing.datasets.creating import for_training
from labeling.projects import quota
from labeling.projects.encoders.encoder_change import carry_out
from labeling.projects.encoders.encoder_settings import reason_for_encoder
from labeling.projects.privacy import ledger
from labeling.projects.version_in_use import is_outdated
from labeling.queue import deadlines
from labeling.steps import batch_copies, measure, register
from labeling.steps.change_encoder import ready_change
from labeling.steps.compute import compute
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import (
    LabeledRows,
    load_model,
    open_features,
    pool_sample,
    read_labels,
    recipe_of,
    seed_for,
    training_set_of,
)
from labeling.steps.resolve import resolve
from labeling.storage.arrays.features import Features
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from models_store import artifact
from models_store.encoders import Encoder
from models_store.estimators import EstimatorError, NetworkLearner
from models_store.folders import FolderError
from models_store.model import Model
from models_store.networks.adapter import Adapter
from models_store.training import Progress, Recipe, Runtime, Trained, TrainingSet, forget

logger = logging.getLogger(__name__)


def train(step: Step) -> None:
    """Train a version on the labels so far, measure it, compare it with the version before it, and end the batch."""
    batch, project = step.batch, step.job.project
    if not project.trains:  # since the batch was complete
        settle(step)
        return
    _settle_labels(step, batch)
    n_classes = project.classes.count()
    dataset, labeled = frozen_labels(step, batch, n_classes)
    if not len(labeled.rows):
        # All tasks so far were skipped or control tasks: the loop goes on without a version.
        with step.finish():
            batches.advance(batch, BatchEvent.TRAINED)
        return
    change = ready_change(step, project)
    encoder = load_encoder(project, change.generation if change else None)
    features = open_features(project, encoder, change.generation if change else None)
    number = register.next_number(project)
    seed = seed_for(project, "train", number)
    training_set = learned_from(batch, labeled, features, encoder, n_classes)
    in_ledger = None
    recipe = recipe_of(project, encoder, n_classes, seed=seed)
    if ledger.is_private(project):
        trained, in_ledger = train_in_private(step, batch, training_set, recipe)
    else:
        training_set = replace(training_set, pool=features[pool_sample(project, labeled, len(features), seed)])
        trained = train_openly(step, batch, training_set, recipe, anew=change is not None)
    version = _described(batch, number, labeled, trained, n_classes)
    version.dataset = dataset
    step.span.part("measuring the model")
    control = read_labels(project, known_to(batch).measuring().filter(row__lt=len(features)), n_classes)
    answers = measure.control_results(project, trained.model, features, control)
    version.metrics = _measured(trained, answers, copies=labeled.copies, rows=len(features))
    since = number if change else project.encoder_since
    version.gate, version.held_back = measure.gate(project, since, answers, features, control)
    version.digest = _store(version, trained, encoder, measure.calibration_figures(answers))
    version.seconds = step.seconds
    with step.finish():
        batches.lock(project.batches.filter(pk=batch.pk))  # before `carry_out` locks the project
        version.save()
        if change is not None and not carry_out(project=project, change=change, number=number):
            raise GaveWay  # the next attempt trains with the present encoder
        if in_ledger is not None:
            ledger.record_version(training=in_ledger, version=version)
        batches.advance(batch, BatchEvent.TRAINED)
        judged = EventType.MODEL_HELD_BACK if version.held_back else EventType.MODEL_PASSED
        Event.objects.announce(judged, project, number=number)
    forget(ProjectFiles(project).checkpoint)
    if project.encoder_since and project.encoder_since < number:
        ProjectFiles(project).forget_features(project.features_generation)


def settle(step: Step) -> None:
    """End a complete batch without a training: settle its labels, and ask the project's server for new predictions."""
    batch, project = step.batch, step.job.project
    _settle_labels(step, batch)
    with step.finish():
        batches.advance(batch, BatchEvent.TRAINED)
        prediction_sets.ask_after_batch(project)


def _settle_labels(step: Step, batch: Batch) -> None:
    """Clear the tasks that an early end left without answers, and write the batch's final labels."""
    deadlines.clear_unanswered(batch=batch, writing=step.write)
    resolve(step, batch.project)
    with step.write():
        batch_copies.update_radius(batch.project)


def _described(batch: Batch, number: int, labeled: LabeledRows, trained: Trained, n_classes: int) -> ModelVersion:
    """Return the unsaved version with its labels and settings; `train` adds the measurements."""
    return ModelVersion(
        project=batch.project,
        number=number,
        batch=batch,
        parent=batch.selected_by,
        artifact=ProjectFiles(batch.project).artifact(number),
        labels_hash=labeled.hash,
        labels=len(labeled.rows) - labeled.copies,
        seed=trained.seed,
        classes=n_classes,
        training=asdict(trained.config),
        calibrating=ModelVersion.Calibrating.WAITING if trained.later else ModelVersion.Calibrating.SEALED,
        calibration=asdict(trained.later) if trained.later else {},
    )


def frozen_labels(step: Step, batch: Batch, n_classes: int) -> tuple[DatasetVersion | None, LabeledRows]:
    """Return a dataset version with the labels that the batch's version learns, and these labels.

    Without room for its file there is no dataset: labels that people gave must not wait for room.
    """
    step.span.part("freezing the labels")
    read = partial(labels_for, batch, n_classes, soft=learns_soft(batch.project))
    labeled = read()
    if not len(labeled.rows):
        return None, labeled
    try:
        return for_training(batch, read, writing=step.write)
    except (quota.NoRoom, FileDamaged) as error:
        logger.warning("%s: the labels of batch %d are in no dataset version: %s", batch.project, batch.number, error)
        return None, labeled


def labels_for(batch: Batch, n_classes: int, *, soft: bool) -> LabeledRows:
    """Return the labels that the batch's version learns: of the items in `known_to(batch)` and of near-copies."""
    items = known_to(batch).trainable()
    beside = batch_copies.learned_rows(batch.project, items)
    return read_labels(batch.project, items, n_classes, soft=soft, copies=beside)


def learns_soft(project: Project) -> bool:
    """Return whether the project's versions learn soft labels.

    Private versions do not: a soft label depends on all people's answers, and the ledger counts labels one by one.
    """
    return bool(project.training.get("soft_labels")) and not ledger.is_private(project)


def known_to(batch: Batch) -> ItemQuerySet:
    """Return the items that the batch's version may learn from: all except those of later batches that are not done.

    A later batch can be done first: its labels were imported, or the last tasks of this batch took long. An earlier
    version has then learned the later batch's labels, so this version learns them, too.
    """
    items = batch.project.items.all()
    later = batch.project.batches.filter(number__gt=batch.number).exclude(state=Batch.State.DONE)
    if not later.exists():
        return items
    return items.exclude(task__batch__in=later)


def learned_from(
    batch: Batch, labeled: LabeledRows, features: Features, encoder: Encoder, n_classes: int
) -> TrainingSet:
    """Return the training set of the batch's version."""
    drawn = known_to(batch).trainable().drawn().values_list("row", flat=True)
    representative = np.isin(labeled.rows, np.fromiter(drawn, np.int64))
    return training_set_of(batch.project, labeled, features[labeled.rows], encoder, n_classes, representative)


def _store(version: ModelVersion, trained: Trained, encoder: Encoder, calibration: dict[str, Any] | None) -> str:
    """Write the version's files; return their digest. Raises `StepFailed` if they cannot be written."""
    project = version.project
    manifest = {
        "project": project.slug,
        "version": version.number,
        "parents": [version.parent.number] if version.parent else [],
        "batch": version.last_batch,
        "merged_classes": project.merged,
        "classes": list(project.classes.order_by("index").values_list("name", flat=True)),
        "encoder": {
            "name": encoder.name,
            "digest": encoder.digest,
            "why": reason_for_encoder(project.kind, project.encoder),
        },
        "labels": version.labels,
        "labels_hash": version.labels_hash,
        "dataset": {"name": version.dataset.name, "sha256": version.dataset.digest} if version.dataset else None,
        "metrics": version.metrics,
        "calibration": calibration,
    }
    try:
        return artifact.save(ProjectFiles(project).artifact_at(version.artifact), trained, manifest=manifest)
    except FolderError as error:
        raise StepFailed(f"Model version {version.number} cannot be stored: {error}") from error


def _measured(trained: Trained, answers: measure.ControlResults, *, copies: int, rows: int) -> dict[str, Any]:
    """Return the metrics for the version's row and manifest: of the training, and on the control items."""
    return {
        "control": measure.control_figures(answers),
        "training": {
            "steps": trained.steps,
            "seconds": trained.seconds,
            "processes": list(trained.processes),
            "trained_on": trained.training_size,
            **({"near_copies": copies} if copies else {}),
            **({"pool": {**trained.pool, "of_rows": rows}} if trained.pool else {}),
            "held_back": trained.validation_size,
            "calibrated_on": trained.calibration_size,
            "validation_loss": min((check.validation_loss for check in trained.checks), default=None),
        },
    }


def _report(step: Step, at: Progress) -> None:
    step.report("training the model", at.share, f"step {at.step:,} of {at.steps:,}, loss {at.loss:.2g}")


def train_openly(step: Step, batch: Batch, training_set: TrainingSet, recipe: Recipe, *, anew: bool = False) -> Trained:
    """Train without privacy. `anew`: no warm start, because the encoder changes. Raises `StepFailed` if the learner
    fails on these labels or on its options.
    """
    project, parent = batch.project, batch.selected_by
    if parent and not anew and recipe.config.warm_start and recipe.learner is NetworkLearner:
        recipe = replace(recipe, start=_start(project, parent))
    runtime = Runtime(ProjectFiles(project).checkpoint, progress=lambda at: _report(step, at))
    step.span.part("training the model")
    try:
        return compute.train(training_set, recipe, runtime, later=True)
    except EstimatorError as error:
        raise StepFailed(str(error)) from error


def _start(project: Project, parent: ModelVersion) -> Model | None:
    """Return the model of a warm start: the parent, if it is a whole network of the same encoder trained here."""
    if parent.damaged or is_outdated(project, parent) or parent.origin != ModelVersion.Origin.TRAINED:
        return None
    model = load_model(project, parent)
    return None if isinstance(model.network, Adapter) else model


def train_in_private(
    step: Step, batch: Batch, training_set: TrainingSet, recipe: Recipe
) -> tuple[Trained, PrivateTraining]:
    """Train within the project's privacy budget; the ledger records the training before it starts.

    Raises `StepFailed` if the encoder's network cannot be trained in private, the budget is spent, or the training
    differs from what the ledger recorded.
    """
    try:
        compute.check_private(recipe)
    except ValueError as error:
        raise StepFailed(f"The encoder’s network cannot be trained within a privacy budget: {error}.") from error
    try:
        with step.write():
            in_ledger, config = ledger.start(
                project=batch.project, batch=batch, labels=len(training_set), repeats=step.job.attempts > 1
            )
    except ledger.BudgetSpent as spent:
        raise StepFailed(str(spent)) from spent
    progress = step.progress("training the model")
    trained = compute.train_in_private(training_set, config, recipe, progress=progress)
    if trained.privacy is None or trained.privacy["phases"] != in_ledger.phases:
        raise StepFailed("The private training differs from what the ledger recorded. Its version was discarded.")
    return trained, in_ledger
