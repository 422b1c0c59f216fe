"""Test that the page and the API of the encoder show its measurement, and ask for one."""

import json
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_project
from pages import errors_of, make_history, manager, member, text_of

from labeling.models import EncoderChange, EncoderComparison, Job, Project, Role

pytestmark = pytest.mark.django_db

PAGE, MEASURE, API = "/p/digits/encoder/", "/p/digits/encoder/measure/", "/api/v1/projects/digits/encoder/comparison/"
SMALL, LARGE = {"name": "pixels", "options": {"size": 16}}, {"name": "pixels", "options": {}}
PHOTOS = {"name": "backbone", "options": {"weights": "efficientnet-lite0"}}
BACKBONE = {"name": "backbone", "options": {"architecture": "torchvision/resnet18", "weights": "torn.pth"}}
MEASURED = [
    {"choice": SMALL, "accuracy": 0.8, "low": 0.74, "high": 0.85, "tested": 200, "seconds": 0.4, "pool_seconds": 12.0},
    {"choice": LARGE, "accuracy": 0.9, "low": 0.85, "high": 0.93, "tested": 200, "seconds": 1.4, "pool_seconds": 4000},
    {"choice": BACKBONE, "problem": "torn.pth cannot be read as weights."},
]


def project_with_labels(n: int = 60) -> Project:
    project = make_project(kind="image", encoder=SMALL, features_generation=1)
    make_items(project, n, label=1)
    return project


def measured(project: Project, **fields: Any) -> EncoderComparison:
    now = timezone.now()
    values = {"choices": [SMALL, LARGE, BACKBONE], "results": MEASURED, "labels": 400, "drawn": True, **fields}
    return EncoderComparison.objects.create(project=project, asked_at=now, measured_at=now, **values)


def test_the_results_stand_in_a_table_that_engineers_read() -> None:
    project = project_with_labels()
    measured(project)
    page = text_of(manager(project).get(PAGE))
    assert "Each of 400 labels was predicted by a model trained without it." in page
    assert "Accuracy was measured on 200 items drawn at random" in page
    assert "pixels yours size 16 80.0 % 74.0 % to 85.0 % 0.4 s 12 s" in page
    assert "pixels 90.0 % 85.0 % to 93.0 % 1.4 s 1 h 7 min" in page
    assert "torn.pth cannot be read as weights." in page
    EncoderComparison.objects.update(drawn=False)
    assert "Most items were picked, not drawn at random: the accuracy does not hold for the whole pool" in text_of(
        manager(project).get(PAGE)
    )
    client = member(project, Role.ENGINEER)
    assert client.get(API).json()["encoders"][1]["accuracy"] == 0.9
    assert client.post(API, {}, content_type="application/json").status_code == 403


def test_a_manager_asks_and_sees_how_far_it_is() -> None:
    project = project_with_labels()
    client = manager(project)
    page = client.post(MEASURE, follow=True)
    assert "Measuring, requested" in text_of(page)
    assert "0 of 3 encoders measured" in text_of(page)
    assert [job.kind for job in Job.objects.all()] == ["encoders"]
    Job.objects.update(state=Job.State.FAILED, reason="The disk is full.")
    assert "The measurement failed: The disk is full." in text_of(client.get(PAGE))


def test_another_encoder_is_measured_too_or_its_error_stands_beside_the_field() -> None:
    project = project_with_labels()
    client = manager(project)
    page = client.post(MEASURE, {"name": "pixels", "pixels-size": "5"})
    assert "size must be a whole number from 16 to 128" in errors_of(page)["pixels-size"]
    client.post(MEASURE, {"name": "pixels", "pixels-size": "64"})
    choices = [SMALL, LARGE, PHOTOS, {"name": "pixels", "options": {"size": 64}}]
    assert EncoderComparison.objects.get().choices == choices


def test_without_enough_labels_the_page_says_so() -> None:
    page = text_of(manager(project_with_labels(20)).get(PAGE))
    assert "needs at least 50 labels of items that are not control items; there are 20." in page
    assert "Measure another encoder" not in page


