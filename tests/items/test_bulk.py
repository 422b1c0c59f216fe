"""Test changes of more items than a request takes: the worker makes them in parts, and repeats an interrupted part."""

from typing import Any

import pytest
from factories import make_items, make_member, make_project
from pages import manager, text_of
from rest_framework.test import APIClient

from labeling.labels.items.filter import FilterError
from labeling.models import BulkChange, Project, Removal, Role
from labeling.projects import bulk
from labeling.queue import removing
from labeling.queue.changing import Change
from labeling.queue.removing import RemovalError

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PART", 4)
    monkeypatch.setattr("labeling.web.items.changes.MAX_ITEMS", 5)


def ask(project: Project, action: str = "exclude", **filters: str) -> BulkChange:
    mona = make_member(project, "mona", Role.MANAGER)
    return bulk.ask(project=project, user=mona, filters=filters, change=Change(action, (), "Why."))


def test_all_that_match_are_changed_but_none_that_came_later() -> None:
    project = make_project()
    make_items(project, 10)
    project.items.filter(row__lt=3).update(label=1)
    asked = ask(project, state="unlabeled")
    make_items(project, 2, first=10)
    bulk.carry_on(60)
    asked.refresh_from_db()
    assert (asked.total, asked.seen, asked.changed, asked.finished_at is None) == (10, 10, 10, False)
    assert project.items.excluded().count() == 10
    assert set(Removal.objects.values_list("reason", flat=True)) == {"Why."}


def test_it_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    make_items(project, 10)
    asked = ask(project)
    bulk.carry_on(0)
    asked.refresh_from_db()
    assert (asked.seen, asked.finished_at) == (4, None)

    def killed(**_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(removing, "remove_items", killed)
        with pytest.raises(KeyboardInterrupt):
            bulk.carry_on(60)
    bulk.carry_on(60)
    asked.refresh_from_db()
    assert (asked.seen, asked.changed) == (10, 10)


def test_where_others_do_not_let_go_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    make_items(project, 3)
    asked = ask(project)

    def busy(**_: Any) -> int:
        raise RemovalError("busy", "Somebody is working on these items.")

    with monkeypatch.context() as patch:
        patch.setattr(removing, "remove_items", busy)
        bulk.carry_on(60)
    asked.refresh_from_db()
    assert (asked.seen, asked.finished_at) == (0, None)
    bulk.carry_on(60)
    assert project.items.excluded().count() == 3


def test_what_cannot_be_found_any_more_is_told() -> None:
    project = make_project()
    make_items(project, 3)
    asked = ask(project, label="3")
    project.classes.filter(name="3").update(name="three")
    bulk.carry_on(60)
    asked.refresh_from_db()
    assert "no class “3”" in asked.failure
    with pytest.raises(FilterError):
        ask(project, batch="99")


def test_the_page_asks_says_how_far_it_is_and_when_it_is_done() -> None:
    project = make_project()
    make_items(project, 10)
    client = manager(project)
    address = "/p/digits/items/change/?action=exclude&all=1&state=unlabeled"
    assert "10 items will be excluded." in text_of(client.get(address))
    told = text_of(client.post(address, {"note": "Broken."}, follow=True))
    assert "10 items: in progress." in told
    assert "Exclude: 0 of 10 items asked for by mona" in told
    bulk.carry_on(0)
    assert "Exclude: 4 of 10 items" in text_of(client.get("/p/digits/items/"))
    bulk.carry_on(60)
    assert "Exclude: done, 10 changed" in text_of(client.get("/p/digits/items/"))
    assert not bulk.under_way(make_project("theirs")).exists()


def test_checked_items_are_never_so_many() -> None:
    project = make_project()
    items = make_items(project, 10)
    query = "&".join(f"item={item.pk}" for item in items)
    response = manager(project).post(f"/p/digits/items/change/?action=exclude&{query}")
    assert (response.status_code, BulkChange.objects.count()) == (400, 0)


def test_programs_ask_for_it_and_see_how_far_it_is() -> None:
    project = make_project()
    make_items(project, 10)
    api = APIClient()
    api.force_authenticate(make_member(project, "mona", Role.MANAGER))
    path = "/api/v1/projects/digits/items/changes/"
    body = {"action": "queue", "filter": {"state": "unlabeled"}}
    preview = api.post(path, {**body, "preview": True}, format="json")
    assert (preview.status_code, preview.json()) == (200, {"items": 10, "labels": 0, "tasks": 0})
    answer = api.post(path, body, format="json")
    assert (answer.status_code, answer.json()["total"]) == (202, 10)
    bulk.carry_on(60)
    (told,) = api.get(path).json()
    assert (told["seen"], told["changed"], told["by"], told["filter"]) == (10, 10, "mona", {"state": "unlabeled"})


def test_filters_that_are_none_are_refused() -> None:
    project = make_project()
    api = APIClient()
    api.force_authenticate(make_member(project, "mona", Role.MANAGER))
    for body, field in (
        ({}, "items"),
        ({"items": [1], "filter": {}}, "items"),
        ({"filter": {"colour": "red"}}, "filter"),
        ({"filter": {"state": "lost"}}, "filter"),
        ({"filter": {"q": "!"}}, "filter"),
        ({"filter": "all"}, "filter"),
        ({"filter": {"q": "x" * 221}}, "filter.q"),
        ({"filter": {"q": "\x00"}}, "filter.q"),
    ):
        answer = api.post("/api/v1/projects/digits/items/changes/", {"action": "exclude", **body}, format="json")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert not BulkChange.objects.exists()
