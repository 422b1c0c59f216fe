"""Test the members' page: invitations, roles, and the last manager."""

import html
import re
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, make_user
from pages import errors_of, manager, member, signed_in, text_of

from labeling.models import Invitation, Membership, Project, Role, User
from labeling.projects.people import invitations
from labeling.queue import queue

pytestmark = pytest.mark.django_db


def address(project: Project) -> str:
    return reverse("project-members", args=[project.slug])


def role_of(username: str) -> str | None:
    return Membership.objects.filter(user__username=username).values_list("role", flat=True).first()


def test_the_list_shows_who_is_what_and_changes_each_in_a_dialog() -> None:
    project = make_project()
    make_member(project, "enzo", Role.ENGINEER)
    Membership.objects.filter(user__username="enzo").update(group="night shift")
    page = text_of(manager(project).get(address(project)))
    enzo, mona = "enzo Engineer night shift just now Change enzo", "mona (you) Manager no limit just now Change mona"
    assert f"{enzo} {mona}" in page
    page = manager(project).get(address(project)).content.decode()
    dialogs = re.findall(r'<dialog id="([^"]+)" popover.*?</dialog>', page, flags=re.DOTALL)
    assert re.findall(r'popovertarget="([^"]+)">Change', page) == dialogs
    chosen = re.findall(
        r'<h2 id="member-\d+-title">(\w+)</h2>.*?<option value="(\w+)" selected>', page, flags=re.DOTALL
    )
    assert chosen == [("enzo", "engineer"), ("mona", "manager")]
    page = member(project, Role.AUDITOR, "audrey").get(address(project))
    assert "audrey (you) Auditor" in text_of(page)
    assert "popover" not in page.content.decode()


def test_the_list_shows_the_limits_and_whose_answers_are_not_asked_for_in_doubt() -> None:
    project = make_project(daily_limit=1200)
    make_member(project, "ann")
    Membership.objects.filter(user__username="ann").update(daily_limit=30)
    make_member(project, "bo")
    page = text_of(manager(project).get(address(project)))
    assert re.search(r"ann Annotator 30 .*bo Annotator 1,200 ", page)
    assert "If empty, the project’s limit of 1,200 applies." in page
    client = manager(project)
    assert "not asked about items in doubt" not in text_of(client.get(address(project)))
    Membership.objects.filter(user__username="ann").update(asked_in_doubt=False)
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


def test_a_link_to_this_machine_alone_has_a_warning() -> None:
    project = make_project()
    client = manager(project)
    assert "Other computers cannot open" not in text_of(invite(client, project))
    for host in ("127.0.0.1:8431", "localhost:8000", "[::1]:8000"):
        page = text_of(client.post(address(project), {"role": "annotator"}, headers={"host": host}))
        assert f"Other computers cannot open this link: {host} means the computer that opens it." in page


def test_a_role_that_is_none_makes_no_link_and_changes_nothing() -> None:
    project = make_project()
    response = invite(manager(project), project, "king")
    assert response.status_code == 400
    assert "not one of the available choices" in errors_of(response)["role"]
    assert not Invitation.objects.exists()
    # Forms of earlier releases, which revealed the names of accounts, have no effect.
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
    make_member(project, "annie")
    page = manager(project).post(reverse("project-role", args=[project.slug, "annie"]), {"role": "king"}, follow=True)
    assert "Choose a role" in text_of(page)
    assert role_of("annie") == Role.ANNOTATOR


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
    assert "Invite people" in text_of(member(project, Role.MANAGER, "marc").get(address(project)))
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


def test_a_manager_may_step_down_or_leave_when_there_is_another() -> None:
    project = make_project()
    make_member(project, "marc", Role.MANAGER)
    path = reverse("project-role", args=[project.slug, "mona"])
    page = manager(project).post(path, {"role": "annotator"}, follow=True)
    assert page.status_code == 200
    assert page.redirect_chain == [(reverse("project", args=[project.slug]), 302)]
    assert role_of("mona") == Role.ANNOTATOR
    response = manager(project).post(reverse("project-remove", args=[project.slug, "mona"]))
    assert response["Location"] == "/"


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
    make_member(project, "anna.b+c@example.org")
    path = reverse("project-remove", args=[project.slug, "anna.b+c@example.org"])
    assert path in client.get(address(project)).content.decode()
    assert client.get(path).status_code == 200


def invite_many(client: Client, names: str) -> HttpResponse:
    return client.post(reverse("project-members", args=["digits"]), {"names": names, "role": "reviewer"})


def links_on(response: HttpResponse) -> dict[str, str]:
    """The link of each name."""
    found = re.findall(
        r'<label for="link-\d+">(.*?)</label>\s*<input id="link-\d+" type="url" value="([^"]+)" readonly>',
        response.content.decode(),
    )
    return {html.unescape(name): link for name, link in found}


