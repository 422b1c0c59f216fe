"""Test dataset versions over the API, by command, and on their pages."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pages import make_dataset, manager, member, text_of

from labeling.loop.step import Step, StepFailed
from labeling.models import DatasetVersion, Job, Project, ProjectStorage, Role
from labeling.models.jobs import worker_name
from labeling.outgoing import layers
from labeling.outgoing.datasets import comparing, creating
from labeling.steps.registry import dataset as write_dataset
from labeling.storage.arrays.files import ProjectFiles
from tests.exports.labeled import answer, make_batch, make_items, train
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/birds/datasets/"


@pytest.fixture
def project() -> Project:
    project = make_project("birds", classes=["owl", "hen"])
    batch = make_batch(project, make_items(project, 8))
    answer(batch, make_member(project, "ann"), [0, 1, 0, 1, 0, 0])
    return project


@pytest.fixture
def client(project: Project) -> Client:
    return manager(project)


def job_taken() -> Job:
    """Return the job that waits, as a worker takes it."""
    Job.objects.filter(kind=Job.Kind.DATASET).update(
        state=Job.State.RUNNING, worker=worker_name(), attempts=1, started_at=timezone.now()
    )
    return Job.objects.get(kind=Job.Kind.DATASET)


def written(project: Project) -> DatasetVersion:
    """Run the step that waits, and return its version."""
    job = job_taken()
    write_dataset(Step(job))
    return DatasetVersion.objects.get(job=job)


def post(client: Client, **body: Any) -> Any:
    return client.post(URL, body, content_type="application/json")


def test_a_version_is_made_pulled_and_verified(project: Project, client: Client) -> None:
    made = post(client, name="spring", note="For the report.", filters={"control": "without"})
    assert made.status_code == 202
    assert (made.json()["state"], made.json()["created_by"]) == ("waiting", "mona")
    assert client.get(f"{URL}spring/manifest/").status_code == 409
    assert "not written yet" in client.get(f"{URL}spring/verification/").json()["detail"]
    written(project)
    shown = client.get(f"{URL}spring/").json()
    assert shown == client.get(f"{URL}v1/").json() == client.get(URL).json()["results"][0]
    assert (shown["state"], shown["rows"], shown["filters"]) == ("whole", 6, {"control": "without"})
    manifest = client.get(f"{URL}spring/manifest/")
    assert hashlib.sha256(manifest.content).hexdigest() == shown["digest"]
    assert manifest.json()["by_label"] == {"owl": 4, "hen": 2}
    assert client.get(f"{URL}spring/verification/").json() == {
        **{"digest": shown["digest"], "whole": True},
        **{"problems": [], "replaced": []},
    }
    card = client.get(f"{URL}spring/card/").content.decode()
    assert shown["digest"] in card
    assert "| owl | 4 |" in card
    lines = b"".join(client.get("/api/v1/projects/birds/export/", {"dataset": "spring"}).streaming_content)
    assert [orjson.loads(line)["label"] for line in lines.splitlines()] == ["owl", "hen", "owl", "hen", "owl", "owl"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, "Use letters, digits"),
    ({"name": "../x"}, "Use letters, digits"),
    ({"name": "v7"}, "The next one is v2"),
    ({"name": "v1"}, "The next one is v2"),
    ({"name": "first"}, "already has a dataset version first"),
    ({"filters": {"batch": "9"}}, "no batch 9"),
    ({"filters": {"columns": "short"}}, "does not filter rows"),
    ({"filters": {"dataset": "first"}}, "does not filter rows"),
    ({"filters": {"owls": "yes"}}, "Unknown filter owls"),
    ({"filters": 3}, "dictionary"),
    ({"name": 3}, "Give a text"),
]


def test_a_version_that_cannot_be_made_is_refused(project: Project, client: Client) -> None:
    make_dataset(project, "first")
    for body, text in REFUSED:
        answer = post(client, **body)
        assert (answer.status_code, DatasetVersion.objects.count()) == (400, 1)
        assert text in answer.json()["detail"]
    auditor = member(project, Role.AUDITOR)
    assert auditor.get(URL).status_code == 200
    assert auditor.post(URL, {}, content_type="application/json").status_code == 403
    assert "Make the version" not in text_of(auditor.get("/p/birds/datasets/"))


def test_an_export_of_a_version_takes_no_filters_of_rows(project: Project, client: Client) -> None:
    make_dataset(project)
    export = "/api/v1/projects/birds/export/"
    refused = client.get(export, {"dataset": "v1", "batch": "1"})
    assert (refused.status_code, "leave out batch" in refused.json()["detail"]) == (400, True)
    assert "no dataset version 'v2'" in client.get(export, {"dataset": "v2"}).json()["detail"]
    short = client.get(export, {"dataset": "v1", "format": "csv", "columns": "short"})
    assert len(b"".join(short.streaming_content).splitlines()) == 7


def test_versions_are_compared(project: Project, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(project)
    answer(project.batches.get(), make_member(project, "bob"), [])
    project.items.filter(label=1).update(label=0, labeled_at="2026-05-01T00:00Z")
    make_dataset(project, "later")
    found = client.get(f"{URL}later/comparison/", {"with": "v1"}).json()
    assert (found["relabeled"], found["changes"]) == (2, [{"before": "hen", "after": "owl", "items": 2}])
    assert client.get(f"{URL}later/comparison/", {"with": "nothing"}).status_code == 404
    page = text_of(client.get("/p/birds/datasets/later/", {"with": "v1"}))
    assert "0 items added since v1, 0 removed, 2 with another label" in page
    monkeypatch.setattr(comparing, "MOST_FOR_PEOPLE", 11)
    refused = client.get(f"{URL}later/comparison/", {"with": "v1"})
    way = "12 rows together. Compare them on the server: manage.py dataset birds --compare later --with v1"
    assert (refused.status_code, way in refused.json()["detail"]) == (409, True)
    assert way in text_of(client.get("/p/birds/datasets/later/", {"with": "v1"}))


def test_the_pages_make_and_show_versions(project: Project, client: Client) -> None:
    version = train(project.batches.get(), dataset=make_dataset(project))
    made = client.post("/p/birds/datasets/", {"name": "spring", "control": "without"}, follow=True)
    assert "A worker is writing spring," in text_of(made)
    written(project)
    listed = text_of(client.get("/p/birds/datasets/"))
    assert "spring 6" in listed
    shown = text_of(client.get("/p/birds/datasets/v1/", {"verify": "1"}))
    assert f"version {version.number}" in shown
    assert "No file has changed" in shown
    refused = client.post("/p/birds/datasets/", {"name": "spring"})
    assert (refused.status_code, "already has a dataset version spring" in text_of(refused)) == (400, True)
    assert "v1" in text_of(client.get(f"/p/birds/models/{version.number}/"))
    path = next((ProjectFiles(project).root / "datasets").iterdir())
    path.write_bytes(b"")
    assert "Checksum mismatch" in text_of(client.get("/p/birds/datasets/v1/", {"verify": "1"}))
    assert client.get("/p/birds/datasets/v1/", {"with": "spring"}).status_code == 200


def test_the_command_verifies_and_compares(project: Project, tmp_path: Path) -> None:
    def said(*args: str) -> str:
        out = io.StringIO()
        call_command("dataset", "birds", *args, stdout=out)
        return out.getvalue()

    creating.create(project, None, name="spring", filters={"control": "without"})
    with pytest.raises(CommandError, match="not available: a worker has not written it yet"):
        said("--verify", "spring")
    digest = written(project).digest
    assert said("--verify", "v1") == f"spring is whole: 6 rows, {digest}.\n"
    make_dataset(project, "later")
    assert "0 items added, 0 removed, 0 with another label" in said("--compare", "later", "--with", "spring")
    with pytest.raises(CommandError, match="has no dataset version 'autumn'"):
        said("--compare", "later", "--with", "autumn")
    path = tmp_path / "x.jsonl"
    call_command("export_labels", "birds", "--dataset", "spring", "--output", str(path), stdout=io.StringIO())
    assert len(path.read_bytes().splitlines()) == 6


def test_a_version_whose_batch_is_gone_says_so(project: Project, client: Client) -> None:
    post(client, filters={"batch": "1"})
    DatasetVersion.objects.update(filters={"batch": "4"})
    job = job_taken()
    with pytest.raises(StepFailed, match="no batch 4"):
        write_dataset(Step(job))


def test_a_full_project_and_a_failed_version_say_so(project: Project, client: Client) -> None:
    Project.objects.filter(pk=project.pk).update(storage_limit_mb=1)
    ProjectStorage.objects.update_or_create(project=project, defaults={"media_bytes": 2 << 20})
    page = client.post("/p/birds/datasets/", {"name": "spring"})
    assert (page.status_code, "MB" in text_of(page)) == (400, True)
    Project.objects.filter(pk=project.pk).update(storage_limit_mb=None)
    post(client, name="spring")
    DatasetVersion.objects.get().step_failed("The disk is full.")
    assert "The disk is full." in client.get("/api/v1/projects/birds/export/", {"dataset": "spring"}).json()["detail"]
    assert post(client, name="spring").status_code == 202
    assert written(project).state == "whole"


def test_an_export_refuses_a_version_whose_file_was_changed(
    client: Client, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if the change leaves the file's size and time, and after an export of the whole file."""
    version = make_dataset(project)
    path = ProjectFiles(project).root / "datasets" / f"{version.layers[0]}.parquet"
    address = "/api/v1/projects/birds/export/?dataset=v1&format="
    assert client.get(f"{address}csv").status_code == 200
    whole, stat = path.read_bytes(), path.stat()
    rows = layers.SCHEMA.empty_table().schema
    table = pq.read_table(path)
    label = table["label"].to_pylist()[::-1]
    pq.write_table(table.set_column(rows.get_field_index("label"), "label", pa.array(label)), path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for name in ("jsonl", "csv", "parquet", "huggingface"):
        refused = client.get(f"{address}{name}")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict"), name
        assert "checksum mismatch: the file was changed" in refused.json()["detail"]
    with pytest.raises(CommandError, match="checksum mismatch"):
        call_command("export_labels", "birds", "--dataset", "v1", "--output", str(tmp_path / "labels.csv"))
    assert not (tmp_path / "labels.csv").exists()
    path.write_bytes(whole)
    assert client.get(f"{address}csv").status_code == 200
    path.unlink()
    assert client.get(f"{address}csv").status_code == 409
