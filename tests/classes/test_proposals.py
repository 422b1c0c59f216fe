"""Test proposed classes: a skip for the queue, and a correction once a manager accepts the class."""

import uuid
from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, signed_in, text_of

from labeling.models import Annotation, ClassProposal, Item, Project, User
from labeling.projects.classes import changing as classes

pytestmark = pytest.mark.django_db
API = "/api/v1/projects/pets/"


def make(question: str = "single", overlap: int = 1, n: int = 4) -> Project:
    project = make_project("pets", classes=["cat", "dog", "fox"], question=question, class_proposals=True)
    make_open_batch(project, make_items(project, n), overlap=overlap)
    return project


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"{API}{path}/", body, content_type="application/json")


def propose(project: Project, user: User, *names: str) -> list[int]:
    """Claim tasks and propose a class for each. Return their items."""
    client = signed_in(user)
    tasks = post(client, "claim", {"count": len(names)}).json()["tasks"]
    for task, name in zip(tasks, names, strict=True):
        body = {"id": str(uuid.uuid4()), "task": task["id"], "reason": "None fits", "proposed_class": name}
        assert post(client, "skip", body).json()["rejected"] == []
    return [task["item"]["id"] for task in tasks]


def labels() -> list[Any]:
    return list(Item.objects.order_by("row").values_list("label", flat=True))


@pytest.mark.parametrize(("question", "label"), [("single", 3), ("multi", [3])])
def test_an_accepted_name_becomes_a_class_and_the_label_of_its_items(question: str, label: Any) -> None:
    project = make(question)
    items = propose(project, make_member(project, "ann"), "Owl", " owl ", "bee")
    assert Annotation.objects.filter(skip_reason="None of these: owl").count() == 1
    mona = manager(project)
    groups = mona.get(f"{API}classes/proposals/").json()
    assert [(each["key"], sorted(each["items"])) for each in groups] == [("owl", items[:2]), ("bee", items[2:])]
    assert "2 items, proposed by 1 person" in text_of(mona.get("/p/pets/classes/"))
    page = mona.post("/p/pets/classes/proposals/accept/", {"key": "owl", "name": "owl"}, follow=True)
    assert "2 items labeled “owl”." in text_of(page)
    assert labels() == [label, label, None, None]
    assert post(mona, "classes/proposals/dismiss", {"key": "bee"}).json() == {"dismissed": 1}
    assert labels()[2] is None
    assert mona.get(f"{API}classes/proposals/").json() == []
    with pytest.raises(classes.ClassError, match="has already been used in answers"):
        classes.undo(project=project, user=None, revision=1)


def test_a_name_is_accepted_as_a_class_that_there_is() -> None:
    project = make()
    propose(project, make_member(project, "ann"), "hound", "hound")
    mona = manager(project)
    accepted = post(mona, "classes/proposals/accept", {"key": "hound", "into": 1}).json()
    assert accepted == {"index": 1, "labeled": 2, "waiting": 0, "left": 0}
    assert labels() == [1, 1, None, None]
    assert project.classes.get(index=1).aliases == ["hound"]
    assert project.classes.count() == 3
    assert post(mona, "classes/proposals/accept", {"key": "hound", "into": 1}).status_code == 404


def test_items_that_others_still_answer_wait_and_other_classes_of_an_item_stay() -> None:
    project = make("multi", overlap=2, n=2)
    propose(project, make_member(project, "ann"), "owl", "owl")
    mona = manager(project)
    assert post(mona, "classes/proposals/accept", {"key": "owl"}).json()["waiting"] == 2
    assert project.classes.filter(name="owl").exists()
    bob = signed_in(make_member(project, "bob"))
    tasks = post(bob, "claim", {"count": 2}).json()["tasks"]
    body = [{"id": str(uuid.uuid4()), "task": task["id"], "value": ["cat"]} for task in tasks]
    post(bob, "annotations", {"annotations": body})
    assert post(mona, "classes/proposals/accept", {"key": "owl", "into": 3}).json()["labeled"] == 2
    assert labels() == [[0, 3], [0, 3]]


def test_one_that_is_taken_back_is_proposed_no_more() -> None:
    project = make()
    ann = make_member(project, "ann")
    propose(project, ann, "owl")
    signed_in(ann).delete(f"{API}annotations/{Annotation.objects.get().pk}/")
    assert manager(project).get(f"{API}classes/proposals/").json() == []


@pytest.mark.parametrize(
    ("allowed", "name", "why"),
    [(False, "owl", "does not accept proposals"), (True, "x\u200by", "invisible character"), (True, "x" * 100, "")],
)
def test_what_cannot_be_proposed_is_refused_and_the_item_stays(allowed: bool, name: str, why: str) -> None:
    project = make()
    Project.objects.update(class_proposals=allowed)
    client = signed_in(make_member(project, "ann"))
    task = post(client, "claim", {"count": 1}).json()["tasks"][0]["id"]
    reply = post(client, "skip", {"task": task, "reason": "None fits", "proposed_class": name}).json()
    assert (bool(why), ClassProposal.objects.count()) == (bool(reply["rejected"]), int(not why))
    assert why in (reply["rejected"] or [{"detail": ""}])[0]["detail"]


def test_annotators_see_nothing_of_what_others_propose() -> None:
    project = make()
    propose(project, make_member(project, "ann"), "zebra")
    bob = signed_in(make_member(project, "bob"))
    assert bob.get(f"{API}classes/proposals/").status_code == 403
    seen = [bob.get("/p/pets/label/"), bob.get("/p/pets/label/classes/"), bob.get(API), post(bob, "claim", {})]
    assert not any("zebra" in response.content.decode() for response in seen)


def test_only_questions_whose_classes_can_grow_take_proposals() -> None:
    project = make_project("pets", classes=["cat", "dog", "fox"], question="verify")
    mona = manager(project)
    assert "propose" not in mona.get("/p/pets/settings/").content.decode()
    reply = mona.patch(API, {"class_proposals": True}, content_type="application/json")
    assert "class_proposals" in reply.json()["fields"]
