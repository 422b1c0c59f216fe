"""Test the page that finishes a project, by keyboard alone and on a phone."""

from typing import Any

import pytest
from factories import make_member
from playwright.sync_api import expect
from world import finishing_project

from labeling.models import Finish, Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_goal_is_forecast_started_and_stopped_by_keyboard(open_page: Any, screenshot: Any) -> None:
    project = finishing_project()
    Finish.objects.all().delete()
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/pool/")
    expect(page.get_by_text("to the end.")).to_be_visible()
    page.get_by_role("link", name="Finish").first.press("Enter")
    page.get_by_label("Wrong labels, at most").fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_text("For at most 5\u00a0% wrong in the whole pool")).to_be_visible()
    assert not Finish.objects.exists()
    screenshot(page, "finish", full=True)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Start").press("Enter")
    expect(page.get_by_text("Started by mona")).to_be_visible()
    assert Finish.objects.get().error == 0.05
    screenshot(page, "finish-running", full=True)
    page.get_by_role("button", name="Stop").press("Enter")
    expect(page.get_by_text("no further audit is asked")).to_be_visible()
    assert not Finish.objects.get().running


@pytest.mark.long
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Any, screenshot: Any) -> None:
    project = finishing_project()
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/pool/finish/", **phone)
    expect(page.get_by_text("Classes 3 and 8 were merged.")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    screenshot(page, "finish-phone", full=True)
