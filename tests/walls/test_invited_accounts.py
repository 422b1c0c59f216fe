"""An invitation by username: the account finds it on its home page; the manager learns of no account."""

from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from factories import make_member, make_project, make_user
from pages import errors_of, manager, signed_in, text_of

from labeling.models import Invitation, Membership, Project, Role, User
from labeling.projects.people import invitations

pytestmark = pytest.mark.django_db


def invite(client: Client, name: str) -> HttpResponse:
    path = reverse("project-members", args=["digits"])
    return client.post(path, {"names": name, "to_accounts": "on", "role": "engineer"})


def invited(name: str = "annie") -> Invitation:
    """annie's account, and mona's invitation to the account of this name."""
    make_user("annie")
    mona = make_member(make_project(name="Handwritten digits"), "mona", Role.MANAGER)
    made = invitations.invite(project=Project.objects.get(), user=mona, role=Role.ENGINEER, name=name, to_account=True)
    return made[0]


def answer(client: Client, invitation: Invitation, **data: str) -> HttpResponse:
    return client.post(reverse("invitation-answer", args=[invitation.pk]), data, follow=True)


def test_the_account_joins_from_its_home_page() -> None:
    invitation = invited()
    client = signed_in(User.objects.get(username="annie"))
    home = client.get("/")
    assert "You are invited to Handwritten digits. As an engineer, you export its labels and models." in text_of(home)
    assert reverse("invitation-answer", args=[invitation.pk]) in home.content.decode()
    page = answer(client, invitation)
    assert page.redirect_chain == [("/p/digits/", 302)]
    assert "You are in Handwritten digits. Your role: Engineer." in text_of(page)
    assert Membership.objects.get(user__username="annie").role == Role.ENGINEER
    assert "You are invited" not in text_of(client.get("/"))
    assert not Invitation.objects.open().exists()


def test_the_account_declines_and_the_manager_does_not_see_it() -> None:
    invitation = invited()
    annie, mona = (signed_in(User.objects.get(username=name)) for name in ("annie", "mona"))
    before = text_of(mona.get(reverse("project-members", args=["digits"])))
    listed = mona.get("/api/v1/projects/digits/invitations/").json()
    assert "You have declined the invitation to Handwritten digits." in text_of(answer(annie, invitation, decline=""))
    assert "You are invited" not in text_of(annie.get("/"))
    assert answer(annie, invitation).status_code == 404
    assert text_of(mona.get(reverse("project-members", args=["digits"]))) == before
    assert mona.get("/api/v1/projects/digits/invitations/").json() == listed
    assert not Membership.objects.filter(user__username="annie").exists()


def test_the_reply_and_the_queries_are_the_same_with_and_without_an_account() -> None:
    """Also for an account that is switched off, and for a member of another project."""
    client = manager(make_project())
    make_user("annie")
    make_user("gone", is_active=False)
    make_member(make_project("other"), "bertie")
    replies = []
    for name in ("annie", "nobody", "gone", "bertie", "Annie"):
        with CaptureQueriesContext(connection) as queries:
            response = invite(client, name)
        assert response.status_code == 200
        [link] = [each["url"] for each in response.context["made"]["links"]]
        page = text_of(response).partition("Open invitations")[0].replace(name, "NAME")
        replies.append((page, len(queries), len(link)))
        Invitation.objects.all().delete()
    assert len(set(replies)) == 1
    assert "If this account exists, the invitation also appears on its home page." in replies[0][0]


def test_the_api_gives_the_same_answer_with_and_without_an_account() -> None:
    client = manager(make_project())
    make_user("annie")
    bodies = []
    for name in ("annie", "nobody"):
        body = {"role": "annotator", "name": name, "to_account": True}
        response = client.post("/api/v1/projects/digits/invitations/", body, content_type="application/json")
        assert response.status_code == 201
        bodies.append({key: value for key, value in response.json().items() if key not in ("id", "name", "url")})
    for body in bodies:
        del body["created_at"], body["expires_at"]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("name", ["bert", "Annie", "ANNIE", "annie2"])
def test_only_the_account_of_exactly_this_name_finds_it(name: str) -> None:
    invitation = invited(name)
    client = signed_in(User.objects.get(username="annie"))
    assert "You are invited" not in text_of(client.get("/"))
    assert answer(client, invitation).status_code == 404
    assert not Membership.objects.filter(user__username="annie").exists()


def test_only_an_open_invitation_to_accounts_is_on_a_home_page() -> None:
    invitation = invited()
    Invitation.objects.update(to_account=False)
    client = signed_in(User.objects.get(username="annie"))
    assert "You are invited" not in text_of(client.get("/"))
    assert answer(client, invitation).status_code == 404
    Invitation.objects.update(to_account=True, expires_at=timezone.now() - timedelta(seconds=1))
    assert "You are invited" not in text_of(client.get("/"))
    assert answer(client, invitation).status_code == 404


def test_whoever_makes_an_account_of_the_name_later_does_not_get_in() -> None:
    invitation = invited("nora")
    client = signed_in(make_user("nora"))
    assert "You are invited" not in text_of(client.get("/"))
    assert answer(client, invitation).status_code == 404


def test_names_are_checked() -> None:
    project = make_project()
    make_member(project, "annie")
    client = manager(project)
    problems = {" ": "Enter the usernames.", "annie": "annie is a member already. Remove this name."}
    for name in ("a b", "annie!", "x" * 151, "Ann <ann@example.org>", *problems):
        response = invite(client, name)
        assert response.status_code == 400, name
        assert problems.get(name, "") in errors_of(response)["names"]
    assert not Invitation.objects.exists()


def test_invitations_by_username_count_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST", 2)
    client = manager(make_project())
    assert invite(client, "one\ntwo").status_code == 200
    assert "You have made 2 invitations in the last 7 days" in errors_of(invite(client, "three"))["names"]
