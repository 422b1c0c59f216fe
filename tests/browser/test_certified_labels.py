"""Test that certified labels are chosen on the page *Export* until a person unchecks them, and found by keyboard."""

from typing import Any

import pytest
from axe import faults
from factories import certify, make_items, make_member, make_open_batch, make_project
from pages import make_version
from playwright.sync_api import expect

from labeling.models import Batch, Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.long
def test_counted_left_out_and_looked_at(open_page: Any) -> None:
    project = make_project(classes=["cat", "owl"])
    items = make_items(project, 5)
    batch = make_open_batch(project, items[:2])
    project.items.filter(task__batch=batch).update(label=0, agreement=1, labeled_at="2026-03-01T12:00Z")
    batch.tasks.update(free=0, outstanding=0)
    Batch.objects.update(state=Batch.State.DONE, remaining=0, labeled=2)
    certify(project, dict.fromkeys(items[2:], 1), version=make_version(batch, 1))
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/export/")
    counted, certified = page.locator("#counted"), page.get_by_label("Include certified labels")
    expect(counted).to_have_text("5 rows")
    expect(certified).to_be_checked()
    certified.press("Space")
    expect(counted).to_have_text("2 rows")
    page.reload()
    expect(certified).not_to_be_checked()
    certified.press("Space")
    expect(counted).to_have_text("5 rows")
    expect(page.locator("#command")).to_contain_text("certified=on")
    assert faults(page) == []

    page.goto("/p/digits/items/?origin=certified")
    page.get_by_role("link", name="certificate 1").first.click()
    expect(page.get_by_text("no person was asked")).to_be_visible()
    assert faults(page) == []
    expect(page.locator("#correct[data-ready]")).to_be_attached()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("item-0002 is settled.")).to_be_visible()
