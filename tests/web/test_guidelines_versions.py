"""Test versions of guidelines: each save makes a version, and each answer records the version that its author saw."""

import uuid
from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member, text_of

from labeling.models import Annotation, GuidelinesVersion, Project, Role
from labeling.outgoing.exports.rows import pages as export_pages
from labeling.projects.classes import guidelines

pytestmark = pytest.mark.django_db

FIRST = "Label what is in front.\n\n- half hidden counts\n- reflections do not"
SECOND = "Label what is in front.\n\n- half hidden counts\n- reflections count too\n- toys do not"
API = "/api/v1/projects/digits/"


@pytest.fixture
def project() -> Project:
    return make_project(guidelines=FIRST)


def numbers() -> list[int]:
    return list(GuidelinesVersion.objects.order_by("number").values_list("number", flat=True))


def saved(client: Client, text: str) -> Any:
    return client.patch(API, {"guidelines": text}, content_type="application/json")


def test_each_save_that_changes_the_text_makes_a_version(project: Project) -> None:
    client = manager(project)
    assert FIRST in client.get("/p/digits/settings/guidelines/").context["form"]["guidelines"].value()
    assert client.post("/p/digits/settings/guidelines/", {"guidelines": FIRST}).status_code == 302
    assert numbers() == [1]
    assert client.post("/p/digits/settings/guidelines/", {"guidelines": SECOND}).status_code == 302
    assert numbers() == [1, 2]
    assert Project.objects.get().guidelines == SECOND
    assert saved(client, FIRST).json()["guidelines_version"] == 3
    assert saved(client, FIRST.replace("\n", "\r\n")).json()["guidelines_version"] == 3
    listed = [
        (each["version"], each["user"], each["text"]) for each in client.get(f"{API}guidelines/").json()["results"]
    ]
    assert listed == [(3, "mona", FIRST), (2, "mona", SECOND), (1, None, FIRST)]


def test_a_manager_sees_what_changed_and_goes_back(project: Project) -> None:
    client = manager(project)
    guidelines.save(project=project, user=None, text=SECOND)
    page = client.get("/p/digits/guidelines/").content.decode()
    assert '<ins><span class="unseen">Added: </span>count too\n- toys ' in page
    text = text_of(client.post("/p/digits/guidelines/1/restore/", follow=True))
    assert "have the text of version 1 again, as version 3." in text
    assert (Project.objects.get().guidelines, numbers()) == (FIRST, [1, 2, 3])
    assert "already" in text_of(client.post("/p/digits/guidelines/1/restore/", follow=True))
    assert client.post(f"{API}guidelines/3/restore/").status_code == 409
    assert client.get("/p/digits/guidelines/?version=9").status_code == 404
    assert numbers() == [1, 2, 3]


@pytest.mark.parametrize("what", ["annotations", "skip"])
def test_an_answer_keeps_the_version_that_was_on_the_screen(project: Project, what: str) -> None:
    make_open_batch(project, make_items(project, 3))
    client = member(project, Role.ANNOTATOR)
    client.post(f"{API}claim/", {}, content_type="application/json")
    guidelines.save(project=project, user=None, text=SECOND)
    outcomes = []
    versions: list[dict[str, int]] = [{"guidelines_version": 1}, {}, {"guidelines_version": 3}]
    for task, version in zip(project.batches.get().tasks.order_by("rank"), versions, strict=True):
        body: dict[str, Any] = {"id": str(uuid.uuid4()), "task": task.pk, **version}
        body = {"annotations": [{**body, "value": "3"}]} if what == "annotations" else {**body, "reason": "unclear"}
        outcomes.append(client.post(f"{API}{what}/", body, content_type="application/json").json())
    assert [len(each["accepted"]) for each in outcomes] == [1, 1, 0]
    assert "must be a version of this project's guidelines, 0 to 2" in outcomes[2]["rejected"][0]["detail"]
    assert sorted(Annotation.objects.values_list("guidelines_version", flat=True)) == [1, 2]
    if what == "annotations":
        rows = [row for page in export_pages(project) for row in page]
        assert [row["annotations"][0]["guidelines_version"] for row in rows] == [1, 2]
        assert [row["answers"] for row in manager(project).get(f"{API}guidelines/").json()["results"]] == [1, 1]


def test_an_open_page_gets_the_new_text_and_what_changed(project: Project) -> None:
    client = member(project, Role.ANNOTATOR)
    guidelines.save(project=project, user=make_member(project, "mia", Role.MANAGER), text=SECOND)
    reply = client.get("/p/digits/label/guidelines/?since=1").json()
    assert reply["version"] == 2
    assert reply["summary"] == "new: “- reflections count too”"
    assert "toys do not" in reply["html"]
    assert "<ins>" in reply["changes"]
    assert "mia" not in str(reply)


def test_a_comparison_holds_all_that_changed() -> None:
    for old, new, kinds in (
        ("a\nb", "a\nb", []),
        ("", "a", ["added"]),
        ("a", "", ["removed"]),
        ("one two", "one three", ["same", "removed", "added"]),
        ("x\n" * 3000, "y\n" * 3000, ["removed", "added"]),
    ):
        passages = guidelines.compare(old, new)
        assert [span.kind for passage in passages for span in passage if span.text.strip()] == kinds
