"""Train on all labels but the control slice. What only tells how sure the model may be comes later: `calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from labeling.answering import batches
from labeling.arrays.files import Features, ProjectFiles
from labeling.loop import deadlines, ledger
from labeling.loop.step import Step, StepFailed
from labeling.models import Batch, Job, ModelVersion, PrivateTraining, Project
from labeling.models.items import ItemQuerySet
from labeling.steps import copies, measure
from labeling.steps.compute import compute
from labeling.steps.encode import load_encoder, network_of
from labeling.steps.reading import LabeledRows, learning_of, load_model, open_features, read_labels, seed_for
from labeling.steps.resolve import resolve
from models_store import artifact
from models_store.encoders import Encoder
from models_store.estimators import EstimatorError, Network
from models_store.folders import FolderError
from models_store.model import Model
from models_store.networks.adapter import Adapter
from models_store.training import Progress, Trained, forget


def train(step: Step) -> None:
    """Train a version on everything labeled so far, measure it, let it through the gate or not, and end the batch."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    deadlines.clear(batch=batch, writing=step.write)
    resolve(step, project)
    n_classes = project.classes.count()
    with step.write():
        copies.update_radius(project)
    labeled = labels_for(batch, n_classes, soft=learns_soft(project))
    if not len(labeled.rows):
        # All tasks so far were skipped or control: there is nothing to learn from, and no reason to stop either.
        with step.finish():
            batches.trained(batch=batch)
        return
    encoder = load_encoder(project)
    features = open_features(project, encoder)
    newest = project.versions.newest()
    number = newest.number + 1 if newest else 1
    seed = seed_for(project, "train", number)
    trained, in_ledger = _trained(step, batch, labeled, features, encoder, seed=seed, n_classes=n_classes)
    version = _described(batch, number, labeled, trained, n_classes)
    step.span.part("measuring the model")
    control = read_labels(project, known_to(batch).measuring().filter(row__lt=len(features)), n_classes)
    answers = measure.ask(project, trained.model, features, control)
    version.metrics = _measured(trained, answers, copies=labeled.copies)
    last_passed = project.versions.readable().passed().newest()
    version.gate, version.held_back = measure.gate(project, last_passed, answers, features, control)
    version.digest = _store(version, trained, encoder, measure.calibrate(answers))
    version.seconds = step.seconds
    with step.finish():
        version.save()
        if in_ledger is not None:
            ledger.settle(training=in_ledger, version=version)
        batches.trained(batch=batch)
        if trained.later:
            Job.objects.enqueue(Job.Kind.CALIBRATE, project=project, batch=batch)
    forget(ProjectFiles(project).checkpoint)


def _described(batch: Batch, number: int, labeled: LabeledRows, trained: Trained, n_classes: int) -> ModelVersion:
    """The version, with what it learned from and how; what was measured of it is to come."""
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


def labels_for(batch: Batch, n_classes: int, *, soft: bool) -> LabeledRows:
    """What the batch's version learns from: the labels that it may know, and those that near-copies have of them."""
    items = known_to(batch).trainable()
    beside = copies.learned_rows(batch.project, items)
    return read_labels(batch.project, items, n_classes, soft=soft, copies=beside)


def learns_soft(project: Project) -> bool:
    """Whether its versions learn how probable each label is. A private one does not: what is probable depends on many
    people's answers, and the ledger counts one label at a time.
    """
    return bool(project.training.get("soft_labels")) and not ledger.is_private(project)


def known_to(batch: Batch) -> ItemQuerySet:
    """The items that the batch's version may know: what is answered of a later batch already is for that one's.

    One that is done already, because it came with its labels or because somebody held up this batch's last tasks, has
    been learned by an earlier version: so this one learns it too.
    """
    items = batch.project.items.all()
    later = batch.project.batches.filter(number__gt=batch.number).exclude(state=Batch.State.DONE)
    if not later.exists():
        return items
    return items.exclude(task__batch__in=later)


def _trained(
    step: Step, batch: Batch, labeled: LabeledRows, features: Features, encoder: Encoder, *, seed: int, n_classes: int
) -> tuple[Trained, PrivateTraining | None]:
    """The training itself, in private if the project is: then with its line in the ledger."""
    project = batch.project
    inputs: dict[str, Any] = {
        "question": project.question,
        "n_classes": n_classes,
        "input_shape": encoder.input_shape,
        "seed": seed,
    }
    if ledger.is_private(project):
        return train_in_private(step, batch, {**inputs, **_labels_of(labeled, features)})
    return train_openly(step, batch, {**inputs, **inputs_of(batch, labeled, features, encoder, n_classes)}), None


