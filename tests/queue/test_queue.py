"""Test the queue's promises to one annotator and to several, one call at a time."""

import datetime
import uuid

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Annotation, Assignment, Batch, Item, Job, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer, Outcome
from labeling.queue.queue import QueueError

pytestmark = pytest.mark.django_db


def setup(n: int = 5, overlap: int = 1, **settings: object) -> tuple[Project, Batch, User, User]:
    project = make_project(overlap=overlap, **settings)
    batch = make_open_batch(project, make_items(project, n), overlap=overlap)
    return project, batch, make_member(project, "ann"), make_member(project, "bob")


def claim(project: Project, user: User, count: int = 10) -> list[Task]:
    return queue.claim(project=project, user=user, count=count).tasks


def answer(project: Project, user: User, task: Task, value: object = 1, **fields: object) -> Outcome:
    given = Answer(id=fields.pop("id", None) or uuid.uuid4(), task=task.pk, value=value, **fields)
    return submitting.submit(project=project, user=user, answers=[given])


def skip(project: Project, user: User, task: Task) -> Outcome:
    return answer(project, user, task, value=None, skip_reason="unclear")


def check_counters() -> None:
    """Check the conditions that hold for every task at every moment."""
    for task in Task.objects.select_related("batch"):
        places = task.assignments.filter(ended_at__isnull=True).count()
        answered = task.annotations.standing().count()
        assert task.free + places == task.batch.overlap
        assert task.outstanding + answered == task.batch.overlap
        assert task.assignments.filter(answered_at__isnull=False).count() == answered
    for batch in Batch.objects.all():
        assert batch.remaining == batch.tasks.unanswered().count()


def test_tasks_come_in_rank_order_and_own_ones_first() -> None:
    project, _, ann, bob = setup()
    first = claim(project, ann, 2)
    assert [task.rank for task in first] == [0, 1]
    assert [task.rank for task in claim(project, bob, 2)] == [2, 3]
    assert [task.rank for task in claim(project, ann, 3)] == [0, 1, 4]
    check_counters()


def test_nobody_is_shown_what_another_holds_until_its_lease_has_run_out() -> None:
    project, _, ann, bob = setup()
    claim(project, ann)
    given = queue.claim(project=project, user=bob, count=10)
    assert (given.tasks, given.reason) == ([], "all_taken")
    Assignment.objects.update(lease_expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert len(claim(project, bob)) == 5
    check_counters()


def test_late_answer_counts_while_its_place_is_free_and_is_refused_once_taken() -> None:
    project, _, ann, bob = setup(n=2)
    early, late = claim(project, ann)
    queue.release(project=project, user=ann)
    assert answer(project, ann, early).accepted
    claim(project, bob, 1)
    assert answer(project, ann, late).rejected[0].code == "taken"
    check_counters()


def test_a_task_that_was_never_given_cannot_be_answered_or_skipped() -> None:
    project, batch, ann, bob = setup(n=5, overlap=2)
    first, *_ = claim(project, ann, 1)
    others = batch.tasks.exclude(pk=first.pk)
    for attempt in (answer, skip):
        (refusal,) = attempt(project, ann, others[0]).rejected
        assert (refusal.code, refusal.detail) == (
            "not_assigned",
            "This task is not assigned to you. Claim tasks first.",
        )
    assert answer(project, bob, first).rejected[0].code == "not_assigned", "ann's place is not bob's"
    given = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in batch.tasks.order_by("rank")]
    outcome = submitting.submit(project=project, user=ann, answers=given)
    assert outcome.accepted == [given[0].id]
    assert [refusal.code for refusal in outcome.rejected] == ["not_assigned"] * 4
    check_counters()


def test_answer_sent_twice_counts_once() -> None:
    project, batch, ann, _ = setup()
    task, once = claim(project, ann)[0], uuid.uuid4()
    for _ in range(3):
        assert answer(project, ann, task, id=once).accepted == [once]
    assert Annotation.objects.count() == 1
    batch.refresh_from_db()
    assert batch.remaining == 4
    check_counters()


def test_a_second_answer_the_id_of_another_one_and_a_task_of_another_project_are_refused() -> None:
    project, _, ann, bob = setup()
    task, used = claim(project, ann, 1)[0], uuid.uuid4()
    answer(project, ann, task, 1, id=used)
    assert answer(project, ann, task, 2).rejected[0].code == "taken"
    assert Item.objects.get(pk=task.item_id).label == 1
    assert answer(project, bob, claim(project, bob, 1)[0], id=used).rejected[0].code == "id_in_use"
    other = make_project("other")
    batch = make_open_batch(other, make_items(other, 1))
    assert answer(project, ann, batch.tasks.get()).rejected[0].code == "unknown_task"


