"""Test that a manager registers a model with the keyboard, and that the page follows its state."""

from typing import Any

import pytest
from factories import make_member, make_project
from pages import make_history
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Registration, Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_file_is_sent_and_the_page_follows_it(open_page: Any, screenshot: Any) -> None:
    project = make_project(name="Digits")
    make_history(project, 1)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/models/")
    page.get_by_role("link", name="Register a version").press("Enter")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "lab.zip", "mimeType": "application/zip", "buffer": b"PK"}
    )
    page.get_by_role("button", name="Register").press("Enter")
    expect(page.locator("#run")).to_contain_text("waiting")
    screenshot(page, "manager-registers", full=True)
    reason = "The graph is no ONNX graph."
    Registration.objects.update(state=Registration.State.FAILED, reason=reason)
    expect(page.locator("#run")).to_contain_text(reason)
    assert said == []
