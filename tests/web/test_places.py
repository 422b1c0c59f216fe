"""Test the navigation of a project: six places with their pages, and the button that labels."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_project
from pages import member

from labeling.models import Project, Role
from labeling.web.shared.pages import PLACES
from tests.extent import some

pytestmark = pytest.mark.django_db

WAYS = re.compile(r'<li><a href="([^"]+)"( aria-current="\w+")?>([^<]+)</a></li>')
BUTTON = '<a class="button primary" href="/p/digits/label/"'


def bar_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode().partition('<nav class="places"')[2].partition("</nav>")[0]


def ways_in(part: str) -> dict[str, str]:
    return {title: url for url, _, title in WAYS.findall(part)}


def places_and_pages(client: Client, path: str) -> tuple[dict[str, str], dict[str, str]]:
    places, _, pages = bar_of(client, path).partition('<ul class="places-pages">')
    return ways_in(places), ways_in(pages)


OF_ROLE = {
    Role.ANNOTATOR: ["Home", "Insights"],
    Role.REVIEWER: ["Home", "Data", "Review", "Insights"],
    Role.ENGINEER: ["Home", "Data", "Insights", "Models"],
    Role.AUDITOR: [title for title, _ in PLACES],
    Role.MANAGER: [title for title, _ in PLACES],
}


@pytest.mark.parametrize("role", some(Role, 3))
def test_each_role_has_its_places_and_every_page_of_them_opens(role: Role) -> None:
    client = member(make_project(), role)
    places, pages = places_and_pages(client, "/p/digits/")
    assert list(places) == OF_ROLE[role]
    assert list(pages) == (["Overview", "Finish"] if role in (Role.ENGINEER, Role.AUDITOR, Role.MANAGER) else [])
    for url in places.values():
        for path in places_and_pages(client, url)[1].values():
            bar = bar_of(client, path)
            assert f'<a href="{path}" aria-current="page">' in bar
            assert bar.count('aria-current="page"') == (2 if path == url else 1)
            assert bar.count('aria-current="true"') == (0 if path == url else 1)


def test_settings_hold_what_a_manager_sets() -> None:
    client = member(make_project(), Role.MANAGER)
    places, _ = places_and_pages(client, "/p/digits/")
    assert list(places_and_pages(client, places["Settings"])[1]) == [
        *("General", "Classes", "Guidelines", "Members", "Webhooks", "Audit log", "Archive, copy, delete")
    ]


def test_near_copies_are_a_page_of_projects_that_show_some() -> None:
    project = make_project()
    client = member(project, Role.ENGINEER)
    assert "Near-copies" not in places_and_pages(client, "/p/digits/batches/")[1]
    Project.objects.update(near_copies=2)
    assert "Near-copies" in places_and_pages(client, "/p/digits/batches/")[1]


def test_the_button_is_for_those_who_label_in_a_project_that_is_not_archived() -> None:
    project = make_project()
    annotator, engineer = (member(project, role) for role in (Role.ANNOTATOR, Role.ENGINEER))
    assert BUTTON in bar_of(annotator, "/p/digits/")
    assert f'{BUTTON} aria-current="true">' in bar_of(annotator, "/p/digits/label/comments/")
    assert BUTTON not in bar_of(engineer, "/p/digits/")
    Project.objects.update(archived_at=timezone.now())
    assert BUTTON not in bar_of(annotator, "/p/digits/")


def test_the_sources_have_the_places_too() -> None:
    client = member(make_project(), Role.MANAGER)
    assert list(places_and_pages(client, "/p/digits/sources/")[0]) == OF_ROLE[Role.MANAGER]
