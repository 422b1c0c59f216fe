"""Train on all labels but the control slice; then say what the new model thinks of every item in the pool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError

from labeling.answering import batches
from labeling.arrays.files import ProjectFiles, load_array, sha256_of, writing_array
from labeling.loop import deadlines, ledger, versions
from labeling.loop.step import Step, StepFailed
from labeling.models import Batch, Clustering, Job, ModelVersion, PrivateTraining, Project
from labeling.projects.model_settings import learner_of
from labeling.steps import measure
from labeling.steps.compute import compute
from labeling.steps.encode import load_encoder, network_of
from labeling.steps.reading import LabeledRows, load_model, open_features, read_labels, seed_for
from models_store import artifact
from models_store.encoders import Encoder
from models_store.estimators import EstimatorError, Network
from models_store.folders import FolderError
from models_store.model import Model
from models_store.networks.adapter import Adapter
from models_store.prediction import EXTRAS
from models_store.training import Progress, TrainConfig, Trained, forget
from selector.strategies import NEEDS

# What is kept of every version: pages and tasks tell it. Then what takes a row of numbers an item.
ALWAYS = ("margins", "best", "confidence")
WIDE = ("embeddings", "errors")


def train(step: Step) -> None:
    """Train a version on everything labeled so far, measure it, let it through the gate or not, and end the batch."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    deadlines.clear(batch=batch, writing=step.write)
    n_classes = project.classes.count()
    labeled = read_labels(project, project.items.trainable(), n_classes)
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
    control = read_labels(project, project.items.measuring().filter(row__lt=len(features)), n_classes)
    answers = measure.ask(project, trained.model, features, control)
    gate, held_back = measure.gate(project, project.versions.passed().newest(), answers, features, control)
    files = ProjectFiles(project)
    version = ModelVersion(
        project=project,
        number=number,
        batch=batch,
        parent=batch.selected_by,
        artifact=files.artifact(number),
        labels_hash=labeled.hash,
        labels=len(labeled.rows),
        seed=seed,
        training=asdict(trained.config),
        metrics=_measured(trained, answers),
        gate=gate,
        held_back=held_back,
    )
    version.digest = _store(version, trained, encoder, measure.calibrate(answers))
    version.seconds = step.seconds
    with step.finish():
        version.save()
        if in_ledger is not None:
            ledger.settle(training=in_ledger, version=version)
        batches.trained(batch=batch)
    forget(files.checkpoint)


def _trained(
    step: Step, batch: Batch, labeled: LabeledRows, features: np.ndarray, encoder: Encoder, *, seed: int, n_classes: int
) -> tuple[Trained, PrivateTraining | None]:
    """The training itself, in private if the project is: then with its line in the ledger."""
    project = batch.project
    given: dict[str, Any] = {
        "features": features[labeled.rows],
        "targets": labeled.targets,
        "question": project.question,
        "n_classes": n_classes,
        "input_shape": encoder.input_shape,
        "seed": seed,
        "proposed": labeled.proposed,
    }
    if ledger.is_private(project):
        return train_in_private(step, batch, given)
    drawn = project.items.trainable().drawn().values_list("row", flat=True)
    given["representative"] = np.isin(labeled.rows, np.fromiter(drawn, np.int64))
    given["network"] = network_of(encoder, n_classes)
    return train_openly(step, batch, given), None


