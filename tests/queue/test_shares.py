"""Test each person's share of a batch: its size, its duration, and who gets it next."""

import datetime
import threading
import time
import uuid
from typing import Any

import httpx
import pytest
from django.db.models import Count, F, Q
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken

from labeling.models import Annotation, Assignment, Batch, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.queue import Claim

pytestmark = pytest.mark.django_db

LEASE = 180


def start(n: int = 100, *, overlap: int = 1) -> tuple[Project, User, User]:
    project = make_project(overlap=overlap, lease_seconds=LEASE)
    make_open_batch(project, make_items(project, n), overlap=overlap)
    return project, make_member(project, "ann"), make_member(project, "bob")


def claim(project: Project, user: User, count: int = 100) -> Claim:
    return queue.claim(project=project, user=user, count=count)


def ranks(claimed: Claim) -> list[int]:
    return [task.rank for task in claimed.tasks]


def answer(project: Project, user: User, *tasks: Task) -> list[uuid.UUID]:
    given = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
    outcome = submitting.submit(project=project, user=user, answers=given)
    assert not outcome.rejected
    check_books(project)
    return outcome.accepted


def pass_time(seconds: float) -> None:
    """Move all stored times back by this time, as if it had passed."""
    past = datetime.timedelta(seconds=seconds)
    Assignment.objects.update(
        lease_expires_at=F("lease_expires_at") - past,
        claimed_at=F("claimed_at") - past,
        answered_at=F("answered_at") - past,
        ended_at=F("ended_at") - past,
    )
    Annotation.objects.update(created_at=F("created_at") - past)


def seconds_left(claimed: Claim) -> Any:
    """Assert the seconds left of the lease, with a tolerance for a busy machine."""
    assert claimed.lease_expires_at is not None
    return pytest.approx((claimed.lease_expires_at - timezone.now()).total_seconds(), abs=15)


def check_books(project: Project) -> None:
    places = Count("assignments", filter=Q(assignments__ended_at__isnull=True))
    tasks = Task.objects.filter(batch__project=project).annotate(places=places)
    assert not tasks.exclude(batch__overlap=F("free") + F("places")).exists()


# ── how much ──


@pytest.mark.parametrize(("size", "most"), [(5, 5), (30, 10), (100, 10), (101, 11), (400, 40)])
def test_nobody_holds_more_than_a_tenth_of_a_batch_or_ten_tasks(size: int, most: int) -> None:
    project, ann, _ = start(size)
    for _ in range(3):
        claim(project, ann)
    assert Assignment.objects.pending().count() == most


def test_taking_answers_back_does_not_get_round_the_limit() -> None:
    project, ann, bob = start()
    given: list[uuid.UUID] = []
    for _ in range(3):
        given += answer(project, ann, *claim(project, ann).tasks)
    claim(project, ann)
    for annotation_id in given:
        task = queue.undo(project=project, user=ann, annotation_id=annotation_id)
        check_books(project)
        held = Assignment.objects.pending().filter(user=ann)
        assert held.count() == 10
        assert held.filter(task=task).exists(), "what was taken back is held again"
    # The last in the batch's order went: what is left is what was taken back last of all, and the first.
    assert len(claim(project, bob).tasks) == 10
    assert Assignment.objects.pending().count() == 20


# ── for how long ──


def test_only_answers_renew_a_lease() -> None:
    project, ann, _ = start()
    first = claim(project, ann)
    pass_time(100)
    again = claim(project, ann)
    assert (ranks(again), seconds_left(again)) == (ranks(first), 80)
    answer(project, ann, again.tasks[0])
    assert seconds_left(claim(project, ann)) == LEASE


def test_an_answer_that_was_taken_back_renews_nothing() -> None:
    project, ann, _ = start()
    first, *_ = claim(project, ann).tasks
    pass_time(100)
    queue.undo(project=project, user=ann, annotation_id=answer(project, ann, first)[0])
    claim(project, ann)
    left = {task.pk: task.assignments.get().lease_expires_at - timezone.now() for task in Task.objects.all()[:10]}
    # Give or take what a busy machine needs between the claim and this line.
    assert left.pop(first.pk).total_seconds() == pytest.approx(LEASE, abs=10), "time to answer it again"
    assert [each.total_seconds() for each in left.values()] == pytest.approx([80] * len(left), abs=10)


def test_answering_and_taking_back_one_task_over_and_over_does_not_keep_it() -> None:
    project, ann, bob = start(2)
    task, _ = claim(project, ann).tasks
    for _ in range(4):
        queue.undo(project=project, user=ann, annotation_id=answer(project, ann, task)[0])
        pass_time(80)
    assert ranks(claim(project, bob)) == [0, 1]


