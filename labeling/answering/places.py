"""Places on tasks: who may take one, until when it is theirs, and when it goes to somebody else.

A task has `overlap` places. Taking one is a conditional update of the task's `free` count together with an
`Assignment` row; the database's constraints, not this code's care, make it impossible to take one place twice.

Rows are locked in one order everywhere (the person, tasks, assignments, the batch), so that no two requests can lock
each other out. Whatever another request has locked is passed over where places change hands, never waited for.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils import timezone

from labeling.models import Annotation, Assignment, Batch, Membership, Project, Task, User
from labeling.models.answers import AssignmentQuerySet

# How many unanswered tasks of a batch one person holds at most: a tenth of them, within these bounds.
MIN_HELD, MAX_HELD = 10, 200
# Whoever has tasks and answers none of them for this long (or for half a lease) shares them with those who have none.
IDLE = datetime.timedelta(seconds=30)


class PlacesMoved(Exception):
    """Another request changed the same places meanwhile: the transaction is to be rolled back and tried again."""

    def __str__(self) -> str:
        return "Somebody else changed these tasks at the same moment. Try again."


class Held(NamedTuple):
    """A task, and until when its place is kept."""

    task: Task
    until: datetime.datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who takes places in a batch at one moment. `answers`: whether any of theirs came within one lease."""

    user: User
    batch: Batch
    now: datetime.datetime
    lease: datetime.timedelta
    answers: bool

    @property
    def until(self) -> datetime.datetime:
        """The end of a lease that begins now."""
        return self.now + self.lease


def most_held(batch: Batch) -> int:
    """How many unanswered tasks of this batch one person may hold."""
    return min(MAX_HELD, max(MIN_HELD, math.ceil(batch.size / 10)))


def lock_person(*, project: Project, user: User, batch: Batch, without: uuid.UUID | None = None) -> Person:
    """Let this person's requests take places one after the other: two at once could take more than one may hold.

    `without` is an annotation that does not count as an answer.
    """
    now, lease = timezone.now(), datetime.timedelta(seconds=project.lease_seconds)
    lately = Annotation.objects.standing().filter(user=user, task__batch=batch, created_at__gt=now - lease)
    if without is not None:
        lately = lately.exclude(pk=without)
    answers = (
        Membership.objects.filter(project=project, user=user)
        .select_for_update(of=("self",))
        .annotate(answers=Exists(lately))
        .values_list("answers", flat=True)
        .first()
    )
    return Person(user, batch, now, lease, bool(answers))


def own(person: Person) -> list[Assignment]:
    """The places that the person holds, with tasks and items in the batch's order. Locked."""
    return list(
        Assignment.objects.pending()
        .filter(user=person.user, task__batch=person.batch)
        .select_related("task__item")
        .order_by("task__rank")
        .select_for_update(skip_locked=True, of=("self",))
    )


def keep(person: Person, places: Sequence[Assignment]) -> list[Held]:
    """Note that these locked places of the person were claimed again. If answers come, renew their leases."""
    renewed = {"lease_expires_at": person.until} if person.answers else {}
    if places:
        Assignment.objects.filter(pk__in=[each.pk for each in places]).update(claimed_at=person.now, **renewed)
    return [Held(each.task, person.until if person.answers else each.lease_expires_at) for each in places]


def take(person: Person, number: int) -> list[Held]:
    """Take free places on up to `number` tasks, in the batch's order."""
    earlier = Assignment.objects.filter(user=person.user, task=OuterRef("pk")).values("lease_expires_at")
    tasks = list(
        Task.objects.filter(batch=person.batch)
        .claimable()
        .exclude(pk__in=_closed_to(person))
        .annotate(earlier_lease=Subquery(earlier))
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("item")[: max(number, 0)]
    )
    if not tasks:
        return []
    if Task.objects.filter(pk__in=[task.pk for task in tasks], free__gt=0).update(free=F("free") - 1) != len(tasks):
        raise PlacesMoved
    again = [task for task in tasks if task.earlier_lease is not None]
    _take_again(person, again)
    Assignment.objects.bulk_create(
        Assignment(task=task, user=person.user, lease_expires_at=person.until, claimed_at=person.now)
        for task in tasks
        if task.earlier_lease is None
    )
    kept = {task.pk: task.earlier_lease for task in again if not person.answers and task.earlier_lease > person.now}
    return [Held(task, kept.get(task.pk, person.until)) for task in tasks]


def _take_again(person: Person, tasks: Sequence[Task]) -> None:
    """Hold places again that the person had before. Giving one back and taking it again makes no lease longer."""
    if not tasks:
        return
    old = When(lease_expires_at__gt=person.now, then=F("lease_expires_at"))
    lease = Value(person.until) if person.answers else Case(old, default=Value(person.until))
    ended = Assignment.objects.ended().filter(user=person.user, task__in=tasks)
    if ended.update(ended_at=None, claimed_at=person.now, lease_expires_at=lease) != len(tasks):
        raise PlacesMoved


