"""Test the comparison of two versions: on control items, on the pool, and by their training."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from factories import make_items, make_project
from pages import make_history, member, text_of

from labeling.insight import versions_compared
from labeling.models import Project, Role
from labeling.storage.arrays.files import ProjectFiles, save_array

pytestmark = pytest.mark.django_db
PAGE = "/p/digits/models/compare/"
API = "/api/v1/projects/digits/models/compare/"
N = 40


def compared_project(**settings: Any) -> Project:
    """Create three versions. Of forty control items of class 1, version 1 predicts thirty as 7 and version 2 four
    as 9.
    """
    project = make_project(**settings)
    make_history(project, 3)
    make_items(project, N, first=100, reserved=True, label=1)
    said = {1: np.ones(140, np.int32), 2: np.ones(140, np.int32)}
    said[1][110:] = 7
    said[2][102:106] = 9
    for version in project.versions.filter(number__in=said):
        files = ProjectFiles(project)
        save_array(files.pool(version, "best"), said[version.number])
        save_array(files.pool(version, "confidence"), np.linspace(0.5, 0.9, 140, dtype=np.float32))
    return project


def test_which_is_better_by_how_much_and_in_which_classes_on_pages_and_in_the_api() -> None:
    client = member(compared_project(), Role.ENGINEER)
    page = text_of(client.get(PAGE, {"a": "1", "b": "2"}))
    assert "Version 2 is more accurate, by 65.0 points" in page
    assert "On the 40 control items that both have seen" in page
    assert "right on 30 that version 1 had wrong, and wrong on 4 that it had right" in page
    assert "Accuracy 25.0 % 14.2 % to 40.2 % 90.0 % 76.9 % to 96.0 %" in page
    assert "1 40 25.0 % 90.0 % better 10 of 10 100.0 %" in page
    assert "1 7 30 0 -30" in page
    assert "1 9 0 4 +4" in page
    page = text_of(client.get(PAGE, {"a": "2", "b": "1"}))
    assert "Version 1 is less accurate, by 65.0 points" in page
    assert "90.0 % 25.0 % worse" in page
    assert PAGE in client.get("/p/digits/models/").content.decode()
    assert f"{PAGE}?a=1&amp;b=2" in client.get("/p/digits/models/2/").content.decode()
    body = client.get(API, {"a": 1, "b": 2}).json()
    control = body["control"]
    assert (control["n"], control["gained"], control["lost"], control["verdict"]) == (40, 30, 4, "better")
    assert control["difference"]["value"] == 0.65
    assert control["difference"]["low"] < 0.65 < control["difference"]["high"]
    one = next(each for each in control["classes"] if each["name"] == "1")
    assert (one["recall_a"], one["recall_b"], one["recall_differs"], one["precision_differs"]) == (
        0.25,
        0.9,
        True,
        False,
    )
    assert control["mistakes"][0] == {"truth": "1", "said": "7", "a": 30, "b": 0}
    assert control["apart"] == len(control["items"]) == 34
    assert control["items"][0] | {"id": 0} == {"id": 0, "external_id": "item-0139", "label": "1", "a": "7", "b": "1"}
    assert body["pool"] == {
        "n": 140,
        "apart": 34,
        "kinds": [{"a": "7", "b": "1", "items": 30}, {"a": "1", "b": "9", "items": 4}],
    }
    assert client.get(API, {"a": 1, "b": 3}).json()["control"] is None
    assert client.get(API, {"a": 1, "b": 9}).status_code == 404
    assert client.get(API, {"a": 1}).json()["fields"].keys() == {"b"}
    assert client.get(API, {"a": 0, "b": "x"}).status_code == 400


def test_items_that_they_disagree_on_lead_to_their_pages_and_the_pool_is_compared() -> None:
    project = compared_project()
    client = member(project, Role.ENGINEER)
    page = client.get(PAGE, {"a": "1", "b": "2"})
    assert "They disagree on 34 control items" in text_of(page)
    surest = project.items.get(row=139)
    assert f"/p/digits/items/{surest.pk}/" in page.content.decode()
    assert "item-0139" in text_of(page)
    only_a = text_of(client.get(PAGE, {"a": "1", "b": "2", "part": "a"}))
    assert [f"item-0{row}" in only_a for row in (102, 105, 106, 139)] == [True, True, False, False]
    assert "None of this kind." in text_of(client.get(PAGE, {"a": "1", "b": "2", "part": "neither"}))
    second = client.get(PAGE, {"a": "1", "b": "2", "page": "2"})
    assert "Page 2 of 2" in text_of(second)
    assert "?a=1&amp;b=2&amp;part=&amp;page=1#apart" in second.content.decode()
    project.versions.filter(number=2).update(training={"epochs": 40})
    page = text_of(member(project, Role.ENGINEER).get(PAGE, {"a": "1", "b": "2"}))
    assert "In the whole pool they disagree on 24.3 %" in page
    assert "7 1 30 88.2 %" in page
    assert "Labels 80 160" in page
    assert "epochs – 40" in page


def test_queries_do_not_grow_with_what_is_shown(django_assert_num_queries: Any) -> None:
    client = member(compared_project(), Role.ENGINEER)
    # Session, user, membership; versions, control items, and if they changed, names of classes, items of the page;
    # damaged files.
    with django_assert_num_queries(10):
        client.get(PAGE, {"a": "1", "b": "2"})
    with django_assert_num_queries(8):
        client.get(PAGE, {"a": "1", "b": "2", "part": "neither"})


def test_kinds_of_disagreement_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_compared, "ROWS", 100)
    project = make_project()
    make_history(project, 2)
    rng = np.random.default_rng(4)
    said = [rng.integers(0, 20_000, 1000) * (rng.random(1000) < 0.3) for _ in range(2)]
    for number, best in enumerate(said, start=1):
        save_array(ProjectFiles(project).pool(project.versions.get(number=number), "best"), best.astype(np.int32))
    found = versions_compared.compare_versions(project, *project.versions.order_by("number")).pool
    assert found is not None
    pairs = Counter((int(a), int(b)) for a, b in zip(*said, strict=True) if a != b)
    assert (found.n, found.apart) == (1000, pairs.total())
    expected = sorted(pairs.items(), key=lambda each: (-each[1], each[0]))[: versions_compared.KINDS]
    assert found.kinds == [(a, b, items) for (a, b), items in expected]


def test_a_version_that_has_not_looked_at_the_pool() -> None:
    page = text_of(member(compared_project(), Role.ENGINEER).get(PAGE, {"a": "1", "b": "3"}))
    assert "No control item that both versions have predicted is labeled yet." in page
    assert "Labels 80 240" in page
    project = compared_project(slug="several", question="multi")
    assert "any number of classes" in text_of(
        member(project, Role.ENGINEER).get("/p/several/models/compare/", {"a": "1", "b": "2"})
    )


def test_yes_or_no() -> None:
    project = make_project(question="verify")
    make_history(project, 2)
    make_items(project, N, first=100, reserved=True, label=True)
    for number in (1, 2):
        version = project.versions.get(number=number)
        save_array(ProjectFiles(project).pool(version, "best"), np.full(140, number - 1, np.int32))
        save_array(ProjectFiles(project).pool(version, "confidence"), np.full(140, 0.8, np.float32))
    page = text_of(member(project, Role.ENGINEER).get(PAGE))
    assert "yes 40 0.0 % 100.0 % better" in page
    assert "yes no 40 0 -40" in page


def test_what_is_asked_for() -> None:
    client = member(compared_project(), Role.ENGINEER)
    for query, status, says in (
        ({}, 200, "Version 3 beside version 2"),
        ({"a": "2", "b": "2"}, 200, "Choose two different versions."),
        ({"a": "9"}, 404, ""),
        ({"a": "1; drop"}, 404, ""),
        ({"a": "1", "b": "2", "part": "<x>", "page": "zero"}, 200, "They disagree"),
    ):
        response = client.get(PAGE, query)
        assert (response.status_code, says in text_of(response)) == (status, True), query


def test_one_version_cannot_be_compared() -> None:
    project = make_project()
    make_history(project, 1)
    client = member(project, Role.ENGINEER)
    assert "Nothing to compare yet" in text_of(client.get(PAGE))
    assert "Compare" not in text_of(client.get("/p/digits/models/"))