def test_giving_back_and_claiming_again_makes_no_lease_longer() -> None:
    project, ann, _ = start()
    first = claim(project, ann)
    pass_time(100)
    queue.release(project=project, user=ann)
    again = claim(project, ann)
    assert (ranks(again), seconds_left(again)) == (ranks(first), 80)
    check_books(project)


def test_who_is_alone_and_thinks_for_four_minutes_loses_nothing() -> None:
    project, ann, _ = start(10)
    tasks = claim(project, ann).tasks
    for _ in range(16):
        pass_time(15)
        assert claim(project, ann).tasks == tasks, "the page asks now and then"
    answer(project, ann, tasks[0])
    assert seconds_left(claim(project, ann)) == LEASE
    answer(project, ann, *tasks[1:])
    assert Batch.objects.get().state == Batch.State.TRAINING


def test_a_lease_that_ran_out_is_touched_only_for_want_of_free_tasks() -> None:
    project, ann, bob = start(20)
    tasks = claim(project, ann).tasks
    pass_time(LEASE + 60)
    assert ranks(claim(project, bob)) == list(range(10, 20))
    assert claim(project, ann).tasks == tasks
    answer(project, ann, tasks[0])


# ── and then ──


def test_what_somebody_let_lapse_goes_to_others_first() -> None:
    project, ann, bob = start(10)
    lapsed = claim(project, ann).tasks
    pass_time(LEASE + 1)
    assert ranks(claim(project, bob, 4)) == [0, 1, 2, 3]
    queue.release(project=project, user=bob)
    assert ranks(claim(project, ann)) == [4, 5, 6, 7, 8, 9], "what she held and nobody took is still hers"
    answer(project, ann, lapsed[4])
    assert ranks(claim(project, ann)) == [5, 6, 7, 8, 9, 0, 1, 2, 3], "who answers is not kept waiting"
    check_books(project)


def test_who_lets_tasks_lapse_waits_one_lease_for_them() -> None:
    project, ann, bob = start(10)
    claim(project, ann)
    pass_time(LEASE + 1)
    claim(project, bob)
    queue.release(project=project, user=bob)
    assert claim(project, ann).reason == "all_taken"
    pass_time(LEASE - 2)
    assert claim(project, ann).reason == "all_taken"
    pass_time(2)
    back = claim(project, ann)
    assert (len(back.tasks), seconds_left(back)) == (10, LEASE)
    check_books(project)


def test_an_answer_to_a_task_that_went_to_somebody_else_is_refused() -> None:
    project, ann, bob = start(10)
    tasks = claim(project, ann).tasks
    pass_time(LEASE + 1)
    assert ranks(claim(project, bob, 1)) == [0]
    late = Answer(id=uuid.uuid4(), task=tasks[0].pk, value=1)
    assert submitting.submit(project=project, user=ann, answers=[late]).rejected[0].code == "taken"
    queue.release(project=project, user=bob)
    assert submitting.submit(project=project, user=ann, answers=[late]).accepted, "its place is free again"
    check_books(project)


# ── sharing ──


def test_half_of_what_an_idle_person_holds_goes_to_who_has_nothing() -> None:
    project, ann, bob = start(400)
    batch = Batch.objects.get()
    batch.tasks.filter(rank__gte=40).update(free=0)  # far from its end, and yet nothing is free
    claim(project, ann)
    assert claim(project, bob).reason == "all_taken", "ann may have only just begun"
    pass_time(29)
    assert claim(project, bob).reason == "all_taken"
    pass_time(2)
    shared = claim(project, bob)
    assert (ranks(shared), seconds_left(shared)) == (list(range(20, 40)), LEASE)
    again = claim(project, ann)
    assert (ranks(again), seconds_left(again)) == (list(range(20)), LEASE - 31)


def test_near_the_end_what_is_left_is_shared_out_fairly_and_early() -> None:
    project, ann, bob = start(10)
    tasks = claim(project, ann).tasks
    assert claim(project, bob).reason == "all_taken", "a program may answer all of them at this moment"
    pass_time(6)
    shared = claim(project, bob)
    assert (ranks(shared), seconds_left(shared)) == ([5, 6, 7, 8, 9], LEASE)
    check_books(project)
    answer(project, ann, tasks[0])
    answer(project, bob, *shared.tasks)
    assert ranks(claim(project, bob)) == [3, 4], "two of the four that are left"
    answer(project, bob, *claim(project, bob).tasks)
    assert claim(project, bob).reason == "all_taken", "who is at work keeps what is on the screen, and the next"
    pass_time(31)
    shared = claim(project, bob)
    assert ranks(shared) == [2]
    answer(project, bob, *shared.tasks)
    assert ranks(claim(project, ann)) == [1], "what is on the screen stays"
    pass_time(LEASE)
    assert ranks(claim(project, bob)) == [1], "until its lease has run out"


