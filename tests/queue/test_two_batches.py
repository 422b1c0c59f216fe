"""Test picking ahead: annotators go on from one batch to the next, and the first one is still finished."""

import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from rest_framework.test import APIClient
from simultaneous import at_once

from labeling.insight.progress import progress_of
from labeling.loop import batches
from labeling.loop.table import BatchEvent
from labeling.models import Annotation, Assignment, Batch, Item, ItemImport, Job, Project, Task, User
from labeling.queue import deadlines, queue, submitting
from labeling.queue.answer import Answer, Outcome
from labeling.queue.removing import restore_items

pytestmark = pytest.mark.django_db(transaction=True)


def two_batches(first: int = 10, second: int = 10, **settings: object) -> tuple[Project, Batch, Batch]:
    """Create a project with an open first batch and a ready second one."""
    project = make_project(**{"pick_ahead": 0.9, **settings})
    items = make_items(project, first + second)
    one = make_open_batch(project, items[:first])
    two = make_open_batch(project, items[first:], number=2)
    Batch.objects.filter(pk=two.pk).update(state=Batch.State.READY, opened_at=None)
    return project, one, two


def claimed(project: Project, user: User, count: int = 10) -> list[tuple[int, int]]:
    """Return batch and rank of each claimed task."""
    return [(task.batch.number, task.rank) for task in queue.claim(project=project, user=user, count=count).tasks]


def answer(project: Project, user: User, tasks: list[Task]) -> Outcome:
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
    outcome = submitting.submit(project=project, user=user, answers=answers)
    assert not outcome.rejected
    return outcome


def state(batch: Batch) -> str:
    return Batch.objects.get(pk=batch.pk).state


def test_the_next_batch_opens_when_this_one_has_no_free_task() -> None:
    project, _, two = two_batches(deadline_hours=2)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    assert claimed(project, ann, 8) == [(1, rank) for rank in range(8)]
    assert state(two) == "ready"
    assert claimed(project, bob, 5) == [(1, 8), (1, 9), (2, 0), (2, 1), (2, 2)]
    assert state(two) == "open"
    opened = Batch.objects.get(pk=two.pk)
    assert opened.deadline_at - opened.opened_at == timedelta(hours=2), "its time runs from when it opened"
    assert Job.objects.filter(batch=two, kind=Job.Kind.SURVEY).exists()
    # A page drops what a claim does not name: all that is one's own is there, in order.
    assert claimed(project, bob, 5) == [(1, 8), (1, 9), (2, 0), (2, 1), (2, 2)]


def test_what_comes_back_of_the_first_goes_before_the_second() -> None:
    project, one, _ = two_batches()
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    claimed(project, ann, 10)
    assert claimed(project, bob, 2) == [(2, 0), (2, 1)]
    Assignment.objects.filter(user=ann).update(lease_expires_at=F("lease_expires_at") - timedelta(hours=1))
    assert claimed(project, bob, 4) == [(2, 0), (2, 1), (1, 0), (1, 1)]
    queue.release(project=project, user=bob)
    assert claimed(project, bob, 3) == [(1, 0), (1, 1), (1, 2)]
    assert state(one) == "open"


def test_nobody_is_robbed_as_long_as_the_next_batch_has_tasks() -> None:
    project, _, _ = two_batches()
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    claimed(project, ann, 10)
    Assignment.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=100))  # idle, not lapsed
    assert claimed(project, bob, 10) == [(2, rank) for rank in range(4)], "few: the rest is about to be picked again"
    assert len(claimed(project, ann, 10)) == 10


def test_answers_to_both_batches_come_in_one_request() -> None:
    project, one, two = two_batches(2, 3)
    ann = make_member(project, "ann")
    tasks = queue.claim(project=project, user=ann, count=5).tasks
    outcome = answer(project, ann, tasks)
    assert len(outcome.accepted) == 5
    assert outcome.batch_completed
    assert (state(one), state(two)) == ("training", "training")
    assert [job.batch.number for job in Job.objects.filter(kind=Job.Kind.TRAIN)] == [1, 2]
    assert list(Batch.objects.order_by("number").values_list("remaining", flat=True)) == [0, 0]


