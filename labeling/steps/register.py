"""Register: make a model version of a file with a model that was trained elsewhere.

The version is measured on the control items and compared with the last version that passed the gate, as a trained one.
Predictions from outside become versions in the same way (`add`).
"""

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.utils import timezone

from labeling.intake.registering import PRIVATE
from labeling.loop import batches
from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Event, EventType, Job, ModelVersion, Project, Registration
from labeling.projects import quota
from labeling.projects.privacy import ledger
from labeling.steps import measure
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import open_features, read_labels, seed_for
from labeling.storage.arrays.features import Features
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import store
from models_store import artifact, registering
from models_store.encoders import Encoder, EncoderSetupError
from models_store.folders import FolderError
from models_store.networks import GraphError, graph
from models_store.registering import Expected, Registered, RegisterError

MOST_HOURS = 6
"""The most time for the whole pool, as the trial estimates it: the loop waits for it at each batch."""
WAIT = datetime.timedelta(seconds=15)
"""The time until the next look while a training runs, which has the next number already."""


def register(step: Step) -> None:
    """Make a version of the job's file, or record on its row why that is not possible."""
    registration = step.job.registration
    if training_of(registration.project):
        Job.objects.put_back(step.job, attempts=0, run_after=timezone.now() + WAIT)
        return
    try:
        _register(step, registration)
    except (RegisterError, GraphError, EncoderSetupError, StepFailed) as error:
        with step.finish():
            registration.step_failed(str(error))
    if step.finished:
        quota.discard(store().path_of(registration.path))


def _register(step: Step, registration: Registration) -> None:
    project = registration.project
    if ledger.is_private(project):
        raise StepFailed(PRIVATE)
    if not project.encoded_rows:
        raise StepFailed("The project has no encoded items yet: import items first, which sets its encoder up.")
    step.progress("reading the model")(0)
    encoder = load_encoder(project)
    features = open_features(project, encoder)
    registered = _read(registration, encoder)
    step.progress("trying the model", start=0.2)(0)
    _try(registered, project, features)
    step.progress("measuring the model", start=0.4)(0)
    version = _measured(registration, registered, features)
    version.digest = _store(registration, version, registered, encoder)
    version.seconds = step.seconds
    with step.finish():
        _add(registration, version, registered.source)


def _read(registration: Registration, encoder: Encoder) -> Registered:
    project = registration.project
    classes = tuple(project.classes.order_by("index").values_list("name", flat=True))
    path = store().local(store().path_of(registration.path))
    return registering.read_model(path, Expected(project.question, classes, encoder))


def _try(registered: Registered, project: Project, features: Features) -> None:
    rng = np.random.default_rng(seed_for(project, "register", 0))
    rows = np.sort(rng.choice(len(features), min(graph.MOST_ITEMS, len(features)), replace=False))
    seconds = registering.check_predictions(registered.model, features[rows])
    part, most = seconds * graph.MOST_ITEMS, graph.SECONDS / 2  # on a busy server it takes longer
    if part > most:
        raise RegisterError(
            f"The model takes {part:,.0f} seconds for {graph.MOST_ITEMS} items, and at most {most:,.0f} are allowed. "
            "Register a smaller one."
        )
    hours = seconds * len(features) / 3600
    if hours > MOST_HOURS:
        raise RegisterError(
            f"The model would take about {hours:,.0f} hours for the {len(features):,} items of the pool, and at most "
            f"{MOST_HOURS} are allowed. Register a smaller one."
        )


def _measured(registration: Registration, registered: Registered, features: Features) -> ModelVersion:
    """Return the version, not saved yet, measured and compared."""
    project, n_classes = registration.project, registered.model.n_classes
    number = next_number(project)
    control = read_labels(project, project.items.measuring().filter(row__lt=len(features)), n_classes)
    answers = measure.control_results(project, registered.model, features, control)
    gate, held_back = measure.gate(project, project.encoder_since, answers, features, control)
    return ModelVersion(
        project=project,
        number=number,
        origin=ModelVersion.Origin.REGISTERED,
        artifact=ProjectFiles(project).registered(registration.pk),
        labels=0,
        seed=0,
        classes=n_classes,
        metrics={
            "control": measure.control_figures(answers),
            **({"unknown_classes": registered.unknown} if registered.unknown else {}),
        },
        gate=gate,
        held_back=held_back,
    )


def _store(registration: Registration, version: ModelVersion, registered: Registered, encoder: Encoder) -> str:
    """Write the version's files; return their digest. Raises `StepFailed` if they cannot be written."""
    project, by = version.project, registration.created_by
    manifest = {
        "project": project.slug,
        "version": version.number,
        "merged_classes": project.merged,
        "classes": list(project.classes.order_by("index").values_list("name", flat=True)),
        "encoder": {"name": encoder.name, "digest": encoder.digest},
        "source": {"file": registration.name, "registered_by": by.username if by else "", **registered.source},
        "metrics": version.metrics,
    }
    location = ProjectFiles(project).artifact_at(version.artifact)
    try:
        return artifact.save_registered(location, registered.model, manifest=manifest)
    except FolderError as error:
        raise StepFailed(f"Model version {version.number} cannot be stored: {error}") from error


def _add(registration: Registration, version: ModelVersion, source: Mapping[str, Any]) -> None:
    """Add the version to the project. Raises `GaveWay` as `add`."""
    add(version)
    Registration.objects.filter(pk=registration.pk).update(
        state=Registration.State.DONE, version=version, source=source, finished_at=timezone.now()
    )


def next_number(project: Project) -> int:
    newest = project.versions.newest()
    return newest.number + 1 if newest else 1


def training_of(project: Project) -> bool:
    """Return whether a training runs, which has the next number already."""
    return project.jobs.running().filter(kind=Job.Kind.TRAIN).exists()


def add(version: ModelVersion) -> None:
    """Save the version, and let it pick. Call it in the step's last transaction.

    Raises `GaveWay` if a training has begun since the version got its number, or another version came.
    """
    project = version.project
    # Trainings read the newest number when they begin. Locked, none begins or is enqueued before this commits.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    trainings = project.jobs.unfinished().filter(kind=Job.Kind.TRAIN)
    if not trainings.keep_waiting() or next_number(project) != version.number:
        raise GaveWay
    version.save()
    batches.version_came(project)
    judged = EventType.MODEL_HELD_BACK if version.held_back else EventType.MODEL_PASSED
    Event.objects.announce(judged, project, number=version.number)
