"""Recovery codes are copied, downloaded and printed, under the policy that pages are served with."""

from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from factories import make_user
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.storage.db.sealed import seal

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = "/account/second-factor/codes/"


@pytest.fixture
def mona() -> Any:
    user = make_user("mona")
    for kind in ("totp", "recovery_codes"):
        data = {"secret": seal("JBSWY3DPEHPK3PXP"), "seed": seal("0" * 80), "used_mask": 0}
        Authenticator.objects.create(user=user, type=kind, data=data)
    return user


def open_codes(page: Page) -> None:
    page.goto(PATH)
    page.get_by_label("Password").fill("mona-password")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def codes_on(page: Page) -> list[str]:
    codes = page.locator("#codes").inner_text().split()
    assert len(codes) == 10
    return codes


def test_codes_are_copied_and_downloaded(mona: Any, open_page: Any, tmp_path: Path) -> None:
    page: Page = open_page(mona)
    said = keep_to_policy(page.context)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_codes(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == codes_on(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith("-recovery-codes.txt")
    download.value.save_as(tmp_path / "codes.txt")
    assert (tmp_path / "codes.txt").read_text().split() == codes_on(page)
    assert said == []


def test_print_shows_the_codes_alone(mona: Any, open_page: Any, screenshot: Any) -> None:
    page: Page = open_page(mona)
    page.add_init_script("window.print = () => { window.printed = true; }")
    open_codes(page)
    page.get_by_role("button", name="Print").click()
    assert page.evaluate("window.printed")
    page.emulate_media(media="print")
    screenshot(page, "recovery-codes-printed", full=True)
    assert page.locator("body").inner_text().split() == ["Recovery", "codes", *codes_on(page)]


def test_without_scripts_the_codes_are_there_and_no_button_is_dead(mona: Any, open_page: Any) -> None:
    page: Page = open_page(mona, java_script_enabled=False)
    open_codes(page)
    codes_on(page)
    for name in ("Copy", "Download", "Print"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
