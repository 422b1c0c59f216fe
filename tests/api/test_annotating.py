"""Test claim, annotations, skip and undo over HTTP, with valid and hostile requests."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_items, make_member, make_open_batch, make_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from labeling.models import Annotation, Item, Project
from tests.extent import examples

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/"


def start(n: int = 12, **fields: Any) -> tuple[APIClient, Project]:
    project = make_project(**fields)
    make_open_batch(project, make_items(project, n))
    client = APIClient()
    client.force_authenticate(make_member(project, "ann"))
    return client, project


def post(client: APIClient, what: str, body: Any) -> Any:
    return client.post(f"{URL}{what}/", body, format="json")


def annotation(task: int, value: Any, **fields: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "task": task, "value": value, "seconds": 1.5, **fields}


def test_claim_gives_what_the_contract_says_and_nothing_secret() -> None:
    client, _ = start(kind="image")
    body = post(client, "claim", {"count": 3}).json()
    assert set(body) == {
        "batch", "open_batches", "tasks", "lease_expires_at", "claimed_at", "remaining", "class_revision",
        "guidelines_version",
    }  # fmt: skip
    assert (body["batch"], body["remaining"]) == (1, 12)
    task = body["tasks"][0]
    assert set(task) == {"id", "item", "batch", "rank"}
    assert set(task["item"]) == {"id", "external_id", "data", "media_url"}
    assert client.get(task["item"]["media_url"]).status_code == 200


@pytest.mark.parametrize(("question", "shown"), [("single", "4"), ("multi", ["4"]), ("verify", True)])
def test_predictions_are_told_only_if_allowed_and_only_where_the_coin_says(question: str, shown: Any) -> None:
    client, project = start(2, question=question)
    tasks = project.batches.get().tasks
    tasks.update(predicted=1 if question == "verify" else 4, confidence=0.75)
    tasks.filter(rank=0).update(prompted=True)
    claimed = post(client, "claim", {}).json()["tasks"]
    assert not any("prediction" in task["item"] for task in claimed)
    Project.objects.update(show_predictions=True)
    prompted, other = post(client, "claim", {}).json()["tasks"]
    assert prompted["item"]["prediction"] == {"value": shown}
    assert "prediction" not in other["item"]


def test_claim_without_a_batch_says_why_and_a_token_works() -> None:
    from knox.models import AuthToken

    project = make_project()
    _, token = AuthToken.objects.create(make_member(project, "bot"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    body = post(client, "claim", {}).json()
    assert (body["batch"], body["tasks"], body["reason"]) == (None, [], "no_items")


def test_answers_are_taken_by_class_name_and_a_bad_one_does_not_hold_up_the_rest() -> None:
    client, _ = start()
    tasks = post(client, "claim", {"count": 3}).json()["tasks"]
    good = annotation(tasks[0]["id"], "7", flagged=True)
    number, bad = annotation(tasks[1]["id"], 3), annotation(tasks[2]["id"], "eleven")
    body = post(client, "annotations", {"annotations": [bad, good, number]}).json()
    refused = {"id": bad["id"], "code": "invalid", "detail": "This project has no class “eleven”."}
    assert body == {"accepted": [good["id"], number["id"]], "rejected": [refused], "class_revision": 0}
    stored = Annotation.objects.get(pk=good["id"])
    assert (stored.value, stored.seconds, stored.flagged) == (7, 1.5, True)
    assert Item.objects.get(pk=tasks[0]["item"]["id"]).label == 7


VALUES: dict[str, tuple[list[tuple[Any, Any]], list[Any]]] = {
    "single": ([], [None, ["1"], True, {"a": 1}, 1.5]),
    "multi": ([(["3", "1"], [1, 3]), ([], [])], ["1", [["1"]], [None]]),
    "verify": ([(True, True), (False, False)], ["yes", 1, None]),
}


@pytest.mark.parametrize("question", VALUES)
def test_other_questions_and_values_that_answer_another_one(question: str) -> None:
    good, bad = VALUES[question]
    client, _ = start(question=question)
    tasks = post(client, "claim", {"count": 3}).json()["tasks"]
    for value in bad:
        body = post(client, "annotations", {"annotations": [annotation(tasks[0]["id"], value)]}).json()
        assert body["rejected"][0]["code"] == "invalid"
    assert not Annotation.objects.exists()
    for task, (value, stored) in zip(tasks, good, strict=False):
        assert ("proposed" in task["item"]) == (question == "verify")
        answer = annotation(task["id"], value)
        assert post(client, "annotations", {"annotations": [answer]}).json()["accepted"]
        assert Annotation.objects.get(pk=answer["id"]).value == stored
        assert Item.objects.get(pk=task["item"]["id"]).label == stored


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_more_class_names_than_there_can_be_classes_are_refused_at_the_door(
    question: str, django_assert_num_queries: Any
) -> None:
    client, _ = start(question=question)
    task, other = (each["id"] for each in post(client, "claim", {"count": 2}).json()["tasks"])
    names = [f"no such class {number}" for number in range(150_000)]
    bad = [annotation(task, names)] if question == "multi" else [annotation(task, names[:1_000]) for _ in range(150)]
    with django_assert_num_queries(1):  # the membership
        response = post(client, "annotations", {"annotations": [*bad, annotation(other, "1")]})
    said = "At most 20,000 class names in one request."
    assert response.status_code == 400
    assert response.json() == {
        "code": "invalid", "detail": f"annotations: {said}", "fields": {"annotations": [said]},
    }  # fmt: skip
    assert not Annotation.objects.exists()
    if question == "multi":  # as many as there can be are read
        good = annotation(other, ["1"])
        body = post(client, "annotations", {"annotations": [annotation(task, names[:19_998]), good]}).json()
        assert body["accepted"] == [good["id"]]
        assert body["rejected"][0]["detail"] == "This project has no class “no such class 0”."


@pytest.mark.parametrize("value", ["x" * 4_000_000, ["x" * 4_000_000], [[["1"] * 500_000]], {"a": ["1"] * 500_000}])
def test_what_is_too_long_to_be_a_class_name_is_looked_for_nowhere(value: Any) -> None:
    client, _ = start(question="multi" if isinstance(value, list) else "single")
    task = post(client, "claim", {"count": 1}).json()["tasks"][0]
    with CaptureQueriesContext(connection) as queries:
        (refused,) = post(client, "annotations", {"annotations": [annotation(task["id"], value)]}).json()["rejected"]
    assert refused["code"] == "invalid"
    assert len(refused["detail"]) < 120
    assert all(len(query["sql"]) < 10_000 for query in queries)


def test_an_id_that_is_no_uuid_comes_back_short_and_a_release_of_very_many_tasks_is_refused() -> None:
    client, _ = start()
    task = post(client, "claim", {"count": 1}).json()["tasks"][0]
    for bad_id in ("7" * 4_000_000, ["7"] * 500_000, {"a": 1}, 7, None, True):
        response = post(client, "annotations", {"annotations": [annotation(task["id"], "1") | {"id": bad_id}]})
        assert response.json()["rejected"][0]["detail"] == "An annotation needs an id that is a UUID."
        assert len(response.content) < 300
    response = post(client, "release", {"tasks": ["no task"] * 300_000})
    assert response.status_code == 400
    assert response.json()["fields"] == {"tasks": ["Ensure this field has no more than 200 elements."]}


def test_skip_and_undo() -> None:
    client, _ = start()
    task = post(client, "claim", {"count": 1}).json()["tasks"][0]
    accepted = post(client, "skip", {"task": task["id"], "reason": "unclear"}).json()["accepted"]
    response = client.delete(f"{URL}annotations/{accepted[0]}/")
    assert (response.status_code, response.json()) == (200, task)
    again = client.delete(f"{URL}annotations/{accepted[0]}/")
    assert (again.status_code, again.json()["code"]) == (409, "undone")


def test_release_gives_tasks_to_others() -> None:
    client, project = start(10)
    post(client, "claim", {"count": 12})
    other = APIClient()
    other.force_authenticate(make_member(project, "bob"))
    assert post(other, "claim", {}).json()["reason"] == "all_taken"
    assert post(client, "release", {}).json() == {"released": 10}
    assert len(post(other, "claim", {}).json()["tasks"]) == 10


def test_a_release_leaves_what_was_claimed_again_since_then() -> None:
    client, _ = start()
    first = post(client, "claim", {"count": 5}).json()
    held = [task["id"] for task in first["tasks"]]
    post(client, "claim", {"count": 2})
    stale = {"tasks": held, "claimed_at": first["claimed_at"]}
    assert post(client, "release", stale).json() == {"released": 3}
    assert post(client, "release", stale).json() == {"released": 0}
    assert post(client, "release", {"tasks": held, "claimed_at": "soon"}).status_code == 400
    assert post(client, "release", {"tasks": held}).json() == {"released": 2}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "id": st.uuids().map(str) | JSON,
        "task": st.integers(-2, 20) | JSON,
        "value": st.sampled_from(["1", 1, ["1"]]) | JSON,
        "seconds": st.floats(allow_nan=False, allow_infinity=False) | JSON,
        "reason": JSON,
        "count": JSON,
        "annotations": JSON,
        "tasks": JSON,
    },
)


@given(body=JSON | LIKELY | st.fixed_dictionaries({"annotations": st.lists(JSON | LIKELY, max_size=3)}))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_brings_the_server_down(db: None, body: Any) -> None:
    project = Project.objects.filter(slug="digits").first()
    if project is None:
        _, project = start()
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(make_member(project, "ann"))
    for what in ("claim", "annotations", "skip", "release"):
        response = post(client, what, body)
        assert response.status_code in (200, 400), (what, response.content)
        if response.status_code == 400:
            assert set(response.json()) >= {"code", "detail"}


def test_bodies_that_are_no_json() -> None:
    client, _ = start()
    client.raise_request_exception = False
    for body in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"annotations": [{"id": NaN}]}'):
        for what in ("claim", "annotations", "skip"):
            response = client.post(f"{URL}{what}/", body, content_type="application/json")
            assert response.status_code in (200, 400)
