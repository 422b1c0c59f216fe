"""Every page for every role: one's own project, another's, a missing id, a wrong method, nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_version, member, signed_in

from labeling.models import Role
from labeling.web.project_urls import urlpatterns

pytestmark = pytest.mark.django_db

ANNOTATOR, MANAGER, ENGINEER = Role.ANNOTATOR, Role.MANAGER, Role.ENGINEER
EVERYONE = {ANNOTATOR, MANAGER, ENGINEER}
READERS = {MANAGER, ENGINEER}
MANAGERS = {MANAGER}

# name of the address, method, who may. Every address below a project is here: a test says so.
PAGES: list[tuple[str, str, set[Role]]] = [
    ("project", "get", EVERYONE),
    ("project-batches", "get", EVERYONE),
    ("project-batch", "get", EVERYONE),
    ("project-loop", "post", MANAGERS),
    ("project-retry", "post", MANAGERS),
    ("project-import", "get", MANAGERS),
    ("project-import", "post", MANAGERS),
    ("project-settings", "get", MANAGERS),
    ("project-settings", "post", MANAGERS),
    ("project-consequence", "get", MANAGERS),
    ("project-members", "get", MANAGERS),
    ("project-members", "post", MANAGERS),
    ("project-role", "post", MANAGERS),
    ("project-remove", "get", MANAGERS),
    ("project-remove", "post", MANAGERS),
    ("project-models", "get", READERS),
    ("project-export", "get", READERS),
]
# Not below a project: for whoever is signed in, or may create one.
ELSEWHERE = {"project-new", "guidelines-preview", "account", "password", "token-revoke"}
# A page, a way on, or a form that was not filled in: never a 403, a 404 or a 5xx.
FINE = {200, 302, 400}


def address(name: str, slug: str, **ids: Any) -> str:
    route = next(str(pattern.pattern) for pattern in urlpatterns if pattern.name == name)
    values = {"slug": slug, "number": 1, "username": "leaver", **ids}
    return reverse(name, kwargs={key: value for key, value in values.items() if f":{key}>" in route})


@pytest.fixture
def world() -> dict[str, Client]:
    """A client for each role in project `ours`, for a manager of project `theirs`, and for nobody."""
    ours, theirs = make_project("ours"), make_project("theirs")
    for project in (ours, theirs):
        make_version(make_open_batch(project, make_items(project, 3)), 1)
        make_member(project, "leaver")
    clients = {role: member(ours, role) for role in EVERYONE}
    return {**clients, "nobody": Client(), "stranger": member(theirs, MANAGER)}


@pytest.mark.parametrize(("name", "method", "who"), PAGES)
def test_every_role(world: dict[str, Client], name: str, method: str, who: set[Role]) -> None:
    nobody = getattr(world["nobody"], method)(address(name, "ours"))
    assert (nobody.status_code, nobody["Location"].partition("?")[0]) == (302, reverse("login"))
    assert getattr(world["stranger"], method)(address(name, "ours")).status_code == 404
    # Managers last: what they do may take the page away from the others.
    for role in sorted(EVERYONE, key=lambda role: role == MANAGER):
        assert getattr(world[role], method)(address(name, "theirs")).status_code == 404
        assert getattr(world[role], method)(address(name, "no-such-project")).status_code == 404
        status = getattr(world[role], method)(address(name, "ours")).status_code
        assert status in FINE if role in who else status == 403, (role, status)


@pytest.mark.parametrize("name", sorted({name for name, *_ in PAGES}))
def test_wrong_method(world: dict[str, Client], name: str) -> None:
    allowed = {method for other, method, _ in PAGES if other == name}
    for method in {"get", "post", "put", "patch", "delete"} - allowed:
        assert getattr(world[MANAGER], method)(address(name, "ours")).status_code == 405, method


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("project-batch", "get"),
        ("project-retry", "post"),
        ("project-role", "post"),
        ("project-remove", "get"),
        ("project-remove", "post"),
    ],
)
def test_missing_id(world: dict[str, Client], name: str, method: str) -> None:
    path = address(name, "ours", number=10**9, username="nobody-at-all")
    assert getattr(world[MANAGER], method)(path).status_code == 404


def test_every_address_is_in_the_table() -> None:
    assert {name for name, *_ in PAGES} | ELSEWHERE == {pattern.name for pattern in urlpatterns}


@pytest.mark.parametrize("name", sorted({name for name, method, _ in PAGES if method == "post"}))
def test_nothing_is_taken_from_another_site(world: dict[str, Client], name: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = world[MANAGER].cookies
    response = client.post(address(name, "ours"), {"loop": "stopped"})
    assert response.status_code == 403
    assert b"out of date" in response.content


def test_a_member_sees_only_the_ways_that_are_his(world: dict[str, Client]) -> None:
    shown = {
        role: {name for name, _, _ in PAGES if f'href="{address(name, "ours")}"' in page}
        for role in EVERYONE
        for page in [world[role].get(address("project", "ours")).content.decode()]
    }
    reachable = {role: {name for name, method, who in PAGES if role in who and method == "get"} for role in EVERYONE}
    ways = {"project", "project-batches", "project-models", "project-export", "project-import", "project-members"}
    for role in EVERYONE:
        assert shown[role] - {"project-batch"} == reachable[role] & (ways | {"project-settings"}), role


def test_a_superuser_is_manager_everywhere(world: dict[str, Client]) -> None:
    boss = make_member(make_project("elsewhere"), "boss")
    boss.is_superuser = True
    boss.save()
    for name, method, _ in PAGES:
        if method == "get":
            assert signed_in(boss).get(address(name, "ours")).status_code == 200, name
