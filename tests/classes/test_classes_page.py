"""Test the pages of classes before and after a change."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, signed_in, text_of

from labeling.models import Annotation, Batch, ClassChange, Item, ModelVersion, Project
from labeling.projects.classes import changing as classes

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = make_project("pets", classes=["cat", "dog", "fox"])
    batch = make_open_batch(project, make_items(project, 4))
    Item.objects.filter(row__lt=3).update(label=1)
    Batch.objects.update(labeled=3)
    ModelVersion.objects.create(project=project, number=1, batch=batch, labels=1, seed=1, seconds=1, classes=3)
    return project


@pytest.fixture
def mona(project: Project) -> Client:
    return manager(project)


def address(name: str, project: Project, *more: Any) -> str:
    return reverse(name, args=[project.slug, *more])


def test_a_class_is_added_archived_and_restored(mona: Client, project: Project) -> None:
    text = text_of(mona.post(address("project-classes", project), {"name": "owl"}, follow=True))
    assert "“owl” is added. The next model learns it." in text
    assert "4 classes." in text
    assert "Added “owl”. You can undo this until the next training." in text
    text = text_of(mona.post(address("project-classes-undo", project), {"revision": "1"}, follow=True))
    assert "Undone: Added “owl”." in text
    assert "3 classes." in text
    assert "“cat” is archived" in text_of(mona.post(address("project-class-archive", project, 0), follow=True))
    assert "“cat” is offered again." in text_of(mona.post(address("project-class-archive", project, 0), follow=True))
    classes.add(project=project, user=None, name="<script>alert(1)</script>")
    page = mona.get(address("project-classes", project)).content.decode()
    assert "<script>alert" not in page
    assert mona.post(address("project-classes-undo", project), {"revision": "9" * 40}).status_code == 302


def test_a_bad_name_and_a_merge_into_nothing_are_refused(mona: Client, project: Project) -> None:
    response = mona.post(address("project-classes", project), {"name": "dog"})
    assert response.status_code == 400
    assert "The class “dog” already exists." in text_of(response)
    for into in ("", "dog", "owl", "x" * 500):
        text = text_of(mona.post(address("project-class-merged", project, 1), {"into": into}, follow=True))
        assert "Choose the class to merge it into." in text
    assert not ClassChange.objects.exists()


def test_what_is_said_of_a_class_is_saved(mona: Client, project: Project) -> None:
    fields = {"name": "hound", "description": "Barks.", "aliases": "pup, puppy", "key": "7", "colour": "#3366cc"}
    mona.post(address("project-class", project, 1), {**fields, "place": "1", "parent": "fox"})
    each = project.classes.get(index=1)
    assert (each.name, each.description, each.aliases, each.key) == ("hound", "Barks.", ["pup", "puppy"], "7")
    assert each.parent is not None
    assert each.parent.name == "fox"
    assert [each.name for each in project.classes.offered()] == ["hound", "cat", "fox"]
    text = text_of(mona.get(address("project-class", project, 1)))
    assert "3 labels; 1 model version knows it, from version 1 on." in text


def test_a_merge_says_what_it_does_before_it_is_done(mona: Client, project: Project) -> None:
    text = text_of(mona.get(address("project-class-merge", project, 1), {"into": "fox"}))
    assert "Merge dog into fox?" in text
    assert "3 labels of dog will be labels of fox, which has 0 labels now." in text
    assert "by 1 model version count for" in text
    assert not ClassChange.objects.exists(), "nothing is done yet"
    text = text_of(mona.post(address("project-class-merged", project, 1), {"into": "fox"}, follow=True))
    assert "“dog” is now part of “fox”. Its labels follow in the background." in text
    assert "merged into fox" in text


def test_the_points_of_a_scale_can_only_be_described() -> None:
    project = make_project("taste", classes=["1", "2", "3"], question="score")
    client = manager(project)
    assert "You can describe the points, but not change them." in text_of(
        client.get(address("project-classes", project))
    )
    page = client.post(address("project-class", project, 0), {"description": "awful"}, follow=True)
    assert "Saved." in text_of(page)
    assert project.classes.get(index=0).description == "awful"


def test_annotators_are_told_the_class_above_each() -> None:
    names = ["a > b", "a", "c", "a > b > d > e", "f", "x > y"]
    project = make_project("tree", classes=names)
    c, f = (project.classes.get(name=name) for name in "cf")
    project.classes.filter(name="a > b").update(parent=f)
    project.classes.filter(name="f").update(parent=c)
    client = signed_in(make_member(project, "ann"))
    url = address("label-classes", project)
    assert client.get(url).json()["above"] == [4, -1, -1, 0, 2, -1]
    classes.archive(project=project, user=None, index=f.index)
    body = client.get(url).json()
    assert dict(zip(body["classes"], body["above"], strict=True))["a > b"] == body["classes"].index("c")


def test_annotators_get_the_offered_classes_with_what_is_said_of_them(project: Project) -> None:
    classes.edit(project=project, user=None, index=2, key="9", description="Red.", aliases=["reynard"])
    classes.archive(project=project, user=None, index=0)
    client = signed_in(make_member(project, "ann"))
    body = client.get(address("label-classes", project)).json()
    assert body == {
        "classes": ["dog", "fox"],
        "above": [],
        "details": {"dog": {"key": "2"}, "fox": {"key": "9", "description": "Red.", "aliases": ["reynard"]}},
        "revision": 2,
        "picker": "buttons",
        "renamed": {},
    }
    assert Annotation.objects.count() == 0
