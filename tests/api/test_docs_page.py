"""Test that the API's page shows every endpoint, that its links work, and that its curl commands are correct."""

import re
import shlex
from typing import Any

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils.html import escape
from factories import make_user
from pages import signed_in

from labeling.api.published.reference import _marked, published, shapes, subjects
from labeling.api.published.schema import ERRORS

pytestmark = pytest.mark.django_db

ENDPOINTS = [each for subject in subjects() for each in subject["endpoints"]]


@pytest.fixture
def page() -> str:
    return signed_in(make_user("enzo")).get("/api/docs/").content.decode()


def test_every_endpoint_is_there_with_its_address_and_who_may(page: str) -> None:
    for path, methods in published()["paths"].items():
        for operation in methods.values():
            before, after = page.split(f'<div id="{operation["operationId"]}"')
            part = before.rpartition('<details class="api-endpoint">')[2] + after.partition("</details>")[0]
            assert f"<code>{path}</code>" in part
            assert operation["x-who"] in part
            for status in operation["responses"]:
                assert status in part


def test_every_link_leads_somewhere(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) - {"content"} <= set(ids)


def test_every_name_in_an_answer_is_explained(page: str) -> None:
    for shape in shapes():
        for field in shape["fields"]:
            assert f"<code>{field.name}</code>" in page


@pytest.mark.parametrize(
    "endpoint", [each for subject in subjects() for each in subject["endpoints"]], ids=lambda e: e["anchor"]
)
def test_the_line_for_a_shell_can_be_run(endpoint: Any) -> None:
    before, path = endpoint["curl"]
    words = shlex.split(f"{before} http://testserver{path}")
    assert words[0] == "curl"
    assert "Authorization: Token $TOKEN" in words
    assert endpoint["method"] == "GET" or words[words.index("-X") + 1] == endpoint["method"]
    try:
        assert resolve(path).view_name.startswith("api:")
    except Resolver404:
        pytest.fail(f"{path} is no address")
    if "application/json" in [body.media_type for body in endpoint["bodies"]]:
        assert "-d" in words


def test_each_example_of_an_object_is_shown_once(page: str) -> None:
    for shape in shapes():
        assert not shape["example"] or page.count(f"<code>{escape(shape['example'])}</code>") == 1, shape["name"]


def test_the_meaning_of_an_error_is_explained_once(page: str) -> None:
    for status, (text, *_) in ERRORS.items():
        assert page.count(_marked(text)) == 1, status


def test_commands_name_the_address_that_the_page_was_opened_at() -> None:
    client = signed_in(make_user("enzo"))
    for host in ("one.example", "two.example"):
        assert f"http://{host}/api/v1/projects/" in client.get("/api/docs/", HTTP_HOST=host).content.decode()


def test_it_is_found_and_no_script_is_needed_to_read_it(page: str, client: Client) -> None:
    account = signed_in(make_user("ann")).get("/account/")
    assert 'href="/api/docs/"' in account.content.decode()
    assert "style=" not in page
    assert client.get("/api/docs/").status_code == 302
