"""Test the storage limit of a project: a one-line error for every kind of upload, and exact counts in all cases."""

import datetime
import io
import json
import os
import signal
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import digit_png, make_member, make_project
from pages import errors_of, text_of
from PIL import Image
from processes import manage, wait_until, web, worker
from rest_framework.test import APIClient
from sending import Sender, by_token, stored

from labeling.intake import uploads
from labeling.intake.run import import_items
from labeling.kinds.image import Image as ImageKind
from labeling.loop.step import Step
from labeling.models import (
    Item,
    ItemImport,
    Job,
    ModelVersion,
    PredictionRun,
    Project,
    ProjectStorage,
    Role,
    Upload,
    files,
)
from labeling.outgoing import predictions
from labeling.projects import quota
from labeling.steps import predict as predicting
from labeling.steps.predict import PredictedChunk
from labeling.storage import media
from labeling.storage.arrays.files import ProjectFiles

PAGE, API = "/p/digits/import/", "/api/v1/projects/digits/items/"
MIB = 1 << 20
usual = pytest.mark.django_db
with_processes = pytest.mark.django_db(transaction=True)


def manager(project: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, "mona", Role.MANAGER))
    return client


def noise(side: int, seed: int) -> bytes:
    """Return a PNG of noise, about three bytes a pixel."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def zip_of(count: int, side: int = 100) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:03}.png", noise(side, number))
    return buffer.getvalue()


def send(client: APIClient, content: bytes, name: str = "a.zip") -> Any:
    return client.post(API, {"file": SimpleUploadedFile(name, content)}, format="multipart")


def on_disk(project: Project) -> int:
    """Return the bytes of the media on the disk. Files that a killed process began to write are removed an hour
    later.
    """
    folder = media.path_of(str(project.pk))
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.parent != folder / "drafts")


def counted() -> int:
    return ProjectStorage.objects.get().media_bytes


def consistent(project: Project) -> None:
    """Check that the counted files exist, and that existing files are counted."""
    assert quota.use_of(project).media == on_disk(project)
    lying = {str(path): path.stat().st_size for path in uploads.folder().iterdir()}
    assert dict(Upload.objects.values_list("path", "bytes")) == lying


def finish(project: Project) -> None:
    for job in project.jobs.filter(kind=Job.Kind.IMPORT).waiting():
        assert Job.objects.take(job, "here:1:a", timezone.now())
        import_items(Step(job, gives_way=False))


@usual
@pytest.mark.parametrize("kind", ["image", "vector", "text"])
def test_what_comes_in_is_counted_and_the_upload_no_more(kind: str) -> None:
    project = make_project(kind=kind)
    client = manager(project)
    if kind == "image":
        assert send(client, zip_of(3)).json()["accepted"] == 3
    else:
        rows = [{"text": "one"}, {"text": "two"}] if kind == "text" else [{"vector": [1, 2, 3]}, {"vector": [4, 5, 6]}]
        assert client.post(API, rows, format="json").json()["accepted"] == 2
    assert (on_disk(project) > 0) == (kind != "text")
    consistent(project)
    assert not Upload.objects.exists()


@usual
def test_a_file_for_which_there_is_no_room_is_refused_before_it_is_stored(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    content = b"id,text\n" + b"x" * (2 * MIB)
    api, client = manager(project), Client()
    client.force_login(project.memberships.get().user)
    page = client.post(PAGE, {"file": SimpleUploadedFile("a.csv", content)})
    answers = [send(api, content, "a.csv"), api.post(API, content, content_type="application/x-ndjson")]
    assert [answer.status_code for answer in (page, *answers)] == [400] * 3
    for told in (errors_of(page)["file"], *(answer.json()["detail"] for answer in answers)):
        assert "This project may take 1.0 MB, and there is no room for 2.0 MB more: media take 0 KB" in told
        assert "ask the operator for more room" in told
    monkeypatch.setattr(uploads, "_link_or_write", lambda *_: pytest.fail("It was stored."))
    answer = send(api, b"id,text\n" + b"x" * (4 * MIB), "a.csv")  # a large form is not spooled
    assert "no room for 4.0 MB more" in answer.json()["detail"]
    consistent(project)
    assert not ItemImport.objects.exists()


@usual
def test_so_much_may_wait_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PROJECT_WAITING_MB = 2
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project()
    client = manager(project)
    content = b"id,text\n1,one\n2," + b"x" * (900 << 10) + b"\n"
    assert [send(client, content, f"{n}.csv").status_code for n in range(3)] == [202, 202, 400]
    told = send(client, content, "c.csv").json()["detail"]
    assert "1.8 MB of this project's files wait to be imported, and 2.0 MB may" in told
    assert "Send it when they have been imported." in told
    other = APIClient()
    other.force_authenticate(make_member(make_project("other"), "otto", Role.MANAGER))
    path = "/api/v1/projects/other/items/"
    file = SimpleUploadedFile("a.csv", content)
    assert other.post(path, {"file": file}, format="multipart").status_code == 202, (
        "another project has room of its own"
    )
    finish(project)
    assert send(client, content, "d.csv").status_code == 202


@usual
def test_an_import_that_passes_the_limit_stops_there_and_a_strict_one_takes_nothing_in(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROJECT_STORAGE_MB = 1
    monkeypatch.setattr(ImageKind, "chunk", 3)
    project = make_project(kind="image")
    client, content = manager(project), zip_of(20)
    # 20 images of 30 KB each: with the upload itself they are more than a megabyte.
    answer = client.post(API, {"file": SimpleUploadedFile("a.zip", content), "strict": "1"}, format="multipart")
    assert answer.json()["detail"].startswith("This project may take 1.0 MB")
    assert not Item.objects.exists()
    consistent(project)
    answer = send(client, content)
    assert answer.status_code == 400
    told = answer.json()["detail"]
    assert told.startswith("The 12 items before that are imported. This project may take 1.0 MB, and there is ")
    assert Item.objects.count() == answer.json()["import"]["accepted"] == 12
    assert all(media.path_of(item.media).exists() for item in Item.objects.all())
    consistent(project)
    assert Job.objects.filter(kind=Job.Kind.ENCODE).exists(), "what is in goes on into the pool"
    Project.objects.update(storage_limit_mb=2)
    assert send(client, content).json()["accepted"] == 8, "with more room the same file brings the rest"
    assert quota.use_of(Project.objects.get()).limit == 2 * MIB
    consistent(project)


@usual
def test_the_command_counts_and_has_no_limit(tmp_path: Path, settings: Any) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project(kind="image")
    (tmp_path / "a.zip").write_bytes(zip_of(50))
    call_command("import_items", "digits", str(tmp_path / "a.zip"), stdout=io.StringIO())
    assert Item.objects.count() == 50
    assert on_disk(project) > MIB
    consistent(project)
    answer = manager(project).post(API, {"file": SimpleUploadedFile("b.png.zip", zip_of(1))}, format="multipart")
    assert answer.status_code == 400, "what is there counts for everybody else"


@usual
def test_images_that_are_alike_count_each() -> None:
    project = make_project(kind="image")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, digit_png(1))
    send(manager(project), buffer.getvalue())
    assert counted() == 2 * on_disk(project) == 2 * len(digit_png(1))


@usual
def test_predictions_count_until_they_are_removed(settings: Any) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    make_member(project, "mona", Role.MANAGER)
    result = ask(project, size=MIB, state="done")
    with pytest.raises(ValidationError, match=r"predictions 1\.0 MB"):
        uploads.store_upload(project=project, name="a.csv", chunks=[b"x"], length=1)
    predictions.remove_run(result)
    uploads.store_upload(project=project, name="a.csv", chunks=[b"x"], length=1)
    consistent(project)


def ask(project: Project, **fields: Any) -> PredictionRun:
    batch = project.batches.create(number=1, strategy="seed", overlap=1, size=0, remaining=0)
    version = ModelVersion.objects.create(project=project, number=1, labels=1, seed=1, seconds=1, batch=batch)
    return PredictionRun.objects.create(project=project, version=version, name="a", path="/nowhere/a.csv", **fields)


@usual
def test_files_of_several_tables_are_summed_in_one_query(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    project = make_project()
    ask(project, size=1000)
    one = files.file_sizes(project=project)
    assert one == [("digits", "predictions", 1000)]
    monkeypatch.setattr(files, "file_owners", lambda: [PredictionRun, PredictionRun])
    with django_assert_num_queries(1):
        assert files.file_sizes() == one * 2


@usual
def test_a_prediction_stops_at_the_limit(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the writing code runs, because it needs no model."""
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    asked = ask(project)
    job = Job.objects.enqueue(Job.Kind.PREDICT, project=project, cause=asked)
    Job.objects.take(job, "here:1:a", timezone.now())
    path = ProjectFiles(project).owned(asked)
    path.parent.mkdir(parents=True)
    part = PredictedChunk(500, [{"text": "x" * 1000}] * 500, [])
    with path.open("w+b") as file:
        for _ in range(2):
            predicting._write(Step(job), asked, part, file)
        with pytest.raises(predicting._Refused, match="predictions"):
            predicting._write(Step(job), asked, part, file)
    asked.refresh_from_db()
    assert path.stat().st_size == asked.size == quota.use_of(project).files["predictions"] < MIB


