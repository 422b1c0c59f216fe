"""Test the page of items: its contents, combined and removed filters, and invalid ones."""

import re
from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_project
from mixture import numbers
from pages import manager, member, text_of

from labeling.models import Annotation, Project, Role
from labeling.models.batches import IMPORTED
from labeling.web.items.views import ITEMS_A_PAGE

pytestmark = pytest.mark.django_db

ITEMS = "/p/digits/items/"


def shown(project: Project, response: Any) -> list[int]:
    """Return the places in the import of the items on the page."""
    found = re.findall(r'class="item" href="/p/digits/items/(\d+)/', response.content.decode())
    return numbers(project, map(int, found))


def errors_of(response: Any) -> dict[str, str]:
    found = re.findall(r'errorlist" id="find-(\w+)_error"><li>(.*?)</li>', response.content.decode())
    return dict(found)


def test_an_imported_label_is_not_ascribed_to_the_person_who_imported_it(project: Project) -> None:
    project.batches.filter(number=1).update(strategy=IMPORTED)
    Annotation.objects.filter(task__item__external_id="item-0004").update(seconds=0)
    words = text_of(manager(project).get(ITEMS, {"origin": "imported"}))
    assert "item-0004 batch 1 · imported" in words
    assert "item-0000 batch 1 · annie, bert" in words, "an export brings the names of those who answered"


def test_every_item_is_there_the_newest_label_first(project: Project) -> None:
    response = manager(project).get(ITEMS)
    assert shown(project, response) == [5, 4, 3, 1, 0, 2, 6, 7, 8, 9, 10, 11]
    words = text_of(response)
    assert "12 items" in words
    assert "class 3 50 % agree control item-0001 batch 1 · annie, bert" in words
    assert "class 5 flagged item-0004" in words
    assert "class 7 settled item-0005" in words
    assert "skipped by all item-0002" in words
    assert "not picked yet item-0009" in words
    assert "unreadable item-0011" in words
    assert "This is text number 7." in words


def test_filters_are_combined_counted_and_carried_to_every_item(project: Project) -> None:
    response = manager(project).get(f"{ITEMS}?label=class+5&annotator=bert&sort=agreement")
    assert shown(project, response) == [3, 4]
    assert "2 items match" in text_of(response)
    page = response.content.decode()
    assert page.count("?label=class+5&amp;annotator=bert&amp;sort=agreement") == 2
    assert 'value="class 5"' in page
    assert "1 item matches" in text_of(manager(project).get(f"{ITEMS}?flagged=true"))


def test_each_filter_can_be_taken_off(project: Project) -> None:
    client = manager(project)
    page = client.get(f"{ITEMS}?label=class+5&flagged=true&state=labeled").content.decode()
    chips = dict(re.findall(r'<a class="chip" href="\?(.*?)">(.*?)<', page))
    assert chips == {
        "state=labeled&amp;flagged=true": "label: class 5",
        "label=class+5&amp;state=labeled": "flagged",
        "label=class+5&amp;flagged=true": "labeled",
    }


def test_pages_keep_the_filters_and_show_every_item_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.web.items.views.ITEMS_A_PAGE", 4)
    project = project
    client, seen, query = manager(project), [], "?search=item&sort=imported"
    while query:
        page = client.get(ITEMS + query)
        seen += shown(project, page)
        found = re.search(r'rel="next" href="(\?.*?)"', page.content.decode())
        query = found[1].replace("&amp;", "&") if found else ""
        assert "search=item" in query or not query
    assert seen == list(range(12))
    back = re.search(r'rel="prev" href="(\?.*?)"', page.content.decode())
    assert back
    assert shown(project, client.get(ITEMS + back[1].replace("&amp;", "&"))) == [4, 5, 6, 7]


HOSTILE = [
    ("label", "class 99", "no class"),
    ("label", "x" * 300, "at most 220"),
    ("label", "a\x00", "Null"),
    ("batch", "99", "no batch 99"),
    *(("batch", number, "number of a batch") for number in ("-1", "1e9", "9" * 40)),
    ("annotator", "nobody", "No annotator"),
    ("state", "lost", "Choose one of"),
    ("flagged", "perhaps", "true or false"),
    ("sort", "'; drop table", "Choose one of"),
]


