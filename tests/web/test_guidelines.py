"""Test guidelines: managers write Markdown, preview it, and all members read it."""

import pytest
from django.test import Client
from factories import make_project, make_user
from pages import manager, member, signed_in

from labeling.models import Role

pytestmark = pytest.mark.django_db

WRITTEN = "Take *what is in front*.\n\n- <b>no tags</b>"
SHOWN = "<p>Take <em>what is in front</em>.</p>\n<ul>\n<li>&lt;b&gt;no tags&lt;/b&gt;</li>\n</ul>"


def test_reviewers_read_them_where_they_settle_items_and_annotators_beside_the_item() -> None:
    project = make_project(guidelines=WRITTEN)
    for role, page in ((Role.REVIEWER, "review"), (Role.MANAGER, "review"), (Role.ANNOTATOR, "label")):
        client = member(project, role)
        assert SHOWN in client.get(f"/p/digits/{page}/").content.decode(), role
        assert SHOWN not in client.get("/p/digits/").content.decode(), role


def test_a_preview_shows_what_would_be_read_and_stores_nothing() -> None:
    project = make_project(guidelines="as before")
    page = manager(project).post("/new/preview/", {"guidelines": WRITTEN})
    assert page.status_code == 200
    assert SHOWN in page.content.decode()
    project.refresh_from_db()
    assert project.guidelines == "as before"


def test_the_preview_is_for_those_who_are_signed_in_and_send_something() -> None:
    client = signed_in(make_user("mona"))
    for data in ({}, {"guidelines": "  "}):
        assert "Nothing is written yet" in client.post("/new/preview/", data).content.decode()
    assert Client().post("/new/preview/", {"guidelines": "a"}).status_code == 302
    assert client.get("/new/preview/").status_code == 405


def test_both_forms_offer_the_preview_with_and_without_scripts() -> None:
    client = manager(make_project())
    for path, preview in (
        ("/new/", "/new/preview/"),
        ("/p/digits/settings/guidelines/", "/new/preview/?project=digits"),
    ):
        page = client.get(path).content.decode()
        assert f'data-url="{preview}"' in page
        assert f'formaction="{preview}"' in page
