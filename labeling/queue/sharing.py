"""Release assignments of other annotators for a person who finds too few free tasks.

In this order: assignments whose lease has run out; half of those of an annotator who does not answer; near a batch's
end, those beyond an annotator's fair share. Counts and the order of the claims decide, so control tasks move like all
others. The task on an annotator's screen, the oldest assignment, stays until its lease has run out.
"""

import datetime
from functools import partial, reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labeling.models import Annotation, Assignment
from labeling.models.annotations import AssignmentQuerySet
from labeling.observing.metrics import LEASE_TIMEOUTS
from labeling.queue.assignments import give_back
from labeling.queue.parts import ALL
from labeling.queue.person import Person

# An annotator who answers none of the held tasks for this long (or for half a lease) shares them.
IDLE = datetime.timedelta(seconds=30)
# Tasks claimed within this time are not shared: a program that claims and answers at once loses none.
CLAIMED_LATELY = datetime.timedelta(seconds=5)
# An annotator at work keeps at least the task on the screen and the next one: the page shows the next task at once, and
# learns which tasks others have taken only from the claim after the answer.
KEPT_AT_WORK = 2


def _closed_to(person: Person) -> QuerySet[Assignment, Any]:
    """Return the ids of tasks that the person holds or has answered, or whose lease the person let run out less than
    one lease ago: other annotators get these first.
    """
    closed = Q(ended_at__isnull=True)
    if not person.answers:
        closed |= Q(lease_expires_at__gt=person.now - person.lease, lease_expires_at__lte=person.now)
    return Assignment.objects.filter(closed, user=person.user, task__batch=person.batch).values("task")


def _held_by_others(person: Person) -> AssignmentQuerySet:
    """Return the assignments of other annotators of tasks that this person could take."""
    held = Assignment.objects.pending().filter(task__batch=person.batch)
    if person.spans != ALL:
        held = held.filter(reduce(or_, (Q(task__rank__range=span) for span in person.spans)))
    return held.exclude(user=person.user).exclude(task__in=_closed_to(person))


def free_lapsed(person: Person, number: int) -> int:
    """Release one lapsed assignment each of up to `number` tasks that this person could take. Return their number."""
    lapsed = _held_by_others(person).filter(lease_expires_at__lte=person.now)
    one_a_task = lapsed.exclude(Exists(lapsed.filter(task=OuterRef("task"), pk__lt=OuterRef("pk"))))
    freed = give_back(one_a_task.order_by("lease_expires_at", "task__rank"), most=number)
    if freed:
        transaction.on_commit(partial(LEASE_TIMEOUTS.inc, freed))
    return freed


def free_idle(person: Person, number: int) -> int:
    """Release half of the assignments, at most `number`, of an annotator who does not answer. Return their number.

    The newest ones are released. The oldest, on that annotator's screen, stays until its lease runs out.
    """
    idle = min(IDLE, person.lease / 2)
    answers = Annotation.objects.standing().filter(user=OuterRef("user"), task__batch=person.batch)
    # A lease is as old as its assignment, or as the last answer that renewed it.
    held = _held_by_others(person).filter(
        ~Exists(answers.filter(created_at__gt=person.now - idle)), lease_expires_at__lte=person.until - idle
    )
    most = held.values("user").annotate(n=Count("pk")).filter(n__gt=1).order_by("-n", "user").first()
    if most is None:
        return 0
    return give_back(held.filter(user=most["user"]).order_by("-pk"), most=min(number, most["n"] // 2))


def free_excess(person: Person, number: int) -> int:
    """Release the newest tasks, at most `number`, that an annotator holds beyond a fair share. Return their number.

    This happens only near a batch's end, where `person.most` is the fair share; before, no annotator holds more than
    `person.most`.
    """
    keeping = max(KEPT_AT_WORK, person.most)
    held = _held_by_others(person).filter(claimed_at__lte=person.now - CLAIMED_LATELY)
    most = held.values("user").annotate(n=Count("pk")).filter(n__gt=keeping).order_by("-n", "user").first()
    if most is None:
        return 0
    return give_back(held.filter(user=most["user"]).order_by("-pk"), most=min(number, most["n"] - keeping))
