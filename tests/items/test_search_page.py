"""Test the search on the items page and in the API."""

import re
from typing import Any

import pytest
from factories import make_items, make_member
from pages import manager, text_of
from rest_framework.test import APIClient
from test_search import HOSTILE, owls

from labeling.labels.items import search
from labeling.models import Project, Role
from tests.extent import ALL

pytestmark = pytest.mark.django_db

PAGE, API = "/p/owls/items/", "/api/v1/projects/owls/items/"


def api(project: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    return client


def test_the_page_finds_keeps_and_takes_off_what_was_typed() -> None:
    project = owls()
    search.catch_up()
    response = manager(project).get(PAGE, {"q": '"barn owl" camera:north'})
    assert "1 item matches" in text_of(response)
    page = response.content.decode()
    assert 'value="&quot;barn owl&quot; camera:north"' in page
    assert "contains “" in page
    assert re.search(r'class="item" href="/p/owls/items/\d+/\?q=%22barn\+owl%22\+camera%3Anorth"', page)
    assert "cannot be searched yet" not in page


def test_the_page_says_that_the_index_is_behind() -> None:
    project = owls()
    search.catch_up()
    make_items(project, 2, first=6, data={"text": "an owl"})
    assert "2 items cannot be searched yet" in text_of(manager(project).get(PAGE, {"q": "owl"}))
    assert "cannot be searched" not in text_of(manager(project).get(PAGE))


def test_no_search_breaks_the_page() -> None:
    client = manager(owls())
    search.catch_up()
    for q in [*filter(str.isprintable, HOSTILE)][:: 1 if ALL else 3]:
        response = client.get(PAGE, {"q": q})
        assert response.status_code in (200, 400), q
        assert (response.status_code == 400) == ("Enter at least one letter or digit." in text_of(response)), q


@pytest.mark.parametrize("q", ["%00", "%ED%A0%80", "%FF", "a%00b", "x" * 201, "%21"])
def test_what_is_no_text_is_told_in_one_line(q: str) -> None:
    project = owls()
    assert manager(project).get(f"{PAGE}?q={q}").status_code in (200, 400)
    answer = api(project).get(f"{API}?q={q}")
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
