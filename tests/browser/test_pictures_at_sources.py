"""Test that the annotator's screen shows images that stay at their source, and that managers read why one is lost."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from axe import faults
from buckets import Store, work
from django.urls import reverse
from factories import make_member, make_open_batch, make_project
from kept import Kept, kept_in, photo, running_store
from playwright.sync_api import expect
from s3 import KEY

from labeling.models import Annotation, Role
from labeling.outside import references
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHOWN = "#item .picture img"


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Iterator[Store]:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    with running_store(tmp_path) as made:
        yield made


@pytest.fixture
def kept(store: Store) -> Kept:
    return kept_in(store, make_project(kind="image"))


def test_images_at_a_source_are_shown_and_answered(kept: Kept, open_screen: Any, screenshot: Any) -> None:
    project = kept.source.project
    files = {
        "small.png": photo(64),
        "large.jpg": photo(2100, form="JPEG"),
        "named-wrongly.png": photo(100, form="JPEG"),
        "scan.png": photo(120, form="TIFF"),
    }
    kept.fill(files)
    items = kept.items(list(files))
    references.bring(item.media for item in items[:2])
    for row, item in enumerate(items):
        item.row = row
        item.save()
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"))
    for width in (64, 1600, 100, 120):
        expect(screen.page.locator(SHOWN)).to_have_js_property("naturalWidth", width)
        screen.answer("1")
    screen.wait_until_sent()
    assert Annotation.objects.count() == 4


@pytest.mark.long
def test_a_manager_lets_files_stay(store: Store, open_page: Any, screenshot: Any) -> None:
    bucket, project = store.bucket(), make_project(kind="image")
    store.fill(bucket, {"a.png": photo(500)})
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/sources/", **phone)
    for label, text in {"Name": "Cameras", "Address": f"s3://{bucket}", "Endpoint": store.endpoint}.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Access key ID").fill(KEY)
    page.get_by_label("Secret access key").fill(KEY)
    page.get_by_label("The files stay there").focus()
    page.keyboard.press("Space")
    screenshot(page, "files-stay", full=True)
    assert faults(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_text("files that are an item each, which stay there")).to_be_visible()
    work()
    item = project.items.get()
    page.goto(reverse("project-item", args=[project.slug, item.pk]))
    expect(page.locator(".item img, .picture img").first).to_have_js_property("naturalWidth", 500)
    assert store.requests(f"GET /{bucket}/a.png") == 1
    page.goto(reverse("project-source", args=[project.slug, project.sources.get().pk]))
    page.get_by_text("Remove it", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Also if items have their files there").focus()
    page.keyboard.press("Space")
    screenshot(page, "files-are-lost", full=True)
    assert faults(page) == []
    page.get_by_role("button", name="Remove this source").press("Enter")
    expect(page.get_by_text("The source is removed.")).to_be_visible()


@pytest.mark.parametrize("look", some([{"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 740}}]))
def test_the_item_says_why_its_file_is_lost(kept: Kept, open_page: Any, screenshot: Any, look: dict[str, Any]) -> None:
    project = kept.source.project
    kept.fill({"a.png": photo()})
    (item,) = kept.items(["a.png"], row=0)
    kept.fill({"a.png": photo(seed=1)})
    path = reverse("project-item", args=[project.slug, item.pk])
    page = open_page(make_member(project, "mona", Role.MANAGER), path, **look)
    page.wait_for_load_state("networkidle")
    page.reload()
    expect(page.locator(".notice.error")).to_have_text(
        "Its file cannot be read: it has changed at its source since the import (import the new file under another id)."
    )
    screenshot(page, f"lost-at-source-{'dark' if 'color_scheme' in look else 'phone'}")