def test_what_makes_no_sense_is_said_beside_its_field(project: Project) -> None:
    for name, value, said in HOSTILE:
        response = manager(project).get(ITEMS, {name: value, "search": "item"})
        assert response.status_code == 400
        assert list(errors_of(response)) == [name]
        assert said in errors_of(response)[name]
        assert 'value="item"' in response.content.decode(), "what else was asked for is kept"
        assert "Check the filters" in text_of(response)


ODD = [
    "after=here", "before=0~2026~1", "after=0~nan~1&sort=margin", "after=1~~99999999999999999999", "search=%00",
    "search=%25%5F%5C", "search=%ED%A0%80", "page=7", "label=&batch=&state=", "after=1~~1&after=2",
    "after=0~0001-01-01T00:00:00%2B14:00~1", "before=0~9999-12-31T23:59:59-14:00~1", "label=<script>alert(1)</script>",
]  # fmt: skip


def test_no_address_breaks_the_page(project: Project) -> None:
    client = manager(project)
    for query in ODD:
        response = client.get(f"{ITEMS}?{query}")
        assert response.status_code in (200, 400)
        assert b"<script>alert" not in response.content


def test_nothing_matches_and_nothing_is_there(project: Project) -> None:
    assert "No item matches" in text_of(manager(project).get(f"{ITEMS}?search=zzz"))
    empty = make_project("empty")
    assert "No item yet" in text_of(manager(empty).get("/p/empty/items/"))
    assert "Import items" in text_of(manager(empty).get("/p/empty/items/"))
    assert "Import items" not in text_of(member(empty, Role.ENGINEER).get("/p/empty/items/"))


def test_images_are_fetched_when_they_come_into_view() -> None:
    project = make_project("images", kind="image")
    make_items(project, 2)
    page = manager(project).get("/p/images/items/").content.decode()
    for item in project.items.all():
        assert f'<img src="/api/v1/projects/images/items/{item.pk}/media/?size=thumbnail" alt="" loading="lazy"' in page


def test_many_classes_are_not_sent_with_the_page() -> None:
    few = manager(make_project("few", classes=[f"kind {n}" for n in range(200)])).get("/p/few/items/")
    assert few.content.count(b'<option value="kind ') == 200
    many = make_project("many", classes=[f"kind {n}" for n in range(201)])
    page = manager(many).get("/p/many/items/").content.decode()
    assert 'data-propose="/p/many/items/classes/"' in page
    assert "kind 7" not in page
    proposed = manager(many).get("/p/many/items/classes/?q=D+20").json()["classes"]
    assert proposed == ["kind 20", "kind 200"]
    assert manager(many).get("/p/many/items/classes/?q=%00").status_code == 200


def test_what_waits_for_a_manager_leads_to_it(project: Project) -> None:
    client = manager(project)
    for path in (ITEMS, "/p/digits/"):
        page = client.get(path).content.decode()
        links = dict(re.findall(r'<li><a href="(/p/digits/items/\?.*?)">(\d.*?)</a>', page))
        assert list(links.values()) == ["1 flagged item", "1 skipped by all", "1 in disagreement"], path
        found = [shown(project, client.get(link.replace("&amp;", "&"))) for link in links]
        assert found == [[4], [2], [1]]
    assert "flagged item" not in text_of(member(project, Role.ENGINEER).get("/p/digits/"))


def test_items_of_other_projects_are_not_shown_and_a_page_is_bounded(project: Project) -> None:
    item = project.items.earliest("pk")
    assert f'href="/p/digits/items/{item.pk}/?batch=1' in manager(project).get("/p/digits/batches/1/").content.decode()
    other = make_project("other")
    make_items(other, 3, first=100)
    assert "item-0100" not in text_of(manager(project).get(ITEMS))
    assert Client().get(ITEMS).status_code == 302
    assert member(other, Role.MANAGER, "oscar").get(ITEMS).status_code == 404
    assert member(project, Role.ANNOTATOR, "annie").get(ITEMS).status_code == 403
    make_items(project, ITEMS_A_PAGE + 5, first=12)
    assert len(shown(project, manager(project).get(ITEMS))) == ITEMS_A_PAGE
