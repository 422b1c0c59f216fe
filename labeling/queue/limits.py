"""Limits on the answers that a member gives per day. Days begin at midnight UTC."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.db.models import Sum

from labeling.models import Membership, Project, User, WorkLog


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """A limit of `answers` a day: `left` is the number left today, `free_from` the beginning of the next day."""

    answers: int
    left: int
    free_from: datetime.datetime


def limit_of(membership: Membership) -> int | None:
    """Return the member's own daily limit, or the project's; None for no limit."""
    own = membership.daily_limit
    return membership.project.daily_limit if own is None else own


def limit_now(*, project: Project, user: User, answers: int, now: datetime.datetime) -> DailyLimit:
    """Return the state today of a limit of `answers` a day. Skips and undone answers do not count."""
    today = now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    work = WorkLog.objects.filter(user=user, batch__project=project, start__gte=today)
    answered = work.aggregate(n=Sum("answers", default=0))["n"]
    return DailyLimit(answers, max(0, answers - answered), today + datetime.timedelta(days=1))
