"""Test changes of several items: the preview, the effect, and the roles."""

import re
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from mixture import mixture
from pages import manager, member, text_of
from rest_framework.test import APIClient

from labeling.models import BulkChange, Correction, Item, Project, Removal, Role

pytestmark = pytest.mark.django_db

PAGE, CHANGE, API = "/p/digits/items/", "/p/digits/items/change/", "/api/v1/projects/digits/items/changes/"


def ids_of(project: Project, *places: int) -> list[int]:
    ids = list(project.items.order_by("pk").values_list("pk", flat=True))
    return [ids[place] for place in places]


def api(project: Project, role: str = Role.MANAGER) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, f"our-{role}", role))
    return client


def test_the_list_lets_managers_select_and_engineers_look(project: Project) -> None:
    page = manager(project).get(f"{PAGE}?batch=1").content.decode()
    assert page.count('type="checkbox" name="item"') == 6
    assert '<input type="hidden" name="batch" value="1">' in page
    assert "All 6 items that match" in page
    one = ids_of(project, 0)[0]
    name = project.items.get(pk=one).external_id
    assert "The 1 item that matches" in manager(project).get(f"{PAGE}?search={name}").content.decode()
    assert '<option value="restore">' not in page
    assert 'name="item"' not in member(project, Role.ENGINEER).get(PAGE).content.decode()


def test_what_it_means_is_said_and_nothing_is_done_yet(project: Project) -> None:
    response = manager(project).get(CHANGE, {"action": "exclude", "item": ids_of(project, 0, 6, 9)})
    told = text_of(response)
    assert "3 items will be excluded." in told
    assert "1 of them has a label." in told
    assert "1 task of the open batch will be closed." in told
    assert not Removal.objects.exists()


def test_it_is_done_with_the_reason_and_leads_back(project: Project) -> None:
    client = manager(project)
    item = ids_of(project, 0)[0]
    response = client.post(f"{CHANGE}?action=exclude&item={item}&back=item", {"note": "Two owls."}, follow=True)
    assert response.request["PATH_INFO"] == f"{PAGE}{item}/"
    told = text_of(response)
    assert "1 item is excluded." in told
    assert "Excluded by" in told
    assert "Reason: Two owls. It is not picked" in told
    client.post(f"{CHANGE}?action=delete&item={item}&back=item", {"note": ""})
    told = text_of(client.get(f"{PAGE}{item}/"))
    assert "It will be deleted for good on" in told
    assert "deleted" in text_of(client.get(f"{PAGE}?deleted=true"))
    assert "Restore" in client.get(f"{PAGE}?deleted=true").content.decode()
    assert "item-0000" not in text_of(client.get(PAGE))
    client.post(f"{CHANGE}?action=restore&item={item}")
    assert "item-0000" in text_of(client.get(PAGE))


def test_all_that_match_are_changed_and_no_other(project: Project) -> None:
    response = manager(project).post(f"{CHANGE}?action=queue&all=1&state=unlabeled", follow=True)
    assert "2 items are queued." in text_of(response)
    assert sorted(project.items.queued().values_list("pk", flat=True)) == ids_of(project, 9, 10)
    assert "queued" in text_of(response)


@pytest.mark.parametrize(
    ("question", "good", "bad", "label"),
    [
        ("single", {"value": "class 7"}, {"value": "class 99"}, 7),
        ("multi", {"value": ["class 3"], "also": "class 5"}, {"value": ["x"], "also": "no such"}, [3, 5]),
        ("verify", {"value": "false"}, {"value": "perhaps"}, False),
    ],
)
def test_relabeling_is_a_correction_of_each(question: str, good: Any, bad: Any, label: Any) -> None:
    project = mixture(question, slug=question)
    client, (one, two, open_one) = manager(project), ids_of(project, 0, 1, 6)
    address = f"/p/{question}/items/change/?action=relabel&item={one}&item={two}&item={open_one}"
    assert "1 of the selected items stays as it is." in text_of(client.get(address))
    assert client.post(address, bad).status_code == 400
    before = Correction.objects.count()
    assert "2 items are relabeled." in text_of(client.post(address, {**good, "note": "Look."}, follow=True))
    assert Correction.objects.count() == before + 2
    assert list(Item.objects.filter(pk__in=[one, two]).values_list("label", flat=True)) == [label, label]


NONSENSE = [
    "", "action=", "action=explode", "action=exclude", "action=exclude&item=x", "action=exclude&item=-1",
    "action=exclude&item=%00", "action=relabel&item=1", "action=delete&all=1&state=lost", "action=queue&item=²",
    "action=exclude&item=" + "9" * 30, "action=exclude&item=999999999&back=item", "action=relabel&all=1&q=%21",
]  # fmt: skip


