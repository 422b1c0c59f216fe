"""Test that the screen without tasks says why and what to do, and continues by itself."""

import datetime
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Batch, Job, Project
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def finished_job(project: Project, batch: Batch, kind: str, seconds: int) -> None:
    now = timezone.now()
    Job.objects.create(
        project=project,
        batch=batch,
        kind=kind,
        state=Job.State.DONE,
        started_at=now - datetime.timedelta(seconds=seconds),
        finished_at=now,
    )


def test_the_next_batch_opens_by_itself(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image")
    items = make_items(project, 12)
    first = make_open_batch(project, items[:6])
    earlier = Batch.objects.create(project=project, number=0, state=Batch.State.DONE)
    for kind, seconds in (("train", 9), ("embed", 2), ("select", 1)):
        finished_job(project, earlier, kind, seconds)
    screen = open_screen(project, make_member(project, "annie"))
    screen.answer("1", "2", "3", "4", "5", "6")
    expect(screen.title).to_have_text("Batch 1 is complete")
    expect(screen.page.locator("#panel-text")).to_contain_text("The model is training, about 12 s left.")
    expect(screen.page.locator("#panel-text")).to_contain_text("All its answers are yours")
    expect(screen.page.locator("#batch-text")).to_have_text("Batch 1 · 6 of 6")
    expect(screen.past).to_have_count(0)  # these answers are in training now
    screenshot(screen.page, "waiting-training")
    Batch.objects.filter(pk=first.pk).update(state=Batch.State.DONE)
    second = Batch.objects.create(project=project, number=2)
    expect(screen.page.locator("#panel-text")).to_contain_text("Batch 2 is being picked")
    second.delete()
    make_open_batch(project, items[6:], number=2)
    expect(screen.page.locator("#stage[data-task]")).to_be_visible()
    expect(screen.page.locator("#batch-text")).to_have_text("Batch 2 · 0 of 6")
    screen.answer("7")
    screen.wait_until_sent()
    assert Annotation.objects.filter(task__batch__number=2).count() == 1


def test_the_last_items_of_a_batch_come_back_when_another_gives_them_up(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 12))
    bert = open_screen(project, make_member(project, "bert"))
    annie = open_screen(project, make_member(project, "annie"))
    annie.answer("1", "1")
    expect(annie.title).to_have_text("Others have the last items")
    expect(annie.page.locator("#panel-text")).to_contain_text("The last 10 items of batch 1 are with other annotators")
    screenshot(annie.page, "waiting-others")
    bert.page.evaluate("""async () => {
      const token = document.cookie.match(/csrftoken=([^;]+)/)[1];
      const headers = { "X-CSRFToken": token, "Content-Type": "application/json" };
      await fetch("/api/v1/projects/digits/release/", { method: "POST", headers, body: "{}" });
    }""")
    expect(annie.page.locator("#stage[data-task]")).to_be_visible()


@pytest.mark.long
def test_the_end_of_the_last_batch_is_the_end_of_the_work(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image", pick_ahead=0.9)
    make_open_batch(project, make_items(project, 10))
    bert = open_screen(project, make_member(project, "bert"))
    bert.answer(*"123456789")
    bert.wait_until_sent()
    annie = open_screen(project, make_member(project, "annie"))
    expect(annie.title).to_have_text("Others have the last items")
    expect(annie.page.locator("#panel-text")).to_contain_text("No other item is left.")
    bert.answer("1")
    for screen, title in ((bert, "Batch 1 is complete"), (annie, "Everything is labeled")):  # annie labeled nothing
        expect(screen.title).to_have_text(title)
        expect(screen.page.locator("#panel-text")).to_contain_text(
            "No item is left. Thank you: there is nothing more to do here."
        )
        expect(screen.page.locator("#panel-text")).not_to_contain_text("opens here")
        expect(screen.page.get_by_role("link", name="Your projects", exact=True)).to_be_visible()
    screenshot(annie.page, "waiting-final")


@pytest.mark.long
def test_an_undo_works_while_others_have_the_last_items(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 11))
    open_screen(project, make_member(project, "bert"))
    annie = open_screen(project, make_member(project, "annie"))
    seen = annie.answer("1")
    expect(annie.title).to_have_text("Others have the last items")
    annie.press("Backspace")
    assert annie.task == seen[0]
    annie.answer("2")
    annie.wait_until_sent()
    assert list(Annotation.objects.standing().values_list("value", flat=True)) == [2]


@pytest.mark.parametrize(
    ("state", "loop", "title"),
    some(
        [
            (Batch.State.OPEN, Project.Loop.PAUSED, "Paused by a manager"),
            (Batch.State.SELECTING, Project.Loop.RUNNING, "The first batch is on its way"),
            (Batch.State.FAILED, Project.Loop.RUNNING, "Batch 1 has failed"),
        ],
        2,
    ),
)
def test_labeling_goes_on_by_itself(open_screen: Any, screenshot: Any, state: str, loop: str, title: str) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 5))
    Batch.objects.update(state=state, reason="The disk is full." if state == Batch.State.FAILED else "")
    Project.objects.update(loop=loop)
    screen = open_screen(project, make_member(project, "annie"))
    expect(screen.title).to_have_text(title)
    screenshot(screen.page, f"waiting-{state}-{loop}")
    Batch.objects.update(state=Batch.State.OPEN)
    Project.objects.update(loop=Project.Loop.RUNNING)
    expect(screen.page.locator("#stage[data-task]")).to_be_visible()


def test_an_empty_a_stopped_and_a_finished_project_say_so(open_screen: Any) -> None:
    project = make_project(kind="image")
    annie = make_member(project, "annie")
    screen = open_screen(project, annie)
    expect(screen.title).to_have_text("Nothing to label yet")
    expect(screen.page.get_by_role("link", name="Your projects", exact=True)).to_be_visible()
    job = Job.objects.create(project=project, kind=Job.Kind.ENCODE, state=Job.State.RUNNING, share=0.4)
    expect(screen.title).to_have_text("Items are being imported")
    job.delete()
    items = make_items(project, 3)
    make_open_batch(project, items[:2])
    Batch.objects.update(state=Batch.State.DONE)
    Project.objects.update(loop=Project.Loop.STOPPED)
    expect(screen.title).to_have_text("Stopped by a manager")
    items[2].delete()
    expect(screen.title).to_have_text("Everything is labeled")


def test_a_member_who_was_removed_is_told(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 3))
    screen = open_screen(project, make_member(project, "annie"))
    project.memberships.all().delete()
    screen.answer("1", "2", "3")
    expect(screen.title).to_have_text("You cannot label here")
    assert not Annotation.objects.exists()
