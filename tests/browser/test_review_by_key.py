"""Test the review queue by keyboard, on one page or without JavaScript, and comments in both directions."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Comment, Correction, Item, Project, Role
from tests.browser.test_settle_items import labeled_project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

READY_MS = 350
"""An Enter counts from so long on after an item came into view."""


def reviewed_project() -> Project:
    project = labeled_project()
    Item.objects.filter(external_id="item-0004").update(label_quality=0.02, likely_label=9)
    make_member(project, "rita", Role.REVIEWER)
    return project


def title(page: Page) -> Any:
    return page.locator(".item-title")


def test_the_queue_by_keyboard(open_page: Any, screenshot: Any) -> None:
    project = reviewed_project()
    page: Page = open_page(make_member(project, "rita", Role.REVIEWER), "/p/digits/review/")
    said = keep_to_policy(page.context)
    page.evaluate("window.same = true")
    keys = page.keyboard
    expect(title(page)).to_contain_text("item-0003")
    screenshot(page, "review", full=True)
    keys.press("j")
    expect(title(page)).to_contain_text("item-0010")
    keys.press("k")
    expect(title(page)).to_contain_text("item-0003")
    keys.press("3")
    expect(title(page)).to_contain_text("item-0010")
    expect(page.locator(".notice", has_text="item-0003 is settled as 3.")).to_be_visible()
    keys.press("7")
    expect(title(page)).to_contain_text("item-0017")
    keys.press("n")
    keys.type("7 or 1?")
    keys.press("Enter")
    expect(title(page)).to_contain_text("item-0017")
    keys.press("b")
    expect(title(page)).to_contain_text("item-0002")
    page.wait_for_timeout(READY_MS)
    keys.press("Enter")
    expect(title(page)).to_contain_text("item-0008")
    keys.press("l")
    expect(title(page)).to_contain_text("item-0011")
    page.go_back()
    expect(title(page)).to_contain_text("item-0008")
    page.get_by_role("link", name="Likely label errors").click()
    expect(page.get_by_text("predict 9")).to_be_visible()
    assert said == []
    found = dict(Correction.objects.values_list("item__external_id", "value"))
    assert found == {"item-0002": 2, "item-0003": 3, "item-0010": 7}
    assert Comment.objects.get().text == "7 or 1?"


@pytest.mark.long
def test_without_javascript_on_a_phone(open_page: Any) -> None:
    project = reviewed_project()
    rita = make_member(project, "rita", Role.REVIEWER)
    page: Page = open_page(rita, "/p/digits/review/?reason=flag", java_script_enabled=False)
    expect(title(page)).to_contain_text("item-0002")
    page.get_by_role("button", name="Accept").click()
    expect(title(page)).to_contain_text("item-0008")
    page.get_by_role("textbox", name="Note").fill("A bar?")
    page.get_by_role("textbox", name="Note").press("Enter")  # decides nothing
    expect(title(page)).to_contain_text("item-0008")
    page.get_by_role("button", name="Send back").click()
    expect(title(page)).to_contain_text("item-0011")
    assert Comment.objects.get().text == "A bar?"


def test_a_comment_by_keyboard_and_its_answer(open_page: Any, screenshot: Any) -> None:
    project = make_project("digits", kind="image")
    make_open_batch(project, make_items(project, 6))
    annie, rita = make_member(project, "annie"), make_member(project, "rita", Role.REVIEWER)
    page: Page = open_page(annie, "/p/digits/label/")
    keys = page.keyboard
    expect(page.get_by_text("item-0000").or_(page.locator("#item img")).first).to_be_visible()
    page.wait_for_timeout(READY_MS)
    keys.press("c")
    expect(page.locator("#comment")).to_be_focused()
    keys.type("0 or 6?")
    screenshot(page, "label-comment")
    keys.press("Enter")
    keys.press("0")
    expect(page.locator("#comment")).to_be_hidden()
    page.wait_for_timeout(READY_MS)
    keys.press("Space")
    keys.press("c")
    keys.type("Cut off.")
    screenshot(page, "label-skip-comment")
    keys.press("Enter")
    keys.press("Enter")
    expect(page.get_by_text("Skipped:").first).to_be_visible()
    expect(page.locator("#unsent")).to_be_hidden()
    page.wait_for_function("document.querySelectorAll('#history li').length == 2")
    page.close()

    page = open_page(rita, "/p/digits/review/?reason=flag")
    expect(page.get_by_text("0 or 6?")).to_be_visible()
    page.get_by_label("Comment", exact=True).fill("A 0: it is closed.")
    screenshot(page, "review-comments", full=True)
    page.get_by_role("button", name="Send the comment").click()
    expect(page.locator(".notice", has_text="Your comment is saved.")).to_be_visible()
    assert list(Comment.objects.order_by("pk").values_list("user__username", "text", "to__username")) == [
        ("annie", "0 or 6?", None),
        ("annie", "Cut off.", None),
        ("rita", "A 0: it is closed.", "annie"),
    ]

    page = open_page(annie, "/p/digits/label/")
    page.get_by_role("link", name="1 answer to your comments").click()
    expect(page.get_by_text("A 0: it is closed.")).to_be_visible()
    screenshot(page, "label-comments", full=True)
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark all as read")).to_be_hidden()
