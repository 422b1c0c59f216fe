"""Test that leaving the annotator's screen releases the unanswered tasks at once."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Assignment
from tests.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def held() -> int:
    return Assignment.objects.pending().count()


def open_with_tasks(open_screen: Any, kind: str = "text") -> Any:
    project = make_project(kind=kind)
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    wait_until(lambda: held() == 10)
    return screen


@pytest.mark.long
def test_an_answer_that_waits_for_the_reply_to_another_is_sent_all_the_same(open_screen: Any) -> None:
    screen = open_with_tasks(open_screen)
    screen.page.evaluate(
        """() => {
          const direct = window.fetch;
          window.fetch = (url, options) => {
            if (!url.endsWith("/annotations/")) return direct(url, options);
            window.fetch = direct;
            direct(url, options);
            return new Promise(() => {});  // the reply never comes
          };
        }"""
    )
    screen.answer("1", "2", "3")
    screen.page.goto("/")
    wait_until(lambda: held() == 0)
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [1, 2, 3]


def test_closing_the_tab_gives_them_back(open_screen: Any) -> None:
    screen = open_with_tasks(open_screen)
    screen.page.context.new_page()
    screen.page.close(run_before_unload=True)
    wait_until(lambda: held() == 0)


@pytest.mark.long
def test_a_release_that_comes_late_takes_nothing_from_the_page_that_follows(open_screen: Any) -> None:
    screen = open_with_tasks(open_screen)
    # A slow network: what the page sends as it goes arrives when the next one has claimed.
    screen.page.evaluate(
        """() => {
          const direct = window.fetch;
          window.fetch = (url, options) => {
            if (!url.endsWith("/release/")) return direct(url, options);
            localStorage.setItem("late", options.body);
            return Promise.reject(new TypeError("late"));
          };
        }"""
    )
    screen.reload()
    expect(screen.page.locator("#stage[data-task]")).to_be_visible()
    answer = screen.page.evaluate(
        """async () => {
          const token = document.cookie.match(/csrftoken=([^;]+)/)[1];
          const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
          const body = localStorage.getItem("late");
          const response = await fetch("/api/v1/projects/digits/release/", { method: "POST", headers, body });
          return { asked: JSON.parse(body).tasks.length, ...(await response.json()) };
        }"""
    )
    assert answer == {"asked": 10, "released": 0}
    assert held() == 10


def test_a_reload_and_a_kept_page_go_on_with_the_same_item_and_leaving_gives_the_tasks_back(open_screen: Any) -> None:
    screen = open_with_tasks(open_screen)
    here = screen.task
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url.rpartition("/digits/")[2]))
    for kind in ("pagehide", "pageshow"):
        screen.page.evaluate("(kind) => dispatchEvent(new PageTransitionEvent(kind, { persisted: true }))", kind)
    wait_until(lambda: "claim/" in asked)
    assert "release/" not in asked
    assert screen.task == here
    assert held() == 10
    for _ in range(3):
        screen.answer("1")
        here = screen.task
        screen.reload()
        assert screen.task == here
    screen.wait_until_sent()
    assert Annotation.objects.count() == 3
    assert held() >= 10
    screen.answer("1", "2")
    screen.page.goto("/")
    wait_until(lambda: held() == 0)
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [1, 1, 1, 1, 2]


@pytest.mark.long
def test_a_tab_that_has_yielded_gives_back_nothing(open_screen: Any) -> None:
    screen = open_with_tasks(open_screen)
    other = screen.page.context.new_page()
    other.goto(screen.url)
    expect(other.locator("#stage[data-task]")).to_be_visible()
    expect(screen.title).to_have_text("You are labeling in another tab")
    screen.page.goto("/")
    other.wait_for_timeout(300)
    assert held() == 10
