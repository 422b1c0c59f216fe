"""Test that pages and API work with damaged files, name them, and have a worker rebuild them."""

from typing import Any

import numpy as np
import pytest
from damages import WAYS, Damage, empty, flip, halve, put_a_folder
from factories import make_items, make_project
from pages import make_history, make_prediction, member, text_of

from labeling.models import Batch, Clustering, DamagedFile, Job, ModelVersion, Project, Role
from labeling.outgoing import predictions
from labeling.storage import media
from labeling.storage.arrays import stored
from labeling.storage.arrays.damage import mended, note_damage
from labeling.storage.arrays.features import append_rows
from labeling.storage.arrays.files import ProjectFiles, save_array
from labeling.storage.arrays.stored import PoolMap
from models_store.folders import folder_at
from tests.extent import some

pytestmark = pytest.mark.django_db
PAGES = (
    "/p/digits/", "/p/digits/models/", "/p/digits/models/1/", "/p/digits/models/2/",
    "/p/digits/models/compare/?a=1&b=2", "/p/digits/items/?predicted=1:0", "/p/digits/batches/2/",
    "/p/digits/settings/",
)  # fmt: skip
API = (
    "models/", "models/1/", "models/compare/?a=1&b=2", "payoff/", "agreement/", "items/?predicted=1:1",
    "clustering/",
)  # fmt: skip


def measured_project(**settings: Any) -> Project:
    """Create two versions with predictions for a pool that has forty labeled control items."""
    project = make_project(**settings)
    make_history(project, 2)
    make_items(project, 60, first=100, reserved=True, label=1)
    Project.objects.update(encoded_rows=160)
    project.refresh_from_db()
    for version in project.versions.all():
        for name in ("margins", "best", "confidence"):
            save_array(ProjectFiles(project).pool(version, name), np.ones(160, np.float32))
        save_array(ProjectFiles(project).pool(version, "best"), np.ones(160, np.int32))
    return project


@pytest.mark.long
@pytest.mark.parametrize("damage", some(WAYS, 2))
def test_pages_answer_without_damaged_arrays(damage: Damage) -> None:
    project = measured_project()
    for name in ("margins", "best", "confidence"):
        damage(ProjectFiles(project).pool(project.versions.get(number=1), name))
    for name in ("sample.npz", "baseline.npz", "maps/batch-2.npz"):
        path = ProjectFiles(project).root / name
        stored.save(path, PoolMap(np.ones((9, 2)), np.ones(9, int), np.ones(9, int)))
        damage(path)
    Batch.objects.update(clusters=3)
    client = member(project, Role.MANAGER)
    for address in PAGES:
        # What is predicted is no filter without predictions.
        assert client.get(address).status_code in ((200, 400) if "predicted" in address else (200,)), address
    for address in API:
        answer = client.get(f"/api/v1/projects/digits/{address}")
        assert answer.status_code in (200, 400, 404), (address, answer.content)


@pytest.mark.parametrize("address", ["/p/digits/", "/p/digits/models/", "/p/digits/models/compare/?a=1&b=2"])
def test_the_page_names_the_file_and_a_worker_rebuilds_it(address: str, caplog: pytest.LogCaptureFixture) -> None:
    project = measured_project()
    path = ProjectFiles(project).pool(project.versions.get(number=1), "best")
    before = path.read_bytes()
    halve(path)
    client = member(project, Role.ENGINEER)
    size = path.stat().st_size
    for _ in range(2):
        page = text_of(client.get(address))
        assert f"pool/v1/best.npy is damaged: it has {size} bytes, and not 768. The next free worker" in page
    assert Job.objects.filter(kind=Job.Kind.REBUILD).count() == 1
    assert len([line for line in caplog.messages if "pool/v1/best.npy" in line]) == 1

    path.write_bytes(before)
    mended(project, "pool/v1/best.npy")
    assert "pool/v1/best.npy was damaged (it has" in text_of(client.get("/p/digits/models/"))


def test_no_damage_is_found_in_what_was_never_written_nor_told_to_annotators() -> None:
    project = measured_project()
    ProjectFiles(project).pool(project.versions.get(number=1), "best").unlink()
    assert member(project, Role.ENGINEER).get("/p/digits/models/").status_code == 200
    assert not DamagedFile.objects.exists()
    note_damage(project, "pool/v1/best.npy", "it is broken")
    assert "best.npy" not in text_of(member(project, Role.ANNOTATOR).get("/p/digits/"))


