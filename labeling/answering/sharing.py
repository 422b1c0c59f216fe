"""Sharing: where too few tasks are free, who gives which to somebody else.

In this order: places whose lease has run out, half of what somebody holds who does not answer, and what others hold
beyond their fair share near a batch's end. Counts and the order in which places were given decide, so control tasks go
as the others do. What is on somebody's screen, the place that was given first, stays until its lease has run out.
"""

from __future__ import annotations

import datetime
from functools import partial, reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labeling.answering.parts import ALL
from labeling.answering.person import Person
from labeling.answering.places import give_back
from labeling.metrics import LEASE_TIMEOUTS
from labeling.models import Annotation, Assignment
from labeling.models.answers import AssignmentQuerySet

# Whoever has tasks and answers none of them for this long (or for half a lease) shares them with those who have none.
IDLE = datetime.timedelta(seconds=30)
# What was claimed so lately is not shared: a program that claims and answers at once loses nothing.
CLAIMED_LATELY = datetime.timedelta(seconds=5)
# Whoever is at work keeps at least the task on the screen and the next one: the page shows that at once, and learns
# what has gone to others with the claim that follows an answer.
KEPT_AT_WORK = 2


def _closed_to(person: Person) -> QuerySet[Assignment, Any]:
    """Tasks that the person has a place on, or let lapse less than one lease ago: others get those first."""
    closed = Q(ended_at__isnull=True)
    if not person.takes_lapsed:
        closed |= Q(lease_expires_at__gt=person.now - person.lease, lease_expires_at__lte=person.now)
    return Assignment.objects.filter(closed, user=person.user, task__batch=person.batch).values("task")


def _held_by_others(person: Person) -> AssignmentQuerySet:
    """Places that others hold on tasks that this person could take."""
    held = Assignment.objects.pending().filter(task__batch=person.batch)
    if person.spans != ALL:
        held = held.filter(reduce(or_, (Q(task__rank__range=span) for span in person.spans)))
    return held.exclude(user=person.user).exclude(task__in=_closed_to(person))


def free_lapsed(person: Person, number: int) -> int:
    """Free a place on up to `number` tasks whose lease has run out, for this person. Returns how many."""
    lapsed = _held_by_others(person).filter(lease_expires_at__lte=person.now)
    one_a_task = lapsed.exclude(Exists(lapsed.filter(task=OuterRef("task"), pk__lt=OuterRef("pk"))))
    freed = give_back(one_a_task.order_by("lease_expires_at", "task__rank"), most=number)
    if freed:
        transaction.on_commit(partial(LEASE_TIMEOUTS.inc, freed))
    return freed


def free_idle(person: Person, number: int) -> int:
    """Free half of the places of somebody who does not answer, at most `number`, for this person. Returns how many.

    The places that were given last go. The first, which is on that person's screen, stays until its lease runs out.
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
    return give_back(places.filter(user=most["user"]).order_by("-pk"), most=min(number, most["n"] // 2))


def free_excess(person: Person, number: int) -> int:
    """Free what somebody holds beyond a fair share, at most `number` places, for this person. Returns how many.

    Near a batch's end alone: before, a person holds at most `person.most`. The places that were given last go.
    """
    keeping = max(KEPT_AT_WORK, person.most)
    places = _held_by_others(person).filter(claimed_at__lte=person.now - CLAIMED_LATELY)
    most = places.values("user").annotate(n=Count("pk")).filter(n__gt=keeping).order_by("-n", "user").first()
    if most is None:
        return 0
    return give_back(places.filter(user=most["user"]).order_by("-pk"), most=min(number, most["n"] - keeping))
