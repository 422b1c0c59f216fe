"""Test gold tasks: their rate, that annotators do not know the items, and that they write no labels."""

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from factories import make_items, make_member, make_project
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from labeling.labels import counting
from labeling.models import Assignment, Batch, Item, Job, Membership, Project, Task, User, WorkLog
from labeling.queue import gold, queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.further import evenly
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return make_project("digits", batch_size=20, control_share=0.1, gold_share=0.25)


def make_gold(project: Project, items: list[Item]) -> list[Item]:
    for item in items:
        Item.objects.filter(pk=item.pk).update(gold=item.truth)
    return items


def select(project: Project) -> Batch:
    Project.objects.filter(pk=project.pk).update(encoded_rows=project.items.count())
    batch = Batch.objects.create(project=project, number=project.batches.count() + 1)
    Job.objects.all().delete()
    Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch)
    worker = Worker(run_step)
    while Job.objects.waiting().filter(kind=Job.Kind.SELECT).exists():
        assert worker.run_next()
    return Batch.objects.get(pk=batch.pk)


def work(project: Project, user: User, n: int = 100, *, wrong: bool = False) -> list[Task]:
    """Answer up to `n` tasks, rightly or wrongly."""
    done: list[Task] = []
    while len(done) < n:
        tasks = queue.claim(project=project, user=user, count=min(10, n - len(done))).tasks
        if not tasks:
            break
        outcome = submitting.submit(project=project, user=user, answers=[_answer(task, wrong) for task in tasks])
        assert not outcome.rejected
        done += tasks
    return done


def _answer(task: Task, wrong: bool) -> Answer:
    truth = Item.objects.get(pk=task.item_key).truth
    return Answer(id=uuid.uuid4(), task=task.pk, value=(truth + wrong) % 10)


def test_the_share_comes_on_top_of_the_batch_at_places_that_tell_nothing(project: Project) -> None:
    items = make_items(project, 60)
    known = make_gold(project, items[:8])
    batch = select(project)
    assert (batch.size, batch.further, batch.remaining) == (25, 5, 25)
    tasks = list(batch.tasks.order_by("rank"))
    assert [task.rank for task in tasks] == list(range(25))
    ranks = [task.rank for task in tasks if task.is_gold]
    assert len(ranks) == 5
    assert ranks != list(range(20, 25))
    assert {task.item_key for task in tasks if task.is_gold} <= {item.pk for item in known}
    # Gold items are never picked to be labeled.
    assert not {task.item_id for task in tasks} & {item.pk for item in known}


