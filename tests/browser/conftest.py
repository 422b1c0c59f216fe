"""Fixtures for tests in the system's Chromium against a live server. With SCREENSHOTS=1, tests/screenshots/ gets
pictures.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from screen import Screen

from labeling.models import Project, User

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Playwright runs an event loop in this thread, which Django would take for asynchronous code that uses the ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Long enough for a machine that is busy with other checks: only a test that fails waits so long.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

OpenPage = Callable[..., Page]
OpenScreen = Callable[..., Screen]


@pytest.fixture(autouse=True)
def _run_beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests to sources run in a thread of their own: the browser's event loop runs in that of the tests."""
    run = asyncio.run

    def run_in_thread(request: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(copy_context().run, run, request).result()

    monkeypatch.setattr(asyncio, "run", run_in_thread)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.fail("No Chromium on this machine: install the package chromium.", pytrace=False)
    return {"executable_path": path, "args": QUIET}


@pytest.fixture
def sign_in(live_server: Any) -> Callable[[BrowserContext, User], None]:
    """Give a browser context the session of a user."""

    def give(context: BrowserContext, user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])

    return give


@pytest.fixture
def open_page(
    browser: Browser, live_server: Any, sign_in: Callable[[BrowserContext, User], None]
) -> Iterator[OpenPage]:
    """Open a page in a new browser context for a user, or without a user, at a path if given. Browser errors fail the
    test.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_it(user: User | None, path: str = "", **options: Any) -> Page:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "base_url": live_server.url, **options}
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        if user is not None:
            sign_in(context, user)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        if path:
            page.goto(path)
        return page

    yield open_it
    # Before the database is emptied: a page that still asks would meet tables that are being cleared.
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def open_screen(open_page: OpenPage, live_server: Any) -> OpenScreen:
    """Open the annotator's screen of a project as a user."""

    def open_it(project: Project, user: User, **options: Any) -> Screen:
        screen = Screen(open_page(user, **options), f"{live_server.url}/p/{project.slug}/label/")
        screen.open()
        return screen

    return open_it


@pytest.fixture
def screenshot() -> Callable[..., None]:
    """Save a screenshot, if SCREENSHOTS is set."""
    wanted = os.environ.get("SCREENSHOTS") == "1"

    def take(page: Page, name: str, *, full: bool = False) -> None:
        if wanted:
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)

    return take
