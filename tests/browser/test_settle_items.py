"""Test that a manager settles items by keyboard, and the look of the item pages, large and small."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy
from world import ANIMALS

from labeling.models import Annotation, Correction, Project, Role
from labeling.queue import queue
from tests.exports.labeled import answer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def labeled_project(slug: str = "digits", n: int = 24, **settings: Any) -> Project:
    """Create items answered by annie and bert, who differ at times; three are flagged, and both skipped one."""
    project = make_project(slug, overlap=2, name=slug.capitalize(), **{"kind": "image", **settings})
    items = make_items(project, n)
    batch = make_open_batch(project, items[:-4], overlap=2)
    truths = ["skip" if number == 5 else item.truth for number, item in enumerate(items[:-5])]
    answer(batch, make_member(project, "annie"), truths)
    wrong = project.classes.count() - 1
    other = {"single": wrong, "multi": [wrong], "verify": False}[project.question]
    answer(batch, make_member(project, "bert"), [other if n % 7 == 3 else truth for n, truth in enumerate(truths)])
    flagged = [items[number].pk for number in (2, 8, 11)]
    Annotation.objects.filter(task__item__in=flagged, user__username="bert").update(flagged=True)
    make_member(project, "mona", Role.MANAGER)
    return project


def ready(page: Page, external_id: str) -> None:
    """Wait until the page of this item accepts keys."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(external_id)
    expect(page.locator("#correct[data-ready]")).to_be_attached()


def labels_of(project: Project, *external_ids: str) -> list[Any]:
    found = dict(project.items.values_list("external_id", "label"))
    return [found[external_id] for external_id in external_ids]


def test_from_the_overview_through_all_flagged_items_by_keyboard(open_page: Any, screenshot: Any) -> None:
    project = labeled_project()
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/")
    page.get_by_role("link", name="3 flagged items").click()
    expect(page.get_by_text("3 items match")).to_be_visible()
    expect(page.locator(".thumb img.pixelated").first).to_be_visible()
    screenshot(page, "items-flagged", full=True)

    page.locator("a.item").first.click()
    keys = page.keyboard
    ready(page, "item-0011")
    # Looked at, walked past and back.
    keys.press("j")
    ready(page, "item-0008")
    keys.press("k")
    ready(page, "item-0011")
    # Corrected by its digit, and on.
    keys.press("4")
    expect(page.get_by_role("radio", name="4")).to_be_checked()
    screenshot(page, "item-corrected", full=True)
    keys.press("Enter")
    expect(page.get_by_text("item-0011 is settled.")).to_be_visible()
    # Confirmed as it is, and on.
    ready(page, "item-0008")
    keys.press("Enter")
    expect(page.get_by_text("item-0008 is settled.")).to_be_visible()
    # With a note, whose letters are no commands.
    ready(page, "item-0002")
    keys.press("7")
    page.get_by_label("Note").fill("")
    keys.type("jk 3")
    keys.press("Enter")
    expect(page.get_by_text("item-0002 is settled.")).to_be_visible()
    assert labels_of(project, "item-0011", "item-0008", "item-0002") == [4, 8, 7]
    assert Correction.objects.get(item__external_id="item-0002").note == "jk 3"
    page.goto("/p/digits/items/?flagged=true&corrected=false")
    expect(page.get_by_role("heading", name="No item matches")).to_be_visible()
    page.get_by_role("link", name="not settled").click()
    expect(page.get_by_text("3 items match")).to_be_visible()
    assert said == []


def test_a_correction_is_withdrawn_on_the_page(open_page: Any) -> None:
    project = labeled_project()
    item = project.items.get(external_id="item-0003")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/digits/items/{item.pk}/")
    ready(page, "item-0003")
    page.keyboard.press("5")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("5")
    page.get_by_role("button", name="Withdraw the correction").click()
    expect(page.get_by_text("the annotators’ answers count again")).to_be_visible()
    assert labels_of(project, "item-0003") == [None]  # they were divided


@pytest.mark.long
def test_among_many_classes_typing_finds_them(open_page: Any, screenshot: Any) -> None:
    classes = [f"{size} {name}" for size in ("grey", "red", *(f"size-{n}" for n in range(30))) for name in ANIMALS]
    project = labeled_project("beasts", classes=classes)
    item = project.items.get(external_id="item-0003")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/beasts/items/{item.pk}/")
    field = page.get_by_label("Class", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("red moun")
    expect(page.locator('#classes option[value="red mountain goat"]')).to_be_attached()
    page.keyboard.press("Enter")
    expect(page.locator("#correct-value_error")).to_contain_text("Did you mean red mountain goat?")
    screenshot(page, "item-unknown-class", full=True)
    page.get_by_label("Class", exact=True).fill("red mountain goat")
    page.keyboard.press("Enter")
    expect(page.get_by_text("item-0003 is settled.")).to_be_visible()
    assert labels_of(project, "item-0003") == [classes.index("red mountain goat")]


def test_an_enter_that_was_meant_for_the_page_before_settles_nothing(open_page: Any) -> None:
    project = labeled_project()
    item = project.items.get(external_id="item-0001")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    page.add_init_script("addEventListener('DOMContentLoaded', () => document.querySelector('main .primary').click())")
    page.goto(f"/p/digits/items/{item.pk}/")
    ready(page, "item-0001")
    expect(page.get_by_text("is settled")).to_have_count(0)
    assert not Correction.objects.exists()
    page.keyboard.press("Enter")
    expect(page.get_by_text("item-0001 is settled.")).to_be_visible()


@pytest.mark.long
def test_any_number_of_classes_by_keyboard(open_page: Any) -> None:
    project = labeled_project("farm", question="multi", classes=ANIMALS)
    item = project.items.get(external_id="item-0001")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/farm/items/{item.pk}/")
    ready(page, "item-0001")
    for key in ("1", "3", "2", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("item-0001 is settled.")).to_be_visible()
    assert labels_of(project, "item-0001") == [[0, 2]], "its own class, the second, was taken off"


def test_an_undo_does_not_tell_that_a_manager_settled_the_item(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 6))
    annie, mona = make_member(project, "annie"), make_member(project, "mona", Role.MANAGER)
    screen = open_screen(project, annie)
    (first,) = screen.answer("1")
    screen.wait_until_sent()
    from labeling.labels.corrections import correct

    item = project.items.get(task=first)
    correct(item=item, user=mona, value=5)
    screen.press("Backspace")
    expect(screen.page.locator(f'#stage[data-task="{first}"]')).to_have_count(1)
    screen.answer("2")
    screen.wait_until_sent()
    item.refresh_from_db()
    assert item.label == 5
    assert queue.own_progress(project.batches.get(), annie)["answered"] == 1