@usual
def test_what_a_killed_process_has_left_counts_until_it_is_removed(settings: Any) -> None:
    project = make_project()
    folder = uploads.folder()
    spooled = folder / "tmp1.upload.csv"
    spooled.write_bytes(b"x" * 500)
    quota.reserve(project=project, path=spooled, size=1000)  # killed while it arrived
    quota.reserve(project=project, path=folder / "gone.csv", size=1000)  # killed behind the removal of the file
    assert quota.use_of(project).waiting == 2000
    uploads.sweep()
    assert quota.use_of(project).waiting == 2000, "it may be arriving"
    Upload.objects.update(created_at=timezone.now() - datetime.timedelta(minutes=2))
    uploads.sweep()
    assert quota.use_of(project).waiting == 1000, "one is not there"
    os.utime(spooled, (time.time() - 86_400,) * 2)
    uploads.sweep()
    assert quota.use_of(project).waiting == 0
    assert list(folder.iterdir()) == []


@usual
def test_what_a_killed_process_had_begun_to_write_is_removed(tmp_path: Path) -> None:
    project = make_project(kind="image")
    client = manager(project)
    send(client, zip_of(1))
    drafts = media.path_of(f"{project.pk}/drafts")
    for name in ("old", "new"):
        (drafts / name).write_bytes(b"half of it")
    os.utime(drafts / "old", (time.time() - 86_400,) * 2)
    send(client, zip_of(2), "b.zip")
    assert [path.name for path in drafts.iterdir()] == ["new"], "somebody may be writing that one"


