"""Test that annotators can read the files of items that they hold, held or answered, of class examples, and of
near-copies that were shown to them, and no other file.
"""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import signed_in

from labeling.labels import comments
from labeling.models import Annotation, Batch, ClassExample, Copy, Item, Project, Role, Task, User

pytestmark = pytest.mark.django_db

API = "/api/v1/projects/digits/"


@pytest.fixture
def project() -> Project:
    """Create a project with an open batch of three items, and nine unpicked items."""
    project = make_project(kind="image", near_copies=2)
    make_open_batch(project, make_items(project, 12)[:3])
    return project


def annotator(project: Project, name: str = "ann") -> Client:
    return signed_in(make_member(project, name))


def claim(client: Client, count: int = 1) -> list[dict[str, Any]]:
    reply = client.post(f"{API}claim/", {"count": count}, content_type="application/json")
    return list(reply.json()["tasks"])


def fetch(client: Client, item: Item | int, size: str = "original") -> HttpResponse:
    key = item.pk if isinstance(item, Item) else item
    return client.get(f"{API}items/{key}/media/", {"size": size})


def items_of(project: Project) -> list[Item]:
    return list(project.items.order_by("row"))


@pytest.mark.parametrize("size", ["original", "preview", "thumbnail"])
def test_only_what_they_hold(project: Project, size: str) -> None:
    client = annotator(project)
    assert {fetch(client, item, size).status_code for item in items_of(project)} == {404}
    [task] = claim(client)
    seen = [item.pk for item in items_of(project) if fetch(client, item, size).status_code == 200]
    assert seen == [task["item"]["id"]]
    assert client.get(task["item"]["media_url"]).status_code == 200
    assert fetch(annotator(project, "bob"), seen[0], size).status_code == 404


def test_what_they_held_stays(project: Project) -> None:
    client = annotator(project)
    first, second, third = claim(client, 3)
    client.post(f"{API}release/", {"tasks": [first["id"]]}, content_type="application/json")
    client.post(f"{API}skip/", {"task": second["id"], "reason": "blurred"}, content_type="application/json")
    answer = {"id": "7b0e8c56-3f2a-4b1e-9f0a-0a4c7d2f1e11", "task": third["id"], "value": "3"}
    client.post(f"{API}annotations/", {"annotations": [answer]}, content_type="application/json")
    Batch.objects.update(state=Batch.State.DONE)
    assert {fetch(client, task["item"]["id"]).status_code for task in (first, second, third)} == {200}


def test_tasks_that_ask_again_and_gold_ones_are_like_others(project: Project) -> None:
    again, gold, _ = Task.objects.order_by("rank")
    for task, is_gold in ((again, False), (gold, True)):
        Task.objects.filter(pk=task.pk).update(repeats=task.item, item=None, is_gold=is_gold)
    Item.objects.filter(pk=gold.item_id).update(gold=1)
    client = annotator(project)
    assert {fetch(client, item).status_code for item in items_of(project)} == {404}
    assert {fetch(client, task["item"]["id"]).status_code for task in claim(client, 3)} == {200}


def test_items_that_came_in_with_an_answer_of_theirs(project: Project) -> None:
    client = annotator(project)
    user, item = User.objects.get(username="ann"), items_of(project)[5]
    task = Task.objects.create(batch=Batch.objects.get(), item=item, rank=9, free=0, outstanding=0)
    answer = Annotation.objects.create(task=task, user=user, value=1)
    comments.write_annotators_comments(user, [(item.pk, answer.pk, "A one?")])
    assert f'src="{API}items/{item.pk}/media/?size=preview"' in client.get("/p/digits/label/comments/").content.decode()
    assert fetch(client, item).status_code == 200


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.ENGINEER, Role.MANAGER])
def test_who_reads_items_sees_all_of_them(project: Project, role: str) -> None:
    client = signed_in(make_member(project, "mona", role))
    assert {fetch(client, item).status_code for item in items_of(project)} == {200}


def test_class_examples_as_long_as_they_are_shown(project: Project) -> None:
    client, item = annotator(project), items_of(project)[7]
    Item.objects.filter(pk=item.pk).update(label=1)
    ClassExample.objects.create(label_class=project.classes.get(index=1), item=item, user=make_member(project, "eve"))
    [shown] = client.get("/p/digits/label/classes/").json()["details"]["1"]["examples"]
    assert client.get(shown["media_url"]).status_code == 200
    for hidden in ({"gold": 1}, {"label": 2}, {"excluded_at": timezone.now()}):
        Item.objects.filter(pk=item.pk).update(**hidden)
        assert "examples" not in client.get("/p/digits/label/classes/").json()["details"]["1"]
        assert client.get(shown["media_url"]).status_code == 404, hidden
        Item.objects.filter(pk=item.pk).update(gold=None, label=1, excluded_at=None)


def test_near_copies_that_were_shown_to_them(project: Project) -> None:
    *_, source = [task.item for task in Task.objects.order_by("-rank").select_related("item")]
    shown, labeled, far = items_of(project)[6:9]
    for height, copy in enumerate((labeled, shown, far)):
        Copy.objects.create(of=source, item=copy, batch=Batch.objects.get(), height=height)
    Item.objects.filter(pk=labeled.pk).update(label=1)
    Project.objects.update(near_copies=1)
    client = annotator(project)
    [task] = claim(client)
    assert task["item"]["id"] == source.pk
    [copy] = task["item"]["copies"]
    assert copy["id"] == shown.pk
    address = copy["media_url"]
    assert client.get(f"{address}&size=thumbnail").status_code == 200
    assert annotator(project, "bob").get(address).status_code == 404, "the key is of one person"
    for other in (labeled, far):
        assert client.get(address.replace(f"/{shown.pk}/", f"/{other.pk}/")).status_code == 404, "and of one item"
        assert fetch(client, other).status_code == 404, "what was not shown would tell what others answered"
    Item.objects.filter(pk=shown.pk).update(label=1)
    assert client.get(address).status_code == 200, "whatever others answer meanwhile"


@pytest.mark.parametrize("key", ["", "0" * 32, "é", "\x00", "k" * 64])
def test_a_key_that_is_made_up(project: Project, key: str) -> None:
    item = items_of(project)[8]
    assert annotator(project).get(f"{API}items/{item.pk}/media/", {"key": key}).status_code in (400, 404)


def test_an_item_that_they_may_not_see_is_like_one_that_does_not_exist(project: Project) -> None:
    client = annotator(project)
    other = make_items(make_project("theirs", kind="image"), 1)[0]
    open_one, free, gold, labeled, *_ = items_of(project)
    Item.objects.filter(pk=gold.pk).update(gold=1)
    Item.objects.filter(pk=labeled.pk).update(label=1)
    replies = []
    for key in (open_one.pk, free.pk, gold.pk, labeled.pk, other.pk, 10**9):
        with CaptureQueriesContext(connection) as asked:
            reply = fetch(client, key)
        replies.append((reply.status_code, reply.content, set(reply.headers) - {"X-Request-ID"}, len(asked)))
    assert len({str(reply) for reply in replies}) == 1
    assert replies[0][0] == 404


def test_the_file_of_a_task_takes_one_query_more_than_a_door(project: Project) -> None:
    client = annotator(project)
    [task] = claim(client)
    client.get("/api/v1/projects/digits/progress/")
    with CaptureQueriesContext(connection) as asked:
        assert fetch(client, task["item"]["id"]).status_code == 200
    names = [query["sql"].split(" FROM ")[1].split()[0].strip('"') for query in asked.captured_queries]
    assert names == ["django_session", "labeling_user", "labeling_project", "labeling_item"]
