"""Test requests that no browser sends."""

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from factories import make_project, make_user
from pages import member, signed_in, text_of

pytestmark = pytest.mark.django_db


def routes(patterns: Any, before: str = "") -> Iterator[str]:
    """Return an address for every page, except the API's (which has its own tests) and pages of the admin."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            if not route.startswith(("api/", "admin/")):
                yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def filled(route: str) -> str:
    values = {"slug:slug": "digits", "str:username": "mona", "str:key": "abc", "uuid:": str(uuid.UUID(int=0))}
    for name, value in values.items():
        route = route.replace(f"<{name}>", value)
    return "/" + "".join(part if ">" not in part else "1" + part.partition(">")[2] for part in route.split("<"))


PATHS = sorted({filled(route) for route in routes(get_resolver().url_patterns)})


def test_the_pages_are_found() -> None:
    assert {"/login/", "/logout/", "/account/password/", "/p/digits/settings/", "/new/"} <= set(PATHS)
    assert not [path for path in PATHS if "<" in path or ">" in path]


# The signed token of the link is the proof, because mail programs send this one (RFC 8058).
BY_MAIL_PROGRAMS = "/account/notices/stop/1/"
FORMS = [path for path in PATHS if path != BY_MAIL_PROGRAMS]


def test_nothing_is_taken_from_a_form_of_another_site() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    make_project()  # where files are taken, it is asked first who may
    origins = itertools.cycle([{}, {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"}])
    for path in [*FORMS, "/admin/", "/admin/labeling/user/add/", "/admin/logout/"]:
        headers = next(origins)
        response = client.post(path, {"username": "x"}, **headers)
        assert response.status_code == 403, (path, headers)
        assert b"out of date" in response.content or path.startswith("/api/"), path
    body = {"slug": "x", "kind": "text", "classes": ["a", "b"]}
    response = client.post("/api/v1/projects/", body, content_type="application/json")
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]
    assert BY_MAIL_PROGRAMS in PATHS
    assert Client(enforce_csrf_checks=True).post(BY_MAIL_PROGRAMS).status_code == 404


def test_another_host_name_is_refused(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    for host in ("evil.example", "localhost.evil.example", "localhost:80@evil.example", "", "a b", "[::1"):
        response = Client(raise_request_exception=False).get("/login/", HTTP_HOST=host)
        assert response.status_code == 400, host
        assert "evil" not in response.content.decode()
        assert "could not accept the request" in text_of(response)
    settings.ALLOWED_HOSTS = ["localhost"]
    response = Client().get("/", HTTP_HOST="localhost", HTTP_X_FORWARDED_HOST="evil.example")
    assert response["Location"] == "/login/?next=/"


def test_oversize_forms_and_strange_paths_are_refused() -> None:
    client = signed_in(make_user("mona"))
    body = f"username={'x' * (6 << 20)}&password=y&days=7"
    for user, path in ((Client(), "/login/"), (client, "/account/password/"), (client, "/account/")):
        response = user.post(path, body, content_type="application/x-www-form-urlencoded")
        assert response.status_code == 400, path
        assert "form was too large" in text_of(response)
    many = "&".join(f"a{number}=1" for number in range(1001))
    assert client.post("/account/", many, content_type="application/x-www-form-urlencoded").status_code == 400
    for path in ("/p/%00/", "/p/../admin/", "/p/%2e%2e/", "/%ff%fe", f"/p/digits/batches/{'9' * 400}/"):
        assert client.get(path).status_code in (302, 404), path


def test_a_midnight_that_is_none_is_refused() -> None:
    client = member(make_project(), "annotator")
    days = ("", "x", "2026-01-01", "2026-13-01T00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00")
    for since in days:
        response = client.get(f"/p/digits/label/today/?since={since}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), since
