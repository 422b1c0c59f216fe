"""Test the view of an image: zoom, pan, brightness, and the original on demand."""

import io
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from labeling.kinds.image import Image as ImageKind
from labeling.models import Annotation, Item, Project, Role
from labeling.storage import media

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SHOWN = "#item .picture img"


def large_image(number: int) -> bytes:
    """Return a drawing of 2400 by 1800 pixels on a transparent ground."""
    image = Image.new("RGBA", (2400, 1800))
    draw = ImageDraw.Draw(image)
    draw.ellipse((300, 200, 2100, 1600), fill=(40 + 40 * number, 120, 160, 255))
    for at in range(0, 2400, 60):
        draw.line((at, 0, at, 1800), fill=(30, 30, 30, 255), width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def project_with(images: list[bytes], **settings: Any) -> Project:
    """Create a project whose open batch has these images, stored as an import stores them."""
    project = make_project(kind="image", **settings)
    items = make_items(project, len(images))
    for item, opened in zip(items, ImageKind().open(images, smaller=True), strict=True):
        item.media = media.file_name(project.pk, "images", opened.content, opened.suffix)
        media.write_content(item.media, opened.content, preview=opened.preview, thumbnail=opened.thumbnail)
    Item.objects.bulk_update(items, ["media"])
    make_open_batch(project, items)
    return project


def zoom(page: Page) -> float:
    """Return the zoom of the image, relative to the size that fits the frame."""
    box = "image => image.getBoundingClientRect().width / image.clientWidth"
    return round(page.locator(SHOWN).evaluate(box), 2)


def left(page: Page) -> float:
    return page.locator(SHOWN).bounding_box()["x"]


def note(page: Page) -> Any:
    return page.locator(".viewer-note")


def asked_of(page: Page) -> list[str]:
    """Return a list that collects the sizes in which items' images are requested."""
    asked: list[str] = []
    page.on("request", lambda request: "/media/" in request.url and asked.append(request.url.partition("?size=")[2]))
    return asked


def test_wheel_keys_and_mouse_look_closer_and_the_original_comes_once(open_screen: Any, screenshot: Any) -> None:
    project = project_with([large_image(number) for number in range(3)])
    screen = open_screen(project, make_member(project, "annie"))
    page = screen.page
    asked = asked_of(page)
    screenshot(page, "image-whole")
    box = page.locator(SHOWN).bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 30)
    page.mouse.wheel(0, -400)
    near = page.locator(SHOWN).bounding_box()
    assert zoom(page) > 1.4
    assert near["y"] == pytest.approx(box["y"] - 30 * (near["height"] / box["height"] - 1), abs=1), "the point stays"
    screen.press("+", "+", "+")
    expect(page.locator(SHOWN)).to_have_js_property("naturalWidth", 2400)
    assert asked.count("") == 1, "the original, once"
    expect(note(page)).to_have_text(f"{zoom(page):.1f}×")
    before = left(page)
    page.mouse.move(500, 300)
    page.mouse.down()
    page.mouse.move(560, 300)
    page.mouse.up()
    assert left(page) == pytest.approx(before + 60, abs=1)
    screen.press("ArrowRight")
    assert left(page) < before
    screenshot(page, "image-near")
    screen.press("z")
    assert zoom(page) == 1
    screen.press("+")
    screen.answer("7")
    assert zoom(page) == 1, "the next item is seen as a whole"
    assert set(asked) <= {"", "preview"}
    page.locator(SHOWN).dblclick()
    assert zoom(page) > 1
    screen.press("-", "-", "-", "-", "-", "-")
    assert zoom(page) == 1


@pytest.mark.long
def test_keys_that_look_closer_answer_nothing(open_screen: Any, screenshot: Any) -> None:
    project = project_with([large_image(0), large_image(1)], classes=["cat", "dog"], question="verify", grids=False)
    screen = open_screen(project, make_member(project, "annie"), color_scheme="dark")
    page, task = screen.page, screen.task
    screen.press("+", "Shift+ArrowRight", "ArrowUp", "b", "b", "p")
    assert screen.task == task
    assert zoom(page) > 1
    expect(page.locator(SHOWN)).to_have_css("filter", "brightness(1.6)")
    page.get_by_role("button", name="View, 160 %").click()
    screenshot(page, "image-view-dark")
    light = page.get_by_role("slider", name="Brightness")
    light.focus()
    screen.press("ArrowRight")
    assert screen.task == task, "the slider has the arrows as long as it has the focus"
    assert light.get_attribute("aria-valuetext") != "160 %"
    page.get_by_role("button", name="Reset the brightness").click()
    expect(page.locator(SHOWN)).to_have_css("filter", "none")
    expect(page.get_by_role("checkbox", name="Large pixels as squares")).not_to_be_checked()
    light.press("Escape")
    screen.answer("ArrowRight")
    screen.wait_until_sent()
    assert list(Annotation.objects.values_list("value", flat=True)) == [True]


