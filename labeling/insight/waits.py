"""Find the reasons why the remaining tasks of an open batch are not served."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import F, OuterRef, Q, Sum

from labeling.labels.counting import counted, start_of_day
from labeling.models import Batch, Membership, Project, Task, WorkLog
from labeling.queue.parts import spans
from labeling.queue.person import daily_limit_of


@dataclass(frozen=True, slots=True)
class Waits:
    """The reasons why a batch waits; a field that does not apply is 0 or empty.

    able: the number of people who can get tasks now; asked: the number of people who must answer each item; paused,
    at_limit: the usernames of the paused people, and of those who have reached their daily limit.
    """

    able: int
    asked: int
    paused: Sequence[str] = ()
    at_limit: Sequence[str] = ()
    assigned_to_nobody: int = 0
    """Claimable tasks in parts whose people cannot get tasks now."""
    assigned: int = 0
    """Claimable tasks in parts, if no other tasks are claimable."""
    gold: int = 0
    """Unanswered gold tasks, if no other tasks are unanswered."""
    replacing: int = 0
    """Unanswered tasks that replace a task that all its annotators skipped."""


def waits_of(batch: Batch, now: datetime.datetime) -> Waits:
    """Return the reasons why this open batch waits. Three queries; one more with gold tasks, two more with parts."""
    project = batch.project
    people = list(Membership.objects.annotators().filter(project=project).select_related("user"))
    at_limit = _at_limit(project, people, now)
    paused = [each for each in people if each.paused_at is not None]
    able = [each for each in people if each.paused_at is None and each not in at_limit]
    to_nobody, assigned = _assigned(batch, able) if batch.in_parts else (0, 0)
    return Waits(
        able=len(able),
        asked=batch.overlap,
        paused=[each.user.username for each in paused],
        at_limit=[each.user.username for each in at_limit],
        assigned_to_nobody=to_nobody,
        assigned=assigned,
        gold=_gold(batch),
        replacing=_replacing(batch),
    )


def _at_limit(project: Project, people: Sequence[Membership], now: datetime.datetime) -> list[Membership]:
    """Return the people who have reached today's limit of answers."""
    work = WorkLog.objects.by_people(project).filter(start__gte=start_of_day(now))
    answers = dict(work.values_list("user").annotate(n=Sum("answers")))
    reached = []
    for each in people:
        each.project = project
        limit = daily_limit_of(each)
        if limit is not None and answers.get(each.user_id, 0) >= limit:
            reached.append(each)
    return reached


def _assigned(batch: Batch, able: Sequence[Membership]) -> tuple[int, int]:
    """Return the number of claimable tasks in parts without an able person; and that in all parts, 0 if others are
    claimable.
    """
    own = Task.objects.claimable().filter(batch=batch, rank__gte=OuterRef("start"), rank__lt=OuterRef("stop"))
    parts = list(batch.parts.annotate(left=counted(own)))
    users, groups = {each.user_id for each in able}, {each.group for each in able}
    to_nobody = sum(each.left for each in parts if not (each.user_id in users or each.group in groups - {""}))
    unassigned = spans((each.start, each.stop, False) for each in parts)
    others = batch.tasks.claimable().filter(reduce(or_, (Q(rank__range=span) for span in unassigned)))
    return to_nobody, 0 if others.exists() else sum(each.left for each in parts)


def _gold(batch: Batch) -> int:
    if not 0 < batch.remaining <= batch.further:  # other tasks are unanswered, or none is
        return 0
    left = batch.tasks.further().filter(is_gold=True, outstanding__gt=0).count()
    return left if left == batch.remaining else 0


def _replacing(batch: Batch) -> int:
    # `F("batch") + 0` keeps the database from the batch's index, which has all its tasks: few tasks replace others.
    replacing = Task.objects.filter(replaces__isnull=False, outstanding__gt=0)
    return replacing.alias(in_batch=F("batch") + 0).filter(in_batch=batch.pk).count()
