"""Every endpoint for every role: one's own project, another's, a missing id, a wrong method."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project, make_user
from rest_framework.test import APIClient

from labeling.api.urls import urlpatterns
from labeling.models import ItemImport, ModelVersion, Role

pytestmark = pytest.mark.django_db

ANNOTATOR, MANAGER, ENGINEER = Role.ANNOTATOR, Role.MANAGER, Role.ENGINEER
EVERYONE = {ANNOTATOR, MANAGER, ENGINEER}
ANNOTATORS = {ANNOTATOR, MANAGER}
READERS = {ENGINEER, MANAGER}
MANAGERS = {MANAGER}

# name of the address, method, body, who may. Every address below a project is here: a test says so.
ENDPOINTS: list[tuple[str, str, Any, set[Role]]] = [
    ("project", "get", None, EVERYONE),
    ("project", "patch", {"batch_size": 7}, MANAGERS),
    ("members", "get", None, MANAGERS),
    ("members", "post", {"username": "newcomer", "role": "annotator"}, MANAGERS),
    ("member", "delete", None, MANAGERS),
    ("items", "post", [{"text": "hello"}], MANAGERS),
    ("item-media", "get", None, EVERYONE),
    ("imports", "get", None, MANAGERS),
    ("import", "get", None, MANAGERS),
    ("rejected-rows", "get", None, MANAGERS),
    ("claim", "post", {"count": 1}, ANNOTATORS),
    ("annotations", "post", {"annotations": []}, ANNOTATORS),
    ("annotation", "delete", None, ANNOTATORS),
    ("skip", "post", {"task": 1, "reason": "unclear"}, ANNOTATORS),
    ("release", "post", {}, ANNOTATORS),
    ("progress", "get", None, EVERYONE),
    ("batches", "get", None, EVERYONE),
    ("batch", "get", None, EVERYONE),
    ("batch-retry", "post", None, MANAGERS),
    ("batch-end", "post", None, MANAGERS),
    ("models", "get", None, READERS),
    ("model", "get", None, READERS),
    ("model-artifact", "get", None, READERS),
    ("export", "get", None, READERS),
]
# What those who may get where the thing itself does not exist or cannot be done: never a 403, never a 5xx.
FINE = {200, 201, 202, 204, 404, 409}


def address(name: str, slug: str, **ids: Any) -> str:
    route = next(str(pattern.pattern) for pattern in urlpatterns if pattern.name == name)
    values = {"item_id": 1, "import_id": 1, "number": 1, "annotation_id": uuid.uuid4(), "username": "leaver", **ids}
    for converter, key in (("slug", "slug"), ("int", "item_id"), ("int", "import_id"), ("int", "number")):
        route = route.replace(f"<{converter}:{key}>", str({**values, "slug": slug}[key]))
    route = route.replace("<uuid:annotation_id>", str(values["annotation_id"]))
    return f"/api/v1/{route}".replace("<str:username>", values["username"])


@pytest.fixture
def world() -> dict[str, APIClient]:
    """A client for each role in project `ours`, for a manager of project `theirs`, and for nobody."""
    ours, theirs = make_project("ours"), make_project("theirs")
    batch = make_open_batch(ours, make_items(ours, 5))
    ModelVersion.objects.create(project=ours, number=1, batch=batch, labels=1, seed=1, seconds=1)
    ItemImport.objects.create(project=ours, name="a.csv", path="/nowhere")
    make_user("newcomer")
    make_member(ours, "leaver")
    users = {role: make_member(ours, f"our-{role}", role) for role in EVERYONE}
    clients = {"nobody": APIClient(), "stranger": APIClient()}
    clients["stranger"].force_authenticate(make_member(theirs, "their-manager", MANAGER))
    for role, user in users.items():
        clients[role] = APIClient()
        clients[role].force_authenticate(user)
    return clients


def call(client: APIClient, method: str, path: str, body: Any) -> int:
    return (
        getattr(client, method)(path, body, format="json").status_code
        if body is not None
        else getattr(client, method)(path).status_code
    )


@pytest.mark.parametrize(("name", "method", "body", "who"), ENDPOINTS)
def test_every_role(world: dict[str, APIClient], name: str, method: str, body: Any, who: set[Role]) -> None:
    assert call(world["nobody"], method, address(name, "ours"), body) == 401
    assert call(world["stranger"], method, address(name, "ours"), body) == 404
    for role in EVERYONE:
        status = call(world[role], method, address(name, "ours"), body)
        assert status in FINE if role in who else status == 403, (role, status)
        assert call(world[role], method, address(name, "theirs"), body) == 404
        assert call(world[role], method, address(name, "no-such-project"), body) == 404


@pytest.mark.parametrize("name", sorted({name for name, *_ in ENDPOINTS}))
def test_wrong_method(world: dict[str, APIClient], name: str) -> None:
    allowed = {method for other, method, *_ in ENDPOINTS if other == name}
    for method in {"get", "post", "put", "patch", "delete"} - allowed:
        assert call(world[MANAGER], method, address(name, "ours"), None) == 405, method


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("item-media", "get"),
        ("import", "get"),
        ("rejected-rows", "get"),
        ("annotation", "delete"),
        ("batch", "get"),
        ("batch-retry", "post"),
        ("batch-end", "post"),
        ("model", "get"),
        ("model-artifact", "get"),
        ("member", "delete"),
    ],
)
def test_missing_id(world: dict[str, APIClient], name: str, method: str) -> None:
    path = address(name, "ours", item_id=10**9, import_id=10**9, number=10**9, username="nobody-at-all")
    response = getattr(world[MANAGER], method)(path)
    assert response.status_code == 404
    assert set(response.json()) >= {"code", "detail"}


def test_every_address_is_in_the_table() -> None:
    assert {name for name, *_ in ENDPOINTS} == {pattern.name for pattern in urlpatterns} - {"projects"}


def test_projects_list_shows_only_ones_own(world: dict[str, APIClient]) -> None:
    assert [p["slug"] for p in world[ANNOTATOR].get("/api/v1/projects/").json()["results"]] == ["ours"]
    assert [p["slug"] for p in world["stranger"].get("/api/v1/projects/").json()["results"]] == ["theirs"]
    assert world["nobody"].get("/api/v1/projects/").status_code == 401


def test_managers_create_projects_and_annotators_do_not(world: dict[str, APIClient]) -> None:
    body = {"slug": "new", "kind": "text", "classes": ["a", "b"]}
    assert world[ANNOTATOR].post("/api/v1/projects/", body, format="json").status_code == 403
    response = world[MANAGER].post("/api/v1/projects/", body, format="json")
    assert response.status_code == 201
    assert response.json()["classes"] == ["a", "b"]
    assert world[MANAGER].get("/api/v1/projects/new/").status_code == 200
    assert world[ANNOTATOR].get("/api/v1/projects/new/").status_code == 404


def test_image_is_for_members_only(world: dict[str, APIClient]) -> None:
    project = make_project("pictures", kind="image")
    (item,) = make_items(project, 1)
    client = APIClient()
    client.force_authenticate(make_member(project, "viewer"))
    path = address("item-media", "pictures", item_id=item.pk)
    response = client.get(path)
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert world[MANAGER].get(path).status_code == 404
    assert world["nobody"].get(path).status_code == 401
    assert world[MANAGER].get(address("item-media", "ours", item_id=item.pk)).status_code == 404
