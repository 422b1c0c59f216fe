"""Test the page of an invitation's link: it admits one person, and reveals no usernames."""

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_member, make_project, make_user
from pages import errors_of, signed_in, text_of

from labeling.management.commands.worker import tidy
from labeling.models import Invitation, Membership, Project, Role, User
from labeling.projects.people import invitations
from labeling.projects.people.members import remove_member, set_role

pytestmark = pytest.mark.django_db

ACCOUNT = {"username": "nora", "password1": "long-and-odd-7", "password2": "long-and-odd-7"}
REFUSED = "This name cannot be used here. Choose another one."


def make_invitation(role: str = Role.ANNOTATOR, project: Project | None = None) -> str:
    """Create an invitation by the manager mona, and return the path of its link."""
    project = project or make_project(name="Handwritten digits")
    mona = make_member(project, "mona", Role.MANAGER)
    return reverse("invitation", args=[invitations.invite(project=project, user=mona, role=role)[1]])


def roles() -> dict[str, str]:
    return dict(Membership.objects.exclude(user__username="mona").values_list("user__username", "role"))


@pytest.mark.parametrize("made_up", [False, True])
def test_the_page_is_kept_nowhere_and_its_address_told_nobody(made_up: bool) -> None:
    response = Client().get("/invitation/made-up/" if made_up else make_invitation())
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


def is_over(path: str, client: Client | None = None) -> bool:
    response = (client or Client()).get(path)
    return response.status_code == 404 and "This link no longer works" in text_of(response)


def test_a_new_person_makes_an_account_and_is_in() -> None:
    path, client = make_invitation(Role.ENGINEER), Client()
    page = text_of(client.get(path))
    assert "You are invited to Handwritten digits" in page
    assert "As an engineer, you export its labels and models." in page
    response = client.post(path, ACCOUNT, follow=True)
    assert response.redirect_chain == [("/p/digits/", 302)]
    assert "You are in Handwritten digits. Your role: Engineer." in text_of(response)
    nora = User.objects.get(username="nora")
    assert get_user(client) == nora
    assert nora.check_password("long-and-odd-7")
    assert (nora.is_staff, nora.is_superuser) == (False, False)
    assert roles() == {"nora": "engineer"}
    assert is_over(path)


@pytest.mark.parametrize(
    ("name", "username"),
    [("Ann Lee", "ann.lee"), ("bo@example.org", "bo"), ("Dörte", "dörte"), ("(Eve)  O'Hara", "eve.ohara"), ("", "")],
)
def test_the_username_is_proposed_from_the_invited_name(name: str, username: str) -> None:
    project = make_project()
    mona = make_member(project, "mona", Role.MANAGER)
    _, token = invitations.invite(project=project, user=mona, role=Role.ANNOTATOR, name=name)
    page = Client().get(reverse("invitation", args=[token]))
    assert page.context["form"]["username"].value() == username


def test_signed_out_people_sign_in_and_join_with_one_click() -> None:
    path = make_invitation()
    for client in (Client(), signed_in(make_user("annie"))):
        for _ in range(3):
            assert client.get(path).status_code == client.head(path).status_code == 200
    assert roles() == {}
    invitation = Invitation.objects.get()
    assert (invitation.closed_at, invitation.tries_left) == (None, 10)
    client = Client()
    assert f'href="/login/?next={path}"' in client.get(path).content.decode()
    data = {"username": "annie", "password": "annie-password", "next": path}
    assert "Join as annie" in text_of(client.post("/login/", data, follow=True))
    response = client.post(path, follow=True)
    assert response.redirect_chain == [("/p/digits/label/", 302)]
    assert "You are in Handwritten digits. Your role: Annotator." in text_of(response)
    assert roles() == {"annie": "annotator"}
    assert is_over(path, signed_in(make_user("bert")))


def test_a_member_keeps_the_role_and_leaves_the_invitation() -> None:
    path = make_invitation(Role.MANAGER)
    for role in Role.values:
        client = signed_in(make_member(Project.objects.get(), role, role))
        own = f"Your role: {role.capitalize()}."
        assert own in text_of(client.get(path))
        assert f"You are in Handwritten digits. {own}" in text_of(client.post(path, follow=True))
    client = signed_in(make_user("boss", is_superuser=True))  # is in every project already
    assert "Your role: Manager." in text_of(client.get(path))
    client.post(path)
    assert roles() == {role: role for role in Role.values}
    assert not is_over(path)


def use(invitation: Invitation) -> None:
    invitations.join(invitation=invitation, user=make_user("first"))


