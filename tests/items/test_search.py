"""Test the full-text search and its index, on both databases, on the items page and in the API."""

import importlib
import re
from typing import Any

import pytest
from django.apps import apps
from factories import make_items, make_member, make_project
from pages import manager, text_of
from rest_framework.test import APIClient

from labeling.labels.items import search
from labeling.labels.items.filter import FilterError
from labeling.labels.items.item_filters import matching, read_filter
from labeling.labels.items.order import COUNTED, ORDERS, count_matching, page_after, read_position
from labeling.models import Item, ItemImport, ItemIndex, Project, Role
from tests.extent import ALL

pytestmark = pytest.mark.django_db

TEXTS = [
    "A barn owl at the feeder",
    "The owl of the barn",
    "Two tawny owls, at night",
    "Der Uhu über München",
    "meet at 12:30",
    "東京タワーの夜",
]
DATA = [{"camera": "north gate", "year": 2024}, {"camera": "south"}, {"camera": "north"}, {}, {"tags": ["x", "y"]}, {}]


def owls(slug: str = "owls") -> Project:
    project = make_project(slug)
    for number, (text, more) in enumerate(zip(TEXTS, DATA, strict=True)):
        make_items(project, 1, first=number, data={"text": text, **more})
    return project


def find(project: Project, **asked: str) -> list[int]:
    ids = list(project.items.order_by("pk").values_list("pk", flat=True))
    return sorted(ids.index(pk) for pk in matching(project, read_filter(project, asked)).values_list("pk", flat=True))


FOUND = [
    ("owl", [0, 1, 2]),
    ("owl barn", [0, 1]),
    ('"barn owl"', [0]),
    ('"owl"', [0, 1]),
    ("OWL Barn", [0, 1]),
    ("munchen", [3]),
    ("MÜNCHEN UHU", [3]),
    ("feed", [0]),
    ("feed owl", []),
    ("a", [0]),
    ("item-0003", [3]),
    ("id:item-0003", [3]),
    ("camera:north", [0, 2]),
    ('camera:"north gate"', [0]),
    ("camera:so", [1]),
    ("year:2024 owl", [0]),
    ("year:20", [0]),
    ("2024", [0]),
    ("north", [0, 2]),
    ("gate:north", []),
    ("12:30", [4]),
    ("tags:x", [4]),
    ("y", [4]),
    ("タワー", [5]),
    ("京夜", []),
    ("owl nothing", []),
]