def _store(version: ModelVersion, trained: Trained, encoder: Encoder, calibration: dict[str, Any] | None) -> str:
    """Write the version's files; return their digest. Raises `StepFailed` where they cannot be written."""
    project = version.project
    manifest = {
        "project": project.slug,
        "version": version.number,
        "parents": [version.parent.number] if version.parent else [],
        "batch": version.batch.number,
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


def _measured(trained: Trained, answers: measure.Answers) -> dict[str, Any]:
    """What a version's row and its manifest keep of its training and of its answers to control items."""
    return {
        "control": measure.measure(answers),
        "training": {
            "steps": trained.steps,
            "seconds": trained.seconds,
            "trained_on": trained.training_size,
            "held_back": trained.validation_size,
            "calibrated_on": trained.calibration_size,
            "validation_loss": min((check.validation_loss for check in trained.checks), default=None),
        },
    }


def _report(step: Step, at: Progress) -> None:
    phase = "calibrating the model" if at.further else "training the model"
    number = f"training {at.further}, " if at.further else ""
    step.report(phase, at.share, f"{number}step {at.step:,} of {at.steps:,}, loss {at.loss:.2g}")


def train_openly(step: Step, batch: Batch, given: dict[str, Any]) -> Trained:
    """Train without privacy, by the project's settings. Raises `StepFailed` if those are no settings."""
    project, parent = batch.project, batch.selected_by
    try:
        config = TrainConfig.from_dict(project.training)
    except ValueError as error:
        raise StepFailed(f"The project's training settings: {error}") from error
    try:
        learner, options = learner_of(project.model)
        return compute.train(
            learner,
            **given,
            options=options,
            config=config,
            start=_start(project, parent) if parent and config.warm_start and learner is Network else None,
            checkpoint=ProjectFiles(project).checkpoint,
            progress=lambda at: _report(step, at),
        )
    except ValidationError as error:
        raise StepFailed(f"The project's model: {error.messages[0]}") from error
    except EstimatorError as error:
        raise StepFailed(str(error)) from error


def _start(project: Project, parent: ModelVersion) -> Model | None:
    """What a warm start begins with: the parent, if it is a network."""
    model = load_model(project, parent)
    return None if isinstance(model.network, Adapter) else model


def train_in_private(step: Step, batch: Batch, given: dict[str, Any]) -> tuple[Trained, PrivateTraining]:
    """Train within the project's privacy budget; the ledger has it before it starts. Raises `StepFailed` if that is
    spent, or if the training did not do what the ledger says.
    """
    try:
        with step.write():
            in_ledger, config = ledger.start(project=batch.project, batch=batch, labels=len(given["features"]))
    except ledger.BudgetSpent as spent:
        raise StepFailed(str(spent)) from spent
    trained = compute.train_in_private(**given, config=config, progress=step.progress("training the model"))
    if trained.privacy is None or trained.privacy["phases"] != in_ledger.phases:
        raise StepFailed("The private training did not do what the ledger says: its version is not kept.")
    return trained, in_ledger


def embed(step: Step) -> None:
    """Run the version in use over the pool, and keep of what it says what the project's strategy needs."""
    batch, project = step.job.batch, step.job.project
    assert batch is not None
    in_use = versions.in_use(project)
    assert in_use is not None
    version = in_use.version
    # What the batch is picked by is settled here: the steps that follow must agree on which arrays there are.
    strategy = project.strategy
    clustering = Clustering.objects.filter(project=project).first()
    model = load_model(project, version)
    features = open_features(project, load_encoder(project))
    wanted = set(NEEDS[strategy])
    if "clusters" in wanted and (clustering is None or clustering.anew_at is not None):
        wanted.add("embeddings")
    names = [*ALWAYS, *(name for name in ("embeddings", *EXTRAS) if name in wanted)]
    run_over_pool(project, version, model, features, names, progress=step.progress("looking at the pool"))
    files = ProjectFiles(project)
    features_hash = sha256_of(features)
    margins_hash = sha256_of(load_array(files.pool(version, "margins"), mmap=True))
    with step.finish():
        Batch.objects.filter(pk=batch.pk).update(
            strategy=strategy,
            selected_by=version,
            newest_version=in_use.newest.number,
            choice=in_use.choice,
            pool_rows=len(features),
            features_hash=features_hash,
            margins_hash=margins_hash,
        )
        clustered = "clusters" in wanted
        Job.objects.enqueue(Job.Kind.CLUSTER if clustered else Job.Kind.SELECT, project=project, batch=batch)
    kept = {version.number, clustering.embedded_by.number if clustering else version.number}
    for other in project.versions.exclude(number__in=kept):
        for name in WIDE:  # large, and asked for by nobody any more
            files.pool(other, name).unlink(missing_ok=True)


def run_over_pool(
    project: Project,
    version: ModelVersion,
    model: Model,
    features: np.ndarray,
    names: Sequence[str],
    *,
    progress: Any = None,
) -> None:
    """Write what the model says of every row, as it comes, to a file for each name: a field of `Prediction`."""
    proposed = None
    if project.asks.proposes:
        proposed = np.zeros(len(features), np.int64)
        pairs = project.items.filter(row__lt=len(features)).values_list("row", "proposed")
        for row, index in pairs.iterator(chunk_size=10_000):
            assert row is not None
            assert index is not None
            proposed[row] = index
    extras = [name for name in names if name in EXTRAS]
    files, arrays = ProjectFiles(project), {}
    with ExitStack() as open_files:
        for part in compute.score(model, features, proposed=proposed, extras=extras, progress=progress):
            for name in names:
                block = getattr(part, name)
                if name not in arrays:
                    shape = (len(features), *block.shape[1:])
                    writing = writing_array(files.pool(version, name), shape, block.dtype)
                    arrays[name] = open_files.enter_context(writing)
                arrays[name][part.start : part.start + len(block)] = block
