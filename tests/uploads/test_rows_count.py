"""Test that rows sent by a project's members count towards its storage limit."""

import datetime
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import errors_of, signed_in

from labeling.intake.run import import_items
from labeling.loop.step import Step
from labeling.models import Item, Job, Project, Role
from labeling.models.projects import MAX_GUIDELINES
from labeling.projects import quota
from labeling.projects.erasing_items import erase_items

pytestmark = pytest.mark.django_db

API = "/api/v1/projects/digits/"
TEXT = "The heron stands in the shallow water and waits for a fish. " * 10


def manager(project: Project) -> Client:
    return signed_in(make_member(project, "mona", Role.MANAGER))


def send(client: Client, rows: list[dict[str, Any]], slug: str = "digits", **fields: Any) -> dict[str, Any]:
    file = SimpleUploadedFile("a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return dict(client.post(f"/api/v1/projects/{slug}/items/", {"file": file, **fields}).json())


def texts(n: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"t{number}", "text": TEXT, **fields} for number in range(first, first + n)]


def rows_of(project: Project) -> int:
    return quota.use_of(project).rows


def finish(project: Project) -> None:
    for job in project.jobs.filter(kind=Job.Kind.IMPORT).waiting():
        assert Job.objects.take(job, "here:1:a", timezone.now())
        import_items(Step(job, gives_way=False))


def test_texts_of_items_and_answers_that_come_in_are_counted() -> None:
    project = make_project()
    client = manager(project)
    assert send(client, texts(10))["accepted"] == 10
    counted = rows_of(project)
    assert 10 * len(TEXT) < counted < 50 * len(TEXT)
    assert quota.use_of(project).total == counted
    status = quota.use_of(project)
    assert status.media == status.waiting == 0
    answers = [{"annotator": f"u{number}", "value": "1"} for number in range(50)]
    row = {"external_id": "z0", "data": {"text": TEXT}, "label": "1", "annotations": answers}
    assert send(client, [row])["labeled"] == 1
    assert rows_of(project) - counted - counted // 10 >= 50 * quota.ANSWER_BYTES - 10


def test_texts_for_which_there_is_no_room_are_refused(settings: Any) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    client = manager(project)
    first = send(client, texts(300))
    assert (first["state"], first["accepted"]) == ("done", 300)
    refused = send(client, texts(300, 300))
    assert "This project may take 1.0 MB, and there is no room for" in refused["detail"]
    assert "rows in the database 6" in refused["detail"]
    assert project.items.count() == 300
    assert quota.use_of(project).total < 1 << 20


def test_a_copy_counts_for_itself() -> None:
    project = make_project()
    client = manager(project)
    send(client, texts(5, label="1"))
    body = {"slug": "again", "name": "Again", "items": True, "labels": True}
    slug = client.post(f"{API}duplicate/", body, content_type="application/json").json()["slug"]
    copy = Project.objects.get(slug=slug)
    finish(copy)
    assert copy.items.count() == 5
    assert rows_of(copy) == rows_of(project)


@pytest.mark.parametrize("label", [{}, {"label": "1"}])
def test_what_is_removed_for_good_counts_no_more(label: dict[str, str]) -> None:
    project = make_project()
    send(manager(project), texts(4, **label))
    make_open_batch(project, make_items(project, 1, first=90), number=7)
    long_ago = timezone.now() - datetime.timedelta(days=31)
    Item.objects.filter(external_id__startswith="t").update(excluded_at=long_ago, deleted_at=long_ago)
    project.batches.update(state="done")
    assert rows_of(project) > 4 * len(TEXT)
    assert erase_items(timezone.now()) == 4
    assert rows_of(project) == 0


def test_every_version_of_the_guidelines_is_counted(settings: Any) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    client = manager(project)
    versions = [letter * 150_000 for letter in "abcdefgh"]
    answers = [client.patch(API, {"guidelines": text}, content_type="application/json") for text in versions]
    assert [answer.status_code for answer in answers] == [200] * 6 + [400] * 2
    assert rows_of(project) == 6 * 150_000
    assert "no room for 146 KB more" in answers[-1].json()["fields"]["guidelines"][0]
    back = client.post(f"{API}guidelines/1/restore/")
    assert (back.status_code, back.json()["code"]) == (409, "conflict")
    project.refresh_from_db()
    assert project.guidelines_version == 6


def test_guidelines_that_are_too_long_or_for_which_there_is_no_room_are_refused_beside_the_field(settings: Any) -> None:
    settings.PROJECT_STORAGE_MB = 1
    project = make_project()
    client = manager(project)
    text = "x" * (MAX_GUIDELINES + 1)
    answer = client.patch(API, {"guidelines": text}, content_type="application/json")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["guidelines"])
    page = client.post("/new/", {"name": "B", "slug": "b", "kind": "text", "guidelines": text, "classes": "a\nb"})
    assert "guidelines" in errors_of(page)
    quota.count(project, rows=(1 << 20) - 10)
    page = client.post("/p/digits/settings/guidelines/", {"guidelines": "Look at the beak."})
    assert page.status_code == 400
    assert "no room" in errors_of(page)["guidelines"]
    project.refresh_from_db()
    assert project.guidelines == ""