def test_an_answer_to_either_batch_can_be_taken_back() -> None:
    project, _, _ = two_batches(2, 3)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    [of_bob] = queue.claim(project=project, user=bob, count=1).tasks
    tasks = queue.claim(project=project, user=ann, count=3).tasks
    answer(project, ann, tasks)
    for annotation in Annotation.objects.all():
        queue.undo(project=project, user=ann, annotation_id=annotation.pk)
    assert [batch.remaining for batch in Batch.objects.order_by("number")] == [2, 3]
    assert of_bob.batch.number == 1


def test_the_last_answer_of_the_first_opens_the_second() -> None:
    project, one, two = two_batches(3)
    ann = make_member(project, "ann")
    answer(project, ann, queue.claim(project=project, user=ann, count=3).tasks)
    assert (state(one), state(two)) == ("training", "open")


def test_an_early_end_opens_the_second() -> None:
    project, one, two = two_batches()
    ann = make_member(project, "ann")
    answer(project, ann, queue.claim(project=project, user=ann, count=3).tasks)
    deadlines.end_early(batch=one)
    assert state(two) == "open"


@pytest.mark.parametrize(("pick_ahead", "begins_at"), [(0.9, 9), (0.5, 5), (1.0, 10), (None, None)])
def test_the_next_batch_is_picked_once_this_share_is_given_out(pick_ahead: float | None, begins_at: int | None) -> None:
    project = make_project(pick_ahead=pick_ahead)
    items = make_items(project, 30)
    make_open_batch(project, items[:10])
    begun = []
    ann = make_member(project, "ann")
    for n in range(1, 11):
        claimed(project, ann, n)
        begun.append(Job.objects.filter(kind=Job.Kind.SELECT).exists())
    assert begun == [begins_at is not None and n >= begins_at for n in range(1, 11)]
    assert Batch.objects.count() == (1 if begins_at is None else 2)


def test_it_is_picked_ahead_of_people_who_answer_faster_than_a_model_is_trained() -> None:
    """Two batches may wait for their trainings while annotators have work; a third is not picked without a newer
    model.
    """
    project = make_project(pick_ahead=0.9, batch_size=3)
    make_items(project, 40)
    ann = make_member(project, "ann")
    batches.ensure_next(project=project)
    for number in (1, 2, 3):
        _open(project, number)
        answer(project, ann, queue.claim(project=project, user=ann, count=3).tasks)
    assert list(Batch.objects.order_by("number").values_list("state", flat=True)) == ["training"] * 3
    assert not queue.claim(project=project, user=ann, count=3).tasks
    batches.advance(Batch.objects.get(number=1), BatchEvent.TRAINED)
    assert state(Batch.objects.get(number=4)) == "selecting"


def _open(project: Project, number: int) -> None:
    """Open the batch, as the selection does."""
    batch = Batch.objects.get(number=number)
    first = 3 * (number - 1)
    Task.objects.bulk_create(
        Task(batch=batch, item=item, rank=rank, free=1, outstanding=1)
        for rank, item in enumerate(project.items.order_by("row")[first : first + 3])
    )
    Batch.objects.filter(pk=batch.pk).update(size=3, remaining=3)
    batches.advance(batch, BatchEvent.PICKED)


def test_trainings_of_a_project_come_one_after_the_other() -> None:
    project, one, two = two_batches(2, 3)
    ann = make_member(project, "ann")
    answer(project, ann, queue.claim(project=project, user=ann, count=5).tasks)
    now = Batch.objects.get(pk=two.pk).completed_at
    due = Job.objects.due(now + timedelta(seconds=1)).filter(kind=Job.Kind.TRAIN)
    [first] = due
    assert first.batch == one
    assert Job.objects.take(first, "worker", now)
    assert not due.all().exists()


def test_each_is_told_of_the_batch_that_is_theirs() -> None:
    project, _, _ = two_batches()
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    claimed(project, ann, 10)
    claimed(project, bob, 3)
    assert progress_of(project, ann)["batch"] == 1
    assert progress_of(project, bob)["batch"] == 2
    assert progress_of(project)["batch"] == 2


