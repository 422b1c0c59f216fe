"""Test copies with items and labels: their contents, also after a kill, and that original and copy are independent."""

import datetime
import itertools
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_project, make_user
from pages import errors_of, manager, text_of

from labeling.intake import chunk_writing, copying, label_writing, uploads
from labeling.labels.relabeling import relabel
from labeling.loop.step import Step, StepFailed
from labeling.models import Batch, Item, ItemImport, Job, Project, User
from labeling.outgoing.exports.rows import pages
from labeling.projects import erasing_projects, lifecycle
from labeling.projects.classes import changing as classes
from labeling.projects.duplicating import duplicate
from labeling.queue import removing
from labeling.steps.registry import run_step
from labeling.storage import media
from tests.extent import some
from tests.items.mixture import mixture

pytestmark = pytest.mark.django_db


def copy_of(project: Project, **more: Any) -> Project:
    project.refresh_from_db()
    user = User.objects.filter(username="mia").first() or make_user("mia")
    return duplicate(project=project, user=user, slug=f"{project.slug}-2", name="Again", items=True, **more)


def run_copy() -> None:
    for job in Job.objects.waiting().filter(kind=Job.Kind.IMPORT):
        assert Job.objects.take(job, "host:1:a", timezone.now())
        run_step(Step(job, gives_way=False))


def exported(project: Project) -> list[dict[str, Any]]:
    rows = (row for page in pages(project) for row in page)
    return sorted(rows, key=lambda row: row["external_id"])


@pytest.mark.parametrize("question", some(["single", "multi", "verify"], 2))
def test_labels_arrive_with_all_that_stands_behind_them(question: str) -> None:
    project = mixture(question, training={"epochs": 1})
    if question != "verify":
        classes.merge(project=project, user=None, index=5, into=7)
        classes.archive(project=project, user=None, index=19)
        project.refresh_from_db()
        relabel(project, writing=transaction.atomic, progress=lambda share: None)
    tenth = project.items.get(external_id="item-0010")
    removing.remove_items(project=project, ids=[tenth.pk], user=User.objects.get(username="mona"))
    copy = copy_of(project, labels=True)
    run_copy()
    names = ["external_id", "data", "proposed", "label", "agreement"]
    if question != "verify":  # of that question there is a tie with a label, as none is made any more
        names += ["corrected_by", "corrected_at"]
    before, after = exported(Project.objects.get(pk=project.pk)), exported(copy)
    assert [[row[name] for name in names] for row in after] == [[row[name] for name in names] for row in before]
    for row, original in zip(after, before, strict=True):
        assert row["imported"]
        for kind in ("annotations", "skips"):
            assert [{**each, "id": ""} for each in row[kind]] == [{**each, "id": ""} for each in original[kind]]
    assert copy.items.count() == 11
    assert not copy.items.filter(external_id="item-0010").exists(), "it was excluded"
    truths = dict(project.items.values_list("external_id", "truth"))
    assert all(item.truth == truths[item.external_id] for item in copy.items.all())
    assert copy.batches.get().state == Batch.State.IMPORTING
    assert not copy.items.filter(reserved=True, label__isnull=False).exists()


def test_without_labels_all_items_are_yet_to_be_labeled() -> None:
    copy = copy_of(mixture())
    run_copy()
    assert copy.items.count() == 12
    assert not copy.batches.exists()
    assert not copy.items.labeled().exists()
    assert Job.objects.filter(project=copy, kind=Job.Kind.ENCODE).exists()
    assert copy.imports.get().state == ItemImport.State.DONE


def second_time_dies(original: Any) -> Any:
    calls = itertools.count()

    def called(*args: Any) -> Any:
        if next(calls):
            raise KeyboardInterrupt
        return original(*args)

    return called


def test_killed_at_any_part_it_goes_on_and_nothing_arrives_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PART", 2)
    copy = copy_of(mixture(), labels=True)
    job = Job.objects.get(project=copy)
    for module, name in ((chunk_writing, "rows_of"), (label_writing, "insert_many"), (chunk_writing, "write_items")):
        with monkeypatch.context() as killed:
            killed.setattr(module, name, second_time_dies(getattr(module, name)))
            with pytest.raises(KeyboardInterrupt):
                run_copy()
        Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING, worker="")
    run_copy()
    assert (copy.items.count(), copy.items.labeled().count()) == (12, 5)
    done = copy.imports.get()
    assert (done.accepted, done.labeled, done.position) == (12, 5, 12)


@pytest.mark.parametrize("kind", ["image", "vector"])
def test_media_stay_when_either_project_is_removed(kind: str) -> None:
    project = make_project(kind=kind)
    if kind == "vector":
        block = f"{project.pk}/vectors/import-1-0.npy"
        media.write_block(block, np.arange(12, dtype=np.float32).reshape(4, 3))
        for item in make_items(project, 4):
            Item.objects.filter(pk=item.pk).update(media=block, media_offset=3 - item.row)
        Project.objects.filter(pk=project.pk).update(vector_length=3)
    else:
        make_items(project, 4)
    contents = {item.external_id: read(item) for item in project.items.all()}
    copy = copy_of(project)
    run_copy()
    for gone, left in ((project, copy), (copy, None)):
        later = copy_of(copy, labels=True) if left else None
        run_copy()
        mona = make_member(gone, "mona", "manager")
        lifecycle.delete(project=gone, user=mona, name=gone.name)
        Project.objects.filter(pk=gone.pk).update(deleted_at=timezone.now() - datetime.timedelta(days=31))
        Job.objects.filter(project=gone).delete()
        erasing_projects.erase_projects(timezone.now(), 60)
        assert not Project.objects.filter(pk=gone.pk).exists()
        kept = left or later or Project.objects.get()
        assert {item.external_id: read(item) for item in kept.items.all()} == contents
        assert kept.storage.media_bytes > 0


def read(item: Item) -> Any:
    stored = media.read_content(item.media, item.media_offset, {})
    return stored.tolist() if isinstance(stored, np.ndarray) else stored


def test_an_original_that_is_deleted_in_between_is_told_and_can_be_restored() -> None:
    project = mixture()
    copy = copy_of(project)
    lifecycle.delete(project=project, user=User.objects.get(username="mona"), name=project.name)
    with pytest.raises(StepFailed, match="which is copied, was deleted"):
        run_copy()
    lifecycle.restore(project=project)
    Job.objects.filter(project=copy).update(state=Job.State.FAILED)
    uploads.retry(item_import=copy.imports.get())
    run_copy()
    assert copy.items.count() == 12


def test_labels_need_their_items_and_the_page_shows_how_far_it_is() -> None:
    project = mixture()
    with pytest.raises(ValidationError, match="Copy the items"):
        duplicate(project=project, user=make_user("mia"), slug="x", name="X", labels=True)
    client = manager(project)
    lifecycle.archive(project=project)
    address = reverse("project-duplicate", args=[project.slug])
    form = {"copy-name": "Again", "copy-slug": "again", "copy-labels": "on"}
    assert errors_of(client.post(address, form))["copy-labels"] == "Labels belong to items. Copy the items, too."
    page = client.post(address, {**form, "copy-items": "on"}, follow=True)
    assert "Items of" in text_of(page)
    assert "waiting for its turn" in text_of(page)
    assert Project.objects.get(name="Again").archived_at is None
