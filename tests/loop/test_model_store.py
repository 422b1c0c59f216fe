"""Test that MODEL_STORE decides where new versions are stored, that all readers find them, and that earlier ones
stay.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from digits import annotator, answer_batch, digits_project
from django.test import Client
from draining import drain
from factories import make_member

from labeling.loop import retrying
from labeling.models import Batch, Project, Role
from labeling.outgoing import artifacts
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/projects/digits/models/"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Create a project with its first version in the data folder and an open second batch."""
    project = digits_project(tmp_path, n=240, training={"epochs": 5, "min_steps": 30, "learns_from": "labels"})
    annotator(project)
    drain()
    label(project)
    return project


def label(project: Project, **options: bool) -> None:
    answer_batch(project, project.memberships.get().user)
    drain(**options)


@pytest.mark.long
def test_later_versions_lie_in_the_store_and_earlier_ones_stay(project: Project, settings: Any) -> None:
    settings.MODEL_STORE = "memory://bucket/models/"
    label(project)
    first, second = project.versions.all()
    place = f"memory://bucket/models/projects/{project.pk}/models/v2"
    assert (first.artifact, second.artifact) == ("models/v1", place)
    assert not (ProjectFiles(project).root / "models/v2").exists()
    store = fsspec.filesystem("memory")
    names = ["README.md", "manifest.json", "model.safetensors"]
    assert sorted(Path(path).name for path in store.ls(place.removeprefix("memory:/"), detail=False)) == names
    assert second.gate["against"] == 1, "the gate read the one on the disk"
    assert Batch.objects.get(number=3).selected_by == second, "and the embedding the one in the store"

    client = Client()
    client.force_login(make_member(project, "enzo", Role.ENGINEER))
    for number in (1, 2):
        answer = client.get(f"{API}{number}/artifact/")
        archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
        assert archive.namelist() == names
        assert f"digits, version {number}" in archive.read("README.md").decode()
        assert "Its files are missing" not in client.get(f"/p/digits/models/{number}/").content.decode()

    store.pipe_file(f"{place.removeprefix('memory:/')}/README.md", b"something else")
    answer = client.get(f"{API}2/artifact/")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "The version’s files are damaged: README.md: truncated or changed, the content does not match its hash.",
    )
    store.rm(place.removeprefix("memory:/"), recursive=True)
    assert "Its files are missing or cannot be read." in client.get("/p/digits/models/2/").content.decode()


@pytest.mark.long
def test_a_store_that_is_not_there_fails_the_batch_with_the_reason_and_a_retry_mends_it(
    project: Project, settings: Any
) -> None:
    settings.MODEL_STORE = "nowhere://bucket"
    label(project, may_fail=True)
    batch = Batch.objects.get(number=2)
    assert batch.state == "failed"
    assert batch.reason.startswith("Model version 2 cannot be stored: nowhere://bucket/projects/")
    assert project.versions.count() == 1
    settings.MODEL_STORE = "memory://bucket/models"
    retrying.retry(batch=batch)
    drain()
    assert project.versions.latest("number").artifact.startswith("memory://bucket/models/")


@pytest.mark.long
def test_the_manifest_says_how_it_was_measured_where_it_comes_from_and_how_private_it_is(project: Project) -> None:
    label(project)
    first, second = (artifacts.read_artifact(version).manifest for version in project.versions.all())
    assert (first["parents"], second["parents"]) == ([], [1])
    assert second["privacy"] == {"private": False}
    assert second["calibration"]["n"] == second["metrics"]["control"]["n"] == 16
    assert second["calibration"]["right"] == pytest.approx(second["metrics"]["control"]["accuracy"])
    assert 0 <= second["calibration"]["low"] <= second["calibration"]["high"] <= 1
    assert second["versions"]["marginalia"]