def test_undo_gives_the_task_back_to_its_author_and_takes_the_label_away() -> None:
    project, batch, ann, bob = setup()
    task, given = claim(project, ann, 1)[0], uuid.uuid4()
    answer(project, ann, task, id=given)
    assert queue.undo(project=project, user=ann, annotation_id=given).pk == task.pk
    assert Item.objects.get(pk=task.item_id).label is None
    assert [each.pk for each in claim(project, ann, 1)] == [task.pk]
    assert task.pk not in {each.pk for each in claim(project, bob)}
    assert answer(project, ann, task, id=given).rejected[0].code == "undone", "a late retry must not bring it back"
    assert answer(project, ann, task, 3).accepted
    batch.refresh_from_db()
    assert batch.remaining == 4
    check_counters()


def test_a_skip_is_undone_too_and_nobody_undoes_the_answer_of_another_or_twice() -> None:
    project, _, ann, bob = setup()
    task = claim(project, ann, 1)[0]
    queue.undo(project=project, user=ann, annotation_id=skip(project, ann, task).accepted[0])
    given = answer(project, ann, task).accepted[0]
    check_counters()
    with pytest.raises(QueueError, match="not an annotation of yours"):
        queue.undo(project=project, user=bob, annotation_id=given)
    queue.undo(project=project, user=ann, annotation_id=given)
    with pytest.raises(QueueError, match="already undone"):
        queue.undo(project=project, user=ann, annotation_id=given)


def test_last_answer_closes_the_batch_and_enqueues_one_training() -> None:
    project, batch, ann, _ = setup(n=2)
    first, last = claim(project, ann)
    assert not answer(project, ann, first).batch_completed
    outcome = answer(project, ann, last)
    assert outcome.batch_completed
    batch.refresh_from_db()
    assert batch.state == Batch.State.TRAINING
    assert Job.objects.get().kind == Job.Kind.TRAIN
    assert queue.claim(project=project, user=ann, count=1).reason == "training"


def test_the_last_answer_can_be_taken_back_until_the_training_begins() -> None:
    project, batch, ann, _ = setup(n=1)
    (task,) = claim(project, ann)
    outcome = answer(project, ann, task, 3)
    queue.undo(project=project, user=ann, annotation_id=outcome.accepted[0])
    batch.refresh_from_db()
    assert (batch.state, batch.remaining, Job.objects.count()) == (Batch.State.OPEN, 1, 0)
    outcome = answer(project, ann, task, 4)
    assert outcome.batch_completed
    assert Item.objects.get(pk=task.item_id).label == 4
    job = Job.objects.get()
    assert Job.objects.take(job, "w:1:1", timezone.now())
    with pytest.raises(QueueError, match="complete"):
        queue.undo(project=project, user=ann, annotation_id=outcome.accepted[0])


def test_skips_count_towards_completion_but_give_no_label() -> None:
    project, _batch, ann, _ = setup(n=2)
    first, last = claim(project, ann)
    skip(project, ann, first)
    assert answer(project, ann, last, 4).batch_completed
    assert Item.objects.get(pk=first.item_id).label is None
    assert Item.objects.get(pk=last.item_id).label == 4


def test_overlap_asks_different_people_and_resolves_by_majority() -> None:
    project, _batch, ann, bob = setup(n=1, overlap=3)
    cid, dan = make_member(project, "cid"), make_member(project, "dan")
    for user, value in ((ann, 5), (bob, 3), (cid, 3)):
        (task,) = claim(project, user)
        answer(project, user, task, value)
        assert claim(project, user) == [], "nobody is asked twice"
    assert claim(project, dan) == []
    item = Item.objects.get()
    assert (item.label, item.agreement) == (3, pytest.approx(2 / 3))
    check_counters()


def test_paused_project_gives_nothing_but_takes_what_was_under_way() -> None:
    project, _, ann, _ = setup()
    task = claim(project, ann, 1)[0]
    Project.objects.update(loop=Project.Loop.PAUSED)
    project.refresh_from_db()
    assert queue.claim(project=project, user=ann, count=1).reason == "paused"
    assert answer(project, ann, task).accepted


def test_without_a_batch_people_are_told_what_the_project_waits_for() -> None:
    project = make_project(model={"name": "given"}, pick_ahead=None)
    ann = make_member(project, "ann")
    assert queue.claim(project=project, user=ann, count=1).reason == "no_items"
    make_items(project, 2)
    assert queue.claim(project=project, user=ann, count=1).reason == "selecting", "predictions from outside"
    project.loop = Project.Loop.STOPPED
    project.save()
    assert queue.claim(project=project, user=ann, count=1).reason == "stopped"


def test_claim_and_submit_take_a_fixed_number_of_queries(django_assert_max_num_queries) -> None:
    project, _, ann, bob = setup(n=60)
    claim(project, bob, 20)
    Assignment.objects.update(lease_expires_at=timezone.now() - datetime.timedelta(seconds=1))
    with django_assert_max_num_queries(10):  # two of them savepoints, as in all of these
        tasks = claim(project, ann, 10)
    with django_assert_max_num_queries(8):
        claim(project, ann, 10)
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
    for given in (answers[:1], answers[1:]):
        with django_assert_max_num_queries(10):  # as many for nine answers as for one
            submitting.submit(project=project, user=ann, answers=given)
