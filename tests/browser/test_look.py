"""Test that the annotator's screen fits a desktop and a small phone."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect

from labeling.models import Project
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
SMALL: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
SIZES = {"desktop": DESKTOP, "small": SMALL}
ANIMALS = ["cat", "dog", "horse", "sheep", "mountain goat", "pig", "hen"]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def digits(n: int = 40) -> Project:
    project = make_project("digits", kind="image", name="Handwritten digits", prompt="Which digit is this?")
    make_open_batch(project, make_items(project, n))
    return project


@pytest.mark.parametrize("size", some(["small", "desktop"]))
def test_ten_classes_and_the_item_are_in_view_together(open_screen: Any, screenshot: Any, size: str) -> None:
    project = digits()
    screen = open_screen(project, make_member(project, "annie"), **SIZES[size])
    screen.answer("0", "1", "2", "3")
    screen.press("f")
    screen.answer("5")
    screenshot(screen.page, f"label-{size}")
    assert fits(screen.page)
    expect(screen.page.locator("#item img")).to_be_in_viewport(ratio=1)
    for digit in range(10):
        button = screen.page.locator(f'#choices [value="{digit}"]')
        expect(button).to_be_in_viewport(ratio=1)
        box = button.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44


def test_rows_of_answers_are_full_at_every_width(open_screen: Any) -> None:
    project = make_project("animals", classes=ANIMALS)
    make_open_batch(project, make_items(project, 3))
    page = open_screen(project, make_member(project, "annie")).page
    for width in (320, 390, 600, 768, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(50)
        room = page.locator("#choices").bounding_box()
        rows: dict[float, list[float]] = {}
        for box in (button.bounding_box() for button in page.locator("#choices > *").all()):
            rows.setdefault(box["y"], []).append(box["x"] + box["width"])
        assert {max(ends) >= room["x"] + room["width"] - 8 for ends in rows.values()} == {True}, width


@pytest.mark.long
def test_tables_of_numbers_fit(open_screen: Any, screenshot: Any) -> None:
    project = make_project("tumours", kind="vector", classes=["malignant", "benign"])
    measures = [f"{what} {of}" for what in ("mean", "worst", "deviation of") for of in [*ANIMALS, "radius", "texture"]]
    data = {name: 17.123456 * 1.7**i / 100 for i, name in enumerate(measures)}
    make_open_batch(project, make_items(project, 20, data=data))
    screen = open_screen(project, make_member(project, "annie"), **SMALL)
    screenshot(screen.page, "vector-small")
    assert fits(screen.page)
