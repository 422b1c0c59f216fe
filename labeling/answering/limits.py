"""How many answers one person may give a day, and how many are left. Days are those of the server's clock: UTC."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.db.models import Sum

from labeling.models import Membership, Project, User, WorkLog


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """`answers` a day, of which `left` may still be given before `free_from`."""

    answers: int
    left: int
    free_from: datetime.datetime


def limit_of(membership: Membership) -> int | None:
    """Answers a day of this member: the member's own limit, or the project's. None for no limit."""
    own = membership.daily_limit
    return membership.project.daily_limit if own is None else own


def limit_now(*, project: Project, user: User, answers: int, now: datetime.datetime) -> DailyLimit:
    """What is left today of so many answers a day. Skips do not count, nor do answers that were taken back."""
    today = now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    work = WorkLog.objects.filter(user=user, batch__project=project, start__gte=today)
    answered = work.aggregate(n=Sum("answers", default=0))["n"]
    return DailyLimit(answers, max(0, answers - answered), today + datetime.timedelta(days=1))
