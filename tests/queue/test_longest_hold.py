"""Test the longest time for one item: the item then goes to others, whatever else the person answers."""

import datetime
import uuid

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Annotation, Assignment, Item, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db

LEASE, LONGEST = 180, 600


def start(n: int = 30, *, longest: int | None = LONGEST) -> tuple[Project, User, User]:
    project = make_project(lease_seconds=LEASE, max_seconds_per_item=longest)
    make_open_batch(project, make_items(project, n))
    return project, make_member(project, "ann"), make_member(project, "bob")


def claim(project: Project, user: User, count: int = 10) -> list[int]:
    return [task.rank for task in queue.claim(project=project, user=user, count=count).tasks]


def answer(project: Project, user: User, rank: int) -> uuid.UUID:
    task = Task.objects.get(rank=rank)
    [accepted] = submitting.submit(
        project=project, user=user, answers=[Answer(uuid.uuid4(), task.pk, value=1)]
    ).accepted
    return accepted


def pass_time(seconds: float) -> None:
    past = datetime.timedelta(seconds=seconds)
    names = ("lease_expires_at", "claimed_at", "held_since", "answered_at", "ended_at")
    Assignment.objects.update(**{name: F(name) - past for name in names})
    Annotation.objects.update(created_at=F("created_at") - past)


def work(project: Project, user: User, seconds: int, *, every: int = 100) -> None:
    """Answer the newest held item and claim, every so many seconds, so that the first item waits."""
    for _ in range(seconds // every):
        pass_time(every)
        answer(project, user, claim(project, user)[-1])
        claim(project, user)


def seconds_left(user: User, rank: int) -> float:
    place = Assignment.objects.get(user=user, task__rank=rank)
    return (place.lease_expires_at - timezone.now()).total_seconds()


def test_answers_renew_the_lease_of_all_that_a_person_holds_up_to_the_limit() -> None:
    project, ann, _ = start()
    claim(project, ann)
    work(project, ann, 300)
    assert seconds_left(ann, 0) == pytest.approx(LEASE, abs=15), "far from the limit"
    work(project, ann, 200)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 500, abs=15)
    work(project, ann, 200)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 700, abs=15)


def test_after_the_limit_others_get_the_item_if_they_find_no_other() -> None:
    project, ann, bob = start(10)
    claim(project, ann)
    work(project, ann, 500)
    assert 0 not in claim(project, bob)
    queue.release(project=project, user=bob)
    work(project, ann, 200)
    assert claim(project, ann)[:1] == [0], "nobody has asked for it yet"
    assert 0 in claim(project, bob)
    assert 0 not in claim(project, ann)
    task = Task.objects.get(rank=0)
    late = submitting.submit(project=project, user=ann, answers=[Answer(uuid.uuid4(), task.pk, value=1)])
    assert [each.code for each in late.rejected] == ["taken"]


def test_who_lost_an_item_to_the_limit_is_not_given_it_again_for_one_lease() -> None:
    project, ann, bob = start(10)
    claim(project, ann)
    work(project, ann, 700)
    assert 0 in claim(project, bob)
    queue.release(project=project, user=bob)
    assert 0 not in claim(project, ann)
    pass_time(LEASE)
    assert 0 in claim(project, ann)
    assert seconds_left(ann, 0) == pytest.approx(LEASE, abs=15), "a new time"


def test_an_answer_after_the_limit_counts_as_long_as_nobody_else_has_the_item() -> None:
    project, ann, _ = start()
    claim(project, ann)
    work(project, ann, 700)
    answer(project, ann, 0)
    assert Item.objects.get(row=0).label == 1


def test_a_limit_below_the_lease_ends_the_first_lease() -> None:
    project, ann, bob = start(10, longest=60)
    claim(project, ann)
    assert seconds_left(ann, 0) == pytest.approx(60, abs=15)
    assert claim(project, bob) == [], "just taken: not idle"
    pass_time(61)
    assert len(claim(project, bob)) == 10


def test_giving_back_and_claiming_again_does_not_extend_the_time() -> None:
    project, ann, _ = start()
    claim(project, ann)
    work(project, ann, 500)
    queue.release(project=project, user=ann)
    assert 0 in claim(project, ann)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 500, abs=15)


def test_the_time_between_an_answer_and_its_undo_does_not_count() -> None:
    project, ann, _ = start()
    claim(project, ann)
    work(project, ann, 500)
    given = answer(project, ann, 0)
    work(project, ann, 300)
    queue.undo(project=project, user=ann, annotation_id=given)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 500, abs=15)
    work(project, ann, 100)
    again = answer(project, ann, 0)
    queue.undo(project=project, user=ann, annotation_id=again)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 600, abs=15), "answering and undoing keeps no item"


def test_a_limit_holds_for_items_that_people_hold_already() -> None:
    project, ann, bob = start(10, longest=None)
    claim(project, ann)
    work(project, ann, 700)
    assert seconds_left(ann, 0) == pytest.approx(LEASE, abs=15), "without a limit, answers renew it"
    Project.objects.update(max_seconds_per_item=LONGEST)
    project.refresh_from_db()
    claim(project, ann)
    assert 0 in claim(project, bob)


def test_a_place_of_an_earlier_release_counts_from_its_next_claim() -> None:
    project, ann, _ = start()
    claim(project, ann)
    Assignment.objects.update(held_since=None)
    work(project, ann, 100)
    assert seconds_left(ann, 0) == pytest.approx(LEASE, abs=15)
    work(project, ann, 500)
    assert seconds_left(ann, 0) == pytest.approx(LONGEST - 500, abs=15)


def test_control_gold_and_check_tasks_go_as_all_others_do() -> None:
    project, ann, _ = start(10)
    Task.objects.filter(rank=1).update(is_control=True)
    gold, *_ = make_items(project, 1, first=40)
    Task.objects.filter(rank=2).update(item=None, repeats=gold, is_gold=True)
    Task.objects.filter(rank=3).update(extra=1, free=2, outstanding=2)
    claim(project, ann)
    work(project, ann, 500)
    held = Assignment.objects.pending().filter(user=ann)
    assert set(held.values_list("task__rank", flat=True)) >= {0, 1, 2, 3}
    assert len(set(held.values_list("lease_expires_at", flat=True))) == 1


def test_the_limit_costs_no_statement() -> None:
    project, ann, bob = start(longest=None)
    counts = []
    for user in (ann, bob):
        with CaptureQueriesContext(connection) as queries:
            first, *_ = claim(project, user)
            given = answer(project, user, first)
            claim(project, user)
            queue.undo(project=project, user=user, annotation_id=given)
        counts.append(len(queries))
        project.max_seconds_per_item = LONGEST
    assert counts[0] == counts[1]