def test_no_address_breaks_it_or_changes_anything(project: Project) -> None:
    client = manager(project)
    before = list(Item.objects.order_by("pk").values())
    for query in NONSENSE:
        for response in (client.get(f"{CHANGE}?{query}"), client.post(f"{CHANGE}?{query}")):
            assert response.status_code in (200, 302, 400)
    assert list(Item.objects.order_by("pk").values()) == before


def test_items_of_others_stay_as_they_are(project: Project) -> None:
    (theirs,) = make_items(make_project("theirs"), 1)
    manager(project).post(f"{CHANGE}?action=exclude&item={theirs.pk}")
    answer = api(project).post(API, {"action": "exclude", "items": [theirs.pk]}, format="json")
    assert answer.json() == {"items": 0, "labels": 0, "tasks": 0}
    theirs.refresh_from_db()
    assert theirs.excluded_at is None


def test_the_api_previews_and_does(project: Project) -> None:
    client, items = api(project), ids_of(project, 0, 6, 9)
    body = {"action": "exclude", "items": items, "reason": "No bird."}
    effect = {"items": 3, "labels": 1, "tasks": 1}
    assert client.post(API, {**body, "preview": True}, format="json").json() == effect
    assert not Removal.objects.exists()
    assert client.post(API, body, format="json").json() == effect
    assert client.post(API, body, format="json").json() == {"items": 0, "labels": 0, "tasks": 0}
    record = client.get(f"/api/v1/projects/digits/items/{items[0]}/").json()
    assert (record["excluded"], record["removals"][0]["reason"], record["learned_by"]) == (True, "No bird.", [])
    answer = client.post(API, {"action": "relabel", "items": items, "value": "class 2"}, format="json")
    assert answer.json()["items"] == 2, "that of the open batch was settled with the answer that it had"


def test_bodies_that_are_none_are_refused(project: Project) -> None:
    client = api(project)
    for body, field in (
        ({"action": "explode", "items": [1]}, "action"),
        ({"action": "exclude"}, "items"),
        ({"action": "exclude", "items": []}, "items"),
        ({"action": "exclude", "items": [-1]}, "items"),
        ({"action": "exclude", "items": ["x"]}, "items"),
        ({"action": "exclude", "items": [10**30]}, "items"),
        ({"action": "exclude", "items": [1] * 1001}, "items"),
        ({"action": "exclude", "items": [1], "reason": "x" * 301}, "reason"),
        ({"action": "exclude", "items": [1], "reason": "\x00"}, "reason"),
        ({"action": "relabel", "items": [1]}, "value"),
        ({"action": "relabel", "items": [1], "value": "no such"}, "value"),
    ):
        answer = client.post(API, body, format="json")
        assert answer.status_code == 400
        assert field in re.split(r"[.:]", next(iter(answer.json()["fields"])))


def test_annotators_are_told_nothing_of_it() -> None:
    project = make_project("queued")
    items = make_items(project, 3)
    make_open_batch(project, items)
    Item.objects.filter(pk=items[0].pk).update(queued_at="2026-01-01T00:00:00Z")
    answer = api(project, Role.ANNOTATOR).post("/api/v1/projects/queued/claim/", {"count": 3}, format="json")
    assert {"queued", "excluded", "deleted"}.isdisjoint(answer.json()["tasks"][0]["item"])


def test_what_is_excluded_leaves_the_list_and_has_one_of_its_own(project: Project, monkeypatch: Any) -> None:
    client = manager(project)
    items = ids_of(project, 0, 1)
    told = text_of(client.post(f"{CHANGE}?action=exclude&item={items[0]}&item={items[1]}", {"note": ""}, follow=True))
    assert "2 items are excluded." in told
    assert "10 items" in told
    page = client.get(PAGE).content.decode()
    assert all(f'name="item" value="{item}"' not in page for item in items)
    page = client.get(f"{PAGE}?excluded=true").content.decode()
    assert all(f'name="item" value="{item}"' in page for item in items)
    assert "All 2 items that match" in page
    assert "All 10 items" in client.get(PAGE).content.decode()
    monkeypatch.setattr("labeling.web.items.changes.MAX_ITEMS", 4)  # more are changed by a worker
    client.post(f"{CHANGE}?action=delete&all=1", {"note": ""})
    assert (BulkChange.objects.get().total, BulkChange.objects.get().filters) == (10, {"excluded": "false"})
