"""Test the overview: the state of the loop, its contents by role, and the manager's controls."""

import datetime
import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_history, manager, member, signed_in, text_of

from labeling.models import Batch, Item, ItemImport, Job, Project, Role, WorkerSign
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.removing import restore_items

pytestmark = pytest.mark.django_db


def address(project: Project) -> str:
    return reverse("project", args=[project.slug])


def loop(project: Project, state: str) -> str:
    page = manager(project).post(reverse("project-loop", args=[project.slug]), {"loop": state}, follow=True)
    assert page.redirect_chain == [(address(project), 302)]
    return text_of(page)


def test_an_empty_project_leads_its_manager_to_the_import() -> None:
    page = manager(make_project()).get("/p/digits/")
    assert "Nothing to label yet." in text_of(page)
    assert '<a class="button primary" href="/p/digits/import/">Import items</a>' in page.content.decode()


def test_an_annotator_has_a_label_button_and_no_figures() -> None:
    project = make_project()
    make_history(project, 1)
    page = member(project, Role.ANNOTATOR).get(address(project))
    assert (
        f'<a class="button primary" href="{reverse("label", args=[project.slug])}">Label</a>' in page.content.decode()
    )
    assert "0 of 3 done" in text_of(page)
    for word in ("Accuracy", "Imported", "Pause", "Model version"):
        assert word not in text_of(page)


def test_the_curve_has_a_table_behind_it() -> None:
    project = make_project()
    make_history(project, 2)
    page = text_of(member(project, Role.ENGINEER).get(address(project)))
    assert "Imported 9" in page
    assert "Labeled 6" in page
    assert "Not yet in a batch 0" in page
    assert "Accuracy is 90 % after 160 labels" in page
    assert "Pause" not in page
    page = manager(project).get(address(project)).content.decode()
    assert page.count('<g class="mark">') == 2
    assert "<title>Version 2, 160 labels: 90.0\u00a0% (80.0\u00a0% to 95.0\u00a0%)</title>" in page
    assert '<td class="number">80.0\u00a0% to 95.0\u00a0%</td>' in page


def test_without_a_control_slice_it_says_so() -> None:
    project = make_project(control_share=0)
    make_items(project, 3)
    assert "Accuracy is not measured: the control share is 0." in text_of(manager(project).get(address(project)))


def test_where_accuracy_is_not_measured_it_says_why() -> None:
    project = make_project()
    make_items(project, 3)
    assert "none of these few items became a control item" in text_of(manager(project).get(address(project)))


def test_where_all_items_came_labeled_it_is_not_chance_that_none_is_a_control_item() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    Batch.objects.filter(pk=batch.pk).update(strategy="imported", state="done", remaining=0)
    page = text_of(manager(project).get(address(project)))
    assert "all items came with their labels, and labels of a file are never control items" in page
    make_items(project, 1, first=3)
    page = text_of(manager(project).get(address(project)))
    assert "by chance, none of these few items became a control item" in page


def test_before_the_first_training_it_says_when_accuracy_comes() -> None:
    project = make_project()
    make_items(project, 3, reserved=True)
    assert "It is measured once the first batch is labeled" in text_of(manager(project).get(address(project)))


def test_the_loop_is_paused_stopped_and_started() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    assert "Paused: annotators get no items" in loop(project, "paused")
    assert Project.objects.get().loop == "paused"
    assert "Stopped: no batch follows" in loop(project, "stopped")
    assert "The loop is running." in loop(project, "running")
    assert Project.objects.get().loop == "running"


@pytest.mark.parametrize(
    ("state", "levers"), [("running", ["Pause", "Stop"]), ("paused", ["Start", "Stop"]), ("stopped", ["Start"])]
)
def test_only_what_changes_something_is_offered(state: str, levers: list[str]) -> None:
    page = text_of(manager(make_project(loop=state)).get("/p/digits/"))
    assert [word for word in ("Start", "Pause", "Stop") if f" {word} " in page] == levers


def test_a_loop_whose_items_are_all_labeled_is_neither_paused_nor_stopped() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    page = text_of(manager(project).get("/p/digits/"))
    assert " Pause " in page
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0)
    page = text_of(manager(project).get("/p/digits/"))
    assert "no item is left to label" in page
    assert [word for word in ("Start", "Pause", "Stop") if f" {word} " in page] == []


def test_starting_sets_the_next_batch_going() -> None:
    project = make_project(loop="stopped")
    make_items(project, 3)
    loop(project, "running")
    assert project.batches.get().state == Batch.State.SELECTING


def test_nonsense_is_refused() -> None:
    response = manager(make_project()).post("/p/digits/loop/", {"loop": "backwards"})
    assert response.status_code == 400


