"""Test the API's page in a browser: folds, links to operations, search, keys, phones, and the page without scripts."""

import pytest
from factories import make_user
from playwright.sync_api import expect

from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MAX_HEIGHT = 2_000  # px of the closed page; all operations and objects in view take 125,000


@pytest.mark.parametrize("width", some([360, 1280]))
def test_it_opens_closed_and_short(open_page, screenshot, width) -> None:
    page = open_page(make_user("enzo"), "/api/docs/", viewport={"width": width, "height": 800})
    expect(page.get_by_role("heading", name="Labeling")).to_be_visible()
    expect(page.get_by_role("heading", name="Claim tasks to answer")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") < MAX_HEIGHT
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    screenshot(page, f"api-{width}", full=True)


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_link_opens_the_folds_around_its_operation(open_page, java_script_enabled) -> None:
    page = open_page(make_user("enzo"), "/api/docs/#post_claim", java_script_enabled=java_script_enabled)
    expect(page.locator("#post_claim")).to_be_in_viewport()
    page.locator("#post_claim").get_by_role("link", name="ClaimResponse").click()
    expect(page.get_by_role("heading", name="ClaimResponse")).to_be_in_viewport()


def test_search_finds_by_path_method_summary_and_field(open_page, screenshot) -> None:
    page = open_page(make_user("enzo"), "/api/docs/")
    field = page.get_by_role("searchbox", name="Search")
    shown = page.locator(".api-endpoint:visible > summary")
    for words, found in [
        ("post /claim/", "Claim tasks to answer"),
        ("delete pause", "members/{username}/pause/"),
        ("withdraw correction", "Withdraw the correction"),
        ("post tasks[].item.id", ""),
        ("patch overlap", "Change settings"),
    ]:
        field.fill(words)
        if found:
            expect(shown.filter(has_text=found)).to_have_count(1)
        expect(page.get_by_role("status")).to_have_text(
            f"{shown.count()} found" if found else "Nothing matches. Try fewer words."
        )
    expect(shown.filter(has_text="Change settings")).to_contain_text("overlap")
    screenshot(page, "api-search", full=True)
    field.fill("")
    expect(shown).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("")


@pytest.mark.long
def test_a_link_to_an_operation_that_the_search_hides_shows_it(open_page) -> None:
    page = open_page(make_user("enzo"), "/api/docs/")
    field = page.get_by_role("searchbox", name="Search")
    field.fill("claim tasks to answer")
    page.locator(".api-endpoint:visible > summary").filter(has_text="Claim tasks to answer").click()
    page.locator("#post_claim").get_by_role("link", name="ClaimResponse").click()
    expect(page.get_by_role("heading", name="ClaimResponse")).to_be_in_viewport()
    expect(field).to_have_value("")
