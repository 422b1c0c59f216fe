"""Test model versions over the API: their metrics, lineage and number of queries."""

import json
from typing import Any

import numpy as np
import pytest
from django.test import Client

from labeling.models import Project
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.exports.labeled import answer, make_batch, make_items, train
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/models/"


@pytest.fixture
def project() -> Project:
    """Create a project with three versions: the first predicts two of four control items right (rows 0, 3, 6, 9, all of
    class 1), the second all four; the third has no stored predictions.
    """
    project = make_project()
    ann = make_member(project, "ann")
    make_member(project, "enzo", "engineer")
    items = make_items(project, 12, control_every=3)
    for number in range(1, 4):
        batch = make_batch(project, items[4 * (number - 1) : 4 * number])
        answer(batch, ann, [1] * 4)
        version = train(batch, metrics={"control": {"n": 0}}, digest=str(number))
        if number < 3:
            best = np.array([1, 2, 2, 1, 2, 2, 2 if number == 1 else 1, 1, 1, 2 if number == 1 else 1, 1, 1])
            save_array(ProjectFiles(project).pool(version, "best"), best)
    return project


def get(name: str, path: str = URL) -> Any:
    client = Client()
    client.login(username=name, password=f"{name}-password")
    return client.get(path)


def test_versions_tell_what_they_are_worth_now(project: Project) -> None:
    found = get("enzo").json()["results"]
    assert [version["version"] for version in found] == [3, 2, 1]
    third, second, first = (version["control_now"] for version in found)
    assert third is None
    assert (second["accuracy"], second["n"]) == (1.0, 4)
    assert (first["accuracy"], first["n"]) == (0.5, 4)
    assert 0 < first["low"] < 0.5 < first["high"] < 1
    assert get("enzo", f"{URL}2/").json() == found[1]


def test_the_schema_says_what_comes(project: Project) -> None:
    schema = Client().get("/api/schema/?format=json").json()
    figures = schema["components"]["schemas"]["ControlFigures"]
    assert list(figures["properties"]) == ["accuracy", "low", "high", "n"]
    assert sorted(figures["required"]) == ["accuracy", "high", "low", "n"]
    assert "ControlFigures" in json.dumps(schema["components"]["schemas"]["Version"]["properties"]["control_now"])


@pytest.mark.parametrize(("path", "queries"), [(URL, 9), (f"{URL}1/", 8)])
def test_the_queries_are_the_same_for_any_number_of_versions(
    project: Project, path: str, queries: int, django_assert_num_queries: Any
) -> None:
    client = Client()
    client.login(username="enzo", password="enzo-password")
    # session, user, membership; their number; versions; control items, and if they changed; newest version, choice
    with django_assert_num_queries(queries):
        assert client.get(path).status_code == 200
