"""Test that the API lists the encoders, and refuses another choice once an item is encoded."""

from pathlib import Path
from typing import Any

import pytest
from factories import make_items, make_member, make_project
from rest_framework.test import APIClient

from labeling.models import Job, Project, Role

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/encoder/"
MINILM = {"name": "sentence-transformers", "options": {"folder": "minilm"}}


@pytest.fixture
def manager(data_dir: Path) -> APIClient:
    (data_dir / "weights" / "minilm").mkdir(parents=True)
    client = APIClient()
    client.force_authenticate(make_member(make_project(), "mona", Role.MANAGER))
    return client


def put(client: APIClient, body: Any) -> Any:
    return client.put(URL, body, format="json")


def test_a_new_project_has_the_default_of_its_kind_and_is_told_what_else_there_is(manager: APIClient) -> None:
    body = manager.get(URL).json()
    assert (body["name"], body["options"], body["settled"], body["digest"]) == ("tfidf-svd", {}, False, "")
    assert body["meaning"] == body["known"][0]["meaning"]
    names = ["tfidf-svd", "sentence-transformers", "universal-sentence-encoder", "private-lm", "endpoint"]
    assert [each["name"] for each in body["known"]] == names
    folder, prompt, tuned, pieces = body["known"][1]["options"]
    assert (folder["name"], folder["default"], folder["names_weights"]) == ("folder", None, True)
    assert (prompt["name"], prompt["default"], prompt["names_weights"]) == ("prompt", "", False)
    assert [(each["name"], each["default"]) for each in (tuned, pieces)] == [("tuned", "no"), ("pieces", 64)]
    assert body["weights"] == ["minilm"]


def test_a_choice_is_kept(manager: APIClient) -> None:
    changed = put(manager, MINILM)
    assert (changed.status_code, changed.json()) == (200, manager.get(URL).json())
    assert Project.objects.get().encoder == MINILM
    assert (changed.json()["name"], changed.json()["options"]) == ("sentence-transformers", {"folder": "minilm"})
    assert put(manager, {"name": "tfidf-svd"}).json()["options"] == {}


def test_what_cannot_be_chosen_is_refused_and_changes_nothing(manager: APIClient) -> None:
    for body, said in (
        ({"name": "pixels"}, "No encoder for items of the kind text is called 'pixels'"),
        ({"name": "sentence-transformers"}, "folder is missing"),
        ({**MINILM, "options": {"folder": "../media"}}, "there is no '../media' in"),
        ({**MINILM, "options": {"folder": ["minilm"]}}, "folder must be a text"),
        ({**MINILM, "options": {"folder": "minilm", "code": "x"}}, "there is no option 'code'"),
    ):
        response = put(manager, body)
        assert response.status_code == 400
        assert said in response.json()["fields"]["encoder"][0]
    for body, field in (({}, "name"), ({"name": 5}, "name"), ({"name": "x", "options": []}, "options")):
        response = put(manager, body)
        assert (response.status_code, list(response.json()["fields"])) == (400, [field])
    Project.objects.update(features_generation=1)  # it holds once an item is encoded
    response = put(manager, MINILM)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert "already encoded" in response.json()["detail"]
    assert manager.get(URL).json()["settled"]
    assert Project.objects.get().encoder == {}


def test_items_that_wait_are_encoded_with_the_new_one_and_one_that_is_not_installed_is_shown(
    manager: APIClient,
) -> None:
    make_items(Project.objects.get(), 1, row=None)
    assert put(manager, MINILM).status_code == 200
    assert [(job.kind, job.state) for job in Job.objects.all()] == [("encode", "waiting")]
    Project.objects.update(encoder={"name": "letters", "options": {}})
    assert manager.get(URL).json()["name"] == "letters"