def withdraw(invitation: Invitation) -> None:
    assert Invitation.objects.filter(pk=invitation.pk).close()


def expire(invitation: Invitation) -> None:
    Invitation.objects.update(expires_at=timezone.now())


def demote(invitation: Invitation) -> None:
    make_member(invitation.project, "marc", Role.MANAGER)
    set_role(project=invitation.project, user=invitation.invited_by, role=Role.ANNOTATOR)


def remove(invitation: Invitation) -> None:
    make_member(invitation.project, "marc", Role.MANAGER)
    remove_member(project=invitation.project, user=invitation.invited_by)


def switch_off(invitation: Invitation) -> None:
    User.objects.filter(pk=invitation.invited_by_id).update(is_active=False)


def exhaust(invitation: Invitation) -> None:
    Invitation.objects.update(tries_left=0)


def promote_again(invitation: Invitation) -> None:
    set_role(project=invitation.project, user=invitation.invited_by, role=Role.MANAGER)


def take_the_role_past_the_pages(invitation: Invitation) -> None:
    """Change the role as Django's admin does."""
    invitation.project.memberships.filter(user=invitation.invited_by).update(role=Role.ANNOTATOR)
    tidy(timezone.now())


def switch_off_and_on(invitation: Invitation) -> None:
    switch_off(invitation)
    tidy(timezone.now())
    User.objects.update(is_active=True)


def test_a_superuser_who_loses_a_role_may_still_invite() -> None:
    path = make_invitation()
    invitation = Invitation.objects.select_related("project", "invited_by").get()
    User.objects.filter(pk=invitation.invited_by_id).update(is_superuser=True)
    demote(invitation)
    tidy(timezone.now())
    assert not is_over(path)


def test_a_person_who_has_just_lost_the_role_makes_no_invitation() -> None:
    project = make_project()
    mona = make_member(project, "mona", Role.ANNOTATOR)  # the page asked before that
    with pytest.raises(ValidationError, match="Only managers"):
        invitations.invite(project=project, user=mona, role=Role.ANNOTATOR)


ENDS = [use, withdraw, expire, switch_off, exhaust]
LOSSES = [demote, remove, take_the_role_past_the_pages, switch_off_and_on]


@pytest.mark.parametrize("end", [*ENDS, *LOSSES])
def test_a_link_that_is_over_looks_like_one_that_never_was(end: Any) -> None:
    path = make_invitation()
    invitation = Invitation.objects.select_related("project", "invited_by").get()
    end(invitation)
    if end in LOSSES:
        promote_again(invitation)  # it stays over, although its author is manager again
    for client in (Client(), signed_in(make_user("annie"))):
        made_up = client.get("/invitation/made-up/")
        for response in (client.get(path), client.post(path, ACCOUNT)):
            assert response.status_code == made_up.status_code == 404
            assert text_of(response) == text_of(made_up)
            assert "digits" not in response.content.decode()
    assert not User.objects.filter(username="nora").exists()
    assert "annie" not in roles()


def test_what_is_wrong_in_itself_costs_no_try_and_tells_no_name() -> None:
    path = make_invitation()
    for change, field in (
        *(({"username": name}, "username") for name in ("", "a b", "x" * 151, "a\x00b")),
        ({"password2": "other-and-odd-7"}, "password2"),
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
        ({"password1": "", "password2": ""}, "password1"),
    ):
        response = Client().post(path, {**ACCOUNT, **change})
        assert response.status_code == 400, change
        assert field in errors_of(response)
    assert Invitation.objects.get().tries_left == 10
    assert User.objects.count() == 1
    before = make_user("annie").password
    wrong = {**ACCOUNT, "password2": "other-and-odd-7"}
    taken, free = (errors_of(Client().post(path, {**wrong, "username": name})) for name in ("annie", "nora"))
    assert taken == free == {"password2": "The two password fields didn’t match."}
    make_user("gone", is_active=False)
    for name in ("annie", "Annie", "ANNIE", "gone"):
        response = Client().post(path, {**ACCOUNT, "username": name})
        assert (response.status_code, errors_of(response)) == (400, {"username": REFUSED}), name
    assert User.objects.get(username="annie").password == before
    assert roles() == {}
    assert not is_over(path)


def test_after_ten_names_the_invitation_is_over() -> None:
    path = make_invitation()
    make_user("taken")
    for _ in range(10):
        response = Client().post(path, {**ACCOUNT, "username": "taken"})
        assert errors_of(response) == {"username": REFUSED}
    assert is_over(path)
    assert Client().post(path, ACCOUNT).status_code == 404
    assert not User.objects.filter(username="nora").exists()


