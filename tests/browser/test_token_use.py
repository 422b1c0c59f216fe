"""Test the examples for API tokens on the account page, with curl and with Python."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from factories import make_member, make_project
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def run(*command: str, token: str) -> str:
    done = subprocess.run(command, env={**os.environ, "TOKEN": token}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_the_lines_of_the_page_work_until_the_token_is_revoked(open_page: Any) -> None:
    project = make_project()
    page = open_page(make_member(project, "enzo", "engineer"), "/account/")
    page.get_by_role("button", name="Create a token").click()
    token = page.locator("#secret").inner_text()
    page.get_by_text("Use a token in a program").click()
    line = page.locator("#use-curl").inner_text()
    assert '"slug":"digits"' in run("bash", "-c", line, token=token)
    code = page.locator("#use-python").inner_text()
    assert "digits" in run(sys.executable, "-c", f"{code}\nprint([each['slug'] for each in projects])", token=token)

    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    refused = subprocess.run(["bash", "-c", line], env={**os.environ, "TOKEN": token}, capture_output=True, text=True)
    assert refused.returncode != 0
    assert re.search(r"\b401\b", refused.stderr)
