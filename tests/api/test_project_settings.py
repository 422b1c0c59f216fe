"""Test that each setting of a project can be set, read and changed over HTTP, and that errors name the setting."""

from typing import Any

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from factories import make_member, make_project, make_user
from rest_framework.test import APIClient

from labeling.models import Project, Role
from labeling.projects.settings import SETTINGS, default_of, field_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/"


def another(name: str) -> Any:
    """Return a value of the setting that is not its default."""
    field, default = field_of(name), default_of(name)
    if isinstance(default, bool):
        return not default
    if field.choices:
        return next(value for value, _ in field.flatchoices if value != default)
    bounds = [each.limit_value for each in field.validators if isinstance(each, MinValueValidator | MaxValueValidator)]
    return next(bound for bound in bounds if bound != default)


# Values that go together; a setting without a line has `another` one.
OTHER: dict[str, Any] = {
    "batch_size": 7,
    "candidate_factor": 2.5,
    "mean_cluster_size": 3.5,
    "control_share": 0.25,
    "overlap": 2,
    "overlap_max": 4,
    "label_confidence": 0.99,
    "resolving": "dawid-skene",
    "lease_seconds": 60,
    "deadline_hours": 36.5,
    "complete_share": 0.8,
    "pick_ahead": 0.75,
    "gold_share": 0.1,
    "gold_threshold": 0.8,
    "replace_skips": False,
    "daily_limit": 200,
    "review_share": 0.05,
    "strategy": "badge",
    "class_guard": 2.5,
    "model": {"name": "network"},
    "training": {"epochs": 4},
    "privacy_epsilon": 5.0,
    "privacy_delta": 1e-7,
    "privacy_trainings": 3,
    "privacy_noise": 2.5,
    "show_predictions": True,
    "class_proposals": True,
    "show_suggestions": False,
    "grids": True,
    "near_copies": 4,
    "hourly_cost": 17.5,
    "currency": "CHF",
    "loop": "paused",
}
OTHER |= {name: another(name) for name in SETTINGS if name not in OTHER}


def manager() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(make_project(), "mona", Role.MANAGER))
    return client


def test_each_setting_is_changed_alone_and_what_may_be_empty_is_emptied_with_null() -> None:
    assert set(OTHER) == set(SETTINGS)
    client = manager()
    before = client.get(URL).json()
    for name in SETTINGS:
        assert before[name] != OTHER[name]
        changed = client.patch(URL, {name: OTHER[name]}, format="json")
        assert (changed.status_code, changed.json()) == (200, {**before, name: OTHER[name]}), name
        assert client.get(URL).json() == {**before, name: OTHER[name]}, name
        restored = client.patch(URL, {name: before[name]}, format="json")
        assert (restored.status_code, restored.json()) == (200, before), name
    for name in ("deadline_hours", "hourly_cost", "class_guard", "candidate_factor"):
        client.patch(URL, {name: OTHER[name]}, format="json")
        assert client.patch(URL, {name: None}, format="json").json()[name] is None
        assert getattr(Project.objects.get(), name) is None


def test_a_project_is_created_with_all_of_them() -> None:
    client = APIClient()
    client.force_authenticate(make_user("sara", is_staff=True))
    body = {"slug": "signs", "kind": "text", "classes": ["a", "b"], **OTHER, "near_copies": 0}
    created = client.post("/api/v1/projects/", body, format="json")
    assert created.status_code == 201, created.content
    stored = client.get("/api/v1/projects/signs/").json()
    assert {name: stored[name] for name in body} == body


REFUSED: dict[str, list[Any]] = {
    "deadline_hours": [0, 9000],
    "complete_share": [0, 1.5, None],
    "class_guard": [0.5, 20_001],
    "strategy": ["luck"],
    "hourly_cost": [-1, 1e9, 1e300],
    "currency": ["groats of old"],
    "training": [{"epoch": 4}],
    "model": [{"name": "crystal ball"}, {"name": "scikit-learn", "options": {"trees": 9}}, "network"],
    "loop": ["sideways"],
    "near_copies": [13],
    "overlap_max": [1],
    # a value of another type is not read as one
    "batch_size": ["7", True, "nan", "inf", -1, 0, 1e9],
    "candidate_factor": ["2", "nan", "NaN", "inf", -1, 0, 1e9],
    "mean_cluster_size": ["nan", "inf", -1, 0, 1e9],
    "show_predictions": [1],
    "name": [5],
}
TOGETHER = [
    ({"overlap": 3, "overlap_max": 3}, "overlap_max"),
    ({"near_copies": 3, "privacy_epsilon": 4.0}, "near_copies"),
]


def test_what_cannot_be_is_refused_by_name() -> None:
    client = manager()
    before = client.get(URL).json()
    cases = [({name: value}, name) for name, values in REFUSED.items() for value in values]
    for values, field in [*cases, *TOGETHER]:
        response = client.patch(URL, values, format="json")
        assert (response.status_code, list(response.json()["fields"])) == (400, [field]), values
        assert client.get(URL).json() == before


@pytest.mark.parametrize(
    ("question", "kind", "grids", "can_have"),
    [("verify", "image", True, True), ("verify", "vector", False, False), ("single", "text", False, True),
     ("multi", "image", False, False)],
)  # fmt: skip
def test_grids_are_the_usual_screen_to_verify(question: str, kind: str, grids: bool, can_have: bool) -> None:
    client = APIClient()
    client.force_authenticate(make_user("sara", is_staff=True))
    body = {"slug": "signs", "kind": kind, "question": question, "classes": ["a", "b"]}
    assert client.post("/api/v1/projects/", body, format="json").status_code == 201
    url = "/api/v1/projects/signs/"
    assert client.get(url).json()["grids"] is grids
    assert client.patch(url, {"grids": True}, format="json").status_code == (200 if can_have else 400)
