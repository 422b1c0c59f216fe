"""Test that the annotator's screen fits a desktop and a small phone."""

from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, make_user
from playwright.sync_api import Page, expect

from labeling.models import Batch, Project, Role
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


@pytest.mark.parametrize("question", some(["multi", "score", "single", "verify"]))
def test_every_question_fits(open_screen: Any, screenshot: Any, question: str) -> None:
    classes = [str(point) for point in range(1, 11)] if question == "score" else ANIMALS
    project = make_project("animals", kind="text", classes=classes, question=question, prompt="Which animals occur?")
    text = "Past the old mill a mountain goat stood on the wall and looked at us as if we had come to buy it. " * 3
    make_open_batch(project, make_items(project, 20, data={"text": text.strip(), "source": "diary", "year": 1911}))
    screen = open_screen(project, make_member(project, "annie"), **SMALL)
    screen.answer(*{"single": "12", "multi": ["Enter"], "verify": "yn", "score": "40"}[question])
    if question == "multi":
        screen.press("1", "5")
    screenshot(screen.page, f"{question}-small")
    assert fits(screen.page)


def test_many_classes_fit(open_screen: Any, screenshot: Any) -> None:
    classes = [f"{first} {second}" for first in ("grey", "red", "tiny", "giant") for second in ANIMALS]
    project = make_project(
        "animals", kind="image", classes=classes, question="multi", prompt="Which animals are there?"
    )
    make_open_batch(project, make_items(project, 20))
    screen = open_screen(project, make_member(project, "annie"), **SMALL)
    screen.press("2", "5", "g", "o")
    screenshot(screen.page, "search-small")
    assert fits(screen.page)


@pytest.mark.long
def test_tables_of_numbers_fit(open_screen: Any, screenshot: Any) -> None:
    project = make_project("tumours", kind="vector", classes=["malignant", "benign"])
    measures = [f"{what} {of}" for what in ("mean", "worst", "deviation of") for of in [*ANIMALS, "radius", "texture"]]
    data = {name: 17.123456 * 1.7**i / 100 for i, name in enumerate(measures)}
    make_open_batch(project, make_items(project, 20, data=data))
    screen = open_screen(project, make_member(project, "annie"), **SMALL)
    screenshot(screen.page, "vector-small")
    assert fits(screen.page)


def test_dialogs_fit(open_screen: Any, screenshot: Any) -> None:
    project = digits()
    Project.objects.update(guidelines="Type the digit that you read.\n\nIf two are equally likely, skip it as unclear.")
    screen = open_screen(project, make_member(project, "annie"), **SMALL)
    for key, name in ((" ", "skip"), ("g", "guidelines"), ("?", "keys")):
        screen.press(key)
        screenshot(screen.page, f"dialog-{name}-small")
        assert fits(screen.page)
        screen.press("Escape")


@pytest.mark.long
def test_sign_in_home_and_missing_pages(open_page: Any, screenshot: Any) -> None:
    mona = make_user("mona")
    for slug, name, role, state in (
        ("digits", "Handwritten digits", Role.ANNOTATOR, Batch.State.OPEN),
        ("tumours", "Breast tumours", Role.ANNOTATOR, Batch.State.TRAINING),
        ("street-signs", "Street signs", Role.MANAGER, Batch.State.FAILED),
        ("letters", "Letters to the editor", Role.ENGINEER, Batch.State.DONE),
    ):
        project = make_project(slug, name=name)
        make_member(project, mona.username, role)
        batch = make_open_batch(project, make_items(project, 20), number=3)
        remaining = 12 if state == Batch.State.OPEN else 0
        reason = "The disk is full. Free some space, then retry." if state == Batch.State.FAILED else ""
        Batch.objects.filter(pk=batch.pk).update(
            state=state, remaining=remaining, reason=reason, completed_at=timezone.now()
        )
    page = open_page(None, "/", **SMALL)
    page.get_by_label("Username").fill("mona")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    screenshot(page, "sign-in-small")
    page.get_by_label("Password").fill("mona-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Label in Handwritten digits")).to_be_visible()
    screenshot(page, "home-small")
    assert fits(page)
    page.goto("/p/letters/label/")
    expect(page.get_by_role("heading", name="You cannot do that")).to_be_visible()
    screenshot(page, "denied-small")
    page.goto("/p/nothing/label/")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    screenshot(page, "missing-small")
