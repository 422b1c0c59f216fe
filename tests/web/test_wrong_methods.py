"""Test that each address answers a wrong method with a page that says so, or with JSON below /api/."""

import json
import re
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from factories import make_project
from pages import manager, text_of

from tests.extent import ALL

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE") if ALL else ("GET", "POST")
VALUES: dict[str | None, str] = {"slug": "digits", "username": "mona", "uuid": "00000000-0000-4000-8000-000000000000"}


def addresses(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    """Return an address for each URL pattern outside Django's admin."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield re.sub(
                r"<(?:(\w+):)?(\w+)>", lambda part: VALUES.get(part[1] or "") or VALUES.get(part[2], "1"), route
            )
        elif pattern.namespace != "admin":
            yield from addresses(pattern.url_patterns, route)


def is_answered(response: HttpResponse, address: str) -> bool:
    """Return whether the response is a page with a sentence and a link, or data with a code and a sentence."""
    if address == "/api/schema/":  # in YAML
        return b"code: method_not_allowed" in response.content
    if address.startswith("/api/v1/"):
        body = json.loads(response.content)
        return body["code"] == "method_not_allowed" and bool(body["detail"])
    page = response.content.decode()
    return "Nothing was changed." in page and 'class="button primary" href="/"' in page


def test_a_wrong_method_is_answered_in_words() -> None:
    client = manager(make_project())
    mute = []
    for address in addresses(get_resolver().url_patterns):
        takes = client.generic("BREW", address).get("Allow", "").split(", ")
        for method in {*METHODS} - {*takes}:
            response = client.generic(method, address)
            if response.status_code != 302 and (response.status_code != 405 or not is_answered(response, address)):
                mute.append(f"{method} {address}: {response.status_code}")
    assert mute == []


def test_a_stranger_reads_the_page_too() -> None:
    make_project()
    response = Client().get("/p/digits/loop/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "It only receives what a form on another page sends." in text_of(response)
    assert Client().head("/p/digits/loop/").status_code == 405
