"""Test that the browser enforces the server's content security policy and that every page works under it, Django's
admin included.
"""

from typing import Any

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_project, make_user
from pages import make_history, signed_in
from playwright.sync_api import ConsoleMessage, Page, expect

from labeling.models import Project, Role, SignInFailure, User
from labeling.web.urls import urlpatterns

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def boss() -> User:
    return make_user("boss", is_staff=True, is_superuser=True)


@pytest.fixture
def project() -> Project:
    project = make_project(kind="image", guidelines="# Read this\n\n- a *point*")
    make_history(project, 3)
    make_items(project, 5, first=100)
    make_member(project, "annie")
    make_member(project, "mona", Role.MANAGER)
    return project


def listen(page: Page) -> list[str]:
    """Return a list that collects the browser's complaints from now on."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    return said


def about_policy(said: list[str]) -> list[str]:
    """Return the complaints without those about responses other than 200, and about the admin's missing icon."""
    return [text for text in said if "Failed to load resource" not in text]


def test_it_bites(open_page: Any, boss: User) -> None:
    page: Page = open_page(boss, "/account/")
    said = listen(page)
    page.evaluate(
        """() => {
            document.body.insertAdjacentHTML("beforeend", "<img src='/nothing' onerror='window.taken = 1'>");
            const script = document.createElement("script");
            script.textContent = "window.taken = 2";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/elsewhere.png";
            document.body.append(image);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.taken") is None
    assert len([text for text in said if "Content Security Policy" in text]) >= 3


@pytest.mark.long
def test_every_page_of_ours(open_page: Any, boss: User, project: Project) -> None:
    page: Page = open_page(boss)
    said = listen(page)
    values = {"slug": project.slug, "number": 1, "username": "annie"}
    paths = ["/", f"/p/{project.slug}/label/"]
    for pattern in urlpatterns:
        wanted = pattern.pattern.converters
        if wanted.keys() <= values.keys():
            paths.append(reverse(pattern.name, kwargs={name: values[name] for name in wanted}))
    paths = [path for path in paths if signed_in(boss).get(path).headers["Content-Type"].startswith("text/html")]
    visited = [path for path in paths if signed_in(boss).get(path).status_code == 200]
    assert len(visited) > 12
    for path in visited:
        response = page.goto(path, wait_until="load")
        assert response
        assert "default-src 'self'" in response.headers["content-security-policy"], path
    assert said == []


def test_pages_for_whoever_is_signed_out(page: Page, live_server: Any) -> None:
    make_user("mona")
    said = listen(page)
    for path in ("/login/", "/no-such-page"):
        page.goto(f"{live_server.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    for _ in range(5):
        page.goto(f"{live_server.url}/login/")
        page.get_by_label("Username").fill("mona")
        page.get_by_label("Password").fill("guess")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Too many wrong passwords")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Try again in 15 minutes")
    assert about_policy(said) == []


def test_the_admin(open_page: Any, boss: User, project: Project) -> None:
    SignInFailure.objects.create(user=User.objects.get(username="annie"), name_hash="0" * 64, client="127.0.0.1")
    page: Page = open_page(boss)
    said = listen(page)
    annie = User.objects.get(username="annie").pk
    for path in [
        "",
        "labeling/",
        "labeling/user/",
        "labeling/user/add/",
        f"labeling/user/{annie}/change/",
        f"labeling/user/{annie}/password/",
        f"labeling/user/{annie}/delete/",
        f"labeling/user/{annie}/history/",
        "labeling/project/",
        "labeling/batch/",
        "labeling/job/",
        "labeling/modelversion/",
        "labeling/itemimport/",
        "labeling/signinfailure/",
        f"labeling/signinfailure/{SignInFailure.objects.get().pk}/delete/",
        "auth/group/add/",
    ]:
        response = page.goto(f"/admin/{path}", wait_until="load")
        assert response
        assert response.status == 200, path
    # Its scripts run: the search for a member asks the server and shows what it finds.
    page.goto(f"/admin/labeling/project/{project.pk}/change/")
    page.get_by_text("Add another Membership").click()
    page.locator(".select2-selection").last.click()
    page.locator(".select2-search__field").fill("bos")
    expect(page.locator(".select2-results__option", has_text="boss")).to_be_visible()
    page.locator(".select2-results__option", has_text="boss").click()
    page.locator("select[id$=-role]:visible").last.select_option("engineer")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert project.memberships.get(user=boss).role == Role.ENGINEER
    assert about_policy(said) == []
