"""Test that steps on several hosts with an OBJECT_STORE pick the same batches, to the bit."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from digits import annotator, answer_batch, digits_project
from hosts import Hosts, drain
from s3 import s3_server
from test_kinds import start
from test_kinds import vectors as rows_of_vectors

from labeling.labels.items.alike import alike
from labeling.models import Clustering, Item, Project, User
from labeling.steps import baseline
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import Baseline
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

TRAINING = {"epochs": 5, "min_steps": 30, "learns_from": "labels"}


@pytest.fixture(autouse=True)
def estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable baselines of few items."""
    monkeypatch.setattr(baseline, "FREE_SECONDS", 86_400.0)
    monkeypatch.setattr(baseline, "LEAST_CONTROL", 10)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        yield f"memory://{uuid.uuid4().hex}"
        return
    with s3_server() as bucket:
        yield bucket.url


def images(folder: Path) -> Project:
    return digits_project(folder, n=240, training=TRAINING, control_share=0.3)


def vectors(folder: Path) -> Project:
    return start(folder, "vector", rows_of_vectors(150), slug="digits", training=TRAINING)


def two_rounds(project: Project, user: User, hosts: Hosts | None = None) -> None:
    drain(hosts)
    for _ in range(2):
        answer_batch(project, user)
        drain(hosts)


def facts(project: Project) -> list[Any]:
    """Return all results of the steps, to the bit: tasks with their reasons, arrays, and the items most like one
    item.
    """
    batches = [
        (
            (batch.features_hash, batch.margins_hash, batch.dendrogram_hash, batch.clusters, batch.pool_rows),
            list(batch.tasks.order_by("rank").values_list("item__external_id", "predicted", "cluster")),
        )
        for batch in project.batches.order_by("number")
    ]
    trained = list(project.versions.order_by("number").values_list("labels_hash", "metrics__control", "calibration"))
    estimate = stored.load(ProjectFiles(project).baseline, Baseline)
    first = project.items.filter(row=0).get()
    names = dict(Item.objects.values_list("pk", "external_id"))
    return [
        batches,
        trained,
        Clustering.objects.get(project=project).digest,
        estimate and (estimate.version, estimate.said.tolist()),
        [names[pk] for pk in alike(project, first).ids],
    ]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "url"), some([(vectors, "memory"), (images, "s3")]), indirect=["url"])
def test_each_step_on_another_host_picks_the_same_as_one_host_does(
    kind: Any, url: str, tmp_path: Path, settings: Any
) -> None:
    alone = kind(tmp_path)
    two_rounds(alone, annotator(alone))
    Project.objects.filter(pk=alone.pk).update(slug="alone")
    on_one = facts(alone)
    assert on_one[3] is not None

    hosts = Hosts(tmp_path, settings, url)
    project = kind(tmp_path)
    two_rounds(project, annotator(project, "anton"), hosts)
    for number in range(3):
        hosts.go(number)
        assert facts(project) == on_one
    hosts.lose(1)
    assert facts(project) == on_one, "a host that lost its disk"
