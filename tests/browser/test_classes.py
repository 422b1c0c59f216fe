"""Test that a manager changes classes, and that an annotator sees the changes."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Role
from labeling.projects import classes
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_manager_merges_two_classes_and_changes_her_mind(open_page: Any, screenshot: Any) -> None:
    project = make_project("pets", classes=["cat", "dog", "fox"])
    make_open_batch(project, make_items(project, 4))
    page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/{project.slug}/classes/")
    page.get_by_label("Name", exact=True).fill("owl")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("link", name="owl")).to_be_visible()
    screenshot(page, "classes", full=True)
    page.get_by_role("link", name="dog").click()
    page.get_by_label("Description").fill("Barks.")
    page.get_by_label("Colour").fill("#3366cc")
    screenshot(page, "class", full=True)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="dog").click()
    page.get_by_label("Merge it into").select_option("fox")
    page.get_by_role("button", name="Continue to merge").click()
    expect(page.get_by_role("heading", name="Merge dog into fox?")).to_be_visible()
    screenshot(page, "class-merge", full=True)
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("row", name="dog")).to_contain_text("merged into fox")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name="dog")).to_contain_text("offered")


def test_what_is_said_of_a_class_is_on_its_button(open_screen: Any, screenshot: Any) -> None:
    project = make_project("pets", classes=["cat", "dog", "fox"])
    make_open_batch(project, make_items(project, 3))
    classes.edit(project=project, user=None, index=1, key="7", colour="#cc3333", description="Barks.")
    classes.move(project=project, user=None, index=2, position=0)
    screen = open_screen(project, make_member(project, "ann"))
    buttons = screen.page.locator("#choices button")
    expect(buttons).to_have_count(3)
    assert buttons.all_inner_texts() == ["fox\n1", "cat\n2", "dog\n7"]
    expect(screen.page.get_by_role("button", name="dog")).to_have_attribute("title", "Barks.")
    screenshot(screen.page, "label-classes")
    screen.answer("7", "1")
    screen.wait_until_sent()
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [1, 2]


def test_an_open_page_says_that_the_classes_have_changed(open_screen: Any) -> None:
    project = make_project("pets", classes=["cat", "dog"])
    make_open_batch(project, make_items(project, 12))
    screen = open_screen(project, make_member(project, "ann"))
    classes.add(project=project, user=None, name="owl")
    screen.answer("1", "2", "1", "2", "1", "2")
    screen.page.get_by_role("link", name="The classes have changed: reload").click()
    expect(screen.page.locator("#choices button")).to_have_count(3)


def test_an_alias_finds_a_class(open_screen: Any) -> None:
    project = make_project("birds", classes=[f"bird {number}" for number in range(30)])
    make_open_batch(project, make_items(project, 1))
    classes.edit(project=project, user=None, index=17, aliases=["Strix aluco"])
    screen = open_screen(project, make_member(project, "ann"))
    screen.page.locator("#search").fill("strix")
    expect(screen.page.locator("#choices [role=option]")).to_have_text(["bird 17"])


@pytest.mark.parametrize("size", some([(360, 640), (1280, 800)]), ids=str)
def test_a_class_is_proposed_by_keys_alone_and_accepted(
    open_screen: Any, open_page: Any, screenshot: Any, size: tuple[int, int]
) -> None:
    project = make_project("pets", kind="image", classes=["cat", "dog", "fox"], class_proposals=True)
    make_open_batch(project, make_items(project, 20))
    viewport = {"width": size[0], "height": size[1]}
    screen = open_screen(project, make_member(project, "annie"), viewport=viewport, color_scheme="dark")
    screen.look()
    screen.press("Space", "6")
    screen.page.keyboard.type("2 owls")
    screenshot(screen.page, f"propose-{size[0]}")
    screen.press("Enter")
    screen.wait_until_sent()
    expect(screen.told).to_contain_text("Skipped: None of these: 2 owls")
    mona = make_member(project, "mona", Role.MANAGER)
    page = open_page(mona, "/p/pets/classes/", viewport=viewport, color_scheme="light")
    screenshot(page, f"proposed-{size[0]}")
    page.get_by_role("button", name="Accept 2 owls").click()
    expect(page.get_by_text("1 item labeled “2 owls”.")).to_be_visible()
    assert project.items.get(label__isnull=False).label == 3
