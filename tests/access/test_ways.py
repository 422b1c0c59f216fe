"""Test that pages show each user exactly the links and forms that the user may use."""

import html
import re
from collections.abc import Iterator

import pytest
from access.doors import ANNOTATOR, AUDITOR, DOORS, ENGINEER, MANAGER, REVIEWER, STAFF, STRANGER
from access.world import World
from django.urls import resolve, reverse

from tests.extent import some

pytestmark = pytest.mark.django_db


def links_on(page: str) -> set[str]:
    """Return the paths of the links on a page."""
    return {re.split(r"[?#]", html.unescape(link))[0] for link in re.findall(r'<a [^>]*?href="(/[^"]*)"', page)}


def forms_on(page: str) -> Iterator[tuple[str, str]]:
    """Yield the method and the address of each form on a page, and of each button that submits a form elsewhere."""
    for form in re.findall(r"<form [^>]*>.*?</form>", page, re.DOTALL):
        method = re.search(r'method="(\w+)"', form)
        for address in re.findall(r'action="(/[^"]*)"', form):  # of `formaction`, too
            yield method[1] if method else "get", re.split(r"[?#]", html.unescape(address))[0]


def is_open(role: str, method: str, path: str) -> bool:
    match = resolve(path)
    door = next(door for door in DOORS if door[:2] == (match.view_name, method))
    return (MANAGER if match.kwargs.get("slug") == "theirs" else role) in door.who


@pytest.mark.parametrize("role", some([MANAGER, ANNOTATOR, ENGINEER, STRANGER, STAFF, REVIEWER, AUDITOR], 2))
def test_no_link_and_no_form_leads_to_a_closed_door(world: World, role: str) -> None:
    client = world.client(role)
    # No training has run: a model has no files to download.
    ahead, seen = ["/"], {reverse("api:model-artifact", args=[slug, n]) for slug, n in (("ours", 1), ("theirs", 2))}
    while ahead:
        path = ahead.pop()
        response = client.get(path)
        assert response.status_code in (200, 302), path
        if "html" in response["Content-Type"] and not path.startswith("/admin/"):
            page = response.content.decode()
            assert [form for form in forms_on(page) if not is_open(role, *form)] == [], path
            new = links_on(page) - seen
            seen |= new
            ahead += new
    assert len(seen) > 3


@pytest.mark.parametrize("role", [ANNOTATOR, REVIEWER, ENGINEER, AUDITOR, MANAGER])
def test_every_way_that_is_ones_own_is_shown(world: World, role: str) -> None:
    client = world.client(role)
    page = links_on(client.get("/p/ours/").content.decode())
    for group in page & {f"/p/ours/{name}/" for name in ("batches", "items", "models", "settings")}:
        page |= links_on(client.get(group).content.decode())
    ways = ["batches", "review", "items", "models", "export", "import", "members", "settings"]
    own = {way for way in ways for door in DOORS if door[:2] == (f"project-{way}", "get") and role in door.who}
    assert {way for way in ways if reverse(f"project-{way}", args=["ours"]) in page} == own
