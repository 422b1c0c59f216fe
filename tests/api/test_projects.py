"""Test which projects and images each user sees over HTTP, and who can create projects."""

import re

import pytest
from factories import make_items, make_member, make_project, make_user
from rest_framework.test import APIClient

from labeling.api.published.reference import published
from labeling.models import Role

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/"
ANNOTATOR, MANAGER = Role.ANNOTATOR, Role.MANAGER


@pytest.fixture
def world() -> dict[str, APIClient]:
    """Return a client for each role in project `ours`, for a manager of project `theirs`, and without a user."""
    ours, theirs = make_project("ours"), make_project("theirs")
    people = {role: make_member(ours, role, role) for role in Role.values}
    people["stranger"] = make_member(theirs, "their-manager", MANAGER)
    clients = {"nobody": APIClient(), **{name: APIClient() for name in people}}
    for name, user in people.items():
        clients[name].force_authenticate(user)
    return clients


def test_projects_list_shows_only_ones_own(world: dict[str, APIClient]) -> None:
    assert [p["slug"] for p in world[ANNOTATOR].get(URL).json()["results"]] == ["ours"]
    assert [p["slug"] for p in world["stranger"].get(URL).json()["results"]] == ["theirs"]
    assert world["nobody"].get(URL).status_code == 401


def test_managers_create_projects_and_annotators_do_not(world: dict[str, APIClient]) -> None:
    body = {"slug": "street-signs", "kind": "text", "classes": ["a", "b"]}
    assert world[ANNOTATOR].post(URL, body, format="json").status_code == 403
    response = world[MANAGER].post(URL, body, format="json")
    assert response.status_code == 201
    assert (response.json()["classes"], response.json()["name"]) == (["a", "b"], "Street signs")
    slug = response.json()["slug"]
    assert world[MANAGER].get(f"{URL}{slug}/").status_code == 200
    assert world[ANNOTATOR].get(f"{URL}{slug}/").status_code == 404
    named = world[MANAGER].post(URL, {**body, "name": "Signs of Rome"}, format="json")
    assert named.json()["name"] == "Signs of Rome"


def test_the_published_example_of_a_project_can_be_created(world: dict[str, APIClient]) -> None:
    example = published()["components"]["schemas"]["Project"]["example"]
    response = world[MANAGER].post(URL, example, format="json")
    assert response.status_code == 201, response.json()
    assigned = {"slug", "created_at", "guidelines_version"}
    assert {**response.json(), **{name: example[name] for name in assigned}} == example


def test_a_manager_does_not_learn_which_slugs_are_taken(world: dict[str, APIClient]) -> None:
    answers = {
        asked: world[MANAGER].post(URL, {"slug": asked, "kind": "text", "classes": ["a", "b"]}, format="json")
        for asked in ("theirs", "nobodys", "x" * 60)
    }
    for asked, answer in answers.items():
        assert answer.status_code == 201, asked
        assert re.fullmatch(re.escape(asked[:55]) + "-[a-hj-km-np-z2-9]{4}", answer.json()["slug"])
    same = [{**answer.json(), "slug": "", "name": "", "created_at": ""} for answer in answers.values()]
    assert same[0] == same[1] == same[2]
    again = world[MANAGER].post(URL, {"slug": "theirs", "kind": "text", "classes": ["a", "b"]}, format="json")
    assert again.json()["slug"] != answers["theirs"].json()["slug"]


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_operators_choose_the_slug_and_are_told_when_it_is_taken(world: dict[str, APIClient], right: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("otto", **{right: True}))
    body = {"slug": "signs", "kind": "text", "classes": ["a", "b"]}
    assert client.post(URL, body, format="json").json()["slug"] == "signs"
    taken = client.post(URL, body, format="json")
    assert (taken.status_code, taken.json()["detail"]) == (409, "slug: This slug is already in use.")


def test_image_is_for_members_only(world: dict[str, APIClient]) -> None:
    project = make_project("pictures", kind="image")
    (item,) = make_items(project, 1)
    client = APIClient()
    client.force_authenticate(make_member(project, "viewer", Role.REVIEWER))
    path = f"{URL}pictures/items/{item.pk}/media/"
    response = client.get(path)
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert world[MANAGER].get(path).status_code == 404
    assert world["nobody"].get(path).status_code == 401
    assert world[MANAGER].get(f"{URL}ours/items/{item.pk}/media/").status_code == 404


def test_what_is_not_there_is_named_in_the_words_of_the_api(world: dict[str, APIClient]) -> None:
    for path, name in {
        "batches/9/": "batch", "models/9/": "model version", "models/9/artifact/": "model version",
        "imports/9/": "import",
    }.items():  # fmt: skip
        response = world[MANAGER].get(f"{URL}ours/{path}")
        said = f"There is no {name} 9 in this project."
        assert (response.status_code, response.json()) == (404, {"code": "not_found", "detail": said})
