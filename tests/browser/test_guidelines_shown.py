"""Test that guidelines are previewed while they are written, and shown while labeling."""

import io
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from labeling.models import Annotation, Role
from labeling.projects.classes import changing as classes
from labeling.projects.classes import examples, guidelines
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "# What counts\n\nThe sign **in front**.\n\n| sign | key |\n|---|---:|\n| stop | 1 |\n\n" + "\n\n".join(
    f"## Case {number}\n\nIf it is half hidden, take it all the same: [see the catalogue](https://example.org/{number})."
    for number in range(30)
)


@pytest.mark.parametrize("path", some(["/new/", "/p/signs/settings/guidelines/"]))
def test_the_preview_follows_what_is_typed(open_page: Any, path: str) -> None:
    page: Page = open_page(make_member(make_project("signs"), "mona", Role.MANAGER), path)
    field = page.get_by_label("Guidelines")
    field.fill("# Signs\n\n- *stop*")
    page.get_by_role("button", name="Preview").click()
    shown = page.get_by_role("region", name="Preview")
    expect(shown.get_by_role("heading", name="Signs")).to_be_visible()
    field.fill("<script>alert(1)</script> **yield**")
    expect(shown.locator("strong")).to_have_text("yield")
    expect(shown).to_contain_text("<script>alert(1)</script>")
    page.get_by_role("button", name="Hide the preview").click()
    expect(shown).to_be_hidden()


@pytest.mark.parametrize("size", some([(360, 640), (1280, 800)]), ids=str)
def test_long_guidelines_are_read_with_the_keyboard(open_screen: Any, screenshot: Any, size: tuple[int, int]) -> None:
    project = make_project("signs", kind="image", guidelines=LONG)
    make_open_batch(project, make_items(project, 5))
    viewport = {"width": size[0], "height": size[1]}
    screen = open_screen(project, make_member(project, "annie"), viewport=viewport)
    screen.press("g")
    dialog = screen.page.get_by_role("dialog", name="Guidelines")
    expect(dialog.get_by_role("heading", name="What counts")).to_be_visible()
    screenshot(screen.page, f"guidelines-long-{size[0]}")
    screen.press("End")
    expect(dialog.get_by_role("heading", name="Case 29")).to_be_in_viewport()
    expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport()
    assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screen.press("Escape")
    expect(dialog).to_be_hidden()
    screen.answer("1")


@pytest.mark.parametrize("size", some([(360, 640), (1280, 800)]), ids=str)
def test_a_change_is_told_on_the_open_screen_and_dismissed_by_a_key(
    open_screen: Any, screenshot: Any, size: tuple[int, int]
) -> None:
    project = make_project("signs", kind="image", guidelines="Take the sign in front.\n\nSkip what is hidden.")
    make_open_batch(project, make_items(project, 40))
    screen = open_screen(
        project, make_member(project, "annie"), viewport={"width": size[0], "height": size[1]}, color_scheme="dark"
    )
    screen.answer("1")
    guidelines.save(project=project, user=None, text="Take the sign in front.\n\nTake what is half hidden, too.")
    notice = screen.page.locator("#guidelines-changed")
    for _ in range(20):
        if notice.is_visible():
            break
        screen.answer("1")
    before = screen.task
    expect(notice).to_contain_text("The guidelines have changed, new: “Take what is half hidden, too.”")
    screenshot(screen.page, f"guidelines-changed-{size[0]}")
    screen.press("g")
    dialog = screen.page.get_by_role("dialog", name="Guidelines")
    expect(dialog.locator("del").first).to_contain_text("Skip")
    expect(dialog.locator("#guide-text")).to_contain_text("half hidden, too")
    screenshot(screen.page, f"guidelines-changes-{size[0]}")
    screen.press("Escape")
    expect(dialog).to_be_hidden()
    expect(notice).to_be_hidden()
    assert screen.task == before
    screen.answer("1")
    screen.wait_until_sent()
    versions = list(Annotation.objects.order_by("created_at").values_list("guidelines_version", flat=True))
    assert versions == sorted(versions)
    assert (versions[0], versions[-1]) == (1, 2)
    guidelines.save(project=project, user=None, text="Take all.")
    for _ in range(20):
        if notice.is_visible():
            break
        screen.answer("1")
    screen.press("Escape")
    expect(notice).to_be_hidden()


