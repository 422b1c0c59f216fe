"""Test that a project changes its encoder in the loop, and that `kill -9` at any moment loses nothing."""

import random
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits import SMALL, annotator, answer_batch, digits_project
from django.core.exceptions import ValidationError
from django.core.management import call_command
from processes import worker
from snapshots import Snapshot

from labeling.models import Clustering, EncoderChange, Job, ModelVersion, Project, User
from labeling.projects.encoders import encoder_change
from labeling.projects.encoders.encoder_change import ChangeRefused
from labeling.projects.version_in_use import VersionOutdated, in_use, is_outdated, use
from labeling.steps import features as encoding
from labeling.steps import measure
from labeling.steps.features import load_encoder
from labeling.steps.predict import Predictor
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)
LARGE = {"name": "pixels", "options": {"size": 24}}


def drain() -> None:
    worker = Worker(run_step)
    worker.look_around()
    while worker.run_next():
        pass
    assert not Job.objects.unfinished().exists()
    assert not Job.objects.filter(state=Job.State.FAILED).exists()


@pytest.fixture
def project(snapshot: Snapshot, tmp_path: Path) -> Project:
    """Create a project with one version and an open second batch."""
    if not snapshot.lay():
        digits_project(tmp_path, n=300)
        user = annotator(Project.objects.get())
        drain()
        answer_batch(Project.objects.get(), user)
        drain()
        snapshot.keep()
    return Project.objects.get()


@pytest.fixture
def user(project: Project) -> User:
    return User.objects.get(username="annie")


def check_features(project: Project) -> None:
    """Check that each row holds the features of its item, by the project's encoder."""
    encoder = load_encoder(project)
    features = ProjectFiles(project).features_of(rows=project.encoded_rows, dim=encoder.dim, dtype=encoder.dtype)[:]
    items = project.items.filter(row__isnull=False).order_by("row")
    expected = encoding.encode_items(project, encoder, items, lambda share: None)
    np.testing.assert_array_equal(features[list(items.values_list("row", flat=True))], expected)


def test_the_next_version_learns_from_the_new_features_and_nothing_is_lost(project: Project, user: User) -> None:
    labels = dict(project.items.labeled().values_list("pk", "label"))
    first, clustering = project.versions.get(), Clustering.objects.get()
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    assert EncoderChange.objects.ready().exists()
    project.refresh_from_db()
    assert (project.encoder, project.features_generation) == (SMALL, 1), "until a version learns from the new features"
    answer_batch(project, user)
    drain()

    project.refresh_from_db()
    assert (project.encoder, project.features_generation, project.encoder_since) == (LARGE, 2, 2)
    assert not EncoderChange.objects.exists()
    check_features(project)
    assert load_encoder(project).dim == 3 * 24 * 24
    second = project.versions.get(number=2)
    assert (second.gate, second.held_back) == ({}, False), "the version before cannot be compared"
    used = in_use(project)
    assert used is not None
    assert used.version == second
    anew = Clustering.objects.get()
    assert (anew.embedded_by, anew.generation) == (second, clustering.generation + 1)
    assert project.batches.get(number=3).selected_by == second
    assert labels.items() <= dict(project.items.labeled().values_list("pk", "label")).items()

    assert is_outdated(project, first)
    with pytest.raises(VersionOutdated, match="Version 1 learned from an earlier encoder: only versions from 2 on"):
        use(project=project, version=first, user=user)
    with pytest.raises(Exception, match="another encoder than the project has now"):
        Predictor(project, first)


@pytest.mark.long
def test_a_batch_that_an_earlier_version_was_picking_is_picked_by_the_new_one(project: Project, user: User) -> None:
    """The encoder changes between the steps `embed` and `cluster` of the next batch."""
    Project.objects.update(pick_ahead=1.0)
    encoder_change.ask(project=project, choice=LARGE, user=user)
    loop = Worker(run_step)
    while Job.objects.unfinished().exclude(kind__in=["survey", "baseline", "mislabeled", "calibrate"]).exists():
        loop.run_next()
    batch = project.batches.open().first()
    assert batch is not None
    answer_batch(project, user)
    held = Job.objects.filter(kind__in=["cluster", "select"], state="waiting")
    Job.objects.filter(kind="train", state="waiting").update(run_after="2100-01-01T00:00Z")
    for _ in range(20):
        if held.exists():
            break
        assert loop.run_next()
    Job.objects.filter(kind="train").update(run_after="2000-01-01T00:00Z")
    held.update(run_after="2100-01-01T00:00Z")
    while Job.objects.filter(kind="train").exclude(state="done").exists():
        assert loop.run_next()
    Job.objects.filter(kind__in=["cluster", "select"], state="waiting").update(run_after="2000-01-01T00:00Z")
    drain()
    project.refresh_from_db()
    assert project.encoder == LARGE
    newest = project.batches.order_by("-number")[0]
    assert newest.selected_by == project.versions.get(number=2)
    check_features(project)


