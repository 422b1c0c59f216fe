"""The pages show everybody the ways that are his, and none that ends at a closed door."""

from __future__ import annotations

import html
import re

import pytest
from access.doors import ANNOTATOR, DOORS, ENGINEER, MANAGER, REVIEWER, STAFF, STRANGER, SUPERUSER
from access.world import World
from django.urls import reverse

pytestmark = pytest.mark.django_db


def links_on(page: str) -> set[str]:
    """The addresses on a page that somebody can go to, without what follows the path."""
    return {re.split(r"[?#]", html.unescape(link))[0] for link in re.findall(r'<a [^>]*?href="(/[^"]*)"', page)}


@pytest.mark.parametrize("role", [STRANGER, STAFF, ANNOTATOR, REVIEWER, ENGINEER, MANAGER, SUPERUSER])
def test_no_link_leads_to_a_closed_door(world: World, role: str) -> None:
    client = world.client(role)
    # No training has run: a model has no files to download.
    ahead, seen = ["/"], {reverse("api:model-artifact", args=[slug, n]) for slug, n in (("ours", 1), ("theirs", 2))}
    while ahead:
        path = ahead.pop()
        response = client.get(path)
        assert response.status_code in (200, 302), path
        if "html" in response["Content-Type"] and not path.startswith("/admin/"):
            new = links_on(response.content.decode()) - seen
            seen |= new
            ahead += new
    assert len(seen) > 3


@pytest.mark.parametrize("role", [ANNOTATOR, REVIEWER, ENGINEER, MANAGER])
def test_every_way_that_is_ones_own_is_shown(world: World, role: str) -> None:
    client = world.client(role)
    page = links_on(client.get("/p/ours/").content.decode())
    for group in page & {f"/p/ours/{name}/" for name in ("batches", "items", "models", "settings")}:
        page |= links_on(client.get(group).content.decode())
    ways = ["batches", "review", "items", "models", "export", "import", "members", "settings"]
    own = {way for way in ways for door in DOORS if door[:2] == (f"project-{way}", "get") and role in door.who}
    assert {way for way in ways if reverse(f"project-{way}", args=["ours"]) in page} == own
