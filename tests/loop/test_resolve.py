"""Test the labels that the resolve step estimates from all answers of a project."""

import uuid
from typing import Any

import pytest
from django.utils import timezone
from factories import make_answerable, make_items, make_member, make_open_batch, make_project

from labeling.labels import counting
from labeling.labels.corrections import correct
from labeling.loop.step import Step
from labeling.models import Assignment, Batch, Item, Job, Membership, Project, Role, User, WorkLog
from labeling.queue import queue, rechecking, submitting
from labeling.queue.answer import Answer
from labeling.queue.rechecking import ABSENT_AFTER, close_unanswerable
from labeling.steps.model_inputs import read_labels
from labeling.steps.resolve import resolve
from labeling.steps.train import learns_soft

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_random_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rechecking, "CHECK_SHARE", 0.0)


def answer(batch: Batch, rank: int, user: User, value: Any) -> None:
    task = batch.tasks.get(rank=rank)
    make_answerable([task], user)
    sent = Answer(uuid.uuid4(), task.pk, value=value)
    assert not submitting.submit(project=batch.project, user=user, answers=[sent]).rejected


def run(project: Project) -> None:
    job = Job.objects.filter(project=project, kind=Job.Kind.TRAIN).latest("pk")
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, worker="w:1:1")
    job.refresh_from_db()
    resolve(Step(job), project)


def crowd(**settings: Any) -> tuple[Project, Batch]:
    """Create twenty items; ann and bob are always right, cat takes each 3 for a 4; two of them differ on the last
    item.
    """
    project = make_project(overlap=3, **settings)
    people = [make_member(project, name) for name in ("ann", "bob", "cat")]
    batch = make_open_batch(project, make_items(project, 20), overlap=3)
    for rank in range(20):
        truth = rank % 5
        values = [truth, truth, 4 if truth == 3 else truth] if rank < 19 else [1, 2, None]
        for user, value in zip(people, values, strict=True):
            if value is not None:
                answer(batch, rank, user, value)
    task = batch.tasks.get(rank=19)
    make_answerable([task], people[2])
    skip = Answer(uuid.uuid4(), task.pk, skip_reason="Cannot be made out")
    assert submitting.submit(project=project, user=people[2], answers=[skip]).batch_completed
    return project, batch


@pytest.mark.parametrize("resolving", ["majority", "dawid-skene"])
def test_labels_have_a_probability_and_a_tie_has_no_label(resolving: str) -> None:
    project, batch = crowd(resolving=resolving)
    mona = make_member(project, "mona", Role.MANAGER)
    correct(item=Item.objects.get(row=0), user=mona, value=9)
    run(project)
    items = list(project.items.order_by("row"))
    assert [item.label for item in items] == [9, *(rank % 5 for rank in range(1, 19)), None]
    assert items[0].label_probability is None, "a manager's word"
    assert all(item.label_probability is not None and item.label_probability > 0.9 for item in items[1:19])
    assert list(project.items.undecided()) == [items[19]]
    assert [value for value, _ in items[19].label_distribution or []] in ([1, 2], [2, 1])
    accuracies = dict(Membership.objects.exclude(user=mona).values_list("user__username", "accuracy"))
    assert accuracies["cat"] < accuracies["ann"]
    assert counting.recount(Batch.objects.get(pk=batch.pk)) == []


def test_done_again_it_changes_nothing() -> None:
    project, _ = crowd(resolving="dawid-skene")
    run(project)
    before = list(project.items.order_by("pk").values())
    run(project)
    assert list(project.items.order_by("pk").values()) == before


def test_places_that_nobody_is_left_to_take_do_not_hold_up_a_batch() -> None:
    project = make_project(overlap_max=3)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    batch = make_open_batch(project, make_items(project, 2), overlap_max=3)
    answer(batch, 0, ann, 1)
    now = WorkLog.objects.get().last_at
    assert batch.tasks.get(rank=0).extra == 1, "ann is not known yet"
    assert close_unanswerable(now + 2 * ABSENT_AFTER) == 0, "the other task lacks its first answer"
    answer(batch, 1, ann, 1)
    Assignment.objects.filter(user=bob).delete()
    queue.claim(project=project, user=bob, count=1)
    assert close_unanswerable(now + ABSENT_AFTER / 2) == 0, "bob has just taken one"
    assert close_unanswerable(now + 2 * ABSENT_AFTER) == 2
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == (Batch.State.TRAINING, 0)
    assert {item.label for item in project.items.all()} == {1}


def test_a_task_that_a_member_claims_meanwhile_stays_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(overlap_max=3)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    batch = make_open_batch(project, make_items(project, 2), overlap_max=3)
    answer(batch, 0, ann, 1)
    answer(batch, 1, ann, 1)
    Assignment.objects.filter(user=bob).delete()
    monkeypatch.setattr(rechecking, "_unanswerable", lambda *_: list(batch.tasks.values_list("pk", flat=True)))
    queue.claim(project=project, user=bob, count=1)
    assert close_unanswerable(timezone.now()) == 1
    assert batch.tasks.unanswered().count() == 1


