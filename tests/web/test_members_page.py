"""Test the members' page: invitations, roles, and the last manager."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, make_user
from pages import errors_of, manager, member, text_of

from labeling.answering import queue
from labeling.models import Invitation, Membership, Project, Role, User
from labeling.projects import invitations

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


def test_the_list_shows_whose_answers_are_not_asked_for_in_doubt() -> None:
    project = make_project()
    ann = make_member(project, "ann")
    client = manager(project)
    assert "not asked about items in doubt" not in text_of(client.get(address(project)))
    Membership.objects.filter(user=ann).update(asked_in_doubt=False)
    assert text_of(client.get(address(project))).count("not asked about items in doubt") == 1


def invite(client: Client, project: Project, role: str = "annotator") -> HttpResponse:
    return client.post(address(project), {"role": role})


def link_on(response: HttpResponse) -> str:
    return re.findall(r'<input id="link" type="url" value="([^"]+)" readonly>', response.content.decode())[0]


def test_an_invitation_is_a_link_that_is_shown_once() -> None:
    project = make_project()
    client = manager(project)
    response = invite(client, project, "engineer")
    link = link_on(response)
    assert "one person, who joins as engineer" in text_of(response)
    assert "no-store" in response["Cache-Control"]
    page = client.get(address(project))
    assert link not in page.content.decode()
    assert "Engineer mona in 7 days Withdraw" in text_of(page)
    token = link.removeprefix("http://testserver/invitation/").removesuffix("/")
    assert len(token) == 43
    assert token not in str(Invitation.objects.values_list())
    assert Client().get(link).status_code == 200


def test_a_role_that_is_none_makes_no_link() -> None:
    project = make_project()
    response = invite(manager(project), project, "king")
    assert response.status_code == 400
    assert "not one of the available choices" in errors_of(response)["role"]
    assert not Invitation.objects.exists()


def test_a_withdrawn_invitation_lets_nobody_in() -> None:
    project = make_project()
    client = manager(project)
    link = link_on(invite(client, project))
    path = reverse("project-invitation-withdraw", args=[project.slug, Invitation.objects.get().pk])
    assert path in client.get(address(project)).content.decode()
    assert "The invitation is withdrawn" in text_of(client.post(path, follow=True))
    assert Client().get(link).status_code == 404
    assert "Withdraw" not in text_of(client.get(address(project)))
    assert "no longer open" in text_of(client.post(path, follow=True))


def test_no_name_is_typed_and_none_is_told() -> None:
    """Forms of earlier releases, which revealed the names of accounts, have no effect."""
    project = make_project()
    make_user("annie")
    client = manager(project)
    for name in ("annie", "nobody"):
        for form in ("add", "create"):
            data = {form: "1", f"{form}-username": name, f"{form}-role": "annotator"}
            response = client.post(address(project), data)
            assert response.status_code == 400
            assert name not in response.content.decode()
    assert role_of("annie") is None
    assert set(User.objects.values_list("username", flat=True)) == {"annie", "mona"}


def test_one_manager_makes_a_hundred_invitations_a_week() -> None:
    project = make_project()
    client = manager(project)
    for number in range(invitations.MOST):
        Invitation.objects.create(
            project=project,
            invited_by=User.objects.get(username="mona"),
            role=Role.ANNOTATOR,
            digest=str(number),
            closed_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )
    response = invite(client, project)
    assert response.status_code == 400
    assert "You have made 100 invitations in the last 7 days" in errors_of(response)["role"]
    assert "Invite somebody" in text_of(member(project, Role.MANAGER, "marc").get(address(project)))
    assert invite(member(project, Role.MANAGER, "marc"), project).status_code == 200
    Invitation.objects.filter(invited_by__username="mona").update(expires_at=timezone.now())
    assert invite(client, project).status_code == 200
    assert Invitation.objects.count() == 2


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
    assert "Choose a role" in text_of(page)
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
