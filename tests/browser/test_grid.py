"""Test grids of many items: keyboard, mouse, touch, undo, a lost network, and one answer per gesture."""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Task
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
LOW_PHONE = {**PHONE, "viewport": {"width": 360, "height": 460}}
BIRDS = ["Donaudampfschiffahrtsgesellschaftskapitänsmöwe", "الحبارى العربية الكبيرة جدا", "ハシブトガラスの若鳥の群れ"]
LOOK_MS = 1_300


def open_grid(open_screen: Any, n: int = 40, options: Any = None, **settings: Any) -> Any:
    settings = {"question": "verify", "kind": "image", "classes": BIRDS, "prompt": "Is this right?", **settings}
    project = make_project("birds", grids=True, **settings)
    make_open_batch(project, make_items(project, n))
    if project.question == "single":
        Task.objects.filter(rank__lt=n - 3).update(prompted=True, prompted_by="model", predicted=1)
    screen = open_screen(project, make_member(project, "annie"), **(options or {}))
    look(screen)
    return screen


def look(screen: Any) -> None:
    expect(screen.page.locator('.cell [data-state="loading"]')).to_have_count(0)
    screen.page.wait_for_timeout(LOOK_MS)


def cells(screen: Any) -> Any:
    return screen.page.locator("#grid .cell")


def values(screen: Any) -> list[Any]:
    screen.wait_until_sent()
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def test_keys_mark_and_confirm_and_undo_brings_the_grid_back(open_screen: Any, screenshot: Any) -> None:
    screen = open_grid(open_screen)
    n = cells(screen).count()
    assert n >= 12
    requests: list[str] = []
    screen.page.on("request", lambda request: requests.append(f"{request.method} {request.url.rpartition('/p')[2]}"))
    screen.press("ArrowRight", " ", "ArrowDown", "a", "Home")
    expect(cells(screen).nth(1)).to_have_attribute("aria-selected", "true")
    screenshot(screen.page, "grid")
    assert faults(screen.page) == []
    for _ in range(5):
        screen.page.keyboard.down("Enter")  # repeats, as from a finger that stays
        screen.page.wait_for_timeout(100)
    screen.page.keyboard.up("Enter")
    assert sorted(values(screen)) == [False] + [True] * (n - 2)
    assert sum("annotations/" in each for each in requests) == 1
    seconds = set(Annotation.objects.values_list("seconds", flat=True))
    assert len(seconds) == 1
    assert screen.page.locator("#content").get_attribute("data-state") == "item"  # what was set aside is asked alone
    screen.look()
    screen.press("y")
    look(screen)
    screen.press("Backspace")
    screen.look()
    screen.press("Backspace")
    expect(cells(screen)).to_have_count(n)
    expect(cells(screen).nth(1)).to_have_attribute("aria-selected", "true")
    assert values(screen) == []
    look(screen)
    screen.press("Enter")
    assert sorted(values(screen)) == [False] + [True] * (n - 2)


def test_enter_pressed_twice_does_not_confirm_the_next_grid(open_screen: Any) -> None:
    screen = open_grid(open_screen)
    n = cells(screen).count()
    screen.press("Enter", "Enter")
    screen.page.wait_for_timeout(350)
    screen.press("Enter")
    assert values(screen) == [True] * n


def test_the_mouse_sweeps_and_a_double_click_marks_once(open_screen: Any) -> None:
    screen = open_grid(open_screen)
    mouse = screen.page.mouse
    boxes = [cells(screen).nth(place).bounding_box() for place in range(4)]
    points = [(box["x"] + 20, box["y"] + 20) for box in boxes]
    mouse.move(*points[0])
    mouse.down()
    for point in points[1:3]:
        mouse.move(*point, steps=4)
    mouse.up()
    cells(screen).nth(3).dblclick()
    marks = [cells(screen).nth(place).get_attribute("data-mark") for place in range(5)]
    assert marks == ["wrong"] * 4 + [""]
    cells(screen).nth(0).click()
    screen.page.locator("#grid-confirm").dblclick()
    assert values(screen).count(False) == 3


@pytest.mark.long
def test_on_a_phone_every_cell_is_in_sight_and_taps_mark(open_screen: Any, screenshot: Any) -> None:
    screen = open_grid(open_screen, options=PHONE)
    assert cells(screen).count() >= 12
    last, stage = cells(screen).last.bounding_box(), screen.page.locator("#stage").bounding_box()
    assert last["y"] + last["height"] <= stage["y"] + stage["height"]
    prompt = screen.page.locator("#proposed").bounding_box()
    assert prompt["x"] + prompt["width"] <= PHONE["viewport"]["width"]
    assert screen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    cells(screen).nth(2).tap()
    screenshot(screen.page, "grid-phone")
    screen.page.emulate_media(color_scheme="dark")
    screenshot(screen.page, "grid-phone-dark")
    screen.page.locator("#grid-confirm").tap()
    assert values(screen).count(False) == 1