def test_a_claim_names_the_batches_that_take_answers() -> None:
    project, _, _ = two_batches(2, 3)
    client = APIClient()
    client.force_authenticate(make_member(project, "ann"))
    reply = client.post(f"/api/v1/projects/{project.slug}/claim/", {"count": 3}, format="json").json()
    assert reply["batch"] == 1
    assert reply["open_batches"] == [1, 2]
    assert [task["batch"] for task in reply["tasks"]] == [1, 1, 2]


def test_many_at_once_go_through_both_batches() -> None:
    project, one, two = two_batches(40, 60)
    people = [make_member(project, f"p{number}") for number in range(8)]

    def work(user: User) -> None:
        while tasks := queue.claim(project=project, user=user, count=7).tasks:
            answer(project, user, tasks)

    at_once(*(partial(work, user) for user in people))
    assert (state(one), state(two)) == ("training", "training")
    assert Annotation.objects.standing().count() == 100
    assert Job.objects.filter(kind=Job.Kind.TRAIN).count() == 2


def test_claims_at_the_end_of_the_last_batch_do_not_look_through_the_pool_each_time() -> None:
    """Such claims once scanned the pool, which delayed all other writers for seconds with a million items."""
    project = make_project(pick_ahead=0.5)
    ann = make_member(project, "ann")
    items = make_items(project, 12)
    make_open_batch(project, items[:10])
    Item.objects.filter(pk__in=[item.pk for item in items[10:]]).update(excluded_at=timezone.now())
    looks, writes = [], []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            tasks = queue.claim(project=project, user=ann, count=6).tasks
        looks.append(sum("labeling_task" in each["sql"] and "LEFT OUTER JOIN" in each["sql"] for each in queries))
        writes.append(sum(each["sql"].startswith("BEGIN") for each in queries))
    assert looks == [1, 0, 0]
    assert writes == [2, 1, 1], "the project is locked for the note of the first look alone"
    assert Project.objects.get(pk=project.pk).nothing_left_at is not None

    # What brings items in says so itself, and somebody looks again in the end.
    restore_items(project=project, ids=[items[10].pk], user=ann)
    assert Batch.objects.get(number=2).state == "selecting"
    Batch.objects.filter(number=2).delete()
    project.nothing_left_at = timezone.now() - batches.LOOK_AGAIN
    assert queue.claim(project=project, user=ann, count=6).tasks == tasks
    assert Batch.objects.get(number=2).state == "selecting"


def test_the_progress_says_that_no_batch_follows_until_items_come() -> None:
    project = make_project(pick_ahead=0.5)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    items = make_items(project, 11)
    make_open_batch(project, items[:10])
    Item.objects.filter(pk=items[10].pk).update(excluded_at=timezone.now())
    assert not progress_of(project, ann)["is_final"]
    tasks = queue.claim(project=project, user=ann, count=10).tasks
    assert queue.claim(project=project, user=bob, count=1).reason == "all_taken"
    assert progress_of(project, bob)["is_final"]
    answer(project, ann, tasks)
    progress = progress_of(project, bob)
    assert (progress["state"], progress["is_final"], progress["seconds_left"]) == ("training", True, None)
    importing = Job.objects.enqueue(Job.Kind.IMPORT, project=project)
    assert not progress_of(project, ann)["is_final"], "more may come"
    importing.delete()
    assert progress_of(project, ann)["is_final"]
    Project.objects.update(pick_ahead=None)  # the model picks first
    restore_items(project=project, ids=[items[10].pk], user=ann)
    assert not progress_of(project, ann)["is_final"]
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("unlabeled", [0, 2])
def test_imported_labels_for_every_item_promise_no_batch(unlabeled: int) -> None:
    project = make_project()
    ann = make_member(project, "ann")
    items = make_items(project, 3 + unlabeled)
    batch = make_open_batch(project, items[:3])
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.IMPORTING, strategy="imported")
    project.imports.create(name="a.csv", state=ItemImport.State.DONE, batch=batch, created_by=ann)
    batches.arrived(project=project)
    project.refresh_from_db()
    progress = progress_of(project, ann)
    assert (progress["state"], progress["is_final"]) == ("training", not unlabeled)
