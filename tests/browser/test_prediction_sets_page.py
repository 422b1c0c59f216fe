"""A manager hands in predictions, and enters the address of an ML backend: by keyboard, and on a phone in the dark."""

from typing import Any

import pytest
from axe import faults
from draining import drain
from playwright.sync_api import Page, expect
from policy import keep_to_policy
from predicting.handed import given_project, predictions

from labeling.models import PredictionServer, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.mark.long
def test_predictions_are_handed_in_and_become_a_version(open_page: Any, screenshot: Any) -> None:
    project = given_project(40, strategy="margin", pick_ahead=None)
    mona = User.objects.get(username="mona")
    page: Page = open_page(mona, "/p/p/")
    said = keep_to_policy(page.context)
    expect(page.get_by_text("once items are imported and predictions are handed in")).to_be_visible()
    page.goto("/p/p/models/")
    page.get_by_role("link", name="Predictions from outside").click()
    page.get_by_label("File").set_input_files(
        {"name": "mine.npz", "mimeType": "application/octet-stream", "buffer": predictions(project)}
    )
    page.get_by_label("File").press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("A worker reads the predictions now.")
    page.get_by_label("File").set_input_files(
        {"name": "x.npz", "mimeType": "application/octet-stream", "buffer": b"no arrays"}
    )
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("status")).to_be_visible()
    drain()
    page.reload()
    expect(page.get_by_role("row", name="x.npz")).to_contain_text("this is no .npz file")
    screenshot(page, "prediction-sets", full=True)
    page.get_by_role("row", name="mine.npz").get_by_role("link", name="1").click()
    expect(page.get_by_text("None: it is made of predictions from outside for 40 items.")).to_be_visible()
    expect(page.get_by_text("Handed in", exact=True)).to_be_visible()
    expect(page.get_by_text("Training settings")).to_have_count(0)
    screenshot(page, "given-version", full=True)
    assert said == []


def test_a_server_is_entered_on_a_phone(open_page: Any, screenshot: Any) -> None:
    given_project(20)
    mona = User.objects.get(username="mona")
    page: Page = open_page(mona, "/p/p/prediction-sets/", **PHONE, color_scheme="dark")
    page.get_by_label("Address").fill("ftp://ml.example.org")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Only addresses that begin with https://")
    page.get_by_label("Address").fill("https://ml.example.org")
    page.get_by_label("Name").fill("owl")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Ask now")).to_be_visible()
    assert "secret" not in page.content()
    assert PredictionServer.objects.get().username == "owl"
    screenshot(page, "prediction-server-phone", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
