"""A manager adds a webhook by keyboard, copies its secret, and sends a dead letter again: in Chromium."""

from typing import Any

import pytest
from factories import make_member, make_project, make_webhook
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Delivery, Role, Webhook
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {"phone-dark": {**PHONE, "color_scheme": "dark"}, "desktop": {}}


def test_a_webhook_is_added_by_keyboard_and_its_secret_copied(open_page: Any, screenshot: Any) -> None:
    project = make_project(name="Handwritten digits")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/webhooks/")
    said = keep_to_policy(page.context)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Address").focus()
    page.keyboard.type("https://example.org/hooks")
    for key in ("Tab", "Tab", "Space", "Tab", "Space"):
        page.keyboard.press(key)
    screenshot(page, "webhooks-add", full=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret == page.get_by_label("verifies messages").input_value()
    assert secret.startswith("whsec_")
    assert Webhook.objects.get().events == ["batch.done", "model_version.passed"]
    screenshot(page, "webhook-secret", full=True)
    assert said == []


@pytest.mark.parametrize("look", some(list(LOOKS)))
def test_a_dead_letter_is_sent_again(open_page: Any, screenshot: Any, look: str) -> None:
    project = make_project(name="Handwritten digits")
    webhook = make_webhook(project, events=3)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/webhooks/", **LOOKS[look])
    screenshot(page, f"webhooks-{look}", full=True)
    page.get_by_role("link", name="https://example.org/hooks/digits").click()
    page.get_by_text("Its answer").first.click()
    screenshot(page, f"webhook-{look}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("row", name="dead letter").get_by_role("button", name="Send again").click()
    expect(page.get_by_text("A worker sends the message now.")).to_be_visible()
    assert not webhook.deliveries.filter(state=Delivery.State.DEAD).exists()
