"""Test claims for grids: one class at a time, by facts that annotators see, within the person's share of the batch."""

import uuid
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Annotation, Batch, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def setup(n: int = 200, **settings: Any) -> tuple[Project, Batch, User, User]:
    """Create a `verify` project with the ten classes of digits, about equally frequent, in mixed order."""
    project = make_project(**{"question": "verify", "grids": True, **settings})
    overlap = settings.get("overlap", 1)
    batch = make_open_batch(project, make_items(project, n), overlap=overlap)
    return project, batch, make_member(project, "ann"), make_member(project, "bob")


def claim(project: Project, user: User, count: int = 60) -> list[Task]:
    return queue.claim(project=project, user=user, count=count, same_class=True).tasks


def submit(project: Project, user: User, tasks: list[Task], value: Any = True) -> list[Answer]:
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=value) for task in tasks]
    assert len(submitting.submit(project=project, user=user, answers=answers).accepted) == len(tasks)
    return answers


def test_a_grid_is_the_class_that_most_free_tasks_have_in_the_batchs_order() -> None:
    project, batch, ann, bob = setup()
    sizes = [batch.tasks.filter(item__proposed=index).count() for index in range(10)]
    tasks = claim(project, ann)
    assert len({task.shown.proposed for task in tasks}) == 1
    assert len(tasks) == max(sizes) > 12
    assert [task.rank for task in tasks] == sorted(task.rank for task in tasks)
    others = claim(project, bob)
    assert len({task.shown.proposed for task in others}) == 1
    assert not {task.pk for task in others} & {task.pk for task in tasks}


def test_whoever_claims_again_gets_the_same_and_then_another_class() -> None:
    project, _, ann, _ = setup()
    tasks = claim(project, ann, 15)
    assert claim(project, ann, 15) == tasks
    more = claim(project, ann, 60)
    assert more[: len(tasks)] == tasks
    assert len({task.shown.proposed for task in more[len(tasks) :]}) == 1


def test_one_claim_and_one_submit_answer_sixty_and_undo_holds_them_again() -> None:
    project, _, ann, _ = setup(n=700)
    tasks = claim(project, ann)
    assert len(tasks) == 60
    answers = submit(project, ann, tasks)
    held = claim(project, ann)
    for answer in answers[:15]:
        queue.undo(project=project, user=ann, annotation_id=answer.id)
    again = {task.pk for task in claim(project, ann, 75)}
    assert again == {task.pk for task in [*tasks[:15], *held]}


def test_near_the_end_a_grid_is_a_fair_share() -> None:
    project, _, ann, bob = setup(n=40)
    submit(project, bob, claim(project, bob, 1))
    for _ in range(10):  # one class more each time
        tasks = claim(project, ann)
    assert len(tasks) == 20


def test_with_several_answers_a_task_nobody_is_asked_twice() -> None:
    project, batch, ann, bob = setup(n=30, overlap=2)
    for user in (ann, bob):
        while tasks := claim(project, user):
            submit(project, user, tasks)
    assert Batch.objects.get().state == Batch.State.TRAINING
    assert Annotation.objects.count() == 60
    assert batch.tasks.filter(outstanding=0).count() == 30


def test_of_one_class_of_many_only_what_shows_an_answer_comes_in_grids() -> None:
    """Prompted tasks, drawn at random among control and other tasks, come in grids; the others by rank when no grid is
    left.
    """
    project, batch, ann, _ = setup(question="single", show_predictions=True)
    for task in batch.tasks.all():
        batch.tasks.filter(pk=task.pk).update(
            prompted=bool(task.rank % 2),
            prompted_by="model" if task.rank % 2 else "",
            predicted=task.rank % 3,
            is_control=task.rank % 5 == 0,
        )
    shown: list[Task] = []
    while len(shown) < 100:
        tasks = claim(project, ann)
        assert len({task.predicted for task in tasks}) == 1
        assert all(task.prompted for task in tasks)
        shown += tasks
        submit(project, ann, tasks, value=1)
    assert not any(task.prompted for task in claim(project, ann))
    control = set(batch.tasks.filter(is_control=True, prompted=True).values_list("pk", flat=True))
    assert control <= {task.pk for task in shown}
    Project.objects.update(show_predictions=False)
    assert claim(Project.objects.get(), ann)


def test_gold_is_in_the_grid_of_its_class() -> None:
    project, batch, ann, _ = setup(n=20)
    known = make_items(project, 2, first=500, proposed=3, gold=True)
    gold = [
        Task.objects.create(batch=batch, repeats=item, is_gold=True, rank=20 + place, free=1, outstanding=1)
        for place, item in enumerate(known)
    ]
    batch.tasks.filter(item__isnull=False).exclude(item__proposed=3).delete()
    Batch.objects.update(size=batch.tasks.count(), remaining=batch.tasks.count(), further=2)
    assert {task.pk for task in gold} < {task.pk for task in claim(project, ann)}


def test_a_project_without_grids_takes_no_notice_and_what_has_no_class_comes_ten_at_a_time() -> None:
    project, _, ann, _ = setup(grids=False)
    assert [task.rank for task in claim(project, ann)] == list(range(20))
    Project.objects.update(grids=True)
    assert [task.rank for task in queue.claim(project=project, user=ann, count=60).tasks] == list(range(20))
    other = make_project("other", show_predictions=True, grids=True)
    make_open_batch(other, make_items(other, 200))
    make_member(other, "ann")
    assert len(claim(other, ann)) == len(claim(other, ann)) == 10