def _closed_to(person: Person) -> QuerySet[Assignment, Any]:
    """Tasks that the person has a place on, or let lapse less than one lease ago: others get those first."""
    closed = Q(ended_at__isnull=True)
    if not person.answers:
        closed |= Q(lease_expires_at__gt=person.now - person.lease, lease_expires_at__lte=person.now)
    return Assignment.objects.filter(closed, user=person.user, task__batch=person.batch).values("task")


def _held_by_others(person: Person) -> AssignmentQuerySet:
    """Places that others hold on tasks that this person could take."""
    held = Assignment.objects.pending().filter(task__batch=person.batch)
    return held.exclude(user=person.user).exclude(task__in=_closed_to(person))


def free_lapsed(person: Person, number: int) -> int:
    """Free a place on up to `number` tasks whose lease has run out, for this person. Returns how many."""
    lapsed = _held_by_others(person).filter(lease_expires_at__lte=person.now)
    one_a_task = lapsed.exclude(Exists(lapsed.filter(task=OuterRef("task"), pk__lt=OuterRef("pk"))))
    return give_back(one_a_task.order_by("lease_expires_at", "task__rank"), most=number)


def free_idle(person: Person, number: int) -> int:
    """Free half of the places of somebody who does not answer, at most `number`, for this person. Returns how many.

    The last in the batch's order go. The first, which is on that person's screen, stays until its lease runs out.
    """
    idle = min(IDLE, person.lease / 2)
    answers = Annotation.objects.standing().filter(user=OuterRef("user"), task__batch=person.batch)
    # A lease is as old as its place, or as the last answer that renewed it.
    places = _held_by_others(person).filter(
        ~Exists(answers.filter(created_at__gt=person.now - idle)), lease_expires_at__lte=person.until - idle
    )
    most = places.values("user").annotate(n=Count("pk")).filter(n__gt=1).order_by("-n", "user").first()
    if most is None:
        return 0
    return give_back(places.filter(user=most["user"]).order_by("-task__rank"), most=min(number, most["n"] // 2))


def free_surplus(person: Person, *, keeping: Task) -> None:
    """Free what the person would hold beyond the limit with one more task, `keeping`: the last in the batch's order."""
    held = Assignment.objects.pending().filter(user=person.user, task__batch=person.batch).exclude(task=keeping)
    surplus = held.count() + 1 - most_held(person.batch)
    if surplus > 0:
        give_back(held.order_by("-task__rank"), most=surplus)


def reopen(person: Person, task: Task) -> None:
    """Hold a place again whose answer is being taken back.

    Its lease is renewed if other answers come, and once without: who answers and takes back one task over and over
    does not keep it for ever.
    """
    place = Assignment.objects.filter(user=person.user, task=task)
    undone_before = Annotation.objects.filter(user=person.user, task=task, undone_at__isnull=False)
    renew = person.answers or not undone_before.exists()
    place.update(answered_at=None, **({"lease_expires_at": person.until} if renew else {}))


def give_back(places: AssignmentQuerySet, *, most: int | None = None) -> int:
    """End these pending places, the first `most` of them, and free them. Returns how many there were."""
    chosen = dict(places.values_list("pk", "task_id")[:most])
    if not chosen:
        return 0
    locked = Task.objects.filter(pk__in=chosen.values()).select_for_update(skip_locked=True).order_by("pk")
    rows = list(
        # Asked again behind the lock: one whose lease was renewed meanwhile is none of these any more.
        places.filter(pk__in=chosen, task__in=list(locked.values_list("pk", flat=True)))
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("pk", "task_id")
    )
    Assignment.objects.filter(pk__in=[pk for pk, _ in rows]).update(ended_at=timezone.now())
    # Several places on one task may come back together: one update for each number of places.
    freed = Counter(task_id for _, task_id in rows)
    for number in set(freed.values()):
        ids = [task_id for task_id, n in freed.items() if n == number]
        Task.objects.filter(pk__in=ids).update(free=F("free") + number)
    return len(rows)


def answer(tasks: Sequence[Task], user: User) -> tuple[list[int], set[int]]:
    """Turn the user's places on these locked tasks into answered ones; one that has ended is taken again if it is free.

    Returns the ids of the tasks for which that was possible, and of those that were never the user's.
    """
    now = timezone.now()
    places = {each.task_id: each for each in Assignment.objects.filter(task__in=tasks, user=user)}
    known = [task for task in tasks if task.pk in places]
    held = [task.pk for task in known if places[task.pk].is_pending]
    free = [task.pk for task in known if places[task.pk].ended_at is not None and task.free > 0]
    own = Assignment.objects.filter(user=user)
    marked = own.pending().filter(task__in=held).update(answered_at=now) if held else 0
    taken = Task.objects.filter(pk__in=free, free__gt=0).update(free=F("free") - 1) if free else 0
    again = own.ended().filter(task__in=free).update(answered_at=now, ended_at=None) if free else 0
    if (marked, taken, again) != (len(held), len(free), len(free)):  # impossible while the tasks are locked
        raise PlacesMoved
    return held + free, {task.pk for task in tasks} - places.keys()
