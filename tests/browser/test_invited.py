"""Test that a manager creates an invitation and another person joins with it, each in a browser."""

import re
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project, make_user
from playwright.sync_api import Page, expect
from policy import keep_to_policy
from screen import Screen

from labeling.models import Annotation, Invitation, Membership, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MEMBERS = "/p/digits/members/"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def manager(open_page: Any) -> Page:
    """Open the members' page of a project with an open batch as its manager."""
    project = make_project(kind="image", name="Handwritten digits")
    make_open_batch(project, make_items(project, 5))
    return open_page(make_member(project, "mona", Role.MANAGER), MEMBERS)


def make_link(page: Page, role: str = "Annotator: labels") -> str:
    form = page.locator("form").filter(has_text="Invite people")
    form.get_by_label("Role").select_option(role)
    form.get_by_role("button", name="Make links").click()
    return page.get_by_label("Send this link to one person").input_value()


def role_of(username: str) -> str:
    return Membership.objects.get(user__username=username).role


def fill_account(page: Page, username: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill("long-and-odd-7")
    page.get_by_label("Password confirmation").fill("long-and-odd-7")
    page.get_by_role("button", name="Create my account and join").click()


def test_a_new_person_makes_an_account_and_labels(manager: Page, open_page: Any, screenshot: Any) -> None:
    said = keep_to_policy(manager.context)
    link = make_link(manager)
    expect(manager.get_by_role("status")).to_be_focused()
    screenshot(manager, "invitation-link", full=True)

    nora: Page = open_page(None, link)
    said_to_nora = keep_to_policy(nora.context)
    nora.reload()
    expect(nora.get_by_role("heading", name="You are invited to Handwritten digits")).to_be_visible()
    fill_account(nora, "mona")
    expect(nora.locator(".errorlist")).to_have_text("This name cannot be used here. Choose another one.")
    expect(nora.get_by_label("Username")).to_have_value("mona")
    fill_account(nora, "nora")
    expect(nora.get_by_text("You are in Handwritten digits. Your role: Annotator.")).to_be_visible()
    expect(nora.locator('#content[data-state="item"]')).to_be_visible()
    screen = Screen(nora, nora.url)
    screen.answer("3")
    screen.wait_until_sent()
    assert Annotation.objects.get().user.username == "nora"

    late: Page = open_page(None, link)
    expect(late.get_by_role("heading", name="This link no longer works")).to_be_visible()
    manager.reload()
    expect(manager.get_by_role("rowheader", name="nora")).to_be_visible()
    # The browser also reports the form that was sent back with status 400: that is meant.
    assert [text for text in said + said_to_nora if "400" not in text] == []


def test_the_link_is_copied_and_withdrawn(manager: Page, open_page: Any) -> None:
    manager.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = make_link(manager)
    field = manager.get_by_label("Send this link to one person")
    expect(field).to_have_attribute("readonly", "")
    field.focus()
    assert manager.evaluate("getSelection().toString()") == link
    manager.get_by_role("button", name="Copy").click()
    expect(manager.get_by_role("button", name="Copied")).to_be_visible()
    assert manager.evaluate("navigator.clipboard.readText()") == link
    manager.get_by_role("button", name="Withdraw").click()
    expect(manager.get_by_text("The invitation is withdrawn. Its link no longer works.")).to_be_visible()
    expect(manager.get_by_role("button", name=re.compile("Withdraw"))).to_have_count(0)
    page: Page = open_page(make_user("enzo"), link)
    expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_it_all_goes_by_keyboard(manager: Page, open_page: Any) -> None:
    manager.locator("#id_role").focus()
    manager.keyboard.press("m")  # Manager
    manager.keyboard.press("Tab")
    manager.keyboard.press("Enter")
    expect(manager.get_by_role("status")).to_be_focused()
    manager.keyboard.press("Tab")
    expect(manager.get_by_label("Send this link to one person")).to_be_focused()
    manager.keyboard.press("Tab")
    expect(manager.get_by_role("button", name="Copy")).to_be_focused()
    link = manager.get_by_label("Send this link to one person").input_value()
    nora: Page = open_page(None, link)
    expect(nora.get_by_label("Username")).to_be_focused()
    for text in ("nora", "long-and-odd-7", "long-and-odd-7"):
        nora.keyboard.type(text)
        nora.keyboard.press("Tab")
    nora.keyboard.press("Enter")
    expect(nora.get_by_text("You are in Handwritten digits. Your role: Manager.")).to_be_visible()
    assert Invitation.objects.get().closed_at is not None


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
def test_on_a_phone_the_fields_of_members_can_be_read(open_page: Any, screenshot: Any, scheme: str) -> None:
    project = make_project()
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/members/", **PHONE, color_scheme=scheme)
    page.get_by_role("button", name="Change mona").tap()
    drawer = page.get_by_role("dialog", name="mona")
    for label in ("Role", "Group", "Answers a day"):
        assert drawer.get_by_label(label).bounding_box()["width"] >= 100
    screenshot(page, f"members-phone-{scheme}", full=True)
