"""Test the first start in an empty folder, from the link in the terminal to the form for the first project."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

# `test_serve.py` starts both programs, `test_first_account.py` reads the link, `test_newcomer.py` takes the steps.
pytestmark = [pytest.mark.browser, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def printed_link(tmp_path: Path) -> Iterator[str]:
    """Start an installation without accounts, and return the link in its terminal."""
    environment = os.environ | {
        "DATA_DIR": str(tmp_path / "new"),
        "WEB_CONCURRENCY": "1",
        "DEBUG": "true",  # static files as they lie there: nothing is collected for tests
    }
    for name in ("DATABASE_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        environment["PORT"] = str(probe.getsockname()[1])
    # As `make run` does it, from nothing: no test before this one may have made it possible.
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
    process = subprocess.Popen(
        [sys.executable, "scripts/serve.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://\S+/setup/\S+", line):
                assert "There is no account yet" in said
                yield found[0]
                break
        else:
            pytest.fail(f"no link was printed:\n{said}")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_from_the_terminal_to_the_first_project(page: Page, printed_link: str) -> None:
    site = printed_link.partition("/setup/")[0]
    page.goto(site)
    expect(page.get_by_role("heading", name="This server has no accounts yet")).to_be_visible()
    page.goto(printed_link)
    expect(page.get_by_role("heading", name="Welcome to Marginalia")).to_be_visible()
    page.get_by_label("Username").fill("mona")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password confirmation").fill("short")
    page.get_by_role("button", name="Create my account").click()
    expect(page.get_by_label("Username")).to_have_value("mona")
    expect(page.locator(".errorlist")).to_contain_text("too short")
    page.get_by_label("Password", exact=True).fill("long-and-odd-7")
    page.get_by_label("Password confirmation").fill("long-and-odd-7")
    page.get_by_role("button", name="Create my account").click()
    expect(page.get_by_role("heading", name="New project")).to_be_visible()
    expect(page.locator(".notice[role=status]")).to_contain_text("Now create your first project")
    page.get_by_role("button", name="Sign out").click()
    page.goto(printed_link)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