def failed_batch(project: Project) -> Batch:
    batch = make_open_batch(project, make_items(project, 3))
    Batch.objects.filter(pk=batch.pk).update(state="failed", failed_in="training", reason="The disk is full.")
    Job.objects.create(
        project=project, batch=batch, kind=Job.Kind.TRAIN, state=Job.State.FAILED, reason="The disk is full."
    )
    return batch


def test_a_failed_batch_shows_its_reason_and_is_retried_by_a_manager() -> None:
    project = make_project()
    batch = failed_batch(project)
    page = text_of(member(project, Role.ANNOTATOR).get(address(project)))
    assert "A manager must check it." in page
    assert "disk" not in page
    assert "Try again" not in page
    client = manager(project)
    page = text_of(client.get(address(project)))
    assert page.count("The disk is full.") == 1
    assert "Try again Trains on the batch again" in page
    assert "Continue without this training" in page
    retry = reverse("project-retry", args=[project.slug, 1])
    assert "Batch 1 continues." in text_of(client.post(retry, follow=True))
    batch.refresh_from_db()
    assert (batch.state, batch.jobs.get().state) == ("training", "waiting")
    assert "has not failed" in text_of(client.post(retry, follow=True))


def test_a_failed_encoding_is_told_and_tried_again() -> None:
    project = make_project()
    make_items(project, 3, row=None)
    project.jobs.create(kind=Job.Kind.ENCODE, state=Job.State.FAILED, reason="Out of memory.")
    assert "Encoding items failed: Out of memory. Try again" in text_of(manager(project).get(address(project)))
    loop(project, "running")
    assert project.jobs.filter(kind=Job.Kind.ENCODE, state=Job.State.WAITING).exists()
    project.items.update(encode_error="no text")
    assert "Out of memory" not in text_of(manager(project).get(address(project)))


def test_a_step_that_is_put_off_says_why_and_when_it_is_tried_again() -> None:
    project = make_project()
    reason, soon = "The store does not answer (connection refused).", timezone.now() + datetime.timedelta(minutes=3)
    job = Job.objects.create(project=project, kind=Job.Kind.ENCODE, reason=reason, run_after=soon)
    client = manager(project)
    page = text_of(client.get(address(project))).replace("\u00a0", " ")
    said = "Encoding items is waiting: The store does not answer (connection refused). It is retried automatically"
    assert f"{said} in 3 min ." in page
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now())
    assert f"{said} as soon as a worker is free." in text_of(client.get(address(project)))
    annotator = make_member(project, "ann")
    client.force_login(annotator)
    assert "connection refused" not in text_of(client.get(address(project)))


def test_a_failed_import_is_told_with_its_file() -> None:
    project = make_project()
    job = project.jobs.create(kind=Job.Kind.IMPORT, state=Job.State.FAILED, reason="Gone.")
    ItemImport.objects.create(project=project, name="a.csv", path="/nowhere", state="failed", job=job)
    assert "Importing items of a.csv failed: Gone." in text_of(manager(project).get(address(project)))


def test_a_step_under_way_shows_phase_share_and_time() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    Batch.objects.filter(pk=batch.pk).update(state="training", remaining=0)
    now = timezone.now()
    project.jobs.create(
        batch=batch, kind=Job.Kind.TRAIN, state=Job.State.RUNNING, share=0.5, phase="training the model", urgent=True,
        started_at=now - datetime.timedelta(seconds=20), heartbeat_at=now, worker="elsewhere:1:a",
    )  # fmt: skip
    page = text_of(manager(project).get(address(project)))
    assert re.search(r"training the model · 50 % · next batch in about 2\d s", page)


def test_it_says_when_no_worker_runs() -> None:
    project = make_project()
    make_items(project, 3)
    client = manager(project)
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    assert "without a worker" not in text_of(client.get(address(project)))
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now() - datetime.timedelta(minutes=3))
    assert "Encoding items has waited for 3\u00a0min without a worker." in text_of(
        client.get(address(project))
    ).replace("3 min", "3\u00a0min")


def test_a_worker_that_is_busy_or_between_two_steps_is_no_missing_worker() -> None:
    project = make_project()
    make_items(project, 3)
    client, now = manager(project), timezone.now()
    job = Job.objects.create(project=project, kind=Job.Kind.ENCODE, run_after=now - datetime.timedelta(minutes=2))
    sign = WorkerSign.objects.create(name="here:1:a", seen_at=now)
    assert "has waited" not in text_of(client.get(address(project)))
    Job.objects.filter(pk=job.pk).update(run_after=now - datetime.timedelta(minutes=6))
    page = text_of(client.get(address(project))).replace("\u00a0", " ")
    assert "Encoding items has waited for 6 min: a worker runs, but has not begun it." in page
    assert "Start one" not in page
    assert "no worker is running" not in text_of(client.get(f"{address(project)}import/"))
    WorkerSign.objects.filter(pk=sign.pk).update(seen_at=now - datetime.timedelta(minutes=2))
    assert "Start one" in text_of(client.get(address(project)))


