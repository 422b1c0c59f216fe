"""Test that members find the places of a project by word: only those that they may open."""

import html
import re

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import manager, member

from labeling.models import Project, Role
from labeling.projects.settings import SECTIONS
from tests.extent import some

pytestmark = pytest.mark.django_db

OPTION = re.compile(r'data-url="([^"]*)" aria-selected="\w+"><span\s+dir="auto">([^<]*)</span>')


def find(client: Client, text: str = "") -> dict[str, str]:
    """Return the addresses that are found, by their names."""
    response = client.get("/p/digits/find/", {"q": text})
    assert response.status_code == 200
    return {html.unescape(title): html.unescape(url) for url, title in OPTION.findall(response.content.decode())}


@pytest.mark.parametrize("role", some(Role, 3))
def test_whatever_is_found_opens(role: Role) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    client = member(project, role)
    for text in ("", "e", "batch 1", "set", "digits-"):
        for title, url in find(client, text).items():
            assert client.get(url.partition("#")[0]).status_code == 200, (text, title)


def test_pages_are_found_by_a_part_of_their_name_those_that_begin_with_it_first() -> None:
    client = manager(make_project())
    found = find(client, "mem")
    assert next(iter(found.items())) == ("Members", "/p/digits/members/")
    assert find(client, "AUDIT")["Audit log"] == "/p/digits/auditlog/"
    assert "Audit log" not in find(member(Project.objects.get(), Role.REVIEWER), "audit")


def test_settings_are_found_by_the_names_of_their_fields() -> None:
    client = manager(make_project())
    assert find(client, "gold")["Gold share"] == "/p/digits/settings/answers/#id_gold_share"
    assert find(client, "epochs")["Epochs"] == "/p/digits/settings/steps/#id_training-epochs"
    page = client.get("/p/digits/settings/steps/").content.decode()
    assert 'id="id_training-epochs"' in page
    assert "Gold share" not in find(member(Project.objects.get(), Role.ENGINEER), "gold")


def test_every_field_is_found() -> None:
    client = manager(make_project())
    for section in SECTIONS:
        for setting in section.settings:
            assert setting.label in find(client, setting.label), setting.label


def test_a_batch_is_found_by_its_number() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    client = member(project, Role.ANNOTATOR)
    assert find(client, "1")["Batch 1"] == find(client, "batch 1")["Batch 1"] == "/p/digits/batches/1/"
    assert "Batch 2" not in find(client, "2")
    assert find(client, "9" * 90) == {}


def test_people_and_items_are_for_those_who_may_see_them() -> None:
    project = make_project()
    make_member(project, "annie")
    assert find(manager(project), "ANN")["annie"] == "/p/digits/members/"
    assert find(manager(project), "a goat")["Items with “a goat”"] == "/p/digits/items/?q=a+goat"
    annotator = member(project, Role.ANNOTATOR)
    assert find(annotator, "ann") == {}
    assert "Nothing found" in annotator.get("/p/digits/find/", {"q": "ann"}).content.decode()


def test_what_is_typed_is_text() -> None:
    page = manager(make_project()).get("/p/digits/find/", {"q": "<b>x"}).content.decode()
    assert "<b>" not in page
    assert "&lt;b&gt;x" in page
