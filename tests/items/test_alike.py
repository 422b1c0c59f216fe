"""Test the search for items like a given one."""

import re
from typing import Any

import numpy as np
import pytest
from factories import make_items, make_member, make_project
from pages import manager, text_of
from rest_framework.test import APIClient

from labeling.labels.items import alike as module
from labeling.labels.items.alike import nearest
from labeling.labels.items.filter import FilterError
from labeling.labels.items.item_filters import matching, read_filter
from labeling.labels.items.order import order_for, page_after
from labeling.models import Batch, Clustering, Item, ModelVersion, Project, Role
from labeling.storage.arrays.features import append_rows
from labeling.storage.arrays.files import ProjectFiles, save_array

PAGE, API = "/p/digits/items/", "/api/v1/projects/digits/items/"


def slow(matrix: np.ndarray, row: int, k: int) -> list[int]:
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
    alike = matrix.astype(np.float64) @ matrix[row].astype(np.float64) / np.where(lengths > 0, lengths, 1)
    return [int(each) for each in np.argsort(-alike, kind="stable") if each != row][:k]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize(("n", "k"), [(1, 5), (2, 5), (50, 5), (50, 49), (50, 500)])
def test_the_nearest_are_those_that_a_slow_search_finds(
    n: int, k: int, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_NUMBERS", 28)
    matrix = np.random.default_rng(n).uniform(0, 200, (n, 4)).astype(dtype)
    for row in (0, n // 2, n - 1):
        assert nearest(matrix, row, k) == (slow(matrix, row, k), n)


def test_level_rows_and_rows_of_nothing_come_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_NUMBERS", 6)
    assert nearest(np.ones((20, 2), np.float32), 7, 5)[0] == [0, 1, 2, 3, 4]
    assert nearest(np.zeros((20, 2), np.float32), 0, 3)[0] == [1, 2, 3]


def test_of_a_large_matrix_a_part_is_read_that_is_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_NUMBERS", 20)
    monkeypatch.setattr(module, "MOST_NUMBERS", 100)
    matrix = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)
    found, compared = nearest(matrix, 500, 10)
    assert compared == 50
    assert min(found) < 200
    assert max(found) > 800


def line(n: int = 20) -> Project:
    """Create items on a quarter of a circle, in order."""
    project = make_project()
    make_items(project, n)
    angles = np.linspace(0, 1.5, n)
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    append_rows(ProjectFiles(project).features(project.features_generation), rows_before=0, block=features)
    Project.objects.filter(pk=project.pk).update(encoded_rows=n)
    project.refresh_from_db()
    return project


def item(project: Project, row: int) -> Item:
    return project.items.get(row=row)


def rows(project: Project, **asked: str) -> list[int]:
    chosen = read_filter(project, asked)
    ids = page_after(matching(project, chosen), order_for(chosen, asked.get("sort", "")), None, 100).keys
    by_id = dict(project.items.values_list("pk", "row"))
    return [by_id[pk] for pk in ids]


@pytest.mark.django_db
def test_the_nearest_come_first_and_filters_hold() -> None:
    project = line()
    like = str(item(project, 0).pk)
    assert rows(project, like=like) == list(range(1, 20))
    assert rows(project, like=str(item(project, 19).pk))[:3] == [18, 17, 16]
    Item.objects.filter(project=project, row__in=[3, 9]).update(label=1)
    assert rows(project, like=like, state="labeled") == [3, 9]
    assert rows(project, like=like, sort="imported") == list(range(1, 20))


@pytest.mark.django_db
def test_embeddings_are_asked_before_features() -> None:
    project = line()
    batch = Batch.objects.create(project=project, number=1, state=Batch.State.DONE)
    version = ModelVersion.objects.create(
        project=project, batch=batch, number=1, labels=1, seed=1, seconds=1, metrics={}
    )
    Clustering.objects.create(project=project, embedded_by=version, rows=10, joined_rows=10, seconds=1)
    embeddings = np.eye(10, dtype=np.float32)
    embeddings[0, 7] = 0.5
    save_array(ProjectFiles(project).pool(version, "embeddings"), embeddings)
    assert rows(project, like=str(item(project, 0).pk))[0] == 7
    assert rows(project, like=str(item(project, 15).pk))[0] in (14, 16), "those behind them by the features"
    ProjectFiles(project).pool(version, "embeddings").unlink()
    assert rows(project, like=str(item(project, 0).pk))[0] == 1


@pytest.mark.django_db
def test_what_is_no_item_of_the_project_and_one_that_is_not_encoded_are_told() -> None:
    project = line()
    client = manager(project)
    for like in ("0", "x", "-1", "9" * 30, "²", "1.5", "1 OR 1", "99999"):
        with pytest.raises(FilterError, match="no item with this id"):
            read_filter(project, {"like": like})
        assert client.get(PAGE, {"like": like}).status_code == 400
    (theirs,) = make_items(make_project("theirs"), 1)
    (late,) = make_items(project, 1, first=50, row=None)
    (bare,) = make_items(project, 1, first=51, row=999)
    not_yet = "cannot be found yet"
    for other, words in ((theirs, "no item with this id"), (late, not_yet), (bare, not_yet)):
        with pytest.raises(FilterError, match=words):
            read_filter(project, {"like": str(other.pk)})


@pytest.mark.django_db
def test_the_page_lists_them_and_leads_from_one_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.web.items.views.ITEMS_A_PAGE", 7)
    project = line()
    first, client = item(project, 0), manager(project)
    assert f'href="{PAGE}?like={first.pk}">More like this' in client.get(f"{PAGE}{first.pk}/").content.decode()
    seen: list[str] = []
    query = f"?like={first.pk}"
    while query:
        response = client.get(PAGE + query)
        page = response.content.decode()
        seen += re.findall(r'class="item" href="/p/digits/items/(\d+)/\?like=', page)
        link = re.search(r'rel="next" href="(\?.*?)"', page)
        query = link[1].replace("&amp;", "&") if link else ""
    assert [item(project, row).pk for row in range(1, 20)] == [int(pk) for pk in seen]
    assert "The 19 items nearest to item-0000 among 20 that were compared" in text_of(response)
    assert "similar to item-0000" in text_of(response).replace("\u2068", "").replace("\u2069", "")
    second = item(project, 5)
    page = client.get(f"{PAGE}{second.pk}/?like={first.pk}").content.decode()
    assert f'rel="prev" href="{PAGE}{item(project, 4).pk}/?like={first.pk}"' in page
    assert f'rel="next" href="{PAGE}{item(project, 6).pk}/?like={first.pk}"' in page


@pytest.mark.django_db
def test_the_api_lists_them() -> None:
    project = line()
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    body = client.get(API, {"like": item(project, 0).pk, "page_size": "4"}).json()
    assert (body["count"], body["more"]) == (19, False)
    assert [each["external_id"] for each in body["results"]] == [f"item-{n:04}" for n in (1, 2, 3, 4)]
    body = client.get(body["next"]).json()
    assert [each["external_id"] for each in body["results"]] == [f"item-{n:04}" for n in (5, 6, 7, 8)]
    assert client.get(API, {"like": "x"}).json()["fields"] == {"like": ["This project has no item with this id."]}