def inputs_of(
    batch: Batch, labeled: LabeledRows, features: Features, encoder: Encoder, n_classes: int
) -> dict[str, Any]:
    """What the batch's version learns from, as `models_store.training.train` takes it, without privacy."""
    drawn = known_to(batch).trainable().drawn().values_list("row", flat=True)
    return {
        **_labels_of(labeled, features),
        "soft": labeled.soft,
        "propagated": labeled.propagated,
        "representative": np.isin(labeled.rows, np.fromiter(drawn, np.int64)),
        "network": network_of(encoder, n_classes),
    }


def _labels_of(labeled: LabeledRows, features: Features) -> dict[str, Any]:
    return {"features": features[labeled.rows], "targets": labeled.targets, "proposed": labeled.proposed}


def _store(version: ModelVersion, trained: Trained, encoder: Encoder, calibration: dict[str, Any] | None) -> str:
    """Write the version's files; return their digest. Raises `StepFailed` where they cannot be written."""
    project = version.project
    manifest = {
        "project": project.slug,
        "version": version.number,
        "parents": [version.parent.number] if version.parent else [],
        "batch": version.batch.number,
        "merged_classes": project.merged,
        "classes": list(project.classes.order_by("index").values_list("name", flat=True)),
        "encoder": {"name": encoder.name, "digest": encoder.digest},
        "labels": version.labels,
        "labels_hash": version.labels_hash,
        "metrics": version.metrics,
        "calibration": calibration,
    }
    try:
        return artifact.save(ProjectFiles(project).artifact_at(version.artifact), trained, manifest=manifest)
    except FolderError as error:
        raise StepFailed(f"Model version {version.number} cannot be stored: {error}") from error


def _measured(trained: Trained, answers: measure.Answers, *, copies: int) -> dict[str, Any]:
    """What a version's row and its manifest keep of its training and of its answers to control items."""
    return {
        "control": measure.measure(answers),
        "training": {
            "steps": trained.steps,
            "seconds": trained.seconds,
            "processes": list(trained.processes),
            "trained_on": trained.training_size,
            **({"near_copies": copies} if copies else {}),
            "held_back": trained.validation_size,
            "calibrated_on": trained.calibration_size,
            "validation_loss": min((check.validation_loss for check in trained.checks), default=None),
        },
    }


def _report(step: Step, at: Progress) -> None:
    step.report("training the model", at.share, f"step {at.step:,} of {at.steps:,}, loss {at.loss:.2g}")


def train_openly(step: Step, batch: Batch, inputs: dict[str, Any]) -> Trained:
    """Train without privacy, by the project's settings. Raises `StepFailed` if those are no settings."""
    project, parent = batch.project, batch.selected_by
    learner, options, config = learning_of(project)
    step.span.part("training the model")
    try:
        return compute.train(
            learner,
            **inputs,
            options=options,
            config=config,
            start=_start(project, parent) if parent and config.warm_start and learner is Network else None,
            checkpoint=ProjectFiles(project).checkpoint,
            later=True,
            progress=lambda at: _report(step, at),
        )
    except EstimatorError as error:
        raise StepFailed(str(error)) from error


def _start(project: Project, parent: ModelVersion) -> Model | None:
    """What a warm start begins with: the parent, if it is a network whose files are whole."""
    if parent.damaged:
        return None
    model = load_model(project, parent)
    return None if isinstance(model.network, Adapter) else model


def train_in_private(step: Step, batch: Batch, inputs: dict[str, Any]) -> tuple[Trained, PrivateTraining]:
    """Train within the project's privacy budget; the ledger has it before it starts. Raises `StepFailed` if that is
    spent, or if the training did not do what the ledger says.
    """
    try:
        with step.write():
            in_ledger, config = ledger.start(project=batch.project, batch=batch, labels=len(inputs["features"]))
    except ledger.BudgetSpent as spent:
        raise StepFailed(str(spent)) from spent
    trained = compute.train_in_private(**inputs, config=config, progress=step.progress("training the model"))
    if trained.privacy is None or trained.privacy["phases"] != in_ledger.phases:
        raise StepFailed("The private training differs from what the ledger recorded. Its version was discarded.")
    return trained, in_ledger
