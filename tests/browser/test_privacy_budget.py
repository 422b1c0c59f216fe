"""Test that the page shows the consequences of a privacy budget while a manager types it."""

from typing import Any

import pytest
from factories import make_items, make_member, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_budget_is_told_as_noise_and_labels_before_it_is_saved(open_page: Any, screenshot: Any) -> None:
    project = make_project(name="Digits")
    make_items(project, 40)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/settings/")
    row = page.locator('[data-row="privacy"]')
    expect(row).to_contain_text("trainings are not private")
    page.locator("#privacy > summary").click()
    page.get_by_label("Privacy budget ε").fill("4")
    expect(row.locator("ins")).to_contain_text("noise of")
    expect(row).to_contain_text("10 trainings left; about")
    page.get_by_label("Noise of each training").fill("60")
    expect(row.locator("ins")).to_have_text("noise of 60.0")
    screenshot(page, "manager-privacy-budget")
    assert said == []