@pytest.mark.long
def test_small_pixels_are_squares_unless_they_are_to_be_smooth(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 4))
    screen = open_screen(project, make_member(project, "annie"))
    asked = asked_of(screen.page)
    expect(screen.page.locator(SHOWN)).to_have_css("image-rendering", "pixelated")
    screen.press("p", "+", "+")
    expect(screen.page.locator(SHOWN)).to_have_css("image-rendering", "auto")
    assert asked == [], "there is no more of it"


def touch(page: Page, *moves: list[tuple[int, int]]) -> None:
    """Touch these points, move the fingers to the next points, and lift them."""
    session = page.context.new_cdp_session(page)
    for number, points in enumerate(moves):
        name = "touchMove" if number else "touchStart"
        where = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": where})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_on_a_phone_two_fingers_zoom_one_moves_and_none_of_it_answers(open_screen: Any, screenshot: Any) -> None:
    project = project_with([large_image(0), large_image(1)], classes=["cat", "dog"], question="verify", grids=False)
    screen = open_screen(project, make_member(project, "annie"), **PHONE)
    page, task = screen.page, screen.task
    screenshot(page, "image-phone")
    touch(page, [(170, 300), (220, 300)], [(120, 300), (270, 300)], [(70, 300), (320, 300)])
    assert zoom(page) == pytest.approx(5, abs=0.3)
    before = left(page)
    touch(page, [(100, 300)], [(180, 300)], [(260, 300)])
    assert left(page) == pytest.approx(before + 160, abs=3)
    assert screen.task == task, "what moves a zoomed image is no swipe"
    screenshot(page, "image-phone-near")
    expect(page.get_by_role("button", name="Fit")).to_be_in_viewport(ratio=1)
    touch(page, [(40, 300), (350, 300)], [(150, 300), (240, 300)], [(190, 300), (200, 300)])
    assert zoom(page) == 1
    assert screen.task == task, "neither is what fingers that zoom out end in"
    touch(page, [(100, 300)], [(180, 300)], [(260, 300)])
    screen.wait_until_sent()
    assert Annotation.objects.get().value is True


@pytest.mark.long
def test_reviewers_look_closer_too(open_page: Any) -> None:
    project = project_with([large_image(0)])
    page = open_page(make_member(project, "rita", Role.REVIEWER), f"/p/{project.slug}/items/{Item.objects.get().pk}/")
    picture = page.locator(".item-beside .picture img")
    expect(picture).to_have_js_property("naturalWidth", 1600)
    picture.hover()
    page.mouse.wheel(0, -100)
    expect(page.locator(".viewer-note")).to_be_empty()  # the page scrolls
    page.keyboard.press("+")
    expect(page.locator(".viewer-note")).to_have_text("1.5×")
    picture.click()  # the end of a look is no way to the file
    for _ in range(3):
        page.keyboard.press("+")
    expect(picture).to_have_js_property("naturalWidth", 2400)
    page.get_by_role("button", name="Fit").click()
    expect(page.locator(".viewer-note")).to_be_empty()


@pytest.mark.long
def test_a_grid_is_sent_thumbnails_and_who_sees_an_item_alone_its_preview(open_page: Any) -> None:
    images = [large_image(number) for number in range(4)]
    project = project_with(images, classes=["cat", "dog"], question="verify", grids=True)
    Item.objects.update(proposed=0)
    page = open_page(make_member(project, "annie"))
    asked = asked_of(page)
    page.goto(f"/p/{project.slug}/label/")
    expect(page.locator('#grid .cell img[data-state="ready"]')).to_have_count(4)
    assert asked == ["thumbnail"] * 4
    page.get_by_role("button", name="One by one").click()
    expect(page.locator(SHOWN)).to_have_js_property("naturalWidth", 1600)
    assert "" not in asked