def test_what_was_not_in_view_is_not_confirmed(open_screen: Any, screenshot: Any) -> None:
    words = {"classes": BIRDS, "question": "verify", "kind": "text", "prompt": "Is this right, by all that you know?"}
    project = make_project("birds", grids=True, **words)
    make_open_batch(project, make_items(project, 12))
    project.items.update(proposed=1)
    screen = open_screen(project, make_member(project, "annie"), **LOW_PHONE, color_scheme="dark")
    screen.page.wait_for_timeout(LOOK_MS)
    hidden = cells(screen).count() - cells_in_view(screen)
    assert 0 < hidden < 12
    expect(screen.page.locator("#grid-said")).to_have_text(f"Confirm {12 - hidden} right, {hidden} not seen")
    screenshot(screen.page, "grid-not-seen-dark")
    screen.page.locator("#grid-confirm").tap()
    assert values(screen) == [True] * (12 - hidden)
    expect(cells(screen)).to_have_count(hidden)  # they come again
    look(screen)
    cells(screen).last.scroll_into_view_if_needed()
    screen.page.wait_for_timeout(LOOK_MS)
    screen.page.locator("#grid-confirm").tap()
    assert values(screen) == [True] * 12


def text_grid(open_screen: Any, texts: list[str], **options: Any) -> Any:
    project = make_project("birds", grids=True, classes=BIRDS, question="verify", kind="text", prompt="Is this right?")
    items = make_items(project, len(texts))
    for item, text in zip(items, texts, strict=True):
        item.data, item.proposed = {"text": text}, 1
        item.save()
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"), **options)
    look(screen)
    return screen


@pytest.mark.long
@pytest.mark.parametrize(("options", "least"), some([({"viewport": {"width": 1280, "height": 800}}, 60), (PHONE, 12)]))
def test_one_line_texts_lie_in_a_dense_list(open_screen: Any, screenshot: Any, options: Any, least: int) -> None:
    screen = text_grid(open_screen, [f"Where is my parcel {n}?" for n in range(90)], **options)
    n = cells(screen).count()
    assert n >= least
    assert cells_in_view(screen) == n
    cells(screen).nth(1).click()
    screenshot(screen.page, f"grid-texts-{options['viewport']['width']}")
    assert faults(screen.page) == []
    screen.press("Enter")
    assert values(screen) == [True, False] + [True] * (n - 2)
    look(screen)
    assert cells(screen).count() == min(n, 90 - n)
    screen.press("Backspace")
    expect(cells(screen)).to_have_count(n)


@pytest.mark.long
def test_long_texts_have_cells_that_scroll(open_screen: Any, screenshot: Any) -> None:
    screen = text_grid(open_screen, ["Where is my parcel? " * 40] * 40)
    assert 12 <= cells(screen).count() < 40
    assert cells_in_view(screen) == cells(screen).count()
    screenshot(screen.page, "grid-long-texts")


def cells_in_view(screen: Any) -> int:
    stage = screen.page.locator("#stage").bounding_box()
    boxes = [cells(screen).nth(place).bounding_box() for place in range(cells(screen).count())]
    return sum(box["y"] + 0.7 * box["height"] <= stage["y"] + stage["height"] for box in boxes)


def test_without_a_network_a_grid_is_kept_and_sent_later(open_screen: Any) -> None:
    screen = open_grid(open_screen)
    n = cells(screen).count()
    screen.page.context.set_offline(True)
    screen.press("Enter")
    expect(screen.unsent).to_contain_text(f"Offline: {n} answers are kept here")
    screen.page.context.set_offline(False)
    assert values(screen) == [True] * n


def test_of_many_classes_the_wrong_ones_are_asked_alone_and_the_rest_at_the_end(open_screen: Any) -> None:
    screen = open_grid(open_screen, 15, question="single", kind="text", show_predictions=True)
    expect(cells(screen)).to_have_count(12)
    screen.press(" ", "Enter")
    screen.look()
    expect(screen.page.locator("#prediction")).to_have_text(f"Suggested: \u2068{BIRDS[1]}\u2069")
    screen.answer("3", "1", "1", "1")
    assert sorted(values(screen)) == [0] * 3 + [1] * 11 + [2]


def test_one_by_one_is_a_click_away(open_screen: Any) -> None:
    screen = open_grid(open_screen)
    screen.page.get_by_role("button", name="One by one").click()
    expect(screen.page.locator("#item img")).to_be_visible()
    screen.reload()
    screen.answer("n")
    screen.page.get_by_role("button", name="Grid").click()
    expect(cells(screen).first).to_be_visible()
    assert values(screen) == [False]
