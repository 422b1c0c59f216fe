"""Test the API for items: lists, details and corrections."""

from typing import Any

import pytest
from factories import make_items, make_member, make_project
from mixture import mixture, numbers
from rest_framework.test import APIClient

from labeling.models import Correction, Item, Project, Role

pytestmark = pytest.mark.django_db

ITEMS = "/api/v1/projects/digits/items/"
HUGE = "9" * 30


def client(project: Project, role: str = Role.MANAGER) -> APIClient:
    made = APIClient()
    made.force_authenticate(make_member(project, "mona" if role == Role.MANAGER else f"our-{role}", role))
    return made


def item_of(project: Project, number: int) -> Item:
    return project.items.order_by("pk")[number]


def address(project: Project, number: int, more: str = "") -> str:
    return f"/api/v1/projects/{project.slug}/items/{item_of(project, number).pk}/{more}"


def test_the_list_is_filtered_and_sorted(project: Project) -> None:
    body = client(project, Role.ENGINEER).get(ITEMS, {"batch": "1", "sort": "agreement"}).json()
    assert (body["count"], body["more"], body["next"], body["previous"]) == (6, False, None, None)
    assert numbers(project, [each["id"] for each in body["results"]]) == [1, 0, 3, 4, 5, 2]
    first = body["results"][0]
    assert (first["label"], first["agreement"], first["state"], first["batch"], first["rank"], first["is_control"]) == (
        "class 3", 0.5, "labeled", 1, 1, True,
    )  # fmt: skip
    assert first["annotators"] == ["annie", "bert"]
    assert [each["flagged"] for each in body["results"]] == [False, False, False, True, False, False]
    assert [each["corrected"] for each in body["results"]] == [False, False, False, False, True, False]


def test_pages_lead_to_each_other(project: Project) -> None:
    api = client(project)
    seen, path = [], f"{ITEMS}?page_size=5&state=labeled&sort=newest"
    body: dict[str, Any] = {}
    while path:
        body = api.get(path).json()
        seen += [each["id"] for each in body["results"]]
        path = body["next"]
    assert len(seen) == 5 == len(set(seen))
    body = api.get(f"{ITEMS}?page_size=2&sort=imported").json()
    later = api.get(body["next"]).json()
    assert api.get(later["previous"]).json()["results"] == body["results"]


def test_what_cannot_be_asked_is_refused(project: Project) -> None:
    api = client(project)
    for field, values in {
        "label": ["no such class", "a\x00b"],
        "batch": [HUGE, "one"],
        "annotator": ["nobody"],
        "state": ["lost"],
        "flagged": ["perhaps"],
        "sort": ["colour"],
        "page_size": ["0", HUGE, "ten"],
        "after": ["here"],
        "before": ["0~2026-01-01T00:00:00~1"],
        "search": ["x" * 500],
        "flaged": ["true"],
    }.items():
        for value in values:
            response = api.get(ITEMS, {field: value})
            assert response.status_code == 400
            body = response.json()
            assert (body["code"], list(body["fields"])) == ("invalid", [field])


def test_one_item_tells_how_its_label_came_to_be(project: Project) -> None:
    body = client(project, Role.ENGINEER).get(address(project, 5)).json()
    assert (body["label"], body["agreement"], body["corrected"], body["correctable"]) == ("class 7", 1.0, True, True)
    assert [(each["annotator"], each["value"], each["seconds"]) for each in body["annotations"]] == [
        ("annie", "class 7", 1.5),
        ("bert", "class 7", 1.5),
    ]
    (said,) = body["corrections"]
    assert (said["value"], said["by"], said["note"], said["withdrawn_at"]) == ("class 7", "mona", "Yes.", None)
    assert body["selection"]["selected_by"] is None
    assert body["data"] == {"text": "This is text number 5."}
    assert "truth" not in body
    assert client(project).get(address(project, 9)).json()["selection"] is None
    skipped = client(project).get(address(project, 2)).json()
    assert (skipped["state"], skipped["label"]) == ("skipped", None)
    assert {each["skip_reason"] for each in skipped["annotations"]} == {"Cannot be made out"}


