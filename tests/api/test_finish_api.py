"""Test the goal of a project and its certificates over the API."""

import hashlib

import pytest
from pages import manager
from pools import make_audit, make_certificate, pool_project

from labeling.models import Finish

pytestmark = pytest.mark.django_db

GOAL = "/api/v1/projects/pool/finish/"
CERTIFICATES = "/api/v1/projects/pool/certificates/"


def test_a_goal_is_forecast_started_and_stopped() -> None:
    project = pool_project(hourly_cost=18)
    client = manager(project)
    before = client.get(GOAL, {"error": "0.05"}).json()
    forecast = before["forecast"]
    assert before["goal"] is None
    assert forecast["asked"] + forecast["labels"] == forecast["left"]
    assert forecast["cost"] == pytest.approx(18 * forecast["hours"])
    assert forecast["curve"][-1]["labels"] == forecast["candidates"]
    assert before["progress"]["left"] == before["progress"]["pool"] - before["progress"]["labeled"]

    started = client.post(GOAL, {"error": 0.05}, content_type="application/json").json()
    assert started["running"]
    assert started["goal"] == {"error": 0.05, "confidence": 0.95, "by_class": False, "within": 0}
    assert started["started_by"] == "mona"
    assert client.get(GOAL).json()["forecast"] == forecast, "the goal that was started is the default"
    assert client.delete(GOAL).json()["running"] is False


def test_a_goal_that_is_none_is_refused_and_a_project_without_a_forecast_says_why() -> None:
    project = pool_project()
    client = manager(project)
    refused: list[tuple[dict[str, object], int]] = [
        ({"error": 0}, 400),
        ({"error": 1}, 400),
        ({"confidence": 1}, 400),
        ({"error": "2"}, 400),
        ({"within": 1}, 409),
    ]
    for body, status in refused:
        answer = client.post(GOAL, body, content_type="application/json")
        assert answer.status_code == status, body
        assert next(iter(body)) in answer.json()["detail"], body
        assert not Finish.objects.exists(), body
    project.items.control().update(label=None)
    answer = client.get(GOAL).json()
    assert answer["forecast"] is None
    assert answer["refused"].startswith("No control item has a label yet")


def test_certificates_are_listed_and_downloaded() -> None:
    project = pool_project()
    version = project.versions.get()
    for number in (1, 2):
        make_certificate(version, number=number)
    make_audit(version, attempt=3)
    client = manager(project)
    listed = client.get(CERTIFICATES).json()["results"]
    assert [each["number"] for each in listed] == [2, 1]
    assert listed[0] == client.get(f"{CERTIFICATES}2/").json()
    assert listed[0]["error"] == pytest.approx(45 / 2500)
    document = client.get(f"{CERTIFICATES}2/file/")
    assert hashlib.sha256(b"".join(document)).hexdigest() == listed[0]["digest"]
    assert document["Content-Disposition"] == 'attachment; filename="pool-certificate-2.json"'
