"""Test an unreachable object store: steps are put off and go on, requests get a clear error, and no file counts as
missing.
"""

import io
import random
import signal
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from factories import digit_png, make_member, make_project
from hosts import Hosts
from s3 import Bucket, s3_server

from labeling.intake import uploads
from labeling.models import Item, ItemImport, Job, Project, Role, Upload
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.shared_files import StoreAway
from labeling.storage.shared_files.objects import ObjectStore
from models_store import folders
from tests.extent import some
from tests.loop.digits import annotator, answer_batch, digits_project, digits_zip

pytestmark = pytest.mark.django_db(transaction=True)

API, PAGE = "/api/v1/projects/digits/items/", "/p/digits/import/"
SENTENCE = "The store of files does not answer at the moment. Send the request again soon."


@pytest.fixture
def hosts(tmp_path: Any, settings: Any) -> Hosts:
    return Hosts(tmp_path, settings, f"memory://{uuid.uuid4().hex}")


class Store:
    """Decides whether the store answers: always, never, or not from the n-th request on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left: float = float("inf")
        self.refused = 0
        telling = folders.telling

        def asked(place: str, problem: str) -> AbstractContextManager[None]:
            self.left -= 1
            if self.left < 0:
                self.refused += 1
                raise StoreAway(f"{place}: {problem} (connection refused)")
            return telling(place, problem)

        patch.setattr(ObjectStore, "_telling", lambda store, key, problem: asked(f"memory:/{key}", problem))
        patch.setattr(folders, "_telling", asked)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def manager(project: Project) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(project, "mona", Role.MANAGER))
    return client


def sent(content: bytes) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("digits.zip", content)}


def drain_with_breaks(hosts: Hosts, answers: Store, chance: random.Random) -> None:
    """Run all steps while the store breaks each of them off twice."""
    while job := Job.objects.due(timezone.now()).first():
        for _ in range(2):
            hosts.next()
            answers.left = chance.choice([0, 1, 2, 5, 9])
            Worker(run_step).run_next()
            answers.left = float("inf")
            job.refresh_from_db()
            assert job.state in (Job.State.WAITING, Job.State.DONE), job.reason
            if job.state == Job.State.DONE:
                break
            assert "(connection refused)" in job.reason
            assert job.run_after > timezone.now()
            Job.objects.update(run_after=timezone.now())
        else:
            hosts.next()
            Worker(run_step).run_next()


def test_every_step_is_put_off_and_goes_on(hosts: Hosts, answers: Store, tmp_path: Any) -> None:
    project = digits_project(
        tmp_path, n=150, training={"epochs": 3, "min_steps": 10, "learns_from": "labels"}, run_import=False
    )
    digits = digits_zip(tmp_path / "digits.zip", 150).read_bytes()
    made = uploads.store_upload(project=project, name="digits.zip", chunks=[digits])
    uploads.register(project=project, user=None, path=made, name="digits.zip", strict=True, owns_file=True)
    chance = random.Random(3)
    user = annotator(project)
    drain_with_breaks(hosts, answers, chance)
    for _ in range(2):
        answer_batch(project, user)
        drain_with_breaks(hosts, answers, chance)
    assert answers.refused > 15
    assert project.batches.open().get().number == 3
    assert project.versions.count() == 2
    assert not Job.objects.exclude(state=Job.State.DONE).exists()
    assert not project.items.exclude(encode_error="").exists()
    assert ItemImport.objects.get().state == "done"
    assert project.items.count() == 150


def test_requests_say_so_in_a_sentence(hosts: Hosts, answers: Store) -> None:
    project = make_project(kind="image")
    client = manager(project)
    assert client.post(API, sent(zipped_digits())).status_code == 201
    item = Item.objects.earliest("pk")
    hosts.go(1)
    answers.left = 0
    answer = client.get(f"{API}{item.pk}/media/")
    assert (answer.status_code, answer.json()) == (503, {"code": "unavailable", "detail": SENTENCE})
    assert answer["Retry-After"]
    page = client.get("/p/digits/manage/")
    assert page.status_code == 503
    assert "The file store is not responding." in page.content.decode()
    answers.left = float("inf")
    assert client.get(f"{API}{item.pk}/media/").status_code == 200


@pytest.mark.parametrize("left", some(range(12), 4))
def test_an_upload_leaves_nothing_or_is_taken_in_later(hosts: Hosts, answers: Store, left: int) -> None:
    project = make_project(kind="image")
    client = manager(project)
    answers.left = left
    answer = client.post(API, sent(zipped_digits()))
    answers.left = float("inf")
    if answer.status_code in (400, 503):
        assert answer.json()["detail"] in (SENTENCE, uploads.STORE_AWAY)
        assert not ItemImport.objects.exists()
        assert [path for path in uploads.folder().iterdir() if path.is_file()] == []
        Upload.objects.update(created_at=timezone.now() - uploads.quota.APPEARS_WITHIN * 2)
        uploads.sweep()
        assert not Upload.objects.exists()
        assert hosts.stored("uploads") == []
        assert not Item.objects.exists()
        return
    assert answer.status_code in (201, 202), answer.content
    hosts.go(1)
    worker = Worker(run_step)
    while worker.run_next():
        pass
    assert ItemImport.objects.get().state == "done"
    assert Item.objects.filter(encode_error="").count() == 20


def zipped_digits() -> bytes:
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number:03}.png", digit_png(number))
    return content.getvalue()


def test_an_upload_by_the_page_says_so(hosts: Hosts, answers: Store) -> None:
    client = manager(make_project(kind="image"))
    answers.left = 2  # the way there, and the sweep in front of it
    page = client.post(PAGE, sent(zipped_digits()))
    assert page.status_code == 400
    assert uploads.STORE_AWAY in page.content.decode()
    answers.left = 0
    page = client.post(PAGE, sent(zipped_digits()))
    assert page.status_code == 503
    assert "The file store is not responding." in page.content.decode()


# ── a server that hangs, and one that is gone ──


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(folders, "S3_CLIENT", {**folders.S3_CLIENT, "connect_timeout": 1, "read_timeout": 1})
    with s3_server() as bucket:
        yield bucket


@pytest.mark.long
def test_a_server_that_hangs_puts_off_and_one_that_comes_back_is_asked_again(
    server: Bucket, tmp_path: Any, settings: Any
) -> None:
    hosts = Hosts(tmp_path, settings, server.url)
    project = make_project(kind="image")
    client = manager(project)
    assert client.post(API, sent(zipped_digits())).status_code == 201
    item = Item.objects.earliest("pk")
    hosts.go(1)
    server.process.send_signal(signal.SIGSTOP)
    try:
        answer = client.get(f"{API}{item.pk}/media/")
        assert (answer.status_code, answer.json()["detail"]) == (503, SENTENCE)
        Worker(run_step).run_next()
        job = Job.objects.get(kind=Job.Kind.ENCODE)
        assert job.state == Job.State.WAITING
        assert job.reason.startswith("s3://")
    finally:
        server.process.send_signal(signal.SIGCONT)
    Job.objects.update(run_after=timezone.now())
    Worker(run_step).run_next()
    assert client.get(f"{API}{item.pk}/media/").status_code == 200
    assert Item.objects.filter(encode_error="", row__isnull=False).count() == 20

    server.process.kill()
    server.process.wait()
    hosts.lose(2)
    assert client.get(f"{API}{item.pk}/media/").status_code == 503
    answer = client.post(API, sent(zipped_digits()))
    assert (answer.status_code, answer.json()["detail"]) == (503, SENTENCE)