def test_a_correction_is_made_replaced_and_withdrawn(project: Project) -> None:
    api = client(project)
    path = address(project, 1, "correction/")
    body = api.put(path, {"value": "class 5", "note": "Look closer."}, format="json").json()
    assert (body["label"], body["corrected"], body["agreement"]) == ("class 5", True, 0.5)
    body = api.put(path, {"value": "class 6"}, format="json").json()
    assert [(each["value"], each["withdrawn_by"]) for each in body["corrections"]] == [
        ("class 6", None),
        ("class 5", "mona"),
    ]
    assert api.put(path, {"value": "class 6"}, format="json").status_code == 200, "sent twice, it counts once"
    assert Correction.objects.filter(item=item_of(project, 1)).count() == 2
    assert api.delete(path).status_code == 204
    assert (item_of(project, 1).label, item_of(project, 1).agreement) == (None, 0.5), "a tie"
    gone = api.delete(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "not_corrected")


@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        ("single", "class 4", ["class 99", 3, None, ["class 4"], True, {"a": 1}, "a\x00", 10**40]),
        ("multi", ["class 4", "class 2"], ["class 4", [["class 4"]], [None], ["a\x00"], {}, True]),
        ("verify", False, ["no", 0, None, [False]]),
    ],
)
def test_values_fit_the_question(question: str, good: Any, bad: list[Any]) -> None:
    project = mixture(question, slug=question)
    api, path = client(project), address(project, 0, "correction/")
    for value in bad:
        response = api.put(path, {"value": value}, format="json")
        assert (response.status_code, list(response.json()["fields"])) == (400, ["value"]), value
    assert not Correction.objects.filter(item=item_of(project, 0)).exists()
    label = api.put(path, {"value": good}, format="json").json()["label"]
    assert label == (sorted(good) if isinstance(good, list) else good)


def test_bodies_that_are_none_are_refused_and_what_cannot_be_corrected_says_why(project: Project) -> None:
    api = client(project)
    for body in ({}, [], "class 4", {"value": "class 4", "note": "x" * 301}, {"value": 1, "note": 2}):
        assert api.put(address(project, 0, "correction/"), body, format="json").status_code == 400
    for number, code in ((6, "still_open"), (9, "not_asked"), (11, "not_asked")):
        response = api.put(address(project, number, "correction/"), {"value": "class 1"}, format="json")
        assert (response.status_code, response.json()["code"]) == (409, code)
        assert item_of(project, number).label is None


def test_items_of_another_project_are_not_there_and_items_can_be_added_here(project: Project) -> None:
    (other,) = make_items(make_project("other"), 1)
    api = client(project)
    for pk in (other.pk, 0, 10**9, HUGE):
        assert api.get(f"{ITEMS}{pk}/").status_code == 404
        assert api.put(f"{ITEMS}{pk}/correction/", {"value": "class 1"}, format="json").status_code == 404
        assert api.delete(f"{ITEMS}{pk}/correction/").status_code == 404
    assert other.pk not in [each["id"] for each in api.get(ITEMS).json()["results"]]
    assert api.post(ITEMS, [{"text": "hello"}], format="json").status_code == 201


def test_a_fixed_number_of_queries(project: Project, django_assert_num_queries: Any) -> None:
    api = client(project)
    for much in (3, 12):
        # One more where a page goes beyond the labeled items.
        with django_assert_num_queries(9 if much > 5 else 8):
            api.get(ITEMS, {"page_size": much})
        with django_assert_num_queries(13):  # and label, batch, annotator and whether he is one
            api.get(ITEMS, {"page_size": much, "label": "class 3", "batch": "1", "annotator": "annie"})
    path = address(project, 1)
    with django_assert_num_queries(8):
        api.get(path)
