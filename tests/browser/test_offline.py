"""Test that the annotator's screen starts without a network, with what the browser has kept for its person."""

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from test_audio import tones

from labeling.models import Annotation, Assignment, Membership, Project, Task, User
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEPT = """async () => {
  const urls = [];
  for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) urls.push(url);
  return urls;
}"""


def kept(page: Page, part: str = "") -> list[str]:
    return [url for url in page.evaluate(KEPT) if part in url]


def wait_until_kept(page: Page, items: int, files: int | None = None) -> None:
    """Wait until the page, these many items and their files are kept, and the worker answers for the page."""
    page.wait_for_function("() => navigator.serviceWorker.controller")
    for _ in range(100):
        if len(kept(page, "/item/")) == items and len(kept(page, "/media/")) == (items if files is None else files):
            return
        page.wait_for_timeout(100)
    raise AssertionError(kept(page))


def values() -> list[Any]:
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def start(kept_ready: int = 20, kind: str = "image", **settings: Any) -> tuple[Project, User]:
    project = make_project(kind=kind, kept_ready=kept_ready, **settings)
    make_open_batch(project, make_items(project, 30))
    return project, make_member(project, "annie")


def sign_in_as(page: Page, name: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your projects")).to_be_visible()


def test_signing_out_leaves_no_items_and_the_next_person_sends_no_answers(open_screen: Any) -> None:
    project, annie = start()
    screen = open_screen(project, annie)
    make_member(project, "bert")
    wait_until_kept(screen.page, 20)
    screen.page.context.set_offline(True)
    screen.answer("1", "2")
    screen.page.context.route("**/annotations/", lambda route: route.abort())
    screen.page.context.set_offline(False)
    screen.page.goto("/")
    screen.page.get_by_role("button", name="Sign out").click()
    sign_in_as(screen.page, "bert")
    assert kept(screen.page) == []
    screen.page.context.unroute("**/annotations/")
    screen.open()
    screen.answer("7")
    screen.page.wait_for_function(
        "() => Object.keys(localStorage).filter((key) => key.includes(':outbox:')).length === 2"
    )
    assert list(Annotation.objects.values_list("user__username", "value")) == [("bert", 7)]
    screen.page.goto("/")
    screen.page.get_by_role("button", name="Sign out").click()
    sign_in_as(screen.page, "annie")
    screen.open()
    screen.wait_until_sent()
    assert list(Annotation.objects.filter(user=annie).values_list("value", flat=True)) == [1, 2]


def test_a_kept_page_of_another_person_shows_no_items_and_sends_nothing(open_screen: Any, sign_in: Any) -> None:
    """Should the browser have failed to forget: the token tells that it is another person's."""
    screen = open_screen(*start())
    wait_until_kept(screen.page, 20)
    screen.page.context.set_offline(True)
    screen.answer("1")
    token = next(each for each in screen.page.context.cookies() if each["name"] == "csrftoken")
    screen.page.context.add_cookies([{**token, "value": "x" * 32}])
    screen.page.reload()
    expect(screen.title).to_have_text("You are signed out")
    expect(screen.page.locator("#panel-text")).to_have_text("Sign in to go on. 1 answer is kept here and will be sent.")
    screen.page.context.set_offline(False)
    screen.page.wait_for_timeout(3_000)
    assert values() == []


def test_a_session_that_ended_meanwhile_keeps_the_answers_for_its_person(open_screen: Any) -> None:
    screen = open_screen(*start())
    wait_until_kept(screen.page, 20)
    screen.page.context.set_offline(True)
    screen.reload()
    screen.answer("1", "2")
    Session.objects.all().delete()
    screen.page.context.set_offline(False)
    expect(screen.unsent).to_have_text("2 answers not sent yet – kept here and sent when you sign in")
    screen.page.get_by_role("link", name="Sign in").click()
    screen.page.get_by_label("Username").fill("annie")
    screen.page.get_by_label("Password").fill("annie-password")
    screen.page.get_by_role("button", name="Sign in").click()
    screen.wait_until_sent()
    assert values() == [1, 2]


def test_items_that_left_meanwhile_are_told_of_and_kept_no_more(open_screen: Any) -> None:
    project, annie = start()
    screen = open_screen(project, annie)
    wait_until_kept(screen.page, 20)
    screen.page.context.set_offline(True)
    screen.reload()
    first, second = screen.answer("1", "2")
    bert = make_member(project, "bert")
    now = timezone.now()
    Assignment.objects.filter(task=first).update(ended_at=now)
    Assignment.objects.create(task_id=first, user=bert, lease_expires_at=now, answered_at=now)
    Annotation.objects.create(task_id=first, user=bert, value=8)
    Task.objects.filter(pk=first).update(outstanding=0, free=0)
    gone = screen.task
    Assignment.objects.filter(task=gone).update(user=bert)
    screen.page.context.set_offline(False)
    screen.wait_until_sent()
    expect(screen.page.locator(f'#stage[data-task="{gone}"]')).to_have_count(0)
    assert dict(Annotation.objects.values_list("task", "value")) == {first: 8, second: 2}
    screen.page.wait_for_timeout(2_000)
    records = {int(url.rpartition("/")[2]) for url in kept(screen.page, "/item/")}
    assert not records & {first, second, gone}
    assert len(kept(screen.page, "/media/")) == len(records)


def test_nothing_stays_for_a_person_who_may_not_label_any_more(open_screen: Any) -> None:
    project, annie = start()
    screen = open_screen(project, annie)
    wait_until_kept(screen.page, 20)
    screen.page.context.set_offline(True)
    screen.reload()
    Membership.objects.filter(user=annie).delete()
    screen.page.context.set_offline(False)
    for _ in range(100):
        if not kept(screen.page):
            return
        screen.page.wait_for_timeout(100)
    raise AssertionError(kept(screen.page))


def test_a_new_release_replaces_the_page_its_files_and_the_worker(open_screen: Any, monkeypatch: Any) -> None:
    screen = open_screen(*start())
    wait_until_kept(screen.page, 20)
    worker = "async () => (await (await fetch('/p/digits/label/worker.js')).text())"
    before = screen.page.evaluate(worker)
    plain = StaticFilesStorage.url

    def released(self: StaticFilesStorage, name: str | None) -> str:
        return f"{plain(self, name)}?2" if name == "js/label/main.js" else plain(self, name)

    monkeypatch.setattr(StaticFilesStorage, "url", released)
    screen.reload()
    expect(screen.page.locator("#stage[data-task]")).to_be_visible()
    for _ in range(100):
        if [url.rpartition("/")[2] for url in kept(screen.page, "/label/main.js")] == ["main.js?2"]:
            break
        screen.page.wait_for_timeout(100)
    assert [url.rpartition("/")[2] for url in kept(screen.page, "/label/main.js")] == ["main.js?2"]
    assert screen.page.evaluate(worker) != before
    screen.page.context.set_offline(True)
    screen.reload()
    assert screen.task


@pytest.mark.parametrize("kind", some(["text", "vector"]))
def test_every_kind_starts_without_a_network(open_screen: Any, kind: str) -> None:
    screen = open_screen(*start(kind=kind))
    wait_until_kept(screen.page, 20, files=0)
    screen.page.context.set_offline(True)
    here = screen.task
    screen.reload()
    assert screen.task == here
    expect(screen.unsent).to_have_text("Offline: 20 items are kept here")


def test_it_starts_without_a_network_or_token_and_sends_the_answers_once(open_screen: Any, screenshot: Any) -> None:
    screen = open_screen(*start())
    wait_until_kept(screen.page, 20)
    assert all("/media/" in url for url in kept(screen.page, "/api/"))
    page = screen.page.evaluate("async () => (await (await caches.match(location.pathname)).text())")
    token = next(each for each in screen.page.context.cookies() if each["name"] == "csrftoken")["value"]
    assert token not in page
    assert "csrfmiddlewaretoken" not in page
    screen.page.context.set_offline(True)
    here = screen.task
    screen.reload()
    assert screen.task == here
    expect(screen.page.locator('#item img[data-state="ready"]')).to_be_visible()
    image = screen.page.locator("#item img").get_attribute("src")
    status = "async (url) => (await fetch(url, { cache: 'reload' })).status"
    assert screen.page.evaluate(status, image) == 200, "it is kept, not only in the browser's cache of replies"
    seen = screen.answer(*"1234567891")
    expect(screen.unsent).to_have_text("Offline: 10 answers are kept here and will be sent")
    screenshot(screen.page, "offline-started")
    screen.reload()
    expect(screen.unsent).to_have_text("Offline: 10 answers are kept here and will be sent")
    expect(screen.page.locator('#item img[data-state="ready"]')).to_be_visible()
    assert screen.task not in seen
    seen += screen.answer("2")
    screen.page.context.set_offline(False)
    screen.wait_until_sent()
    expect(screen.unsent).to_be_hidden()
    assert values() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]
    assert Annotation.objects.count() == 11


@pytest.mark.long
def test_recordings_play_without_a_network(open_screen: Any) -> None:
    project = tones()
    screen = open_screen(project, make_member(project, "annie"))
    wait_until_kept(screen.page, 4)
    screen.page.context.set_offline(True)
    screen.reload()
    expect(screen.page.locator('#item .wave[data-state="drawn"]')).to_be_visible(timeout=20_000)
    screen.press("p")
    expect(screen.page.locator("#item .time")).not_to_contain_text("0:00.0")
