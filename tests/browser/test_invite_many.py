"""Inviting several people at once, by shared links, and by username: in Chromium."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project, make_user
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Membership, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MEMBERS = "/p/digits/members/"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
TEAM = "Ann Lee <ann@example.org>\nbo@example.org\nCarla, Dörte; Ege"


@pytest.fixture
def manager(open_page: Any) -> Page:
    """The members' page of a project with a team, as its manager sees it."""
    project = make_project(kind="image", name="Handwritten digits")
    make_open_batch(project, make_items(project, 5))
    for name, role in (("annie", Role.ANNOTATOR), ("enzo", Role.ENGINEER), ("a.long.name@example.org", Role.ANNOTATOR)):
        make_member(project, name, role)
    return open_page(make_member(project, "mona", Role.MANAGER), MEMBERS)


def test_a_team_is_invited_at_once_and_the_links_are_copied(manager: Page, open_page: Any, screenshot: Any) -> None:
    said = keep_to_policy(manager.context)
    manager.context.grant_permissions(["clipboard-read", "clipboard-write"])
    manager.get_by_label("Names or addresses").fill(TEAM)
    manager.get_by_role("button", name="Make links").click()
    expect(manager.get_by_role("status")).to_be_focused()
    expect(manager.get_by_role("heading", name="5 invitations are ready")).to_be_visible()
    link = manager.get_by_label("Carla", exact=True).input_value()
    manager.get_by_role("button", name="Copy the link of Carla").click()
    assert manager.evaluate("navigator.clipboard.readText()") == link
    manager.get_by_role("button", name="Copy all").click()
    lines = manager.evaluate("navigator.clipboard.readText()").splitlines()
    assert len(lines) == 5
    assert f"Carla\t{link}" in lines
    expect(manager.get_by_role("table").last.get_by_role("rowheader")).to_have_count(5)
    screenshot(manager, "invite-team", full=True)

    carla: Page = open_page(make_user("carla"), link)
    carla.get_by_role("button", name="Join as carla").click()
    expect(carla.get_by_text("Your role: Annotator")).to_be_visible()
    manager.goto(MEMBERS)
    expect(manager.get_by_role("rowheader", name="Carla", exact=True)).to_have_count(0)
    expect(manager.get_by_role("rowheader", name="Dörte")).to_be_visible()
    assert said == []


def test_links_are_copied_over_plain_http_too(manager: Page) -> None:
    # Browsers give pages a clipboard over HTTPS and on the machine itself alone.
    manager.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    manager.get_by_label("Names or addresses").fill(TEAM)
    manager.get_by_role("button", name="Make links").click()
    manager.get_by_role("button", name="Copy all").click()
    expect(manager.get_by_role("button", name="Copied")).to_be_visible()
    names = manager.get_by_label("Names or addresses")
    names.press("Control+v")
    expect(names).to_have_value(manager.get_by_label("All names and links as text").input_value())


def test_a_link_for_many_by_keyboard(manager: Page, open_page: Any, screenshot: Any) -> None:
    manager.get_by_text("One link for many people").focus()
    manager.keyboard.press("Enter")
    people = manager.get_by_label("People", exact=True)
    manager.keyboard.press("Tab")
    manager.keyboard.press("Tab")
    expect(people).to_be_focused()
    manager.keyboard.type("0")
    manager.keyboard.press("Enter")
    expect(manager.locator(".errorlist")).to_have_text("Enter a whole number from 1 to 1,000.")
    people.fill("2")
    people.press("Enter")
    expect(manager.get_by_role("status")).to_be_focused()
    link = manager.get_by_label("Send this link to up to 2 people").input_value()
    screenshot(manager, "invite-shared", full=True)
    for name in ("bert", "cleo"):
        page: Page = open_page(make_user(name), link)
        page.get_by_role("button", name=f"Join as {name}").click()
        expect(page.get_by_text("Your role: Annotator")).to_be_visible()
    late: Page = open_page(make_user("dora"), link)
    expect(late.get_by_role("heading", name="This link no longer works")).to_be_visible()


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
def test_a_member_takes_one_line(open_page: Any, manager: Page, screenshot: Any, scheme: str) -> None:
    mona = Membership.objects.get(user__username="mona").user
    page: Page = open_page(mona, MEMBERS, color_scheme=scheme)
    for row in page.get_by_role("table").first.locator("tbody tr").all():
        assert row.bounding_box()["height"] < 80
    screenshot(page, f"members-{scheme}", full=True)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_member_is_changed_by_keyboard_also_without_scripts(open_page: Any, manager: Page, scripts: bool) -> None:
    mona = Membership.objects.get(user__username="mona").user
    page: Page = open_page(mona, MEMBERS, java_script_enabled=scripts)
    button = page.get_by_role("button", name="Change annie")
    drawer = page.get_by_role("dialog", name="annie")
    button.press("Enter")
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(drawer.get_by_label("Group")).to_be_focused()
    page.keyboard.type("night shift")
    page.keyboard.press("Enter")
    expect(page.get_by_text("annie is now annotator.")).to_be_visible()
    assert Membership.objects.get(user__username="annie").group == "night shift"
