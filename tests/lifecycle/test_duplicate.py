"""Test that a copy has the settings and classes of the original, and no labels."""

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_project, make_user
from pages import errors_of, manager, member, signed_in, text_of

from labeling.models import Membership, Project, Role, User
from labeling.projects.classes import changing as classes
from labeling.projects.duplicating import COPIED, duplicate
from labeling.queue import gold

pytestmark = pytest.mark.django_db


def original() -> Project:
    project = make_project(classes=["owl", "barn owl", "none"], batch_size=7, daily_limit=90, prompt="Which?",
                           guidelines="Look.")  # fmt: skip
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
    assert copy.daily_limit == 90
    assert [each.name for each in copy.classes.offered()] == ["none", "owl", "barn owl"]
    barn = copy.classes.get(name="barn owl")
    assert (barn.description, barn.aliases, barn.key, barn.parent.name) == ("White.", ["Tyto"], "5", "owl")
    assert barn.parent.project == copy
    assert not copy.items.exists()
    assert bytes(copy.secret) != bytes(project.secret)
    assert list(copy.memberships.values_list("user__username", "role")) == [("mona", "manager")]
    mona = User.objects.get(username="mona")
    copy = duplicate(project=project, user=mona, slug="third", name="With members", members=True)
    people = set(copy.memberships.values_list("user__username", "role"))
    assert people == {("mona", "manager"), ("ann", "annotator")}


WORK = ("group", "daily_limit", "paused_at", "pause_reason", "looked_at", "accuracy", "asked_in_doubt")


def test_a_copy_lifts_no_pause_and_no_limit() -> None:
    project = original()
    mona = make_member(project, "mona", Role.MANAGER)
    ann = project.memberships.get(user__username="ann")
    Membership.objects.filter(project=project).update(
        group="experts", daily_limit=20, looked_at=timezone.now(), accuracy=0.8, asked_in_doubt=False
    )
    assert gold.pause(ann, "Gold items were answered wrongly.")
    gold.pause(project.memberships.get(user=mona), "Paused by marc.")
    client = signed_in(mona)
    body = {"slug": "again", "name": "Again", "members": True}
    assert client.post("/api/v1/projects/digits/duplicate/", body, content_type="application/json").status_code == 201
    copy = Project.objects.get(name="Again")
    before, after = ({each["user"]: each for each in of.memberships.values("user", *WORK)} for of in (project, copy))
    assert after == before
    assert after[ann.user_id]["pause_reason"] == "Gold items were answered wrongly."
    claim = signed_in(ann.user).post(
        f"/api/v1/projects/{copy.slug}/claim/", {"count": 1}, content_type="application/json"
    )
    assert claim.json()["reason"] == "on_hold"
    copy = duplicate(project=project, user=mona, slug="again", name="Again")
    assert copy.memberships.get(user=mona).pause_reason == "Paused by marc."


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
    Project.objects.update(guidelines="![](owl.png) Look at ![the owl](owl.png) and ![](face.png).")
    page = text_of(client.post(address, {"copy-name": "With images", "copy-slug": "again"}, follow=True))
    assert "The guidelines show images that are missing, here and in the original: face.png, owl.png." in page
    copy = Project.objects.get(name="With images")
    assert "face.png" in copy.guidelines
    page = text_of(client.get(reverse("project-guidelines-edit", args=[copy.slug])))
    assert "The guidelines show images that are missing: face.png, owl.png. Upload them" in page