def test_ids_of_tasks_tell_neither_ranks_nor_gold(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(batch_size=240)
    make_gold(project, make_items(project, 340)[:70])
    batch = select(project)
    tasks = list(batch.tasks.order_by("rank"))
    assert len(tasks) == 300  # more than are written at once
    places = {pk: place for place, pk in enumerate(sorted(task.pk for task in tasks))}
    by_rank = [places[task.pk] for task in tasks]
    assert abs(np.corrcoef(range(300), by_rank)[0, 1]) < 0.3
    ids_of_gold = [places[task.pk] for task in tasks if task.is_gold]
    assert abs(np.mean(ids_of_gold) - 150) < 50, "gold tasks would stand at one end of the ids"


def test_gold_answers_complete_the_batch_and_label_nothing(project: Project) -> None:
    make_gold(project, make_items(project, 40)[:8])
    batch = select(project)
    ann = make_member(project, "ann")
    done = work(project, ann)
    assert len(done) == 25
    batch.refresh_from_db()
    assert (batch.remaining, batch.labeled, batch.state) == (0, 20, "training")
    assert project.items.gold().labeled().count() == 0
    assert counting.recount(batch) == []
    assert [answer.is_right for answer in gold.answers_of(project)] == [True] * 5


def test_nobody_is_asked_twice_about_an_item_as_long_as_there_is_another_way(project: Project) -> None:
    make_gold(project, make_items(project, 60)[:5])
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    first = select(project)
    work(project, ann)
    Batch.objects.filter(pk=first.pk).update(state="done")
    second = select(project)
    tasks = work(project, ann, 20)  # she knows all five gold items
    assert not [task for task in tasks if Task.objects.get(pk=task.pk).is_gold]
    assert len([task for task in work(project, bob, 5) if Task.objects.get(pk=task.pk).is_gold]) == 5
    second.refresh_from_db()
    assert second.remaining == 0


def test_a_batch_is_completed_even_by_somebody_who_knows_all_its_gold_items(project: Project) -> None:
    make_gold(project, make_items(project, 60)[:5])
    ann = make_member(project, "ann")
    first = select(project)
    work(project, ann)
    Batch.objects.filter(pk=first.pk).update(state="done")
    second = select(project)
    assert len(work(project, ann)) == 25
    second.refresh_from_db()
    assert second.remaining == 0
    assert len(gold.answers_of(project)) == 5  # the second time tells nothing


def test_who_is_mostly_wrong_is_paused_and_goes_on_when_a_manager_has_looked(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(gold_threshold=0.8, gold_share=0.5)
    project.refresh_from_db()
    make_gold(project, make_items(project, 60)[:12])
    batch = select(project)
    bad = make_member(project, "bad")
    member = Membership.objects.get(user=bad)
    watch = gold.Watch()
    while member.paused_at is None:
        task = queue.claim(project=project, user=bad, count=10).tasks[0]
        submitting.submit(project=project, user=bad, answers=[_answer(task, wrong=True)])
        member.refresh_from_db()
        assert member.paused_at is None, (
            "not by the request that brings the answer, which would take longer than others"
        )
        watch(timezone.now())
        member.refresh_from_db()
    assert member.pause_reason.startswith("0 of 3 answers")
    assert not Assignment.objects.pending().filter(user=bad).exists()  # others get what was held
    assert gold.let_go_on(member)
    assert gold.answers_of(project, user=bad) == []
    batch.refresh_from_db()
    assert batch.state == "open"


def test_answers_that_are_committed_after_a_check_are_seen_by_the_next_one(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(gold_threshold=0.8, gold_share=0.5)
    project.refresh_from_db()
    make_gold(project, make_items(project, 60)[:12])
    select(project)
    bad = make_member(project, "bad")
    watch, now = gold.Watch(), timezone.now()
    watch(now)
    work(project, bad, 20, wrong=True)
    WorkLog.objects.update(last_at=now - timedelta(seconds=5))
    watch(now + timedelta(seconds=5))
    assert Membership.objects.get(user=bad).paused_at is not None


def test_undoing_a_gold_answer_asks_it_again_and_counts_nothing(project: Project) -> None:
    make_gold(project, make_items(project, 40)[:8])
    batch = select(project)
    ann = make_member(project, "ann")
    tasks = queue.claim(project=project, user=ann, count=10).tasks
    task = next(task for task in tasks if Task.objects.get(pk=task.pk).is_gold)
    answer = _answer(task, wrong=False)
    submitting.submit(project=project, user=ann, answers=[answer])
    assert queue.undo(project=project, user=ann, annotation_id=answer.id).pk == task.pk
    batch.refresh_from_db()
    assert (batch.remaining, batch.labeled) == (25, 0)


@given(n=st.integers(0, 200), share=st.floats(0, 1), threshold=st.floats(0.01, 0.99))
def test_the_test_for_a_pause_is_the_binomial_one(n: int, share: float, threshold: float) -> None:
    right = round(share * n)
    tail: Any = binom.cdf(right, n, threshold)
    if abs(tail - gold.SURE) > 1e-9:
        assert gold.is_below(right, n, threshold) == (tail < gold.SURE)


@given(
    items=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=60),
    people=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_each_known_answer_comes_as_often_as_any_other(items: list[tuple[str, int]], people: int, seed: int) -> None:
    answers, asked = [answer for answer, _ in items], [n for _, n in items]
    order = evenly(answers, asked, people, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(items)))
    fresh = [place for place in order if asked[place] < people]
    assert order[: len(fresh)] == fresh, "what everybody knows comes last"
    turns = {answer: sum(n for each, n in items if each == answer) for answer in answers}
    for at, place in enumerate(fresh):
        left = {answers[each] for each in fresh[at:]}
        assert turns[answers[place]] == min(turns[answer] for answer in left)
        assert asked[place] == min(asked[each] for each in fresh[at:] if answers[each] == answers[place])
        turns[answers[place]] += 1


def test_gold_items_of_one_class_do_not_crowd_out_the_others(project: Project) -> None:
    items = make_items(project, 60)
    for number, item in enumerate(items[:12]):
        Item.objects.filter(pk=item.pk).update(gold=3 if number < 9 else 4)
    batch = select(project)
    drawn = [project.items.get(pk=task.item_key).gold for task in batch.tasks.filter(is_gold=True)]
    assert sorted(drawn) in ([3, 3, 3, 4, 4], [3, 3, 4, 4, 4])


def test_a_gold_task_that_is_given_back_comes_again_like_any_other(project: Project) -> None:
    make_gold(project, make_items(project, 60)[:8])
    select(project)
    ann = make_member(project, "ann")
    tasks = {task.pk for task in queue.claim(project=project, user=ann, count=10).tasks}
    assert Task.objects.filter(pk__in=tasks, is_gold=True).exists()
    queue.release(project=project, user=ann)
    assert {task.pk for task in queue.claim(project=project, user=ann, count=10).tasks} == tasks
