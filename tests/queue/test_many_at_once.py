"""Test that the queue keeps its promises with many annotators at once, and that no lock refuses a request."""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from simultaneous import at_once

from labeling.labels import counting
from labeling.models import Annotation, Assignment, Batch, Job, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.person import MIN_HELD
from labeling.queue.queue import QueueError
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


def by_all(work: Callable[[User, random.Random], None], users: list[User]) -> None:
    """Run `work` for each user in its own thread, all starting together; raise the exception of one that fails."""
    at_once(*(partial(work, user, random.Random(seed)) for seed, user in enumerate(users)))


def labor(project: Project, user: User, rng: random.Random) -> None:
    """Claim and answer until no task is left; at times skip, undo, release, repeat, or let a lease expire."""
    idle = 0
    while idle < 30:
        tasks = queue.claim(project=project, user=user, count=rng.choice([1, 3, 10])).tasks
        if not tasks:
            idle += 1
            if not project.batches.open().exists():
                return
            continue
        idle = 0
        answers = [
            Answer(id=uuid.uuid4(), task=task.pk, value=None if rng.random() < 0.1 else 1, skip_reason="")
            for task in tasks
        ]
        answers = [a if a.value else Answer(id=a.id, task=a.task, skip_reason="unclear") for a in answers]
        submitting.submit(project=project, user=user, answers=answers)
        chance = rng.random()
        if chance < 0.2:
            submitting.submit(project=project, user=user, answers=answers)
        elif chance < 0.4:
            # It may be closed, or refused and so unknown: both are said, and neither may break anything.
            with suppress(QueueError):
                queue.undo(project=project, user=user, annotation_id=rng.choice(answers).id)
        elif chance < 0.5:
            queue.release(project=project, user=user)


@pytest.mark.parametrize("overlap", some([3, 1]))
def test_sixteen_annotators_finish_a_batch_exactly(overlap: int) -> None:
    project = make_project(overlap=overlap)
    batch = make_open_batch(project, make_items(project, 150), overlap=overlap)
    users = [make_member(project, f"user{number}") for number in range(16)]

    by_all(lambda user, rng: labor(project, user, rng), users)

    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == (Batch.State.TRAINING, 0)
    assert counting.recount(batch) == [], "counters are what they count"
    counts = Counter(Annotation.objects.standing().values_list("task_id", flat=True))
    assert set(counts.values()) == {overlap}, "each task has exactly its overlap of answers"
    assert len(counts) == 150
    assert not Task.objects.exclude(free=0, outstanding=0).exists()
    assert Job.objects.filter(kind=Job.Kind.TRAIN).count() == 1


@pytest.mark.parametrize(("overlap", "lease"), some([(3, 0), (1, 0), (1, 1)]))
def test_places_change_hands_while_others_answer_and_the_books_balance(overlap: int, lease: int) -> None:
    """Leases expire at once or soon, and two people hold tasks without answering: places lapse, are shared and taken
    again.
    """
    project = make_project(overlap=overlap)
    batch = make_open_batch(project, make_items(project, 60), overlap=overlap)
    Project.objects.update(lease_seconds=lease)
    project.refresh_from_db()
    users = [make_member(project, f"user{number}") for number in range(8)]
    sitters = set(users[:2])

    def work(user: User, rng: random.Random) -> None:
        while user in sitters and project.batches.open().exists():
            assert len(queue.claim(project=project, user=user, count=100).tasks) <= MIN_HELD
        while project.batches.open().exists():
            labor(project, user, rng)

    by_all(work, users)

    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == (Batch.State.TRAINING, 0)
    assert counting.recount(batch) == [], "counters are what they count"
    assert not Task.objects.exclude(free=0, outstanding=0).exists()
    assert not Assignment.objects.pending().exists()
    for task in Task.objects.all():
        answered = set(task.annotations.standing().values_list("user", flat=True))
        assert len(answered) == overlap
        assert set(task.assignments.filter(answered_at__isnull=False).values_list("user", flat=True)) == answered
    assert not Annotation.objects.filter(user__in=sitters).exists()


def test_many_requests_of_one_person_at_once_take_one_share() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 100))
    ann = make_member(project, "ann")
    given: list[uuid.UUID] = []
    for _ in range(3):
        tasks = queue.claim(project=project, user=ann, count=10).tasks
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
        given += submitting.submit(project=project, user=ann, answers=answers).accepted

    by_all(lambda user, rng: queue.claim(project=project, user=user, count=10) and None, [ann] * 8)
    assert Assignment.objects.pending().count() == 10

    def take_back(user: User, rng: random.Random) -> None:
        while given:
            with suppress(IndexError):
                queue.undo(project=project, user=user, annotation_id=given.pop())

    by_all(take_back, [ann] * 8)
    assert not given
    assert counting.recount(batch) == []
    assert [(each.answers, each.skips, each.seconds) for each in batch.work.all()] == [(0, 0, 0)] * batch.work.count()
    assert Assignment.objects.pending().count() == 10
    assert Task.objects.filter(free=0).count() == 10


def test_the_two_last_answers_at_once_close_the_batch_once() -> None:
    for number in range(1, 9):
        project = make_project(f"p{number}")
        make_open_batch(project, make_items(project, 4))
        users = [make_member(project, f"user{each}") for each in range(4)]
        held = {user.pk: queue.claim(project=project, user=user, count=1).tasks[0] for user in users}

        def last(user: User, rng: random.Random, project: Project = project, held: dict = held) -> None:
            answer = Answer(id=uuid.uuid4(), task=held[user.pk].pk, value=1)
            assert submitting.submit(project=project, user=user, answers=[answer]).accepted

        by_all(last, users)
        assert project.batches.get().state == Batch.State.TRAINING
        assert project.jobs.count() == 1


def test_one_answer_sent_by_many_requests_at_once_counts_once() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    user = make_member(project, "ann")
    answer = Answer(id=uuid.uuid4(), task=queue.claim(project=project, user=user, count=1).tasks[0].pk, value=2)

    def send(user: User, rng: random.Random) -> None:
        assert submitting.submit(project=project, user=user, answers=[answer]).accepted == [answer.id]

    by_all(send, [user] * 8)
    assert Annotation.objects.count() == 1
    assert project.batches.get().remaining == 2


def test_one_id_for_different_tasks_at_once_is_taken_once_and_refused_otherwise() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 6))
    users = [make_member(project, f"user{number}") for number in range(6)]
    held = {user.pk: queue.claim(project=project, user=user, count=1).tasks[0].pk for user in users}
    same, codes = uuid.uuid4(), []

    def send(user: User, rng: random.Random) -> None:
        outcome = submitting.submit(project=project, user=user, answers=[Answer(id=same, task=held[user.pk], value=2)])
        codes.append(outcome.rejected[0].code if outcome.rejected else "accepted")

    by_all(send, users)
    assert sorted(codes) == ["accepted", *["id_in_use"] * 5]
    assert Annotation.objects.count() == 1
