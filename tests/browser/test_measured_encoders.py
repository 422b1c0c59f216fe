"""Test that the measurement of encoders can be read by everybody, and asked for by keyboard."""

from typing import Any

import pytest
from axe import faults
from django.utils import timezone
from factories import make_items, make_member, make_project
from playwright.sync_api import Page, expect

from labeling.models import EncoderComparison, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("phone", {"viewport": {"width": 360, "height": 800}, "has_touch": True, "is_mobile": True}),
    ("dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}}),
    ("light", {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}}),
]
RESNET = {"architecture": "torchvision/resnet50", "weights": "resnet50.pth"}


@pytest.mark.parametrize(("look", "options"), some(LOOKS))
def test_the_results_are_read_and_asked_for_again(
    open_page: Any, screenshot: Any, look: str, options: dict[str, Any]
) -> None:
    project = make_project(kind="image", encoder={"name": "pixels", "options": {"size": 16}}, features_generation=1)
    make_items(project, 60, label=1)
    now = timezone.now()
    results = [
        {"choice": {"name": "pixels", "options": {"size": 16}}, "accuracy": 0.78, "low": 0.72, "high": 0.83,
         "tested": 200, "seconds": 0.8, "pool_seconds": 24.0},
        {"choice": {"name": "backbone", "options": RESNET}, "accuracy": 0.91, "low": 0.86, "high": 0.94, "tested": 200,
         "seconds": 31.0, "pool_seconds": 930.0},
        {"choice": {"name": "fine-tuned", "options": RESNET}, "problem": "resnet50.pth cannot be read as weights."},
    ]  # fmt: skip
    EncoderComparison.objects.create(
        project=project, choices=[each["choice"] for each in results], results=results, labels=400, drawn=True,
        asked_at=now, measured_at=now,
    )  # fmt: skip
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/encoder/", **options)
    page.locator("details:has-text('Measure another') > summary").press("Enter")
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, f"measured-encoders-{look}", full=True)
    page.get_by_role("button", name="Measure again").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("0 of 3 encoders")
