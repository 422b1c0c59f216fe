"""Test that the annotator's screen shows images that stay at their source, and that managers read why one is lost."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from buckets import Store
from django.urls import reverse
from factories import make_member, make_open_batch, make_project
from kept import Kept, kept_in, photo, running_store
from playwright.sync_api import expect

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
