"""Test that no answer is lost or counted twice when the network or the server fails or the page is reloaded."""

from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, Route, expect

from labeling.models import Annotation, Assignment, Batch, Task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ANSWERS = "**/api/v1/projects/*/annotations/"


def values() -> list[Any]:
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def images_are_there(page: Page) -> None:
    """Wait until the shown item is complete, and give the next ones time to load."""
    expect(page.locator('#item img[data-state="ready"]')).to_be_visible()
    page.wait_for_load_state("networkidle")


def test_a_cut_network_loses_nothing_and_doubles_nothing(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    seen = screen.answer("1", "2")
    screen.wait_until_sent()
    images_are_there(screen.page)
    screen.page.context.set_offline(True)
    seen += screen.answer("3", "4", "5")
    expect(screen.unsent).to_have_text("Offline: 3 answers are kept here and will be sent")
    expect(screen.page.locator("#item img")).to_have_js_property("complete", True)
    screenshot(screen.page, "offline-unsent")
    assert len(values()) == 2
    while screen.page.locator("#stage[data-task]").count():
        seen += screen.answer("6")
    expect(screen.title).to_have_text("No connection")
    screenshot(screen.page, "offline-nothing-left")
    screen.page.context.set_offline(False)
    expect(screen.page.locator("#stage[data-task]")).to_be_visible()
    expect(screen.unsent).to_be_hidden()
    seen += screen.answer("7")
    screen.wait_until_sent()
    assert len(seen) == len(set(seen)) == len(values()) == Annotation.objects.count()
    assert values() == [1, 2, 3, 4, 5] + [6] * (len(seen) - 6) + [7]


@pytest.mark.long
def test_it_goes_on_at_once_when_the_server_is_back(open_screen: Any) -> None:
    """The page retries soon after the server is back, however long it was away."""
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    images_are_there(screen.page)
    screen.page.clock.install()
    screen.reload()
    images_are_there(screen.page)
    screen.page.context.route("**/api/v1/**", lambda route: route.abort())
    screen.answer("1")
    expect(screen.unsent).to_contain_text("1 answer not sent yet")
    screen.page.clock.run_for(90_000)
    screen.page.context.unroute("**/api/v1/**")
    screen.page.clock.run_for(3_000)
    screen.wait_until_sent()
    expect(screen.unsent).to_be_hidden()
    assert values() == [1]


def test_taking_back_works_without_a_network(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    screen.answer("1")
    screen.wait_until_sent()
    images_are_there(screen.page)
    screen.page.context.set_offline(True)
    screen.answer("2", "3")
    screen.press("Backspace", "Backspace", "Backspace")  # of which one has reached the server
    expect(screen.unsent).to_be_hidden()  # no answer is left to be sent
    expect(screen.page.locator("#undo")).to_have_attribute("aria-disabled", "true")
    screen.answer("4", "5")
    screen.press(" ", "1")
    screen.page.context.set_offline(False)
    screen.wait_until_sent()
    assert values() == [4, 5, None]
    assert not Annotation.objects.standing().filter(value__in=[1, 2, 3]).exists()
    assert Annotation.objects.get(value=1).undone_at is not None


def test_items_taken_back_stay_while_the_server_does_not_know_yet(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 6))
    screen = open_screen(project, make_member(project, "annie"))
    seen = screen.answer("1", "2")
    screen.wait_until_sent()
    screen.page.route("**/annotations/*/", lambda route: route.fulfill(status=503))
    screen.press("Backspace", "Backspace")
    with screen.page.expect_response("**/claim/"):  # as on the way back to a page that the browser kept
        screen.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    screen.look()
    assert screen.task == seen[0], "the server takes it for answered, and does not list it"
    screen.page.unroute("**/annotations/*/")
    assert screen.answer("3", "4") == seen
    screen.wait_until_sent()
    assert values() == [3, 4]


def test_no_answer_is_lost_or_doubled_by_a_reload_an_error_or_a_lost_reply(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    seen = screen.answer("1", "2", "3")
    here = screen.task
    screen.reload()
    assert screen.task == here
    assert Assignment.objects.pending().count() <= 10
    seen += screen.answer("4", "5")
    screen.press("Backspace")
    assert screen.task == seen[-1]
    expect(screen.past).to_have_count(4)  # those given before the reload can still be taken back
    screen.answer("6")
    screen.wait_until_sent()
    assert values() == [1, 2, 3, 4, 6]
    screen.page.context.route(ANSWERS, lambda route: route.fulfill(status=500, body="<h1>Server error</h1>"))
    seen = screen.answer("1", "2", "3")
    expect(screen.unsent).to_contain_text("3 answers not sent yet")
    screen.reload()
    expect(screen.unsent).to_contain_text("3 answers not sent yet")
    assert screen.task not in seen
    screen.answer("4")
    screen.page.context.unroute(ANSWERS)
    screen.wait_until_sent()
    expect(screen.unsent).to_be_hidden()
    assert values() == [1, 2, 3, 4, 6, 1, 2, 3, 4]
    lost = []

    def lose_the_reply(route: Route) -> None:
        if len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    screen.page.context.route(ANSWERS, lose_the_reply)
    screen.answer("1", "2")
    screen.wait_until_sent()
    assert lost == [200, 200]
    assert values() == [1, 2, 3, 4, 6, 1, 2, 3, 4, 1, 2]


def test_an_item_that_somebody_else_answered_is_told_of_and_dropped(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    bert = make_member(project, "bert")
    task = Task.objects.get(pk=screen.task)
    now = timezone.now()
    Assignment.objects.filter(task=task).update(ended_at=now)  # annie's lease has run out, and bert was quicker
    Assignment.objects.create(task=task, user=bert, lease_expires_at=now, answered_at=now)
    Annotation.objects.create(task=task, user=bert, value=8)
    Task.objects.filter(pk=task.pk).update(outstanding=0)
    screen.answer("1")
    expect(screen.told).to_contain_text("That item was already answered")
    expect(screen.past).to_have_count(0)
    screen.answer("2")
    screen.wait_until_sent()
    assert values() == [8, 2]


def test_leases_are_renewed_while_answers_come_and_a_lost_item_is_told_of(open_screen: Any) -> None:
    project = make_project(kind="image", lease_seconds=5)
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    bert = make_member(project, "bert")
    leases = Assignment.objects.pending().filter(user__username="annie")
    first = leases.latest("lease_expires_at").lease_expires_at
    screen.answer("1")
    gone = screen.task
    leases.filter(task=gone).update(user=bert)
    expect(screen.page.locator(f'#stage[data-task="{gone}"]')).to_have_count(0)  # as soon as the leases are renewed
    expect(screen.told).to_contain_text("went to other people")
    assert leases.earliest("lease_expires_at").lease_expires_at > first


def test_nothing_is_sent_in_the_name_of_another_who_signed_in(open_screen: Any, live_server: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    make_member(project, "bert")
    other = screen.page.context.new_page()
    other.goto(f"{live_server.url}/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("Username").fill("bert")
    other.get_by_label("Password").fill("bert-password")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="Your projects")).to_be_visible()
    screen.press("1")
    expect(screen.unsent).to_contain_text("1 answer not sent yet")
    assert values() == []


def test_one_tab_at_a_time_works(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    seen = screen.answer("1", "2")
    second = type(screen)(screen.page.context.new_page(), screen.url)
    second.open()
    expect(screen.title).to_have_text("You are labeling in another tab")
    screen.press("9")  # does nothing any more
    seen += second.answer("3", "4")
    screen.page.get_by_role("button", name="Label here").click()
    expect(second.title).to_have_text("You are labeling in another tab")
    seen += screen.answer("5")
    screen.wait_until_sent()
    assert len(set(seen)) == 5
    assert values() == [1, 2, 3, 4, 5]
    assert Batch.objects.get().remaining == 25


@pytest.mark.long
def test_a_browser_that_keeps_nothing_says_so(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 30))
    screen = open_screen(project, make_member(project, "annie"))
    screen.page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full') } }")
    screen.page.context.route(ANSWERS, lambda route: route.abort())
    screen.answer("1")
    expect(screen.unsent).to_have_text("1 answer not sent yet – this browser cannot keep it: leave the page open")
    screen.page.context.unroute(ANSWERS)
    expect(screen.unsent).to_be_hidden()
    assert values() == [1]
