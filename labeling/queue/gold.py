"""Gold tasks: tasks with a known answer that annotators answer like any other task.

An annotator with too many wrong answers is paused until a manager ends the pause. The worker checks this
every few seconds (`Watch`), not the request that stores an answer: a slower reply would identify gold tasks.
"""

import datetime
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import ngettext

from labeling.models import Annotation, Assignment, LogKind, Membership, Notice, NoticeKind, Project, User, WorkLog
from labeling.models.items import ItemQuerySet
from labeling.observing import auditlog
from labeling.queue import assignments

SURE = 0.01
"""A check pauses an annotator whose accuracy equals the threshold with at most this probability."""
REASON = "{right} of {n} answers to items with a known answer were right."


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """The first answer of a user to a gold item: the ids of both, the user's answer and the known answer."""

    user: int
    item: int
    value: Any
    known: Any

    @property
    def is_right(self) -> bool:
        return bool(self.value == self.known)


def answers_of(project: Project, *, user: User | None = None) -> list[GoldAnswer]:
    """Return the answers that annotators are judged by, by time; of one `user`, or of all.

    They are each annotator's first answer to a gold item, without a prediction on the screen, since a manager last
    ended a pause of the annotator. Two queries.
    """
    answers = Annotation.objects.by_people().filter(
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


def why_not_asked(project: Project) -> str:
    """Return the notice to managers that annotators get no gold tasks while they see suggestions, because these would
    tell gold items from others; else "". At most two queries.
    """
    suggested, n = _suggested_of(project.items.kept().filter(gold__isnull=False))
    if not n or 0 < suggested < n:
        return ""
    of_others, others = _suggested_of(project.items.to_label())
    if of_others == (others if suggested else 0):
        return ""
    if suggested:
        sentence = ngettext(
            "Each gold item has a suggestion, but only %(n)s of the %(others)s items to label has one: gold is not "
            "asked while annotators see suggestions.",
            "Each gold item has a suggestion, but only %(n)s of the %(others)s items to label have one: gold is not "
            "asked while annotators see suggestions.",
            of_others,
        )
    else:
        sentence = ngettext(
            "No gold item has a suggestion, but %(n)s of the %(others)s items to label has one: gold is not asked "
            "while annotators see suggestions.",
            "No gold item has a suggestion, but %(n)s of the %(others)s items to label have one: gold is not asked "
            "while annotators see suggestions.",
            of_others,
        )
    numbers = {"n": of_others, "others": others}
    return sentence % {name: number_format(n, force_grouping=True) for name, n in numbers.items()}


def _suggested_of(items: ItemQuerySet) -> tuple[int, int]:
    """Return how many of the items have a suggestion, and their number."""
    found = items.aggregate(suggested=Count("suggestion"), n=Count("pk"))
    return found["suggested"], found["n"]


def pause_if_inaccurate(project: Project, user: User) -> bool:
    """Pause the user if the share of right gold answers is significantly below the threshold (`is_below`).

    Release the tasks that the user holds. Managers are not paused, because they decide about pauses. Return whether the
    user was paused.
    """
    if project.gold_threshold is None:
        return False
    right = [answer.is_right for answer in answers_of(project, user=user)]
    if not is_below(sum(right), len(right), project.gold_threshold):
        return False
    members = Membership.objects.pausable().filter(project=project, user=user, paused_at=None)
    return _pause(members, project, user, REASON.format(right=sum(right), n=len(right)))


@transaction.atomic
def _pause(members: QuerySet[Membership], project: Project, user: User, reason: str, *, by: User | None = None) -> bool:
    """Pause this member and release the user's tasks. Return False if the member was paused already."""
    now = timezone.now()
    if not members.update(paused_at=now, pause_reason=reason):
        return False
    if user != by:
        Notice.objects.tell_person(NoticeKind.MEMBER_PAUSED, project, user, about=now.isoformat())
    assignments.give_back(Assignment.objects.pending().filter(pk__in=assignments.held_in(project, user)))
    auditlog.record(LogKind.MEMBER_PAUSED, project=project, whom=user, after={"paused": True})
    return True


def pause_inaccurate_members(*, since: datetime.datetime) -> int:
    """Pause each inaccurate member of a project with a threshold, among those who have worked after `since`. Return the
    number of paused members.
    """
    worked = WorkLog.objects.by_people(OuterRef("project")).filter(user=OuterRef("user"), last_at__gte=since)
    members = Membership.objects.pausable().filter(
        Exists(worked), project__gold_threshold__isnull=False, project__archived_at=None, paused_at=None
    )
    return sum(pause_if_inaccurate(member.project, member.user) for member in members.select_related("project", "user"))


class Watch:
    """Checks the members who have worked since the last call. The first call checks the last 24 hours."""

    OVERLAP = datetime.timedelta(seconds=30)
    """Each call looks back this much further: a transaction that began before the last call may have ended after it."""

    def __init__(self) -> None:
        self._since: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        since = now - self.OVERLAP
        earlier = self._since or now - datetime.timedelta(days=1)
        pause_inaccurate_members(since=min(since, earlier))  # `min`: the clock may be set back
        self._since = since


def is_below(right: int, n: int, threshold: float, *, sure: float = SURE) -> bool:
    """Return whether `right` right answers out of `n` reject an accuracy of `threshold`.

    A one-sided exact binomial test: P(X ≤ `right`) < `sure` for X ~ Binomial(`n`, `threshold`). O(`right`).

    Parameters
    ----------
    right : int
        Right answers, 0 to `n`.
    n : int
        Answers.
    threshold : float
        The accuracy under the null hypothesis, 0 to 1.
    sure : float
        The significance level.

    >>> is_below(0, 2, 0.8), is_below(1, 12, 0.8)
    (False, True)
    """
    return sum(_terms(right, n, threshold)) < sure


def _terms(right: int, n: int, p: float) -> Iterable[float]:
    return (math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(right + 1))


@transaction.atomic
def let_go_on(membership: Membership) -> bool:
    """End a member's pause; earlier gold answers count no more. Return False if the member was not paused."""
    paused = Membership.objects.filter(pk=membership.pk, paused_at__isnull=False)
    if not paused.update(paused_at=None, pause_reason="", looked_at=timezone.now()):
        return False
    after = {"paused": False}
    auditlog.record(LogKind.MEMBER_PAUSED, project=membership.project, whom=membership.user, after=after)
    return True


def pause(membership: Membership, reason: str, *, by: User | None = None) -> bool:
    """Pause a member, for the manager `by`, and release the member's tasks. Return False if the member was paused
    already.
    """
    members = Membership.objects.filter(pk=membership.pk, paused_at=None)
    return _pause(members, membership.project, membership.user, reason[:300], by=by)