def test_each_name_gets_a_link_and_is_listed_until_it_is_used() -> None:
    project = make_project()
    client = manager(project)
    response = invite_many(client, "Ann Lee <ann@example.org>; bo@example.org, Cy\r\n\r\n  Dörte  \n")
    assert "4 invitations are ready" in text_of(response)
    assert "They join as reviewer." in text_of(response)
    links = links_on(response)
    assert list(links) == ["Ann Lee <ann@example.org>", "bo@example.org", "Cy", "Dörte"]
    assert len(set(links.values())) == 4
    as_text = html.unescape(response.content.decode())
    assert "".join(f"{name}\t{link}\n" for name, link in links.items()).strip() in as_text
    page = text_of(client.get(address(project)))
    assert "Dörte Reviewer mona in 7 days Withdraw" in page
    assert not any(link in page for link in links.values())
    invited = Client()
    account = {"username": "cy", "password1": "long-and-odd-7", "password2": "long-and-odd-7"}
    assert invited.post(links["Cy"], account).status_code == 302
    assert role_of("cy") == Role.REVIEWER
    listed = [each["whom"] for each in client.get(address(project)).context["invitations"]]
    assert listed == ["Dörte", "bo@example.org", "Ann Lee <ann@example.org>"]


def test_names_that_cannot_be_invited_make_no_link_and_stay_in_the_form() -> None:
    project = make_project()
    make_member(project, "annie")
    client = manager(project)
    invitations.invite(project=project, user=User.objects.get(username="mona"), role="annotator", name="Carla")
    for names, problem in {
        "ann\n---\nbo": "“---” is neither a username nor an e-mail address. Correct or remove it.",
        "ann, b\u202eo": "“b<U+202E>o” is neither a username nor an e-mail address. Correct or remove it.",
        "ann\nbo@\n": "“bo@” is not a valid e-mail address. Correct or remove it.",
        "Bo <bo@example>": "“Bo <bo@example>” is not a valid e-mail address. Correct or remove it.",
        "ann@example.org\nbo\nAnn@Example.org": "“Ann@Example.org” is listed twice. Remove one of them.",
        "x" * 300: "is longer than 254 characters.",
        "\n".join(f"person {number}" for number in range(100)): "Invite at most 99 now",
        "\n".join(f"person {number}" for number in range(1001)): "These are 1,001 names. Invite at most 1,000",
        "annie": "annie is a member already.",
        "new\nCarla": "Carla has an open invitation.",
    }.items():
        response = invite_many(client, names)
        assert response.status_code == 400, problem
        assert problem in errors_of(response)["names"]
        assert names.strip() in html.unescape(response.content.decode()).replace("\r", "")
    assert Invitation.objects.count() == 1


def share(client: Client, **data: str) -> HttpResponse:
    values = {"role": "annotator", "limit": "20", "last_day": str(timezone.now().date() + timedelta(days=30)), **data}
    return client.post(
        reverse("project-members", args=["digits"]), {f"shared-{name}": text for name, text in values.items()}
    )


def test_a_shared_link_says_for_how_many_and_until_when() -> None:
    project = make_project()
    client = manager(project)
    response = share(client)
    assert "up to 20 people, who join as annotator" in text_of(response)
    invitation = Invitation.objects.get()
    assert invitation.expires_at.date() == timezone.now().date() + timedelta(days=31)
    assert "20 people, 0 joined Annotator mona" in text_of(client.get(address(project)))
    assert Client().get(link_on(response)).status_code == 200
    share(client, last_day=str(timezone.now().date() + timedelta(days=7)))
    assert "Annotator mona in 7 days Withdraw" in text_of(client.get("/p/digits/members/"))


def test_a_shared_link_needs_a_role_a_limit_and_a_day_to_come() -> None:
    client = manager(make_project())
    for field, problem, texts in (
        ("role", "not one of the available choices", ["king"]),
        ("limit", "Enter a whole number from 1 to 1,000.", ["0", "-1", "many", "1001"]),
        ("limit", "Invite at most 100 now", ["101"]),
        ("last_day", "is not possible: choose a day from ", ["2020-01-01", "2999-01-01"]),
        ("last_day", "Enter a day, such as 2026-03-09.", ["soon", ""]),
    ):
        for text in texts:
            response = share(client, **{field: text})
            assert response.status_code == 400, (field, text)
            assert problem in errors_of(response)[f"shared-{field}"]
    assert not Invitation.objects.exists()


def test_the_people_of_shared_links_count_towards_the_limit_also_when_the_links_are_over() -> None:
    client = manager(make_project())
    today = str(timezone.now().date())
    assert share(client, limit="60", last_day=today).status_code == 200
    Invitation.objects.update(expires_at=timezone.now())
    assert "You have made 60 invitations" in errors_of(share(client, limit="41"))["shared-limit"]
    assert share(client, limit="40").status_code == 200
    Invitation.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert share(client, limit="100").status_code == 200


def test_a_superuser_invites_as_many_as_there_are() -> None:
    make_project()
    client = signed_in(make_user("boss", is_superuser=True))
    assert share(client, limit="1000").status_code == 200
    assert invite_many(client, "\n".join(f"person {number}" for number in range(150))).status_code == 200
    assert Invitation.objects.count() == 151


def test_a_new_link_replaces_the_old_one() -> None:
    project = make_project()
    client = manager(project)
    old = link_on(invite(client, project))
    path = reverse("project-invitation-renew", args=[project.slug, Invitation.objects.get().pk])
    assert path in client.get(address(project)).content.decode()
    response = client.post(path)
    assert "no-store" in response["Cache-Control"]
    new = link_on(response)
    assert (Client().get(old).status_code, Client().get(new).status_code) == (404, 200)
    Invitation.objects.update(closed_at=timezone.now())
    assert "no longer open" in text_of(client.post(path, follow=True))
    assert Client().get(new).status_code == 404