def test_classes_are_shown_with_their_examples_below_the_guidelines(open_screen: Any, screenshot: Any) -> None:
    project = make_project("signs", kind="image", guidelines="Look twice.", classes=["one", "two"])
    items = make_items(project, 8)
    make_open_batch(project, items[4:], number=2)
    over = make_open_batch(project, items[:4])
    over.tasks.update(outstanding=0, free=0)
    type(over).objects.filter(pk=over.pk).update(state="done", remaining=0)
    project.items.filter(pk__in=[item.pk for item in items[:4]]).update(label=1)
    classes.edit(project=project, user=None, index=1, description="A two has a flat foot.")
    for item in items[:4]:
        examples.choose(project=project, user=make_member(project, "mona", Role.MANAGER), index=1, item=item)
    screen = open_screen(project, make_member(project, "annie"), color_scheme="dark")
    screen.press("g")
    dialog = screen.page.get_by_role("dialog", name="Guidelines")
    expect(dialog.get_by_text("A two has a flat foot.")).to_be_visible()
    expect(dialog.get_by_role("list", name="Examples of two").get_by_role("img", name="two, example 4")).to_be_visible()
    screenshot(screen.page, "class-examples")


@pytest.mark.parametrize(("size", "scheme"), some([((360, 640), "dark"), ((1280, 800), "light")]), ids=str)
def test_an_image_is_uploaded_named_in_the_text_and_seen_by_annotators(
    open_page: Any, open_screen: Any, screenshot: Any, size: tuple[int, int], scheme: str
) -> None:
    project = make_project("signs", kind="image", guidelines="Take the sign in front.")
    make_open_batch(project, make_items(project, 3))
    look = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/signs/guidelines/images/", **look)
    page.get_by_label("Image").set_input_files({"name": "Stop sign.png", "mimeType": "image/png", "buffer": drawing()})
    page.get_by_role("button", name="Upload").click()
    screenshot(page, f"guidelines-images-error-{scheme}", full=True)
    expect(page.get_by_role("alert")).to_contain_text("Describe the image")
    page.get_by_label("Image").set_input_files({"name": "Stop sign.png", "mimeType": "image/png", "buffer": drawing()})
    page.get_by_label("What it shows").fill("A stop sign, half hidden by a tree")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("img", name="A stop sign, half hidden by a tree")).to_have_js_property("naturalWidth", 900)
    screenshot(page, f"guidelines-images-{scheme}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto("/p/signs/settings/guidelines/")
    page.get_by_label("Guidelines").fill("# Stop\n\nTake it all the same:\n\n![](stop-sign.png)")
    page.get_by_role("button", name="Preview").click()
    shown = page.get_by_role("region", name="Preview").get_by_role("img")
    expect(shown).to_have_js_property("naturalWidth", 900)
    screenshot(page, f"guidelines-images-preview-{scheme}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    screen = open_screen(project, make_member(project, "annie"), **look)
    screen.press("g")
    image = screen.page.get_by_role("dialog", name="Guidelines").get_by_role("img")
    expect(image).to_have_accessible_name("A stop sign, half hidden by a tree")
    expect(image).to_have_js_property("naturalWidth", 900)
    screenshot(screen.page, f"guidelines-image-shown-{scheme}")
    assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def drawing() -> bytes:
    """Return a dark drawing on a transparent ground."""
    buffer = io.BytesIO()
    image = Image.new("RGBA", (900, 500))
    draw = ImageDraw.Draw(image)
    draw.regular_polygon((450, 250, 180), 8, outline="black", width=12)
    draw.line((450, 430, 450, 500), fill="black", width=16)
    image.save(buffer, "PNG")
    return buffer.getvalue()
