"""Test projects with many classes: suggestions with keys, and the classes as a tree."""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Project
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ["animal", "animal > bird", "animal > bird > barn owl", "animal > bird > tawny owl", "animal > cat", "plant"]
NAMES += ["plant > silver birch", *(f"thing {number}" for number in range(10))]


def project_of(question: str = "single", **settings: Any) -> Project:
    """Create a project with eight texts, of which the second and the third are not prompted."""
    project = make_project("zoo", classes=NAMES, question=question, **{"show_predictions": True, **settings})
    bird = project.classes.get(name="animal > bird")
    project.classes.filter(name="thing 0").update(parent=bird)
    batch = make_open_batch(project, make_items(project, 8))
    batch.tasks.update(predicted=3, likely="3 2 6 4 12 0 1 5 7 8", prompted=True, prompted_by="model")
    batch.tasks.filter(rank__in=(1, 2)).update(prompted=False, prompted_by="")
    return project


def values() -> list[Any]:
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


@pytest.mark.parametrize("size", some([{"width": 360, "height": 740}, {"width": 1280, "height": 800}]))
def test_a_key_or_enter_takes_a_suggestion(open_screen: Any, screenshot: Any, size: dict[str, int]) -> None:
    screen = open_screen(project_of(), make_member(Project.objects.get(), "annie"), viewport=size)
    suggested = screen.page.get_by_role("group", name="Suggested").get_by_role("button")
    names = [NAMES[index] for index in (3, 2, 6, 4, 12)]
    expect(suggested.locator("span")).to_have_text(names)
    expect(screen.page.locator("#prediction")).to_be_hidden()
    expect(screen.page.locator("#announce")).to_contain_text(f"Suggested: 1 {NAMES[3]}, 2 {NAMES[2]}")
    top = screen.page.locator("#choices").bounding_box()["y"]
    screenshot(screen.page, f"suggested-{size['width']}")
    assert faults(screen.page) == []
    screen.answer("2")
    expect(suggested).to_have_count(0)
    assert screen.page.locator("#choices").bounding_box()["y"] == top, "nothing moves where there is no suggestion"
    first = screen.task
    screen.press("1", "5", "Enter")
    screen.look()
    assert screen.task == first, "these keys are for suggestions alone"
    screen.answer("6", "0", "Enter", "5")
    screen.wait_until_sent()
    assert values() == [2, 0, 4, 3, 12]


def test_with_several_to_an_answer_keys_choose_and_drop(open_screen: Any) -> None:
    screen = open_screen(project_of("multi"), make_member(Project.objects.get(), "annie"))
    screen.press("1", "3", "5", "3")
    expect(screen.page.locator("#suggested [aria-pressed=true] span")).to_have_text([NAMES[3], NAMES[12]])
    expect(screen.page.locator("#send-text")).to_have_text("Send 2 chosen")
    screen.answer("Enter")
    screen.wait_until_sent()
    assert values() == [[3, 12]]


@pytest.mark.long
def test_beside_the_classes_no_key_of_an_action_is_cut(open_screen: Any) -> None:
    screen = open_screen(project_of(), make_member(Project.objects.get(), "annie"))
    last = screen.page.locator("#keys")
    for width in (1280, 1100, 1040, 860, 780):
        screen.page.set_viewport_size({"width": width, "height": 800})
        expect(last).to_be_in_viewport(ratio=1)
        room = screen.page.locator(".actions").bounding_box()
        box = last.bounding_box()
        assert box["x"] + box["width"] <= room["x"] + room["width"] + 1, width


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
def test_the_tree_by_keyboard(open_screen: Any, screenshot: Any, scheme: str) -> None:
    screen = open_screen(project_of(), make_member(Project.objects.get(), "annie"), color_scheme=scheme)
    screen.press("Shift+T")
    marked = screen.page.locator("#tree .marked .name")
    expect(screen.page.get_by_role("tree")).to_be_focused()
    expect(marked).to_have_text("animal")
    screen.press("ArrowRight", "ArrowRight")
    expect(marked).to_have_text("bird")
    screen.press("ArrowRight", "ArrowDown", "ArrowDown")
    expect(marked).to_have_text("tawny owl")
    owl = screen.page.get_by_role("treeitem", name="tawny owl")
    assert [owl.get_attribute(f"aria-{name}") for name in ("level", "posinset", "setsize")] == ["3", "2", "3"]
    screenshot(screen.page, f"tree-{scheme}")
    assert faults(screen.page) == []
    screen.answer("Enter")
    screen.press("ArrowLeft")
    expect(marked).to_have_text("bird")
    screen.press(*"thing 0")
    expect(screen.page.locator("#choices [role=option]").first).to_contain_text("thing 0animal › bird")
    screen.press("Escape", "ArrowDown", "ArrowLeft", "End")
    expect(screen.page.locator("#tree .node")).to_have_count(13)
    expect(marked).to_have_text("thing 9")
    screen.press("Escape")
    expect(screen.page.get_by_role("tree")).to_be_hidden()
    expect(screen.page.locator("#search")).to_be_focused()
    screen.wait_until_sent()
    assert values() == [3]
