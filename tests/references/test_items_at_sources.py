"""Test that items whose files stay at a source are encoded, shown, exported, copied and erased like all others."""

import datetime
import io
import tarfile
import zipfile
from typing import Any

import pytest
from buckets import Store
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from factories import make_member, make_open_batch, make_project, new_items
from kept import Kept, kept_in, photo
from pages import signed_in
from sounds import recording

from labeling.models import Item, Job, Project, ProjectStorage, Reference, Role
from labeling.outside import references
from labeling.outside.references import fetching
from labeling.projects.duplicating import duplicate
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.projects.erasing_items import erase_items
from labeling.projects.erasing_projects import erase_projects
from labeling.queue import removing
from labeling.steps import encode as encoding
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage import media

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/projects/digits/"
MONTHS = datetime.timedelta(days=61)


@pytest.fixture
def project() -> Project:
    return make_project(kind="image", batch_size=2)


@pytest.fixture
def kept(store: Store, project: Project) -> Kept:
    return kept_in(store, project)


def encode(project: Project) -> Job:
    """Encode the items, without the selection that follows."""
    with transaction.atomic():
        job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    Worker(run_step, kinds={Job.Kind.ENCODE}).run_next()
    project.batches.all().delete()
    return Job.objects.get(pk=job.pk)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_encoding_reads_each_file_once_and_says_which_cannot_be_read(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo(500), "b.png": photo(), "gone.png": photo(), "text.jpg": b"text"})
    a, b, gone, text = kept.items(["a.png", "b.png", "gone.png", "text.jpg"])
    kept.store.system.rm(f"{kept.bucket}/gone.png")
    encode(project)
    errors = dict(project.items.values_list("external_id", "encode_error"))
    assert project.items.filter(row__isnull=False).count() == 2
    assert errors[a.external_id] == errors[b.external_id] == ""
    assert errors[gone.external_id].startswith("Its file cannot be read: it is no longer at its source")
    assert errors[text.external_id].startswith("Its file cannot be read: it ")
    assert kept.reads("a.png") == kept.reads("b.png") == 1
    pictures = media.size_of(a.media)
    assert 0 < pictures == ProjectStorage.objects.get(project=project).media_bytes
    page = signed_in(make_member(project, "mona", Role.MANAGER)).get(reverse("project-item", args=["digits", gone.pk]))
    assert "it is no longer at its source" in page.content.decode()


@pytest.mark.long
def test_a_lost_file_that_is_back_is_encoded_after_the_next_import(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo()})
    kept.items(["a.png"])
    kept.store.system.rm(f"{kept.bucket}/a.png")
    encode(project)
    assert project.items.unreadable().count() == 1
    kept.fill({"a.png": photo()})
    references.try_again(project)
    encode(project)
    assert project.items.filter(row__isnull=False).count() == 1


def test_a_source_that_is_away_holds_up_no_other_items(
    kept: Kept, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "SLOW_SECONDS", 600.0)  # on a busy machine, the first batch would begin early
    Project.objects.update(encoder=default_choice("image"))
    project.refresh_from_db()
    kept.fill({"a.png": photo(), "b.png": photo(seed=2)})
    kept.items(["a.png"])
    other = kept_in(kept.store, project)
    other.fill({"c.png": photo(seed=1)})
    other.items(["c.png"], external_id="elsewhere")
    address, kept.source.address = kept.source.address, "s3://no-such-bucket"
    kept.source.save()
    [uploaded] = new_items(project, 1, row=None, external_id="uploaded")
    media.flush()
    uploaded.save()
    with transaction.atomic():
        job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    Worker(run_step, kinds={Job.Kind.ENCODE}).run_next()
    assert set(project.items.filter(row__isnull=False).values_list("external_id", flat=True)) == {
        "uploaded",
        "elsewhere",
    }
    job.refresh_from_db()
    assert (job.state, project.items.unreadable().count()) == (Job.State.WAITING, 0)
    assert job.reason.startswith("The source birds cannot be read: The bucket no-such-bucket does not exist")
    assert Job.objects.waiting().filter(kind=Job.Kind.SELECT).exists(), "the first batch does not wait"
    kept.source.address = address
    kept.source.save()
    Job.objects.update(run_after=timezone.now())
    Worker(run_step, kinds={Job.Kind.ENCODE}).run_next()
    assert project.items.filter(row__isnull=False).count() == 3


