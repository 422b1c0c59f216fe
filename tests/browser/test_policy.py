"""Test that the pages work under a strict content security policy."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Route, expect
from policy import POLICY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_annotators_screen_keeps_to_a_strict_policy(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    said: list[str] = []
    screen.page.on("console", lambda message: said.append(message.text))

    def with_policy(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, headers={**response.headers, "Content-Security-Policy": POLICY})

    screen.page.route(screen.url, with_policy)
    screen.reload()
    screen.answer("1")
    screen.press(" ", "1", "f", "g", "Escape", "?", "Escape", "Backspace")
    screen.wait_until_sent()
    expect(screen.page.locator("#item img.pixelated")).to_be_visible()
    assert said == []
