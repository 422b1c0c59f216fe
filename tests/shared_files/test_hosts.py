"""Test items' files, uploads and guidelines on several hosts with an object store."""

import datetime
import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from factories import digit_png, make_member, make_project
from hosts import Hosts
from PIL import Image

from labeling.intake import chunk_writing, run, uploads
from labeling.loop.step import Step
from labeling.models import Batch, Item, ItemImport, Job, Project, Role, Upload, User
from labeling.projects import erasing_projects, lifecycle
from labeling.projects.duplicating import duplicate
from labeling.projects.erasing_items import erase_items
from labeling.queue import removing
from labeling.steps.registry import run_step
from labeling.storage import media

pytestmark = pytest.mark.django_db

API = "/api/v1/projects/digits/"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def hosts(tmp_path: Path, settings: Any) -> Hosts:
    return Hosts(tmp_path, settings, f"memory://{uuid.uuid4().hex}")


def large_png(seed: int) -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").resize((2400, 1200)).rotate(seed).save(content, "PNG")
    return content.getvalue()


def zipped(*pictures: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, picture in enumerate(pictures):
            archive.writestr(f"{number:03}.png", picture)
    return content.getvalue()


def manager(project: Project) -> Client:
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    return client


def send(client: Client, content: bytes) -> dict[str, Any]:
    answer = client.post(f"{API}items/", {"file": SimpleUploadedFile("pictures.zip", content)})
    assert answer.status_code in (201, 202), answer.content
    return answer.json()


def take(job: Job, worker: str) -> Step:
    assert Job.objects.take(job, worker, timezone.now())
    return Step(job, gives_way=False)


def run_imports() -> None:
    for job in Job.objects.waiting().filter(kind=Job.Kind.IMPORT):
        run_step(take(job, "host:1:a"))


def content_of(answer: Any) -> bytes:
    assert answer.status_code in (200, 206), answer.content
    return b"".join(answer.streaming_content)


def test_pictures_and_smaller_ones_are_served_by_every_host(hosts: Hosts) -> None:
    project = make_project(kind="image")
    client = manager(project)
    original = large_png(0)
    send(client, zipped(original))
    hosts.go(1)
    run_imports()
    item = Item.objects.get()
    sizes = []
    for number in (2, 0, 1):
        hosts.go(number)
        address = f"{API}items/{item.pk}/media/"
        assert content_of(client.get(address)) == original
        part = client.get(address, headers={"Range": "bytes=100-199"})
        assert (part.status_code, content_of(part)) == (206, original[100:200])
        sizes.append([content_of(client.get(f"{address}?size={size}")) for size in ("preview", "thumbnail")])
    assert sizes[0] == sizes[1] == sizes[2]
    assert len(sizes[0][1]) < len(sizes[0][0]) < len(original)
    assert hosts.stored("uploads") == []
    assert not Upload.objects.exists()


def test_an_import_whose_host_died_is_ended_by_another(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(kind="image")
    client = manager(project)
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    send(client, zipped(*(digit_png(number) for number in range(100))))
    hosts.go(1)
    job = Job.objects.get()
    step = take(job, "host1:1:a")
    with monkeypatch.context() as patch:

        def die(*_: Any, **__: Any) -> None:
            raise Killed

        patch.setattr(chunk_writing, "write_items", die)  # its files are stored, its rows are not
        with pytest.raises(Killed):
            run.import_items(step)
    assert Item.objects.count() == 0
    hosts.lose(1)
    hosts.go(2)
    Job.objects.update(state=Job.State.WAITING)
    job.refresh_from_db()
    run.import_items(take(job, "host2:1:a"))
    assert (ItemImport.objects.get().state, Item.objects.count()) == ("done", 100)
    hosts.go(0)
    for item in Item.objects.order_by("source")[:3]:
        assert content_of(client.get(f"{API}items/{item.pk}/media/")) == digit_png(int(item.source[:3]))


def test_a_copy_of_a_project_outlives_the_original_and_nothing_of_that_stays(hosts: Hosts) -> None:
    project = make_project(kind="image")
    client = manager(project)
    send(client, zipped(digit_png(1), large_png(2)))
    run_imports()
    hosts.go(1)
    user = User.objects.get(username="mona")
    copy = duplicate(project=project, user=user, slug="copy", name="Copy", items=True)
    run_imports()
    answer = client.post(
        f"{API}guidelines/images/", {"file": SimpleUploadedFile("d.png", digit_png(3)), "alt_text": "3"}
    )
    assert answer.status_code == 201, answer.content
    hosts.go(2)
    assert content_of(client.get(answer.json()["url"])) == digit_png(3)
    for item in copy.items.all():
        content_of(client.get(f"/api/v1/projects/copy/items/{item.pk}/media/?size=thumbnail"))
    before = set(hosts.stored(f"media/{copy.pk}"))
    assert len(before) == 4

    lifecycle.delete(project=project, user=user, name=project.name)
    Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now() - datetime.timedelta(days=40))
    Job.objects.all().delete()
    erasing_projects.erase_projects(timezone.now(), 60)
    assert not Project.objects.filter(pk=project.pk).exists()
    assert hosts.stored(f"media/{project.pk}") == hosts.stored(f"projects/{project.pk}") == []
    hosts.lose(0)
    for item in copy.items.all():
        content_of(client.get(f"/api/v1/projects/copy/items/{item.pk}/media/"))
    assert set(hosts.stored(f"media/{copy.pk}")) == before


def test_files_of_items_that_were_purged_leave_the_store(hosts: Hosts) -> None:
    project = make_project(kind="image")
    client = manager(project)
    send(client, zipped(digit_png(1), digit_png(2), large_png(3)))
    run_imports()
    Batch.objects.create(project=project, number=1, state=Batch.State.DONE, size=0)
    gone, kept = project.items.filter(source__in=["001.png", "002.png"]), project.items.get(source="000.png")
    ids = list(gone.values_list("pk", flat=True))
    removing.remove_items(project=project, ids=ids, user=User.objects.get(username="mona"), delete=True)
    long_ago = timezone.now() - datetime.timedelta(days=40)
    Item.objects.filter(pk__in=ids).update(excluded_at=long_ago, deleted_at=long_ago)
    hosts.go(1)
    assert erase_items(timezone.now()) == 2
    assert [Path(name).suffix for name in hosts.stored("media")] == [".png"]
    hosts.go(2)
    assert content_of(client.get(f"{API}items/{kept.pk}/media/")) == digit_png(1)
    assert media.size_of(kept.media) == len(digit_png(1))
