"""A dataset is downloaded from the page of exports, and comes in on the page for imports with its labels."""

from pathlib import Path
from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Item, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS: dict[str, dict[str, Any]] = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}


@pytest.mark.parametrize("look", some(list(LOOKS)))
def test_a_dataset_goes_out_and_comes_in(open_page: Any, screenshot: Any, tmp_path: Path, look: str) -> None:
    project = make_project("pets", kind="image", classes=["cat", "dog"])
    items = make_items(project, 3)
    make_open_batch(project, items)
    Item.objects.update(label=1, agreement=1, labeled_at="2026-03-01T12:00Z")
    mona = make_member(project, "mona", Role.MANAGER)
    second = make_project("again", kind="image", classes=["cat", "dog"])
    make_member(second, "mona", Role.MANAGER)
    page: Page = open_page(mona, **LOOKS[look])
    said = keep_to_policy(page.context)
    page.goto("/p/pets/export/")
    expect(page.get_by_role("heading", name="For training")).to_be_visible()
    screenshot(page, f"export-{look}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download WebDataset").press("Enter")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "pets-labels.webdataset.zip"

    page.goto("/p/again/import/")
    page.get_by_label("Choose a file").set_input_files(path)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name=path.name)).to_be_visible()
    expect(page.locator("main")).to_contain_text("3 labels")
    screenshot(page, f"import-dataset-{look}", full=True)
    assert faults(page) == []
    expect(page.get_by_text("Leave out", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("main")).to_contain_text("3 items imported from pets-labels.webdataset.zip")
    assert list(second.items.values_list("label", flat=True)) == [1, 1, 1]
    assert said == []