@pytest.mark.parametrize("few", [search.FEW, 0])
def test_searches(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", few)
    project = owls()
    owls("others")
    search.catch_up()
    for q, items in FOUND:
        assert find(project, q=q) == items, q
    Item.objects.filter(pk=project.items.order_by("pk")[1].pk).update(label=3)
    assert find(project, q="owl", state="labeled") == [1]
    assert find(project, q="owl", search="0002") == [2]


HOSTILE = [
    "'", '"', "*", "a*", "(", ")", "a OR", "NEAR(a b)", "words:a", "^a", "a AND", "NOT", "-a", "a:b:c", "::", "{a}",
    "';DROP TABLE labeling_item;--", "%s", "%", "\\", "a\\", "&", "|", "!", "<->", ":*", "a:*b", "a<2>b", "🦉",
    "\ufffd", "\ud800", "\u0301", "ﬁ", "İ", "ß", "\ue000camera", "\ue0011", "\u200b", "𝒪𝓌𝓁", "a" * 200, "a " * 100,
    '"' * 200,
]  # fmt: skip


def test_whatever_is_typed_finds_something_nothing_or_is_told() -> None:
    project = owls()
    search.catch_up()
    for q in HOSTILE:
        refusal = ""
        try:
            find(project, q=q)
        except FilterError as error:
            refusal = error.fields["q"]
        assert refusal in ("", "Enter at least one letter or digit."), q


@pytest.mark.parametrize("few", [search.FEW, 0])
def test_matches_are_counted_as_far_as_it_is_worth(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", few)
    project = owls()
    search.catch_up()
    first = project.items.order_by("pk")[0]
    Item.objects.filter(pk=first.pk).update(label=3)

    def count(**asked: str) -> tuple[int, bool]:
        return count_matching(project, read_filter(project, asked))

    assert count() == (6, False)
    assert count(q="owl") == ((3, False) if few else (COUNTED, True))
    assert count(q="owl", state="labeled") == (1, False)
    assert count(q="owl", control="false") == (3, False)
    monkeypatch.setattr("labeling.labels.items.order.EXAMINED", 5)
    n, more = count(q="owl", control="false")
    assert (n <= 3, more) == (True, few == 0)


@pytest.mark.parametrize("few", [search.FEW, 0])
def test_pages_hold_every_match_once(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", few)
    project = make_project()
    items = make_items(project, 30, data={"text": "same"})
    Item.objects.filter(pk__in=[item.pk for item in items[:7]]).update(label=1, agreement=0.5)
    search.catch_up()
    found = matching(project, read_filter(project, {"q": "same"}))
    for order in ORDERS.values():
        page = page_after(found, order, None, 4)
        keys = page.keys
        while page.after:
            page = page_after(found, order, read_position(str(page.after), order), 4)
            keys += page.keys
        assert sorted(keys) == [item.pk for item in items]


def test_the_index_goes_on_where_it_was() -> None:
    project = owls()
    assert search.unindexed(project).count() == 6
    assert find(project, q="owl") == []
    search.catch_up()
    assert not search.unindexed(project).exists()
    make_items(project, 3, first=6, data={"text": "one more owl"})
    assert search.unindexed(project).count() == 3
    search.catch_up(0)
    assert find(project, q="owl") == [0, 1, 2, 6, 7, 8]


def test_a_part_that_fails_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    project = owls()

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search, "_store_words", killed)
        with pytest.raises(KeyboardInterrupt):
            search.catch_up()
    assert search.unindexed(project).count() == 6
    search.catch_up()
    assert find(project, q="owl") == [0, 1, 2]


def test_two_workers_at_once_index_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    project, other = owls(), owls("others")
    store, calls = search._store_words, []

    def interrupted(*args: Any) -> None:
        store(*args)
        if not calls:
            calls.append(1)
            search.catch_up()

    monkeypatch.setattr(search, "_store_words", interrupted)
    search.catch_up()
    assert find(project, q="owl") == [0, 1, 2] == find(other, q="owl")


def test_items_of_an_import_under_way_wait_for_its_end() -> None:
    project = owls()
    search.catch_up()
    last = project.items.order_by("-pk").values_list("pk", flat=True)[0]
    block: dict[str, Any] = {"first_number": last + 1, "numbers": 10}
    upload = ItemImport.objects.create(project=project, name="more.csv", state=ItemImport.State.RUNNING, **block)
    make_items(project, 1, first=6, pk=last + 9, data={"text": "late owl"})
    search.rewind(project, last + 1)
    search.catch_up()
    assert (find(project, q="owl"), search.unindexed(project).count()) == ([0, 1, 2], 1)
    make_items(project, 1, first=7, pk=last + 2, data={"text": "later owl"})
    ItemImport.objects.filter(pk=upload.pk).update(state=ItemImport.State.FAILED)
    search.catch_up()
    assert find(project, q="owl") == [0, 1, 2, 6, 7]
    # It is retried, and brings one between those.
    make_items(project, 1, first=8, pk=last + 5, data={"text": "last owl"})
    search.rewind(project, last + 1)
    search.catch_up()
    assert find(project, q="owl") == [0, 1, 2, 6, 7, 8]


def test_what_was_said_under_a_number_before_is_forgotten() -> None:
    project = owls()
    search.catch_up()
    item = project.items.order_by("pk")[0]
    Item.objects.filter(pk=item.pk).update(data={"text": "a kite"})
    ItemIndex.objects.update(indexed_to=0)
    search.catch_up()
    assert find(project, q="feeder") == []
    assert find(project, q="kite") == [0]


@pytest.mark.parametrize("few", [search.FEW, 0])
def test_files_but_not_texts_are_found_by_the_words_of_their_paths(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", few)
    texts, photos = owls(), make_project("photos", kind="image", classes=["cat", "dog"])
    texts.items.update(source="complaints.csv:3")
    sources = ["fotos/Quadrat/IMG_0001.jpg", "fotos/Kreis/IMG_0010.jpg", "table.parquet:3"]
    for item, source in zip(make_items(photos, 3), sources, strict=True):
        Item.objects.filter(pk=item.pk).update(source=source)
    search.catch_up()
    assert find(texts, q="complaints") == []
    for q, places in {
        "IMG_0001": [0], "IMG_0001.jpg": [0], "img_00": [0, 1], "quadrat": [0], "source:fotos": [0, 1], "parquet": [],
    }.items():  # fmt: skip
        assert find(photos, q=q) == places, q
    importlib.import_module("labeling.migrations.0007_index_file_names").index_again(apps, None)
    assert ItemIndex.objects.get(project=photos).indexed_to == 0, "an upgrade indexes files again"
    assert ItemIndex.objects.get(project=texts).indexed_to > 0


def test_a_search_takes_two_queries(django_assert_num_queries: Any) -> None:
    project = owls()
    search.catch_up()
    with django_assert_num_queries(2):
        chosen = read_filter(project, {"q": "owl"})
        assert len(page_after(matching(project, chosen), ORDERS["imported"], None, 10).keys) == 3
    with django_assert_num_queries(1):
        page_after(matching(project, {}), ORDERS["imported"], None, 10)


PAGE, API = "/p/owls/items/", "/api/v1/projects/owls/items/"


def api(project: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    return client


def test_the_page_finds_keeps_and_takes_off_what_was_typed() -> None:
    project = owls()
    search.catch_up()
    client = manager(project)
    response = client.get(PAGE, {"q": '"barn owl" camera:north'})
    assert "1 item matches" in text_of(response)
    page = response.content.decode()
    assert 'value="&quot;barn owl&quot; camera:north"' in page
    assert "contains “" in page
    assert re.search(r'class="item" href="/p/owls/items/\d+/\?q=%22barn\+owl%22\+camera%3Anorth"', page)
    assert "cannot be searched yet" not in page
    make_items(project, 2, first=6, data={"text": "an owl"})
    assert "2 items cannot be searched yet" in text_of(client.get(PAGE, {"q": "owl"}))
    assert "cannot be searched" not in text_of(client.get(PAGE))


def test_no_search_breaks_the_page_or_the_api() -> None:
    project = owls()
    page, program = manager(project), api(project)
    search.catch_up()
    for q in [*filter(str.isprintable, HOSTILE)][:: 1 if ALL else 3]:
        response = page.get(PAGE, {"q": q})
        assert response.status_code in (200, 400), q
        assert (response.status_code == 400) == ("Enter at least one letter or digit." in text_of(response)), q
    for q in ("%00", "%ED%A0%80", "%FF", "a%00b", "x" * 201, "%21"):
        assert page.get(f"{PAGE}?q={q}").status_code in (200, 400)
        answer = program.get(f"{API}?q={q}")
        assert answer.status_code in (200, 400)
        assert answer.status_code == 200 or list(answer.json()["fields"]) == ["q"]


def test_the_api_finds_and_tells_how_far_the_index_is() -> None:
    project = owls()
    client = api(project)
    assert client.get(API).json()["unindexed"] is None
    assert (client.get(API, {"q": "owl"}).json()["count"], client.get(API, {"q": "owl"}).json()["unindexed"]) == (0, 6)
    search.catch_up()
    body: dict[str, Any] = client.get(API, {"q": "owl", "page_size": "2", "sort": "imported"}).json()
    assert (body["count"], body["unindexed"], len(body["results"])) == (3, 0, 2)
    assert len(client.get(body["next"]).json()["results"]) == 1