def test_an_item_takes_no_more_answers_than_the_most_even_if_they_differ() -> None:
    project = make_project(overlap_max=2)
    people = [make_member(project, name) for name in ("ann", "bob", "cat")]
    batch = make_open_batch(project, make_items(project, 2), overlap_max=2)
    for value, user in enumerate(people[:2]):
        answer(batch, 0, user, value)
    task = batch.tasks.get(rank=0)
    assert (task.extra, task.outstanding) == (1, 0), "cat is not asked"


def test_alone_in_a_project_nobody_is_waited_for() -> None:
    project = make_project(overlap_max=3)
    ann = make_member(project, "ann")
    make_member(project, "mona", Role.MANAGER)
    batch = make_open_batch(project, make_items(project, 1), overlap_max=3)
    answer(batch, 0, ann, 1)
    assert Batch.objects.get(pk=batch.pk).state == Batch.State.TRAINING


def test_what_annotators_are_told_is_the_same_whatever_was_answered() -> None:
    """Two projects that differ in one answer of the second person show annotators the same."""
    told = []
    for other in (1, 2):
        project = make_project(f"p{other}", overlap_max=5)
        people = [make_member(project, name) for name in ("ann", "bob", "cat")]
        batch = make_open_batch(project, make_items(project, 10), overlap_max=5)
        figures = []
        for user, rank, value in [(people[0], 0, 1), (people[1], 0, other), (people[1], 1, 3), (people[0], 1, 3)]:
            answer(batch, rank, user, value)
            claimed = queue.claim(project=project, user=user, count=1)
            queue.release(project=project, user=user)
            figures.append(claimed.remaining)
        told.append(figures)
        assert batch.tasks.get(rank=0).extra == (1 if other == 1 else 2)
    assert told[0] == told[1]
    assert told[0] == sorted(told[0], reverse=True)


def test_who_knows_little_gets_first_answers_and_none_in_doubt() -> None:
    project = make_project(overlap_max=3)
    ann, bob, cat = (make_member(project, name) for name in ("ann", "bob", "cat"))
    Membership.objects.filter(user=cat).update(asked_in_doubt=False)
    batch = make_open_batch(project, make_items(project, 3), overlap_max=3)
    answer(batch, 0, ann, 1)
    assert batch.tasks.get(rank=0).extra == 1, "bob is left to ask"
    tasks = queue.claim(project=project, user=cat, count=3).tasks
    assert {task.rank for task in tasks} == {1, 2}
    answer(batch, 0, bob, 2)
    assert batch.tasks.get(rank=0).outstanding == 0, "they differ, and cat is not waited for"


def test_whose_answers_say_little_is_not_asked_in_doubt_after_the_batch() -> None:
    project = make_project(overlap=3)
    people = [make_member(project, name) for name in ("ann", "bob", "cat")]
    batch = make_open_batch(project, make_items(project, 20), overlap=3)
    for rank in range(20):
        for user, value in zip(people, (rank % 5, rank % 5, 5 + rank % 4), strict=True):
            answer(batch, rank, user, value)
    run(project)
    asked = Membership.objects.filter(asked_in_doubt=True)
    assert set(asked.values_list("user__username", flat=True)) == {"ann", "bob"}


def test_how_probable_each_class_is_can_be_learned_in_place_of_the_label() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    project.items.update(label=1, labeled_at=timezone.now())
    Item.objects.filter(row=1).update(label_distribution=[[1, 0.75], [4, 0.25]])
    items = project.items.order_by("row")
    hard, soft = read_labels(project, items, 10), read_labels(project, items, 10, soft=True)
    assert hard.soft is None
    assert soft.soft is not None
    assert soft.soft.toarray()[:, [1, 4]].tolist() == [[1, 0], [0.75, 0.25], [1, 0]]
    assert soft.hash != hard.hash, "a version says what it learned"
    assert not learns_soft(project)
    project.training = {"soft_labels": True}
    assert learns_soft(project)
    project.privacy_epsilon = 1.0
    assert not learns_soft(project)


@pytest.mark.parametrize("resolving", ["majority", "dawid-skene"])
@pytest.mark.parametrize("most", [None, 5])
def test_people_who_err_about_different_classes_settle_a_list_of_classes(resolving: str, most: int | None) -> None:
    classes = [f"c{index}" for index in range(8)]
    project = make_project(question="multi", classes=classes, overlap=3, overlap_max=most, resolving=resolving)
    people = [make_member(project, name) for name in ("ann", "bob", "cat", "dan", "eve")]
    batch = make_open_batch(project, make_items(project, 12), overlap=3, overlap_max=most)
    for rank in range(11):
        for user in people[:3]:
            answer(batch, rank, user, sorted({1, rank % 8}))
    for user, value in zip(people, [[1, 2, 3], [2, 3, 4], [1, 2, 4]], strict=False):
        answer(batch, 11, user, value)
    for user in people[3:]:
        if batch.tasks.get(rank=11).outstanding:
            answer(batch, 11, user, [1, 2, 3, 4])
    run(project)
    item = Item.objects.get(row=11)
    assert item.label == [1, 2, 3, 4], "a list that none of the first three gave"
    assert item.label_probability is not None
    assert item.label_probability > 0.8
    assert Item.objects.get(row=0).label == [0, 1]
    accuracies = Membership.objects.values_list("accuracy", flat=True)
    assert all(accuracy is None or accuracy > 0.8 for accuracy in accuracies)