def test_the_server_serves_the_file_names_no_place_and_answers_for_a_lost_one(kept: Kept, project: Project) -> None:
    kept.fill({"cats/a.png": photo(), "cats/b.png": photo(500, seed=1)})
    a, b = kept.items(["cats/a.png", "cats/b.png"])
    encode(project)
    make_open_batch(project, [a, b])
    client = signed_in(make_member(project, "ann"))
    claim = client.post(f"{API}claim/", {"count": 2}, content_type="application/json")
    replies = [claim] + [client.get(task["item"]["media_url"]) for task in claim.json()["tasks"]]
    replies.append(client.get(f"{API}items/{b.pk}/media/?size=thumbnail"))
    assert {reply.status_code for reply in replies} == {200}
    assert {body(reply) for reply in replies[1:3]} == {photo(), photo(500, seed=1)}
    assert replies[3]["Content-Type"] == "image/webp"
    shown = b"".join(b"%r" % dict(reply.headers) for reply in replies) + claim.content
    assert not [secret for secret in (kept.bucket, "cats", "birds", "s3") if secret.encode() in shown]
    assert kept.reads("cats/a.png") == 2, "a person gets no copy that the encoder or others have"
    client.get(f"{API}items/{a.pk}/media/")
    assert kept.reads("cats/a.png") == 2
    kept.fill({"cats/a.png": photo(seed=1)})
    mona = signed_in(make_member(project, "mona", Role.MANAGER))
    mona.raise_request_exception = False
    reply = mona.get(f"{API}items/{a.pk}/media/")
    assert reply.status_code == 404
    assert reply.json()["detail"].startswith("The image cannot be shown: it has changed at its source since the import")
    page = mona.get(reverse("project-item", args=["digits", a.pk])).content.decode()
    assert "Its file cannot be read: it has changed" in page
    kept.source.address = "s3://no-such-bucket"
    kept.source.save()
    reply = mona.get(f"{API}items/{a.pk}/media/")
    assert (reply.status_code, b"no-such-bucket" in reply.content) == (503, False)


@pytest.mark.long
def test_a_part_of_a_recording(store: Store) -> None:
    project = make_project(kind="audio")
    kept = kept_in(store, project)
    kept.fill({"a.wav": recording()})
    (item,) = kept.items(["a.wav"], row=0)
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    for first in (0, 100, 200):
        reply = client.get(f"{API}items/{item.pk}/media/", headers={"Range": f"bytes={first}-{first + 9}"})
        assert (reply.status_code, body(reply)) == (206, recording()[first : first + 10])
    assert kept.reads("a.wav") == 1


def label(items: list[Item]) -> None:
    for item in items:
        Item.objects.filter(pk=item.pk).update(label=1, agreement=1, labeled_at=timezone.now())


def exported(project: Project, form: str) -> bytes:
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    reply = client.get(f"{API}export/", {"format": form})
    assert reply.status_code == 200, reply.content
    return body(reply)


@pytest.mark.long
def test_exports_have_the_files(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo(), "b.png": photo(seed=1)})
    items = kept.items(["a.png", "b.png"])
    encode(project)
    make_open_batch(project, items)
    label(items)
    kept.store.system.rm(f"{kept.bucket}/b.png")
    fetching.remove_copies(items[1].media)
    with zipfile.ZipFile(io.BytesIO(exported(project, "imagefolder"))) as archive:
        files = [archive.read(name) for name in archive.namelist() if name.endswith(".png")]
    assert files == [photo()], "the lost file is left out"
    with zipfile.ZipFile(io.BytesIO(exported(project, "webdataset"))) as archive:
        shard = next(name for name in archive.namelist() if name.endswith(".tar"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(shard))) as tar:
            names = tar.getnames()
    assert [sum(name.endswith(suffix) for name in names) for suffix in (".png", ".json")] == [1, 2]
    assert len(exported(project, "jsonl").splitlines()) == 2


@pytest.mark.long
def test_a_copy_in_another_project_refers_to_the_same_file(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo(500)})
    (a,) = kept.items(["a.png"])
    encode(project)
    project.refresh_from_db()
    copy = duplicate(
        project=project, user=make_member(project, "mona", Role.MANAGER), slug="copy", name="Copy", items=True
    )
    Worker(run_step, kinds={Job.Kind.IMPORT}).run_next()
    encode(copy)
    project.items.all().delete()
    references.remove_content(a.media)
    item = copy.items.get()
    assert item.row == 0
    assert bytes(references.read_content(item.media, 0, {}) or b"") == photo(500)
    sizes = [ProjectStorage.objects.get(project=each).media_bytes for each in (copy, project)]
    assert sizes == [media.size_of(item.media)] * 2
    assert sizes[0] > 0


def test_an_item_is_removed_for_good(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo(500), "b.png": photo()})
    a, b = kept.items(["a.png", "b.png"])
    encode(project)
    make_open_batch(project, [b])
    path = references.local(a.media)
    mona = make_member(project, "mona", Role.MANAGER)
    removing.remove_items(project=project, ids=[a.pk], user=mona, delete=True)
    erase_items(timezone.now() + MONTHS)
    assert not path.exists()
    assert media.size_of(a.media) == 0
    assert list(Reference.objects.values_list("name", flat=True)) == [b.media]
    assert ProjectStorage.objects.get(project=project).media_bytes == 0
    assert kept.store.system.exists(f"{kept.bucket}/a.png"), "the source is not the server's to change"


@pytest.mark.long
def test_a_project_is_erased_with_its_copies(kept: Kept, project: Project) -> None:
    kept.fill({"a.png": photo()})
    (a,) = kept.items(["a.png"])
    other = make_project("other", kind="image")
    references.bring([a.media])
    Reference.objects.bulk_create(references.share([a.media], other.pk))
    Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now() - MONTHS)
    erase_projects(timezone.now(), 60)
    assert not fetching.folder_of(project.pk).exists()
    assert Reference.objects.get().source is None
    assert not Project.objects.filter(pk=project.pk).exists()