def test_the_api_asks_and_answers() -> None:
    project = project_with_labels()
    client = manager(project)
    assert client.get(API).status_code == 404
    bad = client.post(API, {"also": [{"name": "tfidf-svd"}]}, content_type="application/json")
    assert bad.status_code == 400
    assert "is called 'tfidf-svd'" in str(bad.json())
    asked = client.post(API, {"also": [{"name": "pixels", "options": {"size": 64}}]}, content_type="application/json")
    assert (asked.status_code, asked.json()["state"], asked.json()["encoders"]) == (200, "waiting", [])
    EncoderComparison.objects.all().delete()
    measured(project)
    found = client.get(API).json()
    assert [(each["name"], each["own"], each["accuracy"]) for each in found["encoders"]] == [
        ("pixels", True, 0.8), ("pixels", False, 0.9), ("backbone", False, None),
    ]  # fmt: skip


CHANGE, API_CHANGE = "/p/digits/encoder/change/", "/api/v1/projects/digits/encoder/change/"


def test_one_click_uses_a_measured_encoder_and_another_keeps_the_present_one() -> None:
    project = project_with_labels()
    measured(project)
    Project.objects.update(encoded_rows=60)
    client = manager(project)
    assert text_of(client.get(PAGE)).count("Use pixels") == 1, "not the present encoder, nor the broken one"
    page = client.post(CHANGE, {"choice": json.dumps(LARGE)}, follow=True)
    assert "A worker is encoding all items with pixels: 0 of 60 items." in text_of(page)
    assert "Use pixels" not in text_of(page)
    assert Project.objects.get().encoder == SMALL
    assert [job.kind for job in Job.objects.all()] == ["encode"]
    EncoderChange.objects.update(generation=2, rows=60)
    assert "All items are encoded with pixels, too." in text_of(client.get(PAGE))
    EncoderChange.objects.update(problem="A file is missing.")
    assert "cannot be encoded with pixels: A file is missing. The project keeps" in text_of(client.get(PAGE))
    client.post(CHANGE, {"choice": json.dumps(LARGE)})
    assert EncoderChange.objects.get().problem == ""
    client.post(CHANGE, {"keep": "yes"})
    assert not EncoderChange.objects.exists()


def test_an_encoder_is_used_without_measuring_also_in_a_private_project() -> None:
    project = make_project(privacy_epsilon=5, kind="image", encoder=SMALL, features_generation=1)
    client = manager(project)
    assert "Use another encoder" in text_of(client.get(PAGE))
    page = client.post(CHANGE, {"name": "pixels", "pixels-size": "5"})
    assert "size must be a whole number from 16 to 128" in errors_of(page)["pixels-size"]
    client.post(CHANGE, {"name": "pixels", "pixels-size": "64"})
    assert EncoderChange.objects.get().choice == {"name": "pixels", "options": {"size": 64}}
    client.post(CHANGE, {"keep": "yes"})
    for sent, words in (("{", "Expecting"), ('{"name": "x"}', "is called 'x'"), ("[]", "an object")):
        assert words in text_of(client.post(CHANGE, {"choice": sent}, follow=True))
    assert not EncoderChange.objects.exists()


def test_the_api_changes_the_encoder() -> None:
    project = project_with_labels()
    client = manager(project)
    refused = client.post(API_CHANGE, SMALL, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    bad = client.post(API_CHANGE, {"name": "pixels", "options": {"size": 5}}, content_type="application/json")
    assert "size must be" in bad.json()["fields"]["encoder"][0]
    asked = client.post(API_CHANGE, LARGE, content_type="application/json").json()
    assert (asked["options"], asked["next"]["options"], asked["next"]["rows"]) == ({"size": 16}, {}, 0)
    assert client.delete(API_CHANGE).json()["next"] is None
    assert member(project, Role.ENGINEER).post(API_CHANGE, LARGE, content_type="application/json").status_code == 403


def test_a_version_of_an_earlier_encoder_is_not_used_again() -> None:
    project = make_project()
    make_history(project, 3)
    Project.objects.update(encoder_since=3)
    client = manager(project)
    page = client.post("/p/digits/models/2/use/", follow=True)
    assert "Version 2 learned from an earlier encoder: only versions from 3 on" in text_of(page)
    assert client.post("/api/v1/projects/digits/models/2/use/").status_code == 409
    assert client.post("/api/v1/projects/digits/models/3/use/").status_code == 200
