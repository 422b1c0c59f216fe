"""Test which version picks batches: the newest that passes the gate, or a manager's choice."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from draining import drain
from factories import make_project, make_user
from pages import make_history
from snapshots import Snapshot

from labeling.models import Batch, EventType, Job, ModelVersion, Project, User, VersionChoice
from labeling.projects import version_in_use
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import load_model, open_features
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles, load_array, sha256_of
from models_store.prediction import probabilities
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"epochs": 10, "min_steps": 60, "calibration_labels": 0, "learns_from": "labels"}
# A network that learns next to nothing: what a broken setting or a batch of wrong labels makes of it.
HARDLY_TRAINED = {"epochs": 1, "min_steps": 1, "max_steps": 1, "learning_rate": 1e-6}


def label(project: Project, user: User) -> None:
    answer_batch(project, user)
    drain()


@pytest.fixture
def two_rounds(snapshot: Snapshot, tmp_path: Path) -> Project:
    """Create a project with two versions, an open third batch, and 48 control items of 120."""
    if not snapshot.lay():
        project = digits_project(tmp_path, n=360, batch_size=60, control_share=0.4, training=QUICK)
        user = annotator(project)
        drain()
        label(project, user)
        label(project, user)
        snapshot.keep()
    return Project.objects.get()


def spoil(project: Project) -> None:
    """Make the next version learn hardly anything."""
    Project.objects.filter(pk=project.pk).update(training=HARDLY_TRAINED)


@pytest.mark.long
def test_a_version_that_is_worse_is_held_back_and_the_good_one_goes_on(two_rounds: Project) -> None:
    project, user = two_rounds, User.objects.get()
    assert [v.held_back for v in project.versions.all()] == [False, False]
    assert project.versions.get(number=1).gate == {}
    project.webhooks.create(url="https://example.org/", events=[EventType.MODEL_PASSED, EventType.MODEL_HELD_BACK])
    spoil(project)
    label(project, user)
    third = project.versions.get(number=3)
    assert third.held_back
    assert third.gate["against"] == 2
    assert third.gate["n"] == 72
    assert third.gate["lost"] > third.gate["gained"] + 20
    batch = Batch.objects.get(number=4)
    assert (batch.state, batch.selected_by.number, batch.newest_version, batch.choice) == ("open", 2, 3, None)
    margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
    assert sha256_of(margins) == batch.margins_hash

    # The next one is compared with the one that is good, not with the one held back; its parent picked its batch.
    Project.objects.filter(pk=project.pk).update(training=QUICK)
    label(project, user)
    fourth = project.versions.get(number=4)
    assert (fourth.held_back, fourth.gate["against"], fourth.parent.number) == (False, 2, 2)
    told = [(event.type, event.payload["data"]["number"]) for event in project.events.all()]
    assert told == [("model_version.held_back", 3), ("model_version.passed", 4)]
    batch = Batch.objects.get(number=5)
    assert (batch.selected_by.number, batch.newest_version) == (4, 4)


def test_the_gate_and_the_figures_are_those_of_the_control_items(two_rounds: Project) -> None:
    """The gate's figures equal those computed from the stored predictions of the first two versions."""
    second = two_rounds.versions.get(number=2)
    rows, labels = np.array(list(two_rounds.items.control().labeled().order_by("row").values_list("row", "label"))).T
    files = ProjectFiles(two_rounds)
    right = [load_array(files.pool(v, "best"))[rows] == labels for v in two_rounds.versions.order_by("number")]
    assert second.gate == {
        "against": 1,
        "n": 48,
        "gained": int((right[1] & ~right[0]).sum()),
        "lost": int((right[0] & ~right[1]).sum()),
    }
    assert second.metrics["control"]["accuracy"] == pytest.approx(right[1].mean())
    features = open_features(two_rounds, load_encoder(two_rounds))
    p = np.concatenate([part for _, part in probabilities(load_model(two_rounds, second), features[rows])])
    found = second.metrics["control"]["nll"]
    assert found["value"] == pytest.approx(-np.log(p[np.arange(len(rows)), labels]).mean(), rel=1e-5)
    assert found["low"] < found["value"] < found["high"]


@pytest.mark.long
def test_a_choice_holds_from_the_next_batch_on_until_it_is_taken_back(two_rounds: Project) -> None:
    project, user = two_rounds, User.objects.get()
    first = project.versions.get(number=1)
    for _ in range(2):  # asked twice, it counts once
        version_in_use.use(project=project, version=first, user=user)
    assert VersionChoice.objects.count() == 1
    assert Batch.objects.get(number=3).selected_by.number == 2, "the batch at hand stays as it was picked"
    label(project, user)
    batch = Batch.objects.get(number=4)
    assert (batch.selected_by, batch.newest_version, batch.choice.user) == (first, 3, user)
    task = batch.tasks.filter(is_control=False).select_related("item").first()
    assert task.predicted == load_array(ProjectFiles(project).pool(first, "best"))[task.item.row]
    assert project.versions.get(number=3).gate["against"] == 2, "the gate goes its own way meanwhile"

    version_in_use.use_gate(project=project, user=user)
    version_in_use.use_gate(project=project, user=user)
    assert list(VersionChoice.objects.values_list("version__number", flat=True)) == [1, None]
    label(project, user)
    batch = Batch.objects.get(number=5)
    assert (batch.selected_by.number, batch.newest_version, batch.choice) == (4, 4, None)


def test_a_version_that_was_held_back_can_be_used_all_the_same() -> None:
    project = make_project()
    make_history(project, 2)
    ModelVersion.objects.filter(number=2).update(held_back=True)
    found = version_in_use.in_use(project)
    assert (found.version.number, found.newest.number, found.held_back) == (1, 2, True)
    version_in_use.use(project=project, version=found.newest, user=make_user("mona"))
    found = version_in_use.in_use(project)
    assert (found.version.number, found.by_gate.number, found.held_back) == (2, 1, False)


@pytest.mark.long
@pytest.mark.parametrize("before", some(["cluster", "embed", "select"]))
def test_a_step_that_is_taken_up_again_stays_with_one_version(two_rounds: Project, before: str) -> None:
    """A manager chooses another version during a selection whose worker dies; margins and tasks are those of one
    version.
    """
    project, user = two_rounds, User.objects.get()
    answer_batch(project, user)
    drain(before=before)
    version_in_use.use(project=project, version=project.versions.get(number=1), user=user)
    long_ago = timezone.now() - datetime.timedelta(hours=1)
    assert Job.objects.take(Job.objects.waiting().get(kind=before), "elsewhere:1:gone", long_ago)
    Worker(run_step).look_around()
    drain()
    batch = Batch.objects.get(number=4)
    assert batch.selected_by.number == (1 if before == "embed" else 3)
    assert (batch.choice is None) == (before != "embed")
    margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
    assert sha256_of(margins) == batch.margins_hash
    for task in batch.tasks.select_related("item"):
        assert task.margin == pytest.approx(margins[task.item.row])


@pytest.mark.long
def test_files_that_are_damaged_hold_nothing_back(two_rounds: Project) -> None:
    project, user = two_rounds, User.objects.get()
    (ProjectFiles(project).root / "models/v2/model.safetensors").write_bytes(b"no model")
    spoil(project)
    label(project, user)
    third = project.versions.get(number=3)
    assert (third.held_back, third.gate["n"]) == (False, 0)
    assert "the content does not match its hash" in third.gate["reason"]
    assert Batch.objects.get(number=4).selected_by == third
