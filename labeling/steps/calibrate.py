"""Calibrate a version's confidence, by further trainings whose models are discarded. No other step waits for it.

The training enqueues this step, and it gives way to every step that a person or the loop waits for, so that it runs
once the next batch is picked. When that batch is complete, a newer version is trained, and a version that is not
calibrated by then stays so. Selections use the network's own probabilities, so that no batch depends on whether, or
when, its version was calibrated.
"""

from dataclasses import replace

from django.utils import timezone
from django.utils.translation import gettext_noop

from labeling.loop.step import GaveWay, Step, StepFailed, StepLost
from labeling.models import Batch, ModelVersion
from labeling.projects.privacy import ledger
from labeling.projects.version_in_use import is_outdated
from labeling.steps import measure
from labeling.steps.compute import compute
from labeling.steps.embed import rewrite_confidence
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import load_model, network_of, open_features, pool_sample, read_labels
from labeling.steps.train import known_to, labels_for, learned_from
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact
from models_store.folders import FolderError
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.training import Later, Progress, Recipe, Runtime, Stopped, TrainConfig, TrainingSet, forget


class _NotAnyMore(Exception):
    """The version cannot be calibrated any more, or need not be; the message says why."""


def calibrate(step: Step) -> None:
    """Calibrate the job's version once, store the calibration beside it, then rewrite its confidences."""
    batch = step.batch
    version = ModelVersion.objects.select_related("project").get(batch=batch)
    try:
        if version.calibrating == ModelVersion.Calibrating.WAITING:
            _calibrate(step, version, batch)
        usable = not version.damaged and not is_outdated(version.project, version)
        if version.calibrating == ModelVersion.Calibrating.DONE and usable:
            watch = step.patient_progress("calibrating the model's confidence", start=0.9)
            rewrite_confidence(version.project, version, progress=watch)
    except _NotAnyMore as over:
        with step.finish():
            version.not_calibrated(str(over))
    else:
        with step.finish():
            pass
    forget(ProjectFiles(version.project).calibrating(version))


def _calibrate(step: Step, version: ModelVersion, batch: Batch) -> None:
    _check_use(version, batch)
    project, known, n_classes = version.project, known_to(batch), version.classes
    assert n_classes is not None
    encoder = load_encoder(project)
    features = open_features(project, encoder)
    labeled = labels_for(batch, n_classes, soft=bool(version.training.get("soft_labels")))
    if labeled.hash != version.labels_hash:
        raise _NotAnyMore(gettext_noop("labels that it learned from were changed first"))
    model = load_model(project, version)
    training_set = learned_from(batch, labeled, features, encoder, n_classes)
    if pool := version.metrics["training"].get("pool"):
        training_set = replace(
            training_set, pool=features[pool_sample(project, labeled, pool["of_rows"], version.seed)]
        )
    recipe = Recipe(version.seed, TrainConfig.from_dict(version.training), network=network_of(encoder, n_classes))
    fitted, labels = _by_further_trainings(step, version, batch, model, training_set, recipe)
    control = read_labels(project, known.measuring().filter(row__lt=len(features)), n_classes)
    answers = measure.control_results(project, replace(model, calibration=fitted), features, control)
    measured = {"control": measure.control_figures(answers), "calibration": measure.calibration_figures(answers)}
    location = ProjectFiles(project).artifact_at(version.artifact)
    try:
        digest = artifact.calibrate(location, fitted, digest=version.digest, fitted_to=labels, measured=measured)
    except FolderError as error:
        raise StepFailed(f"The calibration of model version {version.number} cannot be stored: {error}") from error
    calibration = {
        **fitted._asdict(),
        "labels": labels,
        "digest": digest,
        "measured": measured,
        "found_at": timezone.now().isoformat(),
    }
    with step.write():
        waiting = ModelVersion.objects.filter(pk=version.pk, calibrating=ModelVersion.Calibrating.WAITING)
        if not waiting.update(calibrating=ModelVersion.Calibrating.DONE, calibration=calibration):
            raise StepLost
    version.refresh_from_db(fields=["calibrating", "calibration"])


def _check_use(version: ModelVersion, batch: Batch) -> None:
    """Raise `_NotAnyMore` if the version has no use for a calibration any more."""
    if version.project.batches.filter(number__gt=batch.number, completed_at__isnull=False).exists():
        raise _NotAnyMore(gettext_noop("the next batch was complete first"))
    if is_outdated(version.project, version):
        raise _NotAnyMore(gettext_noop("the project's encoder was changed first"))
    if version.damaged:
        raise _NotAnyMore(gettext_noop("its files are damaged"))
    if ledger.is_private(version.project):
        raise _NotAnyMore(gettext_noop("the project became private first"))


def _by_further_trainings(
    step: Step, version: ModelVersion, batch: Batch, model: Model, training_set: TrainingSet, recipe: Recipe
) -> tuple[Adaptive, int]:
    def watch(at: Progress) -> None:
        report = f"training {at.further}, step {at.step:,} of {at.steps:,}, loss {at.loss:.2g}"
        try:
            if step.patiently(lambda: step.report("calibrating the model", 0.9 * at.share, report)):
                _check_use(version, batch)
        except (GaveWay, _NotAnyMore) as reason:
            raise Stopped from reason

    step.span.part("calibrating the model")
    try:
        runtime = Runtime(ProjectFiles(version.project).calibrating(version), progress=watch)
        return compute.calibrate(model, Later.from_dict(version.calibration), training_set, recipe, runtime)
    except Stopped as stopped:
        raise (stopped.__cause__ or stopped) from None