@pytest.mark.long
@with_processes
def test_an_import_that_is_killed_again_and_again_counts_once(tmp_path: Path) -> None:
    project = make_project(kind="image")
    (tmp_path / "a.zip").write_bytes(zip_of(600, side=60))
    for most in (100, 300):
        process = manage("import_items", "digits", str(tmp_path / "a.zip"))
        wait_until(lambda most=most: Item.objects.count() >= most)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        of_items = {item.media for item in Item.objects.all()}
        assert counted() == sum(media.path_of(name).stat().st_size for name in of_items)
    assert Item.objects.count() < 600, "it was over before it could be killed"
    for draft in media.path_of(f"{project.pk}/drafts").iterdir():  # killed while it was written
        os.utime(draft, (time.time() - 86_400,) * 2)
    manage("import_items", "digits", str(tmp_path / "a.zip")).communicate()
    assert Item.objects.count() == 600
    consistent(project)


@pytest.mark.long
@with_processes
def test_a_worker_that_is_killed_takes_the_upload_in_and_counts_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    project = make_project(kind="image")
    assert send(manager(project), zip_of(400, side=60)).status_code == 202
    consistent(project)
    with worker() as process:
        wait_until(lambda: Item.objects.count() > 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert Item.objects.count() < 400
    assert Upload.objects.count() == 1
    with worker():
        wait_until(lambda: ItemImport.objects.get().state == "done")
        wait_until(lambda: not Upload.objects.exists())
    consistent(project)


@with_processes
def test_many_at_once_do_not_pass_the_limit_together(settings: Any) -> None:
    settings.PROJECT_WAITING_MB = 1
    project = make_project()
    outcomes: list[str] = []

    def keep(number: int) -> None:
        try:
            uploads.store_upload(project=project, name="a.csv", chunks=[b"x" * (300 << 10)], length=300 << 10)
            outcomes.append("kept")
        except quota.NoRoom:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept"] * 3 + ["refused"] * 5
    consistent(project)


@pytest.mark.long
@with_processes
def test_a_web_process_that_is_killed_leaves_what_counts() -> None:
    project = make_project()
    mona = make_member(project, "mona", Role.MANAGER)
    with web() as (master, port):
        sender = Sender(port, by_token(mona), 60 * MIB)
        sender.send(4 * MIB)
        wait_until(lambda: len(stored()) == 1)
        os.killpg(master.pid, signal.SIGKILL)
        master.wait()
    assert Upload.objects.get().bytes > 60 * MIB
    assert Upload.objects.get().path == str(stored()[0])
    os.utime(stored()[0], (time.time() - 86_400,) * 2)
    uploads.sweep()
    assert not Upload.objects.exists()
    assert stored() == []


@usual
def test_managers_and_operators_see_what_the_files_take() -> None:
    project = make_project(kind="image")
    send(manager(project), zip_of(3))
    client = Client()
    client.force_login(project.memberships.get().user)
    told = "This project takes 90 KB of 100.0 GB: 88 KB media, 1 KB in the database, 0 KB waiting"
    assert told in text_of(client.get(PAGE))
    out = io.StringIO()
    call_command("status", "digits", stdout=out)
    assert (
        "Files    90 KB of 100.0 GB: 88 KB media, 1 KB in the database, 0 KB waiting to be imported, " in out.getvalue()
    )
    out = io.StringIO()
    call_command("status", "digits", "--json", stdout=out)
    assert json.loads(out.getvalue())["storage"]["media"] == on_disk(project)
