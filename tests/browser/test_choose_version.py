"""Test that a manager returns to an earlier model version, and to the newest, with one click each."""

from typing import Any

import pytest
from factories import make_member, make_project
from pages import make_history
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import ModelVersion, Role, VersionChoice
from labeling.projects import version_in_use

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

GATE = {"against": 2, "n": 212, "gained": 4, "lost": 19}


def test_back_and_forward_by_one_click_each(open_page: Any, screenshot: Any) -> None:
    project = make_project(name="Digits")
    make_history(project, 3)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/models/")

    page.get_by_role("button", name="Use version 1", exact=True).click()
    expect(page.locator("#picking")).to_contain_text("Version 1 picks the batches: mona chose it")
    assert version_in_use.in_use(project).version.number == 1
    screenshot(page, "manager-rolled-back", full=True)

    page.get_by_role("button", name="Use version 2", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#picking")).to_contain_text("Version 2 picks the batches")

    page.get_by_role("button", name="Automatic again").click()
    expect(page.locator("#picking")).to_have_count(0)
    assert version_in_use.in_use(project).version.number == 3
    assert VersionChoice.objects.count() == 3
    assert said == []


@pytest.mark.long
def test_what_the_gate_holds_back_is_used_all_the_same_by_one_click(open_page: Any, screenshot: Any) -> None:
    project = make_project(name="Digits")
    make_history(project, 3)
    ModelVersion.objects.filter(number=3).update(held_back=True, gate=GATE)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    page.goto("/p/digits/")
    expect(page.locator("#picking")).to_contain_text("Version 3 is held back; version 2 goes on picking the batches.")
    screenshot(page, "manager-held-back", full=True)
    page.get_by_role("button", name="Use version 3 anyway").click()
    expect(page.locator("#picking")).to_contain_text("Version 3 picks the batches")
    assert version_in_use.in_use(project).version.number == 3
