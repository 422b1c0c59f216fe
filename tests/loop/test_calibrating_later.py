"""Test that a version is calibrated after the next batch opens, that the calibration ends when that batch is complete,
and that it affects no selection.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from hosts import drain
from snapshots import Snapshot

from labeling.loop.step import Step
from labeling.models import Batch, Item, Job, ModelVersion, Project, User
from labeling.outgoing import artifacts
from labeling.steps import calibrate as calibrating
from labeling.steps.model_inputs import load_model
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles, load_array, sha256_of
from models_store import artifact, training

pytestmark = pytest.mark.django_db(transaction=True)
TRAINING = {"epochs": 10, "min_steps": 40, "learns_from": "labels"}


def worker_until(kind: str) -> None:
    """Run all steps before the first one of this kind."""
    worker = Worker(run_step)
    while (job := Job.objects.due(timezone.now()).first()) is not None and job.kind != kind:
        worker.run_next()


@pytest.fixture
def labeled(snapshot: Snapshot, tmp_path: Path) -> tuple[Project, User]:
    """Create a project with an open second batch, and its first version not calibrated."""
    if not snapshot.lay():
        project = digits_project(tmp_path, n=400, batch_size=150, training=TRAINING)
        user = annotator(project)
        drain()
        answer_batch(project, user)
        worker_until(Job.Kind.CALIBRATE)
        snapshot.keep()
    return Project.objects.get(), User.objects.get()


@pytest.mark.long
def test_it_comes_to_what_one_training_would_have_found(labeled: tuple[Project, User], monkeypatch) -> None:
    project, _ = labeled
    version, batch, files = ModelVersion.objects.get(), Batch.objects.get(number=2), ProjectFiles(project)
    assert (version.calibrating, batch.state) == ("waiting", "open")
    assert {job.kind for job in Job.objects.waiting()} >= {"calibrate"}
    sealed = load_model(project, version)
    before = {name: np.array(load_array(files.pool(version, name))) for name in ("margins", "confidence")}
    names = [each.name for each in artifacts.read_artifact(version).files]

    given = []
    real = calibrating.compute.calibrate
    monkeypatch.setattr(calibrating.compute, "calibrate", lambda *args: given.append(args) or real(*args))
    drain()
    version.refresh_from_db()
    assert version.calibrating == "done"
    _, _, training_set, recipe, _ = given[0]
    assert (training_set.question, training_set.n_classes) == ("single", 10)
    assert training_set.input_shape == sealed.input_shape
    whole = training.train(training_set, recipe)
    model = load_model(project, version)
    assert model.calibration == whole.calibration
    assert version.calibration["labels"] == whole.calibration_size > 80
    assert artifact.load(files.artifact_at(version.artifact), digest=version.digest).calibration == whole.calibration

    after = {name: load_array(files.pool(version, name)) for name in ("margins", "confidence")}
    assert np.array_equal(after["margins"], before["margins"])
    assert sha256_of(after["margins"]) == batch.margins_hash, "so the selection can be replayed"
    assert not np.array_equal(after["confidence"], before["confidence"])
    with zipfile.ZipFile(artifacts.as_zip(version)) as archive:
        assert sorted(archive.namelist()) == sorted([*names, "calibration.json"])
    assert not list(files.root.glob("calibrating*"))


@pytest.mark.long
def test_it_is_given_up_when_the_next_batch_is_complete(labeled: tuple[Project, User]) -> None:
    project, user = labeled
    answer_batch(project, user)
    worker_until(Job.Kind.CALIBRATE)
    assert Batch.objects.get(number=3).state == "open"
    drain()
    first, second = ModelVersion.objects.order_by("number")
    assert (first.calibrating, first.calibration) == ("skipped", {"reason": "the next batch was complete first"})
    assert second.calibrating == "done"


@pytest.mark.long
def test_it_gives_way_in_the_midst_and_goes_on(labeled: tuple[Project, User], monkeypatch) -> None:
    project, _ = labeled
    monkeypatch.setattr(Step, "LOOK_SECONDS", 0.0)
    worker, files, version = Worker(run_step), ProjectFiles(project), ModelVersion.objects.get()
    real = calibrating.Step.report
    steps = []

    def report(self, phase, share, detail="") -> None:
        real(self, phase, share, detail)
        if phase == "calibrating the model":
            steps.append(detail)
            if len(steps) == 60:
                Job.objects.enqueue(Job.Kind.RELABEL, project=project)

    monkeypatch.setattr(Step, "report", report)
    worker.run_next()
    job = Job.objects.get(kind=Job.Kind.CALIBRATE)
    assert (job.state, len(steps)) == (Job.State.WAITING, 60)
    assert list(files.root.glob("calibrating*"))
    worker.run_next()
    assert not Job.objects.filter(kind=Job.Kind.RELABEL).unfinished().exists()
    drain()
    version.refresh_from_db()
    assert version.calibrating == "done"
    taken = [step for step in steps if "step 40 of 40" not in step]  # the last is told again at the end
    assert len(taken) == len(set(taken)), "no step was taken twice"


def test_labels_that_changed_since_are_not_what_it_learned_from(labeled: tuple[Project, User]) -> None:
    item = Item.objects.trainable().first()
    Item.objects.filter(pk=item.pk).update(label=(item.label + 1) % 10)
    drain()
    version = ModelVersion.objects.get()
    assert (version.calibrating, version.calibration["reason"]) == (
        "skipped",
        "labels that it learned from were changed first",
    )


def test_where_it_fails_the_version_says_so(labeled: tuple[Project, User], monkeypatch) -> None:
    def fails(*args: object, **named: object) -> None:
        raise training.TrainingError("the loss is not finite")

    monkeypatch.setattr(calibrating.compute, "calibrate", fails)
    worker_until(Job.Kind.CALIBRATE)
    Worker(run_step).run_next()
    version = ModelVersion.objects.get()
    assert version.calibrating == "skipped"
    assert version.calibration == {"reason": "it failed: TrainingError: the loss is not finite"}
    assert Batch.objects.get(number=2).state == "open"