def test_it_says_when_the_worker_of_a_step_gives_no_sign_any_more() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 3))
    Batch.objects.filter(pk=batch.pk).update(state="training", remaining=0)
    now = timezone.now()
    job = project.jobs.create(
        batch=batch, kind=Job.Kind.TRAIN, state=Job.State.RUNNING, share=0.5, phase="training the model", urgent=True,
        started_at=now - datetime.timedelta(minutes=5), heartbeat_at=now, worker="elsewhere:1:a",
    )  # fmt: skip
    client = manager(project)
    assert "not responded" not in text_of(client.get(address(project)))
    Job.objects.filter(pk=job.pk).update(heartbeat_at=now - datetime.timedelta(minutes=4))
    page = text_of(client.get(address(project)))
    assert "The worker for training the model has not responded for 4 min" in page.replace("\u00a0", " ")
    assert "python manage.py worker" in page
    assert "next batch in about" not in page


def test_another_projects_dead_step_does_not_hide_that_no_worker_runs() -> None:
    project, other = make_project(), make_project("other")
    long_ago = timezone.now() - datetime.timedelta(minutes=3)
    other.jobs.create(kind="encode", state="running", worker="elsewhere:1:a", heartbeat_at=long_ago)
    Job.objects.create(project=project, kind=Job.Kind.ENCODE, run_after=long_ago)
    client = manager(project)
    assert "without a worker" in text_of(client.get(address(project)))
    other.jobs.update(heartbeat_at=timezone.now())
    assert "without a worker" not in text_of(client.get(address(project)))


def test_a_batch_that_is_the_last_promises_no_other() -> None:
    project = make_project(loop="stopped")
    batch = make_open_batch(project, make_items(project, 3))
    client = manager(project)
    assert "3 items wait for an answer; no batch follows this one." in text_of(client.get(address(project)))
    project.jobs.create(
        batch=batch, kind=Job.Kind.TRAIN, state=Job.State.DONE,
        started_at=timezone.now() - datetime.timedelta(seconds=20), finished_at=timezone.now(),
    )  # fmt: skip
    Batch.objects.filter(pk=batch.pk).update(state="training", remaining=0)
    page = text_of(client.get(address(project)))
    assert "The model is training on it. No batch follows." in page
    assert "Wait for batch 2" not in page
    assert "next batch in about" not in page
    project.loop = "running"
    project.save(update_fields=["loop"])
    assert "Wait for batch 2" in text_of(client.get(address(project)))


def test_the_batch_after_which_no_item_is_left_promises_no_other() -> None:
    project = make_project(pick_ahead=None)
    items = make_items(project, 4)
    batch = make_open_batch(project, items[:3])
    Item.objects.filter(pk=items[3].pk).update(excluded_at=timezone.now())
    annie = make_member(project, "annie")
    client = signed_in(annie)
    tasks = queue.claim(project=project, user=annie, count=3).tasks
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
    submitting.submit(project=project, user=annie, answers=answers)
    assert Batch.objects.get(pk=batch.pk).state == "training"
    for page in (text_of(client.get(address(project))), text_of(client.get("/"))):
        assert "Batch 1 is complete, and no item is left to label. The model is training on it." in page
        assert "Wait for batch" not in page
    restore_items(project=project, ids=[items[3].pk], user=annie)
    for page in (text_of(client.get(address(project))), text_of(client.get("/"))):
        assert "Wait for batch 2" in page


def test_names_are_shown_as_they_are_and_run_nothing() -> None:
    project = make_project(name="<script>alert(1)</script>")
    page = manager(project).get(address(project)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_running_batch_shows_its_parts_and_who_is_on_it() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 10))
    annie = make_member(project, "annie")
    tasks = queue.claim(project=project, user=annie, count=4).tasks
    given = [Answer(uuid.uuid4(), task.pk, value=1, seconds=2) for task in tasks[:2]]
    submitting.submit(project=project, user=annie, answers=given)
    page = text_of(manager(project).get(address(project)))
    assert "2 answered 2 with annotators 6 open" in page
    assert "Who is on it Annotator Answered Skipped Holds now Last answer annie at work 2 0 2 just now" in page
    assert "End batch" in page
    others = text_of(member(project, Role.ANNOTATOR).get(address(project)))
    assert "2 of 10 done" in others
    for word in ("annie", "with annotators", "End batch"):
        assert word not in others


def test_a_step_outside_the_loop_says_how_long_it_takes_too() -> None:
    project = make_project()
    now = timezone.now()
    project.jobs.create(
        kind="encode", state="running", phase="encoding items", share=0.25, worker="elsewhere:1:a",
        started_at=now - datetime.timedelta(seconds=30), heartbeat_at=now,
    )  # fmt: skip
    page = text_of(manager(project).get(address(project)))
    assert re.search(r"encoding items · 25 % · about (89|9\d) s left|encoding items · 25 % · about 2 min left", page)
