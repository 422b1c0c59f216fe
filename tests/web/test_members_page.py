"""Members: adding, accounts with a password that is shown once, roles, and the last manager."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import authenticate
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project, make_user
from pages import errors_of, manager, text_of

from labeling import queue
from labeling.models import Membership, Project, Role, User

pytestmark = pytest.mark.django_db


def address(project: Project) -> str:
    return reverse("project-members", args=[project.slug])


def role_of(username: str) -> str | None:
    return Membership.objects.filter(user__username=username).values_list("role", flat=True).first()


def test_the_list_shows_who_is_what() -> None:
    project = make_project()
    make_member(project, "enzo", Role.ENGINEER)
    page = manager(project).get(address(project)).content.decode()
    rows = re.findall(r'aria-label="Role of (\w+)".*?<option value="(\w+)" selected>', page, flags=re.DOTALL)
    assert rows == [("enzo", "engineer"), ("mona", "manager")]
    assert "(you)" in page


def test_somebody_with_an_account_is_added() -> None:
    project = make_project()
    make_user("annie")
    data = {"add": "1", "add-username": "annie", "add-role": "engineer"}
    page = manager(project).post(address(project), data, follow=True)
    assert "annie is now engineer in this project." in text_of(page)
    assert role_of("annie") == Role.ENGINEER


@pytest.mark.parametrize(
    ("username", "role", "field", "says"),
    [
        ("", "annotator", "add-username", "Enter a username."),
        ("nobody", "annotator", "add-username", "There is no account of this name."),
        ("mona", "annotator", "add-username", "Already a member, as manager."),
        ("a\x00b", "annotator", "add-username", "Null characters"),
        ("x" * 151, "annotator", "add-username", "150"),
        ("annie", "king", "add-role", "not one of the available choices"),
    ],
)
def test_whoever_cannot_be_added(username: str, role: str, field: str, says: str) -> None:
    project = make_project()
    make_user("annie")
    response = manager(project).post(address(project), {"add": "1", "add-username": username, "add-role": role})
    assert response.status_code == 400
    assert says in errors_of(response)[field]
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["mona"]


def test_a_new_account_has_a_password_that_is_shown_once() -> None:
    project = make_project()
    client = manager(project)
    data = {"create": "1", "create-username": "newcomer", "create-role": "annotator"}
    response = client.post(address(project), data)
    password = re.findall(r'<code id="secret">([a-z0-9-]+)</code>', response.content.decode())[0]
    assert authenticate(username="newcomer", password=password) == User.objects.get(username="newcomer")
    assert "no-store" in response["Cache-Control"]
    assert role_of("newcomer") == Role.ANNOTATOR
    assert password not in client.get(address(project)).content.decode()


@pytest.mark.parametrize(
    ("username", "says"),
    [
        ("annie", "taken"),
        ("Annie", "an account annie"),
        ("", "Enter a username."),
        ("no spaces please", "Enter a valid username"),
        ("a/b", "valid"),
    ],
)
def test_no_account_is_taken_over_or_half_made(username: str, says: str) -> None:
    project = make_project()
    before = make_user("annie").password
    data = {"create": "1", "create-username": username, "create-role": "annotator"}
    response = manager(project).post(address(project), data)
    assert response.status_code == 400
    assert says in errors_of(response)["create-username"]
    assert User.objects.get(username="annie").password == before
    assert set(User.objects.values_list("username", flat=True)) == {"annie", "mona"}


def test_a_role_is_changed_and_what_an_annotator_held_goes_back() -> None:
    project = make_project()
    annie = make_member(project, "annie")
    make_open_batch(project, make_items(project, 3))
    queue.claim(project=project, user=annie, count=3)
    path = reverse("project-role", args=[project.slug, "annie"])
    page = manager(project).post(path, {"role": "engineer"}, follow=True)
    assert "annie is now engineer." in text_of(page)
    assert role_of("annie") == Role.ENGINEER
    assert not annie.assignments.pending().exists()


def test_the_last_manager_keeps_the_role_and_the_place() -> None:
    project = make_project()
    client = manager(project)
    for path, data in (("project-role", {"role": "annotator"}), ("project-remove", {})):
        page = client.post(reverse(path, args=[project.slug, "mona"]), data, follow=True)
        assert "last manager" in text_of(page)
        assert page.redirect_chain == [(address(project), 302)]
        assert role_of("mona") == Role.MANAGER


def test_a_manager_may_step_down_when_there_is_another() -> None:
    project = make_project()
    make_member(project, "marc", Role.MANAGER)
    path = reverse("project-role", args=[project.slug, "mona"])
    page = manager(project).post(path, {"role": "annotator"}, follow=True)
    assert page.status_code == 200
    assert page.redirect_chain == [(reverse("project", args=[project.slug]), 302)]
    assert role_of("mona") == Role.ANNOTATOR


def test_an_unknown_role_changes_nothing() -> None:
    project = make_project()
    make_member(project, "annie")
    page = manager(project).post(reverse("project-role", args=[project.slug, "annie"]), {"role": "king"}, follow=True)
    assert "Choose a role." in text_of(page)
    assert role_of("annie") == Role.ANNOTATOR


def test_removing_asks_first() -> None:
    project = make_project()
    make_member(project, "annie")
    client = manager(project)
    path = reverse("project-remove", args=[project.slug, "annie"])
    assert "Remove annie from Digits?" in text_of(client.get(path))
    assert role_of("annie") == Role.ANNOTATOR
    page = client.post(path, follow=True)
    assert "annie is no longer a member of Digits." in text_of(page)
    assert role_of("annie") is None
    assert User.objects.filter(username="annie").exists()


def test_whoever_removes_himself_goes_home() -> None:
    project = make_project()
    make_member(project, "marc", Role.MANAGER)
    response = manager(project).post(reverse("project-remove", args=[project.slug, "mona"]))
    assert response["Location"] == "/"


def test_names_with_signs_have_addresses() -> None:
    project = make_project()
    make_member(project, "anna.b+c@example.org")
    client = manager(project)
    path = reverse("project-remove", args=[project.slug, "anna.b+c@example.org"])
    assert path in client.get(address(project)).content.decode()
    assert client.get(path).status_code == 200
