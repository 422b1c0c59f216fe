"""Gold tasks: their answer is known, and people answer them like all others.

A person who is too often wrong gets no more tasks until a manager has looked. The worker checks that every few seconds
(`check`), never the request that brings an answer: an answer to a gold task would take longer than others.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from labeling.answering import places
from labeling.models import Annotation, Assignment, Membership, Project, User, WorkLog

SURE = 0.01
"""Somebody who is right as often as the threshold says is paused, at one look, with at most this probability."""
REASON = "{right} of {n} answers to items with a known answer were right."


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """One person's first answer to a gold item: keys of the person and the item, what was answered, what is right."""

    user: int
    item: int
    value: Any
    known: Any

    @property
    def is_right(self) -> bool:
        return bool(self.value == self.known)


def answers_of(project: Project, *, user: User | None = None) -> list[GoldAnswer]:
    """The answers by which people are judged, of one person or everybody, as they came: the first of each person to an
    item, given without a prediction in view, since a manager last let that person go on. Two queries.
    """
    answers = Annotation.objects.answers().filter(
        task__batch__project=project, task__is_gold=True, task__prompted=False, task__repeats__gold__isnull=False
    )
    if user is not None:
        answers = answers.filter(user=user)
    forgiven: dict[int, Any] = dict(
        project.memberships.filter(looked_at__isnull=False).values_list("user", "looked_at")
    )
    first: dict[tuple[int, int], GoldAnswer] = {}
    rows = answers.order_by("created_at", "pk").values_list(
        "user", "task__repeats", "value", "task__repeats__gold", "created_at"
    )
    for who, item, value, known, at in rows:
        if who not in forgiven or at > forgiven[who]:
            first.setdefault((who, item), GoldAnswer(who, item, project.follow(value), project.follow(known)))
    return list(first.values())


def look_at(project: Project, user: User) -> bool:
    """Pause the user's work if the gold answers say, beyond doubt, that too few are right. Returns whether they do.

    The tasks that the user holds go to others. Managers are not paused: they look at pauses.
    """
    if project.gold_threshold is None:
        return False
    right = [answer.is_right for answer in answers_of(project, user=user)]
    if not is_below(sum(right), len(right), project.gold_threshold):
        return False
    members = Membership.objects.pausable().filter(project=project, user=user, paused_at=None)
    return _pause(members, project, user, REASON.format(right=sum(right), n=len(right)))


@transaction.atomic
def _pause(members: QuerySet[Membership], project: Project, user: User, reason: str) -> bool:
    """Pause this member, if still at work, and give what the user holds to others. Returns whether that was so."""
    if not members.update(paused_at=timezone.now(), pause_reason=reason):
        return False
    places.give_back(Assignment.objects.pending().filter(pk__in=places.held_in(project, user)))
    return True


def check(*, since: datetime.datetime) -> int:
    """Look at each member who has answered or skipped a task since then, where the project has a threshold. Returns how
    many were paused.
    """
    worked = WorkLog.objects.filter(user=OuterRef("user"), batch__project=OuterRef("project"), last_at__gte=since)
    members = Membership.objects.pausable().filter(
        Exists(worked), project__gold_threshold__isnull=False, project__archived_at=None, paused_at=None
    )
    return sum(look_at(member.project, member.user) for member in members.select_related("project", "user"))


class Watch:
    """Checks the people who have worked since the last call. The first call checks everybody who worked that day."""

    OVERLAP = datetime.timedelta(seconds=30)
    """A transaction that began before the last call may have ended after it."""

    def __init__(self) -> None:
        self._since: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        since = now - self.OVERLAP
        check(since=min(since, self._since or now - datetime.timedelta(days=1)))  # also if the clock was set back
        self._since = since


def is_below(right: int, n: int, threshold: float, *, sure: float = SURE) -> bool:
    """Whether somebody who is right with a probability of `threshold` would hardly ever have so few right of `n`.

    A one-sided exact binomial test.

    >>> is_below(0, 2, 0.8), is_below(1, 12, 0.8)
    (False, True)
    """
    return sum(_terms(right, n, threshold)) < sure


def _terms(right: int, n: int, p: float) -> Iterable[float]:
    return (math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(right + 1))


def let_go_on(membership: Membership) -> bool:
    """A manager has looked: the member gets tasks again, and is judged by what comes from now on."""
    paused = Membership.objects.filter(pk=membership.pk, paused_at__isnull=False)
    return bool(paused.update(paused_at=None, pause_reason="", looked_at=timezone.now()))


def pause(membership: Membership, reason: str) -> bool:
    """A manager pauses somebody's work by hand; what they hold goes to others."""
    members = Membership.objects.filter(pk=membership.pk, paused_at=None)
    return _pause(members, membership.project, membership.user, reason[:300])