def test_the_tenth_name_may_be_the_right_one() -> None:
    path = make_invitation()
    Invitation.objects.update(tries_left=1)
    assert Client().post(path, ACCOUNT).status_code == 302
    assert roles() == {"nora": "annotator"}


def test_no_form_of_another_site_joins() -> None:
    path = make_invitation()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("annie"))
    assert client.post(path, {}).status_code == 403
    assert roles() == {}


def make_shared(limit: int) -> str:
    """The path of a link that mona has made for so many people."""
    mona = make_member(make_project(name="Handwritten digits"), "mona", Role.MANAGER)
    shared = invitations.invite(project=Project.objects.get(), user=mona, role=Role.REVIEWER, limit=limit)
    return reverse("invitation", args=[shared[1]])


def test_a_shared_link_lets_in_as_many_as_it_says() -> None:
    path = make_shared(3)
    assert Invitation.objects.get().tries_left == 30  # ten for each person
    for number in range(2):
        assert Client().post(path, {**ACCOUNT, "username": f"new-{number}"}).status_code == 302
    again = signed_in(User.objects.get(username="new-0")).post(path, follow=True)  # not counted twice
    assert "You are in Handwritten digits. Your role: Reviewer." in text_of(again)
    assert signed_in(make_user("annie")).post(path).status_code == 302
    assert roles() == dict.fromkeys(["new-0", "new-1", "annie"], "reviewer")
    assert is_over(path)
    assert is_over(path, signed_in(make_user("bert")))
    invitation = Invitation.objects.get()
    assert (invitation.used, invitation.closed_at is None) == (3, False)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_the_last_places_at_once_exactly_the_limit_gets_in() -> None:
    path = make_shared(5)
    assert Client().post(path, {**ACCOUNT, "username": "first"}).status_code == 302
    people = [signed_in(make_user(f"person-{number}")) for number in range(5)] + [Client() for _ in range(5)]
    start = Barrier(len(people))

    def join(number: int) -> int:
        start.wait()
        try:
            return people[number].post(path, {**ACCOUNT, "username": f"new-{number}"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        answers = list(pool.map(join, range(len(people))))
    assert sorted(answers) == [302] * 4 + [404] * 6
    assert list(roles().values()) == ["reviewer"] * 5
    invitation = Invitation.objects.get()
    assert (invitation.used, invitation.closed_at is None) == (5, False)
    joined = User.objects.filter(username__startswith="new-")
    assert set(joined.values_list("username", flat=True)) <= set(roles())  # no account is left without a place


PROXY = "10.0.0.1"


@pytest.fixture
def behind_a_proxy(settings: Any) -> None:
    settings.LOGIN_HEADER = "X-Forwarded-User"
    settings.LOGIN_HEADER_CREATES_ACCOUNTS = False
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24")]


def through_proxy(client: Client, method: str, path: str, name: str = "", **more: Any) -> HttpResponse:
    headers = {"HTTP_X_FORWARDED_USER": name} if name else {}
    response: HttpResponse = getattr(client, method)(path, REMOTE_ADDR=PROXY, **headers, **more)
    return response


@pytest.mark.usefixtures("behind_a_proxy")
def test_with_a_provider_people_get_accounts_of_its_names() -> None:
    path, client = make_invitation(), Client()
    page = through_proxy(client, "get", path)
    assert "Sign in" in text_of(page)
    assert "password1" not in page.content.decode()
    assert through_proxy(client, "post", path, data=ACCOUNT)["Location"] == f"/login/?next={path}"
    assert User.objects.count() == 1
    make_user("annie")
    assert "Join as annie" in text_of(through_proxy(client, "get", path, "annie"))
    make_user("off", is_active=False)
    for name in ("off", "OFF", "a b", "x" * 151):
        response = through_proxy(Client(), "post", path, name)
        assert response.status_code == 400, name
        assert "cannot be used here" in text_of(response)
    assert User.objects.count() == 3
    assert not is_over(path)
    client = Client()
    page = through_proxy(client, "get", path, "nora@example.org")
    assert "Join as nora@example.org" in text_of(page)
    assert "password1" not in page.content.decode()
    data = {**ACCOUNT, "username": "somebody-else"}
    assert through_proxy(client, "post", path, "nora@example.org", data=data)["Location"] == "/p/digits/label/"
    assert roles() == {"nora@example.org": "annotator"}
    assert not User.objects.get(username="nora@example.org").has_usable_password()
    assert through_proxy(client, "get", "/p/digits/", "nora@example.org").status_code == 200
    assert through_proxy(client, "get", "/p/digits/").status_code == 302
    assert is_over(path)