def test_near_the_end_nobody_takes_more_than_a_fair_share() -> None:
    project, ann, bob = start(24)
    cid = make_member(project, "cid")
    assert len(claim(project, ann, 4).tasks) == 4
    assert len(claim(project, bob, 4).tasks) == 4
    assert len(claim(project, cid).tasks) == 8, "24 that lack answers, for three"
    make_member(project, "dan")
    assert len(claim(project, ann).tasks) == 8, "who does nothing has no share"
    check_books(project)


def test_nobody_who_answers_or_asks_for_more_has_to_share_or_is_shared_with() -> None:
    project, ann, bob = start(20)
    tasks = claim(project, ann).tasks
    claim(project, bob)
    pass_time(60)
    assert len(claim(project, bob).tasks) == 10, "who has tasks gets no others'"
    cid = make_member(project, "cid")
    answer(project, ann, tasks[0])
    assert ranks(claim(project, cid)) == [15, 16, 17, 18, 19], "bob's: ann answers"


def test_sharing_asks_each_person_once() -> None:
    project, ann, bob = start(10, overlap=2)
    cid = make_member(project, "cid")
    claim(project, ann)
    claim(project, bob)
    pass_time(60)
    assert ranks(claim(project, cid, 3)) == [7, 8, 9]
    answer(project, cid, *claim(project, cid).tasks)
    assert ranks(claim(project, cid)) == [4, 5, 6], "ann's"
    answer(project, cid, *claim(project, cid).tasks)
    assert ranks(claim(project, cid)) == [2, 3], "bob's, who holds 4 to 9 too, but cid has answered those"
    check_books(project)


def test_control_tasks_are_shared_and_lapse_as_the_others_do() -> None:
    shared = []
    for control in ([], [0, 5, 9], range(10)):
        project = make_project(f"p{len(shared)}", lease_seconds=LEASE)
        batch = make_open_batch(project, make_items(project, 10))
        batch.tasks.filter(rank__in=control).update(is_control=True)
        ann, bob = make_member(project, "ann"), make_member(project, "bob")
        claim(project, ann)
        pass_time(31)
        steps = [ranks(claim(project, bob)), ranks(claim(project, ann))]
        pass_time(LEASE)
        shared.append([*steps, ranks(claim(project, bob)), ranks(claim(project, ann))])
    assert shared[0] == shared[1] == shared[2]


@pytest.mark.django_db(transaction=True)
def test_beside_one_who_sits_the_other_finishes_the_batch_alone(live_server: Any) -> None:
    """One program claims over HTTP forever and answers nothing, with a lease of five seconds."""
    project = make_project(lease_seconds=5)
    make_open_batch(project, make_items(project, 30))
    done = threading.Event()
    held: list[int] = []

    def client(name: str) -> httpx.Client:
        token = AuthToken.objects.create(make_member(project, name))[1]
        base = f"{live_server.url}/api/v1/projects/{project.slug}/"
        return httpx.Client(base_url=base, headers={"Authorization": f"Token {token}"}, timeout=30, trust_env=False)

    def sit(http: httpx.Client) -> None:
        while not done.is_set():
            held.append(len(http.post("claim/", json={"count": 100}).json()["tasks"]))
            time.sleep(0.1)

    with client("sitter") as sitter, client("honest") as honest:
        sitting = threading.Thread(target=sit, args=(sitter,))
        sitting.start()
        try:
            first_empty, end = None, time.monotonic() + 60
            while time.monotonic() < end:
                claimed = honest.post("claim/", json={"count": 10}).json()
                if claimed.get("reason") == "training":
                    break
                if not claimed["tasks"]:
                    first_empty = first_empty or timezone.now()
                    time.sleep(0.1)
                    continue
                answers = [{"id": str(uuid.uuid4()), "task": task["id"], "value": "1"} for task in claimed["tasks"]]
                honest.post("annotations/", json={"annotations": answers})
        finally:
            done.set()
            sitting.join()
    batch = Batch.objects.get()
    assert batch.state == Batch.State.TRAINING
    assert max(held) == 10
    assert set(Annotation.objects.values_list("user__username", flat=True)) == {"honest"}
    assert first_empty is not None
    assert batch.completed_at is not None
    assert (batch.completed_at - first_empty).total_seconds() < 2 * 5, "one lease, not two"