def alike(project: Project) -> int:
    item = project.items.get(row=110)
    return member(project, Role.ENGINEER).get(f"/p/digits/items/?like={item.pk}").status_code


@pytest.mark.parametrize("damage", some(WAYS, 2))
def test_items_that_are_alike_are_found_by_what_is_left(damage: Damage) -> None:
    project = measured_project()
    files, version = ProjectFiles(project), project.versions.get(number=1)
    Clustering.objects.create(
        project=project, embedded_by=version, rows=160, joined_rows=160, digest="0" * 64, seconds=1
    )
    matrix = np.random.default_rng(0).normal(size=(160, 4)).astype(np.float32)
    save_array(files.pool(version, "embeddings"), matrix)
    append_rows(files.features(project.features_generation), rows_before=0, block=matrix)
    damage(files.pool(version, "embeddings"))
    assert alike(project) == 200
    damage(files.features(project.features_generation))
    assert alike(project) == (200 if damage is flip else 400)
    if damage is not flip:
        assert DamagedFile.objects.filter(name=f"features-{project.features_generation}.bin").exists()


def with_files(project: Project, number: int) -> ModelVersion:
    """Give the version two files that its manifest names."""
    version = project.versions.get(number=number)
    version.artifact = f"models/v{number}"
    version.save()
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    files = {name: {"bytes": 3, "sha256": sha} for name in ("README.md", "model.safetensors")}
    manifest = f'{{"files": {files}, "digest": "x"}}'.replace("'", '"').encode()
    folder = folder_at(ProjectFiles(project).artifact_at(version.artifact))
    folder.replace({"README.md": b"abc", "model.safetensors": b"abc", "manifest.json": manifest}, seal="manifest.json")
    return version


@pytest.mark.parametrize("damage", some(WAYS, 2))
@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_download_of_a_damaged_version_names_the_file(damage: Damage, name: str) -> None:
    project = measured_project()
    with_files(project, 1)
    client = member(project, Role.ENGINEER)
    address = "/api/v1/projects/digits/models/1/artifact/"
    assert client.get(address).status_code == 200
    damage(ProjectFiles(project).root / "models" / "v1" / name)
    if (name, damage) == ("manifest.json", flip):
        return  # of three bytes' worth of JSON, one bit may leave a manifest
    answer = client.get(address)
    assert answer.status_code == 404
    assert name in answer.json()["detail"]
    assert str(ProjectFiles(project).root) not in answer.json()["detail"]
    assert DamagedFile.objects.get().name == "models/v1"
    for page in ("/p/digits/models/", "/p/digits/models/1/", "/p/digits/models/compare/?a=1&b=2"):
        assert client.get(page).status_code == 200


def test_a_damaged_image_is_no_error_of_the_server() -> None:
    project = make_project()
    client = member(project, Role.ENGINEER)
    for item, damage in zip(make_items(project, len(WAYS)), WAYS, strict=True):
        content = b"content of %d" % item.pk
        item.media = media.file_name(project.pk, "images", content, ".png")
        media.write_content(item.media, content, thumbnail=b"RIFF....WEBP")
        media.flush()
        item.save()
        damage(media.path_of(item.media))
        for size in ("original", "thumbnail"):
            answer = client.get(f"/api/v1/projects/digits/items/{item.pk}/media/?size={size}")
            assert answer.status_code in (200, 404), damage


@pytest.mark.parametrize("damage", [empty, halve, put_a_folder])
def test_a_damaged_result_of_a_prediction_is_named(damage: Damage) -> None:
    project = measured_project()
    run = make_prediction(project.versions.get(number=1), state="done", size=0)
    path = ProjectFiles(project).owned(run)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"where": "1", "label": {}, "confidence": 1, "margin": 1}\n' * 2)
    run.size = path.stat().st_size
    run.save()
    assert len([row for page in predictions.pages(run) for row in page]) == 2
    damage(path)
    client = member(project, Role.ENGINEER)
    answer = client.get(f"/api/v1/projects/digits/predictions/{run.pk}/result/")
    assert answer.status_code == 404
    assert "Have the file predicted again." in answer.json()["detail"]
