"""The managers' and engineers' pages in light and dark, on a desktop and a phone: to be looked at, never too wide."""

from __future__ import annotations

from typing import Any

import pytest
from factories import make_member, make_project, make_user
from playwright.sync_api import Page
from world import lively_project

from labeling.models import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
PAGES = {
    "home": "/",
    "new": "/new/",
    "overview": "/p/digits/",
    "import": "/p/digits/import/",
    "settings": "/p/digits/settings/",
    "encoder": "/p/empty/encoder/",
    "members": "/p/digits/members/",
    "remove": "/p/digits/members/enzo/remove/",
    "batches": "/p/digits/batches/",
    "batch": "/p/digits/batches/2/",
    "progress": "/p/digits/progress/",
    "empty-progress": "/p/empty/progress/",
    "models": "/p/digits/models/",
    "export": "/p/digits/export/",
    "account": "/account/",
    "password": "/account/password/",
    "empty-overview": "/p/empty/",
    "empty-import": "/p/empty/import/",
    "empty-models": "/p/empty/models/",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits(open_page: Any, screenshot: Any, size: str, scheme: str) -> None:
    mona = make_member(lively_project(), "mona", Role.MANAGER)
    make_member(make_project("empty", name="Nothing yet"), "mona", Role.MANAGER)
    page: Page = open_page(mona, color_scheme=scheme, **SIZES[size])
    for name, path in PAGES.items():
        page.goto(path)
        assert page.locator("h1").count() == 1, name
        screenshot(page, f"manager-{name}-{size}-{scheme}", full=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.ENGINEER])
def test_the_others_overview(open_page: Any, screenshot: Any, role: str) -> None:
    project = lively_project()
    screenshot(open_page(make_member(project, "otto", role), "/p/digits/"), f"{role}-overview", full=True)


def test_errors_stand_beside_their_fields(open_page: Any, screenshot: Any) -> None:
    page: Page = open_page(make_user("mona", is_staff=True), "/new/", **SIZES["phone"])
    page.get_by_label("Name", exact=True).fill("Signs")
    page.get_by_label("Classes", exact=True).fill("stop\nyield\nstop")
    page.get_by_label("Batch size").fill("0")
    page.get_by_role("button", name="Create the project").click()
    screenshot(page, "manager-errors-phone", full=True)
    assert page.get_by_label("Name", exact=True).input_value() == "Signs"
    wrong = page.locator("[aria-describedby$=_error]")
    assert wrong.count() == 3
    for field in wrong.all():
        assert page.locator(f"#{field.get_attribute('aria-describedby').split()[-1]}").is_visible()