@pytest.mark.long
def test_items_that_arrive_meanwhile_and_items_that_are_gone(
    project: Project, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "CHUNK", 64)
    late = list(project.items.filter(task=None).order_by("-row").values_list("pk", flat=True)[:40])
    gone = project.items.filter(task=None).exclude(pk__in=late).earliest("row")
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    # A project's last rows as if they had not come yet: they are encoded with both encoders.
    start = project.encoded_rows - 40
    project.items.filter(row__gte=start).update(row=None)
    Project.objects.update(encoded_rows=start)
    EncoderChange.objects.update(rows=start)
    project.items.filter(pk=gone.pk).delete()
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    drain()
    change = EncoderChange.objects.get()
    assert (change.rows, change.problem) == (start + 40, "")
    answer_batch(project, user)
    drain()
    project.refresh_from_db()
    assert project.encoder == LARGE
    check_features(project)


@pytest.mark.long
def test_a_problem_of_the_new_encoder_ends_no_step(project: Project, user: User, data_dir: Path) -> None:
    (data_dir / "weights").mkdir(exist_ok=True)
    (data_dir / "weights" / "torn.pth").write_bytes(b"torn")
    options = {"architecture": "torchvision/resnet18", "weights": "torn.pth"}
    encoder_change.ask(project=project, choice={"name": "backbone", "options": options}, user=user)
    drain()
    assert "torn.pth cannot be read as weights" in EncoderChange.objects.get().problem
    answer_batch(project, user)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.versions.count()) == (SMALL, 2)
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    assert EncoderChange.objects.ready().get().choice == LARGE


@pytest.mark.long
def test_a_change_is_withdrawn_or_refused(project: Project, user: User) -> None:
    for options, words in (({"size": 16}, "with this pixels already"), ({"size": 5}, "size must be a whole number")):
        with pytest.raises((ChangeRefused, ValidationError), match=words):
            encoder_change.ask(project=project, choice={"name": "pixels", "options": options}, user=user)
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    answer_batch(project, user)
    Job.objects.filter(kind="train", state="waiting").update(state="running")
    with pytest.raises(ChangeRefused, match="being trained"):
        encoder_change.withdraw(project=project)
    Job.objects.filter(kind="train", state="running").update(state="waiting")
    encoder_change.withdraw(project=project)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.features_generation, project.versions.count()) == (SMALL, 1, 2)
    # Files of the withdrawn change have another length of a row.
    encoder_change.ask(project=project, choice={"name": "pixels", "options": {"size": 20}}, user=user)
    drain()
    answer_batch(project, user)
    drain()
    project.refresh_from_db()
    assert project.features_generation == 2
    check_features(project)


@pytest.mark.long
def test_a_change_withdrawn_in_the_last_moment_of_a_training(
    project: Project, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training begins again, with the present encoder."""
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    answer_batch(project, user)
    gate = measure.gate

    def late(*args: Any) -> Any:
        EncoderChange.objects.all().delete()
        return gate(*args)

    monkeypatch.setattr(measure, "gate", late)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.versions.count(), project.encoder_since) == (SMALL, 2, 0)
    assert ModelVersion.objects.get(number=2).gate["against"] == 1


@pytest.mark.long
@pytest.mark.parametrize("seed", some([3, 4, 5]))
def test_a_worker_killed_at_any_moment(project: Project, user: User, seed: int) -> None:
    """Workers are killed while they encode and train with another encoder; the last one may finish."""
    encoder_change.ask(project=project, choice=LARGE, user=user)
    rng = random.Random(seed)

    def killed(times: int) -> None:
        for _ in range(times):
            before = set(Job.objects.values_list("pk", "attempts"))
            with worker() as process:
                while set(Job.objects.values_list("pk", "attempts")) == before and Job.objects.unfinished().exists():
                    time.sleep(0.01)
                time.sleep(0.3 * rng.random())
                process.kill()
                process.wait()

    killed(2)
    drain()
    answer_batch(project, user)
    killed(2)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.features_generation, project.encoder_since) == (LARGE, 2, 2)
    assert list(project.versions.order_by("number").values_list("number", flat=True)) == [1, 2]
    check_features(project)


@pytest.mark.long
def test_damaged_files_of_a_change_are_made_again(project: Project, user: User, tmp_path: Path) -> None:
    encoder_change.ask(project=project, choice=LARGE, user=user)
    drain()
    path = ProjectFiles(project).features(2)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    answer_batch(project, user)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.versions.count()) == (SMALL, 2), "the training does not wait for the files"
    assert EncoderChange.objects.ready().exists()
    answer_batch(project, user)
    drain()
    project.refresh_from_db()
    assert (project.encoder, project.encoder_since) == (LARGE, 3)
    check_features(project)
    answer_batch(project, user)
    drain()
    assert project.versions.get(number=4).gate["against"] == 3
    assert not ProjectFiles(project).features(1).exists()
    assert ProjectFiles(project).encoder(1).exists()
    for version, size in ((1, 16), (3, 24)):
        call_command("export_model", "digits", version=version, output=tmp_path / "m.onnx", encoder=tmp_path / "e.npz")
        with np.load(BytesIO((tmp_path / "e.npz").read_bytes())) as stored:
            assert stored["state.size"] == size
