"""Test the security headers of all responses."""

import itertools
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_project, make_user
from pages import member, signed_in

from labeling.models import Item, Role
from labeling.storage import media

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'",
}  # fmt: skip
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def policy(response: Any) -> set[str]:
    return {part.strip() for part in response["Content-Security-Policy"].split(";")}


PATHS = ["/", "/login/", "/account/", "/admin/", "/no-such-page", "/healthz", "/metrics", "/api/schema/",
         "/api/v1/projects/"]  # fmt: skip


def test_every_kind_of_answer() -> None:
    boss = signed_in(make_user("boss", is_staff=True, is_superuser=True))
    for path, client in itertools.product(PATHS, (Client(), boss)):
        response = client.get(path)
        assert policy(response) == POLICY
        assert {name: response[name] for name in EVERYWHERE} == EVERYWHERE
        assert "camera=()" in response["Permissions-Policy"]
        assert response.get("Access-Control-Allow-Origin") is None


def test_refusals_too() -> None:
    make_project()
    client = member(make_project("theirs"), Role.ANNOTATOR)
    for response in (client.get("/p/theirs/settings/"), client.get("/p/digits/"), client.put("/account/")):
        assert response.status_code in (403, 404, 405)
        assert policy(response) == POLICY


def image_of(slug: str = "photos") -> tuple[Item, str]:
    project = make_project(slug, kind="image")
    (item,) = make_items(project, 1)
    return item, reverse("api:item-media", args=[slug, item.pk])


def test_media_are_inert_and_private(data_dir: Any) -> None:
    item, path = image_of()
    rita = signed_in(make_member(item.project, "rita", Role.REVIEWER))
    response = rita.get(path)
    assert response["Content-Type"] == "image/png"
    assert policy(response) == {"default-src 'none'", "sandbox"}
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert {"private", "immutable"} <= {part.strip() for part in response["Cache-Control"].split(",")}
    assert response["Content-Disposition"].startswith("inline; filename=")
    assert b"".join(response) == media.path_of(item.media).read_bytes()
    media.path_of(item.media).write_text("<html><script>alert(1)</script>")
    response = rita.get(path)
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert "sandbox" in policy(response)
    assert Client().get(path).status_code == 401
    stranger = member(make_project("theirs"), Role.MANAGER)
    assert stranger.get(path).status_code == 404
    assert stranger.get(reverse("api:item-media", args=["theirs", item.pk])).status_code == 404
    assert stranger.head(path).status_code == 404


def test_what_is_no_raster_image_is_never_served(data_dir: Any) -> None:
    """The server sets the type of media, and a name cannot point outside the folder, whatever folder and table
    contain.
    """
    item, path = image_of()
    client = signed_in(make_member(item.project, "rita", Role.REVIEWER))
    for name in ("1/images/a.svg", "1/images/a.html", "1/vectors/a.npy", "../secret_key", "", "1/images/a"):
        file = data_dir / "media" / (name or "x")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<script>alert(1)</script>")
        Item.objects.update(media=name)
        assert client.get(path).status_code == 404, name


def cache(response: Any) -> set[str]:
    return {part.strip() for part in response["Cache-Control"].split(",")}


def test_no_cache_keeps_an_answer_of_the_api() -> None:
    project = make_project(kind="text")
    make_items(project, 1)
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    api = "/api/v1/projects/digits/"
    for path in ("/api/v1/projects/", api, f"{api}items/", f"{api}members/", f"{api}progress/", f"{api}imports/7/"):
        assert cache(client.get(path)) == {"private", "no-store"}
    claim = client.post(f"{api}claim/", {"count": 1}, content_type="application/json")
    assert cache(claim) == {"private", "no-store"}
    assert cache(Client().get(api)) == {"private", "no-store"}


def test_no_cache_shows_a_page_unasked() -> None:
    project = make_project()
    client = member(project, Role.MANAGER)
    for path in ("/", "/p/digits/", "/p/digits/items/", "/p/digits/settings/", "/p/no-such-project/"):
        assert cache(client.get(path)) == {"private", "no-cache"}


def test_a_view_may_say_more_of_caches() -> None:
    item, path = image_of()
    client = signed_in(make_member(item.project, "mona", Role.MANAGER))
    assert "immutable" in cache(client.get(path))
    assert "no-store" in cache(client.get("/account/"))
