"""Test the limits on the projects of a person and of the server, by each way to create one."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from factories import make_member, make_project, make_user
from pages import signed_in, text_of

from labeling.models import Project, Role, User
from labeling.projects.people.members import set_role

pytestmark = pytest.mark.django_db

API = "/api/v1/projects/"
FULL = "The limit of projects for each person is 2, and you have made 2."


@pytest.fixture(autouse=True)
def two_a_person(settings: Any) -> None:
    settings.MAX_PROJECTS_PER_PERSON = 2


def mona() -> User:
    """Return the manager of a project that a command created."""
    return make_member(make_project(), "mona", Role.MANAGER)


def by_api(client: Client, slug: str = "owls") -> Any:
    body = {"slug": slug, "kind": "text", "question": "single", "classes": ["a", "b"]}
    return client.post(API, body, content_type="application/json")


def by_page(client: Client, slug: str = "owls") -> Any:
    form = {"name": slug, "slug": slug, "kind": "text", "question": "single", "classes": "a\nb", "batch_size": "10"}
    return client.post("/new/", form)


def by_copy(client: Client, slug: str = "owls") -> Any:
    return client.post(f"{API}digits/duplicate/", {"slug": slug, "name": slug}, content_type="application/json")


def by_copying_page(client: Client, slug: str = "owls") -> Any:
    return client.post("/p/digits/duplicate/", {"copy-slug": slug, "copy-name": slug})


WAYS = [by_api, by_page, by_copy, by_copying_page]


@pytest.mark.parametrize("way", WAYS)
def test_each_way_counts_and_says_when_there_are_too_many(way: Any) -> None:
    user = mona()
    client = signed_in(user)
    assert [way(client).status_code for _ in range(2)] in ([201, 201], [302, 302])
    assert Project.objects.filter(created_by=user).count() == 2
    refused = way(client)
    if way in (by_api, by_copy):
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert refused.json()["detail"].startswith(FULL)
    else:
        assert refused.status_code == 400
        assert FULL in text_of(refused)
    assert Project.objects.count() == 3


def test_projects_that_are_handed_over_or_deleted_count_and_those_removed_do_not() -> None:
    user = mona()
    client = signed_in(user)
    first, second = (Project.objects.get(slug=by_api(client).json()["slug"]) for _ in range(2))
    set_role(project=first, user=make_user("bert"), role=Role.MANAGER)
    client.delete(f"{API}{first.slug}/members/mona/")
    Project.objects.filter(pk=second.pk).update(deleted_at=timezone.now())
    assert by_api(client).status_code == 409
    second.delete()
    assert by_api(client).status_code == 201


def test_projects_of_others_do_not_count() -> None:
    user = mona()
    for number in range(4):
        make_member(make_project(f"other-{number}"), "mona", Role.MANAGER)
    assert by_api(signed_in(user)).status_code == 201


def test_the_server_has_a_limit_for_all(settings: Any) -> None:
    settings.MAX_PROJECTS = 2
    staff = signed_in(make_user("boss", is_staff=True))
    manager = signed_in(mona())
    assert by_api(staff).status_code == 201
    for client in (staff, manager):
        assert by_api(client, "more").json()["detail"].startswith("The limit of projects on this server is 2, ")


def test_operators_and_commands_have_no_limit_of_their_own(settings: Any) -> None:
    staff = make_user("boss", is_staff=True)
    client = signed_in(staff)
    assert [by_api(client, f"b{number}").status_code for number in range(3)] == [201] * 3
    settings.MAX_PROJECTS = 1
    call_command("create_project", "by-hand", kind="text", classes="a,b", manager="boss")
    assert Project.objects.get(slug="by-hand").created_by is None
