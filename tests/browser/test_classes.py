"""Test that a manager changes classes, and that an annotator sees the changes."""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Role
from labeling.projects.classes import changing as classes
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_what_is_said_of_a_class_is_on_its_button(open_screen: Any, screenshot: Any) -> None:
    project = make_project("pets", classes=["cat", "dog", "fox"])
    make_open_batch(project, make_items(project, 3))
    classes.edit(project=project, user=None, index=1, key="7", colour="#cc3333", description="Barks.")
    classes.move(project=project, user=None, index=2, position=0)
    screen = open_screen(project, make_member(project, "ann"))
    buttons = screen.page.locator("#choices button")
    expect(buttons).to_have_count(3)
    assert buttons.all_inner_texts() == ["fox\n3", "cat\n1", "dog\n7"], "a key goes with its class"
    expect(screen.page.get_by_role("button", name="dog")).to_have_attribute("title", "Barks.")
    screenshot(screen.page, "label-classes")
    screen.answer("7", "3")
    screen.wait_until_sent()
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [1, 2]


# A page that the person comes back to asks for its tasks.
COMES_BACK = "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"


def answered() -> list[Any]:
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def test_an_open_page_shows_the_classes_that_have_changed(open_screen: Any) -> None:
    project = make_project("pets", classes=["cat", "dog"])
    make_open_batch(project, make_items(project, 12))
    screen = open_screen(project, make_member(project, "ann"))
    classes.add(project=project, user=None, name="owl")
    classes.edit(project=project, user=None, index=0, name="tom")
    screen.answer("1")
    expect(screen.page.locator("#choices button")).to_have_text(["tom1", "dog2", "owl3"])
    notice = screen.page.locator("#classes-changed")
    expect(notice).to_contain_text("The classes have changed: cat is now tom; owl is new")
    expect(screen.page.locator("#announce")).to_contain_text("owl is new")
    screen.answer("3")
    screen.press("Escape")
    expect(notice).to_be_hidden()
    screen.wait_until_sent()
    assert answered() == [0, 2]


@pytest.mark.parametrize("size", some([(360, 640), (1280, 800)]), ids=str)
def test_keys_stay_with_their_classes_and_a_changed_one_is_shown_before_it_counts(
    open_screen: Any, screenshot: Any, size: tuple[int, int]
) -> None:
    """A merge and a split, and a later class gets the key that became free."""
    project = make_project("pets", classes=["cat", "dog", "fox"])
    make_open_batch(project, make_items(project, 12))
    scheme = "dark" if size[0] == 360 else "light"
    viewport = {"width": size[0], "height": size[1]}
    screen = open_screen(project, make_member(project, "ann"), viewport=viewport, color_scheme=scheme)
    classes.merge(project=project, user=None, index=0, into=1)
    classes.split(project=project, user=None, index=2, into=["red fox", "arctic fox"])
    screen.answer("1")  # the button says cat, which has become dog
    dialog = screen.page.get_by_role("dialog", name="The classes have changed")
    expect(dialog).to_contain_text("1 is now red fox, no longer cat")
    assert screen.page.locator("#choices button").all_text_contents() == ["dog2", "red fox1", "arctic fox4"]
    before = screen.task
    screen.press("1")
    screen.look()
    assert screen.task == before, "nobody has seen yet what the key means"
    assert faults(screen.page) == []
    screenshot(screen.page, f"classes-changed-{size[0]}")
    expect(screen.page.get_by_role("button", name="Go on")).to_be_focused()
    screen.look()
    screen.press("Enter")
    expect(dialog).to_be_hidden()
    screenshot(screen.page, f"classes-shown-{size[0]}")
    screen.answer("1", "2", "4")
    screen.wait_until_sent()
    assert answered() == [0, 3, 1, 4]


def test_what_is_chosen_typed_and_flagged_stays_when_the_classes_change(open_screen: Any) -> None:
    names = [f"bird {number}" for number in range(30)]
    project = make_project("birds", classes=names, question="multi")
    make_open_batch(project, make_items(project, 12))
    screen = open_screen(project, make_member(project, "ann"))
    screen.press("1", "2", "Shift+C")
    screen.page.keyboard.type("why not")
    screen.press("Enter")
    screen.press(*"bird 2")
    classes.edit(project=project, user=None, index=0, name="owl")
    classes.archive(project=project, user=None, index=1)
    screen.page.evaluate(COMES_BACK)
    expect(screen.page.locator("#classes-changed")).to_contain_text("bird 0 is now owl; bird 1 is gone")
    expect(screen.page.locator("#chosen button")).to_have_text(["owl"])
    expect(screen.page.locator("#search")).to_have_value("bird 2")
    expect(screen.page.locator("#search")).to_be_focused()
    expect(screen.page.locator("#comment")).to_have_value("why not")
    screen.press("Escape", "Escape")
    screen.look()
    screen.press("Enter")
    screen.wait_until_sent()
    answer = Annotation.objects.get()
    assert (answer.value, answer.comment.text) == ([0], "why not")


@pytest.mark.long
def test_more_classes_than_keys_ask_for_the_page_to_be_loaded_again(open_screen: Any) -> None:
    project = make_project("birds", classes=[f"bird {number}" for number in range(10)])
    make_open_batch(project, make_items(project, 12))
    screen = open_screen(project, make_member(project, "ann"))
    classes.add(project=project, user=None, name="owl")
    screen.answer("1")
    dialog = screen.page.get_by_role("dialog", name="The classes have changed")
    expect(dialog).to_contain_text("owl is new")
    screen.page.wait_for_timeout(700)
    screen.press("Enter")
    expect(screen.page.locator("#search")).to_be_visible()
    screen.look()
    screen.answer("2")
    screen.wait_until_sent()
    assert answered() == [0, 1]


@pytest.mark.long
def test_a_suggestion_that_was_renamed_is_answered_as_the_class_that_it_names(open_screen: Any) -> None:
    """Two classes change their names in a circle: the earlier name of one is the other's now."""
    names = [f"bird {number}" for number in range(30)]
    project = make_project("birds", classes=names, show_predictions=True)
    batch = make_open_batch(project, make_items(project, 8))
    batch.tasks.update(predicted=3, likely="3 4", prompted=True, prompted_by="model")
    screen = open_screen(project, make_member(project, "ann"))
    classes.edit(project=project, user=None, index=3, name="owl")
    classes.edit(project=project, user=None, index=4, name="bird 3")
    screen.answer("1")
    suggested = screen.page.get_by_role("group", name="Suggested").get_by_role("button")
    expect(suggested.locator("span")).to_have_text(["owl", "bird 3"])
    screen.look()
    screen.answer("1", "2")
    screen.press("Backspace")
    screen.answer("2")
    screen.wait_until_sent()
    assert answered() == [3, 3, 4]


@pytest.mark.long
def test_the_marks_of_a_grid_stay_when_its_class_is_renamed(open_screen: Any) -> None:
    project = make_project("pets", classes=["cat", "dog"], question="verify", kind="image", grids=True)
    make_items(project, 24)
    project.items.update(proposed=0)
    make_open_batch(project, list(project.items.order_by("row")))
    screen = open_screen(project, make_member(project, "ann"))
    cells = screen.page.locator("#grid [role=option]")
    expect(cells.first).to_be_visible()
    screen.look()
    screen.press(" ")
    expect(cells.first).to_have_attribute("aria-selected", "true")
    classes.edit(project=project, user=None, index=0, name="tom")
    screen.page.evaluate(COMES_BACK)
    expect(screen.page.locator("#proposed")).to_have_text("tom")
    expect(cells.first).to_have_attribute("aria-selected", "true")


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
