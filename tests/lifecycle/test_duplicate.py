"""A copy has the settings and classes of the original, and nothing that was labeled."""

from __future__ import annotations

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_project, make_user
from pages import errors_of, manager, member

from labeling.models import Project, Role
from labeling.projects import classes
from labeling.projects.duplicating import COPIED, duplicate

pytestmark = pytest.mark.django_db


def original() -> Project:
    project = make_project(classes=["owl", "barn owl", "none"], batch_size=7, prompt="Which?", guidelines="Look.")
    owl = project.classes.get(index=0)
    classes.edit(project=project, user=None, index=1, description="White.", aliases=["Tyto"], key="5", parent=owl)
    classes.add(project=project, user=None, name="old")
    classes.archive(project=project, user=None, index=3)
    classes.move(project=project, user=None, index=2, position=0)
    make_items(project, 3)
    make_member(project, "ann")
    return project


def test_settings_and_classes_are_copied_and_items_are_not() -> None:
    project = original()
    copy = duplicate(project=project, user=make_user("mona"), slug="again", name="Again")
    project.refresh_from_db()
    assert {name: getattr(copy, name) for name in COPIED} == {name: getattr(project, name) for name in COPIED}
    assert [each.name for each in copy.classes.offered()] == ["none", "owl", "barn owl"]
    barn = copy.classes.get(name="barn owl")
    assert (barn.description, barn.aliases, barn.key, barn.parent.name) == ("White.", ["Tyto"], "5", "owl")
    assert barn.parent.project == copy
    assert not copy.items.exists()
    assert bytes(copy.secret) != bytes(project.secret)
    assert list(copy.memberships.values_list("user__username", "role")) == [("mona", "manager")]


def test_members_come_along_if_wanted() -> None:
    copy = duplicate(project=original(), user=make_user("mona"), slug="again", name="Again", members=True)
    people = set(copy.memberships.values_list("user__username", "role"))
    assert people == {("mona", "manager"), ("ann", "annotator")}


def test_the_page_makes_it_and_says_what_is_wrong() -> None:
    project = original()
    client = manager(project)
    address = reverse("project-duplicate", args=[project.slug])
    wrong = client.post(address, {"copy-name": "", "copy-slug": "No good"})
    assert wrong.status_code == 400
    assert set(errors_of(wrong)) == {"copy-name", "copy-slug"}
    page = client.post(address, {"copy-name": "Again", "copy-slug": "again"}, follow=True)
    assert page.status_code == 200
    copy = Project.objects.get(name="Again")
    assert copy.slug.startswith("again-")  # others than operators get an ending
    assert member(project, Role.ENGINEER).post(address).status_code == 403
