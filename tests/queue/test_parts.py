"""Test parts of a batch for people and groups, and daily limits: who gets which tasks, also while people are away."""

import datetime
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from hypothesis import given
from hypothesis import strategies as st

from labeling.models import Assignment, Batch, BatchPart, Membership, Project, Role, User, WorkLog
from labeling.queue import parts, queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.parts import PartError
from labeling.queue.queue import Claim

pytestmark = pytest.mark.django_db


def start(n: int = 40, *, overlap: int = 1) -> tuple[Project, Batch, User, User, User]:
    """Create Ann and Cid in the group “doctors”, and Bob without a group."""
    project = make_project(overlap=overlap)
    batch = make_open_batch(project, make_items(project, n), overlap=overlap)
    ann, bob, cid = (make_member(project, name) for name in ("ann", "bob", "cid"))
    Membership.objects.filter(user__in=[ann, cid]).update(group="doctors")
    return project, batch, ann, bob, cid


def claim(project: Project, user: User, count: int = 10, **options: int) -> Claim:
    return queue.claim(project=project, user=user, count=count, **options)


def ranks(claimed: Claim) -> list[int]:
    return [task.rank for task in claimed.tasks]


def answer(project: Project, user: User, claimed: Claim) -> list[uuid.UUID]:
    answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in claimed.tasks]
    return submitting.submit(project=project, user=user, answers=answers).accepted


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.booleans()), max_size=6))
def test_spans_are_what_is_for_the_person_and_what_is_for_everybody(drawn: list[tuple[int, int, bool]]) -> None:
    kept = [(first, first + length, mine) for first, length, mine in drawn]
    allowed = parts.spans(kept)
    for rank in range(50):
        of = [mine for first, stop, mine in kept if first <= rank < stop]
        assert any(first <= rank <= last for first, last in allowed) == (any(of) or not of)


@pytest.mark.parametrize("overlap", [1, 2])
def test_people_are_given_what_is_theirs_first_and_never_what_is_others(overlap: int) -> None:
    project, batch, ann, bob, _ = start(overlap=overlap)
    parts.assign_part(batch=batch, share=0.1, group="doctors")
    parts.assign_part(batch=batch, share=0.05, user=bob)
    assert [(part.start, part.stop) for part in batch.parts.all()] == [(0, 4), (4, 6)]
    assert ranks(claim(project, bob, 3)) == [4, 5, 6]
    assert ranks(claim(project, ann, 3)) == [0, 1, 2]
    assert ranks(claim(project, ann, 6))[:4] == [0, 1, 2, 3]
    dan = make_member(project, "dan")
    assert min(ranks(claim(project, dan))) >= 6


def test_nobody_is_given_others_tasks_by_a_lapse_or_by_sharing() -> None:
    project, batch, ann, bob, cid = start(6)
    parts.assign_part(batch=batch, share=1, group="doctors")
    assert ranks(claim(project, ann)) == [0, 1, 2, 3, 4, 5]
    past = timezone.now() - datetime.timedelta(hours=1)
    Assignment.objects.update(lease_expires_at=past, claimed_at=past)
    assert (ranks(claim(project, bob)), claim(project, bob).reason) == ([], "kept_for_others")
    assert ranks(claim(project, cid)) == [0, 1, 2, 3, 4, 5]


def test_a_lapsed_task_goes_to_people_of_its_part_alone() -> None:
    project, batch, ann, bob, cid = start(8)
    parts.assign_part(batch=batch, share=0.5, group="doctors")
    assert ranks(claim(project, ann)) == [0, 1, 2, 3, 4, 5, 6, 7]
    past = timezone.now() - datetime.timedelta(hours=1)
    Assignment.objects.update(lease_expires_at=past, claimed_at=past)
    assert ranks(claim(project, cid, 2)) == [0, 1]
    assert ranks(claim(project, bob)) == [4, 5, 6, 7]


def test_who_has_tasks_keeps_them_and_a_part_that_is_lifted_is_for_everybody() -> None:
    project, batch, ann, bob, _ = start(12)
    assert ranks(claim(project, bob, 2)) == [0, 1]
    part = parts.assign_part(batch=batch, share=1, user=ann)
    assert (part.start, part.stop) == (2, 12), "of what nobody has been given"
    assert ranks(claim(project, bob, 5)) == [0, 1]
    with pytest.raises(PartError, match="assigned or given out"):
        parts.assign_part(batch=batch, share=0.5, user=bob)
    assert parts.unassign_part(batch=batch, part_id=part.pk)
    assert not parts.unassign_part(batch=batch, part_id=part.pk)
    assert ranks(claim(project, bob, 5)) == [0, 1, 2, 3, 4]
    batch.refresh_from_db()
    assert not batch.in_parts


def test_nobody_who_cannot_answer_is_assigned_anything() -> None:
    project, batch, *_ = start()
    eve = make_member(project, "eve", Role.ENGINEER)
    stranger = make_member(make_project("other"), "stranger")
    for whom in ({"user": eve}, {"user": stranger}, {"group": "nobody"}, {"group": ""}):
        with pytest.raises(PartError, match="has no members who can answer"):
            parts.assign_part(batch=batch, share=0.5, **whom)
    Batch.objects.update(state=Batch.State.TRAINING)
    with pytest.raises(PartError, match="is training"):
        parts.assign_part(batch=batch, share=0.5, group="doctors")
    assert not BatchPart.objects.exists()


def test_a_batch_that_is_in_parts_takes_one_query_more() -> None:
    project, batch, _, bob, _ = start(60)
    taken = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            claim(project, bob, 1)
        taken.append(len(queries))
        queue.release(project=project, user=bob)
        parts.assign_part(batch=batch, share=0.1, user=bob)
    assert taken[1] == taken[0] + 1


def test_nobody_gives_more_answers_a_day_than_the_limit() -> None:
    project, _, ann, _, _ = start(40)
    first = claim(project, ann, 10, daily_limit=3)
    assert len(first.tasks) == 3
    assert len(claim(project, ann, 10, daily_limit=3).tasks) == 3, "the same"
    accepted = answer(project, ann, first)
    over = claim(project, ann, 10, daily_limit=3)
    assert (over.tasks, over.reason) == ([], "limit_reached")
    assert over.limit is not None
    assert over.limit.free_from > timezone.now()
    queue.undo(project=project, user=ann, annotation_id=accepted[0])
    assert len(claim(project, ann, 10, daily_limit=3).tasks) == 1, "an answer that was taken back is free again"
    WorkLog.objects.update(start=timezone.now() - datetime.timedelta(days=1))
    assert len(claim(project, ann, 10, daily_limit=3).tasks) == 3, "another day"


def test_at_the_limit_what_is_held_goes_back_at_once() -> None:
    project, _, ann, bob, _ = start(10)
    answer(project, ann, claim(project, ann, 2))
    claim(project, ann)
    assert claim(project, ann, 10, daily_limit=2).reason == "limit_reached"
    assert len(claim(project, bob).tasks) > 1
