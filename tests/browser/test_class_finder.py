"""Test the search for a class on the annotator's screen."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ["silver birch", "silver fir", "birch mouse", "Ägyptische Gans", "синица", "barn owl", "tawny owl"]
OTHERS = [f"number {number}" for number in range(20)]


def test_it_finds(finder: Any) -> None:
    for typed, first in (
        ("sil bir", "silver birch"),
        ("bir sil", "silver birch"),
        ("birch", "birch mouse"),
        ("agyp gans", "Ägyptische Gans"),
        ("син", "синица"),
        ("slver fir", "silver fir"),
        ("tawyn", "tawny owl"),
        ("owl barn", "barn owl"),
        ("irch", "silver birch"),
    ):
        assert finder(typed)[0] == first


def test_short_words_and_other_first_letters_are_no_slips(finder: Any) -> None:
    assert finder("fur") == []
    assert finder("xilver birch") == []


def test_what_is_used_comes_first_from_one_visit_to_the_next(open_screen: Any) -> None:
    project = make_project("birds", classes=[*NAMES, *OTHERS])
    make_open_batch(project, make_items(project, 20))
    screen = open_screen(project, make_member(project, "ann"))
    search, options = screen.page.locator("#search"), screen.page.locator("#choices [role=option]")
    search.fill("owl")
    expect(options).to_have_text(["barn owl", "tawny owl"])
    screen.press("ArrowDown", "Enter")
    screen.wait_until_sent()
    screen.reload()
    search.fill("owl")
    expect(options).to_have_text(["tawny owl", "barn owl"])


@pytest.fixture(scope="module")
def finder(browser: Any) -> Any:
    """Return a function that searches classes with the JavaScript module alone, on an empty page."""
    source = Path(settings.BASE_DIR, "static/js/label/pickers/finder.js").read_text(encoding="utf-8")
    page = browser.new_page()
    page.evaluate(
        """async ([source, names]) => {
          const { Finder } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
          window.finder = new Finder(names.map((name) => [name]));
          window.names = names;
        }""",
        [source, [*NAMES, *OTHERS]],
    )
    yield lambda typed: page.evaluate("(typed) => finder.find(typed).map((index) => names[index])", typed)
    page.close()
