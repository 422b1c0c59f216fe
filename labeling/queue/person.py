"""An annotator at work: how many tasks the annotator may hold in a batch and answer a day, which tasks the annotator
may get, and how long the annotator waits for them.
"""

import datetime
import math
import uuid
from dataclasses import dataclass

from django.db.models import Sum
from django.utils import timezone

from labeling.labels.counting import start_of_day
from labeling.models import Annotation, Batch, Membership, Project, User, WorkLog
from labeling.models.project_settings import MAX_READY, MIN_READY
from labeling.observing.metrics import CLAIMS, IDLE_SECONDS
from labeling.queue import parts
from labeling.queue.parts import ALL, Span
from labeling.storage.db.statements import rows, several_write, stored, stored_time

# A person holds at most a tenth of the batch as unanswered tasks, or those that the page keeps ready, within these
# bounds.
MIN_HELD, MAX_HELD = MIN_READY, MAX_READY
# The tasks of two grids: the grid on the screen and the next one.
MAX_GRID = 60
HELD_IN_GRIDS = 2 * MAX_GRID
# The limits in a batch that will be picked again when the batch before it has its model. Held tasks are not picked
# again, so a person holds few of them: enough to work on without a pause.
HELD_FOR_NOW = 4
HELD_FOR_NOW_IN_GRIDS = 12
# A batch is near its end when this many people could hold all remaining tasks: then each holds at most a fair share.
NEAR_END = 20
# The `Claim.reason`s that do not count as waiting: no task comes before a manager acts or a new day begins.
AT_REST = {"limit_reached", "paused", "on_hold", "stopped", "finished", "no_items"}
# Most annotators who wait longer have left; the server does not learn when.
LONGEST_WAIT = datetime.timedelta(hours=1)
NO_ANNOTATION = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Person:
    """An annotator who takes tasks of a batch, at one moment.

    Parameters
    ----------
    answers: whether the person has answered within one lease: then the leases are renewed, and the person may take a
        task again at once after its lease has run out. Others wait for one lease, while any annotator may take it.
    most: the number of unanswered tasks that the person may hold, near the batch's end at most a fair share.
    limit: the number of unanswered tasks that the person may hold, without regard to the fair share.
    spans: the ranks of the tasks for this person, in order.
    in_doubt: whether the person gets answered tasks whose label is in doubt.
    """

    user: User
    batch: Batch
    now: datetime.datetime
    lease: datetime.timedelta
    answers: bool
    most: int
    limit: int
    spans: tuple[Span, ...] = ALL
    in_doubt: bool = True

    @property
    def until(self) -> datetime.datetime:
        """The end of a lease that begins now."""
        return self.now + self.lease


def most_held(batch: Batch, kept_ready: int, *, for_now: bool = False, in_grids: bool = False) -> int:
    """Return the number of unanswered tasks of this batch that one person may hold. `for_now`: the batch will be picked
    again; `in_grids`: the person answers a grid of tasks at once.
    """
    if for_now:
        return HELD_FOR_NOW_IN_GRIDS if in_grids else HELD_FOR_NOW
    return min(MAX_HELD, max(kept_ready, HELD_IN_GRIDS if in_grids else MIN_HELD, math.ceil(batch.size / 10)))


def person_in(
    *,
    project: Project,
    user: User,
    batch: Batch,
    without: uuid.UUID | None = None,
    for_now: bool = False,
    in_grids: bool = False,
) -> Person:
    """Return the user as an annotator in this batch, now. `without`: an annotation that does not count as an answer;
    `for_now`: the batch's tasks without an assignment will be picked again; `in_grids`: the user answers a grid of
    tasks at once.
    """
    now, lease = timezone.now(), project.lease
    most = most_held(batch, project.kept_ready, for_now=for_now, in_grids=in_grids)
    left = batch.remaining * batch.overlap
    near_end = left < most * NEAR_END
    answer = [stored_time(now - lease), stored(Annotation, "id", without or NO_ANNOTATION), batch.pk]
    may_ask = batch.overlap_max is not None
    [(answers, others, left_out)] = rows(
        f"SELECT {_ANSWERS}, {_OTHERS if near_end else 0}, {_LEFT_OUT if may_ask else 0}",
        [
            *(user.pk, *answer),
            *([project.pk, user.pk, stored_time(now), batch.pk, *answer] if near_end else []),
            *([project.pk, user.pk] if may_ask else []),
        ],
    )
    share = math.ceil(left / (others + 1)) if near_end else most
    return Person(user, batch, now, lease, answers=bool(answers), most=max(1, min(most, share)), limit=most,
                  spans=parts.spans_for(batch, user), in_doubt=not left_out)  # fmt: skip


# 1 if the user has answered within one lease. ORDER BY and LIMIT make PostgreSQL read the index from the newest answer,
# whatever its statistics say. Otherwise it joins the tables and reads all answers that the user gave within the lease.
_ANSWERED = """COALESCE((
    SELECT 1 FROM labeling_annotation n
    WHERE n.user_id = {user} AND n.created_at > %s AND n.undone_at IS NULL AND n.id <> %s
    AND (SELECT t.batch_id FROM labeling_task t WHERE t.id = n.task_id) = %s
    ORDER BY n.created_at DESC LIMIT 1
), 0)"""
_ANSWERS = _ANSWERED.format(user="%s")
# The number of other members at work on the batch: they hold a task with a running lease, or answered within one
# lease.
_OTHERS = f"""(
    SELECT COUNT(*) FROM labeling_membership m WHERE m.project_id = %s AND m.user_id <> %s AND (
        EXISTS (
            SELECT 1 FROM labeling_assignment a WHERE a.user_id = m.user_id
            AND a.answered_at IS NULL AND a.ended_at IS NULL AND a.lease_expires_at > %s
            AND (SELECT h.batch_id FROM labeling_task h WHERE h.id = a.task_id) = %s
        ) OR {_ANSWERED.format(user="m.user_id")} = 1
    )
)"""

_LEFT_OUT = """(
    SELECT COUNT(*) FROM labeling_membership m WHERE m.project_id = %s AND m.user_id = %s AND NOT m.asked_in_doubt
)"""


def lock_person(project: Project, user: User) -> None:
    """Lock the user's membership, so that concurrent claims of one user cannot exceed the limit together."""
    if several_write():
        rows("SELECT id FROM labeling_membership WHERE project_id = %s AND user_id = %s FOR NO KEY UPDATE",
             [project.pk, user.pk])  # fmt: skip


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """A limit of `answers` a day, from midnight UTC: `left` is the number left today, `free_from` the next midnight."""

    answers: int
    left: int
    free_from: datetime.datetime


def daily_limit_of(membership: Membership) -> int | None:
    """Return the member's own daily limit, or the project's; None for no limit."""
    own = membership.daily_limit
    return membership.project.daily_limit if own is None else own


def daily_limit_now(*, project: Project, user: User, answers: int, now: datetime.datetime) -> DailyLimit:
    """Return the state today of a limit of `answers` a day. Skips and undone answers do not count."""
    today = start_of_day(now)
    work = WorkLog.objects.filter(batch__project=project, user=user, start__gte=today)
    answered = work.aggregate(n=Sum("answers", default=0))["n"]
    return DailyLimit(answers, max(0, answers - answered), today + datetime.timedelta(days=1))


def count_claim(membership: Membership, reason: str, now: datetime.datetime) -> None:
    """Count a claim in the metrics, and the time that the member waited for tasks; no page shows them. `reason`: why it
    returned no tasks; empty if it returned tasks.

    Writes to the database only if the member begins or ceases to wait. When the wait ends, add its time, at most
    `LONGEST_WAIT`, to the metric.
    """
    CLAIMS.labels(reason or "tasks").inc()
    waits, since = bool(reason) and reason not in AT_REST, membership.waiting_since
    if waits == (since is not None):
        return
    same = Membership.objects.filter(pk=membership.pk, waiting_since=since)
    # A concurrent claim of the same member may have changed the row first.
    if same.update(waiting_since=now if waits else None) and since is not None:
        # The difference is negative if the clock was set back.
        IDLE_SECONDS.inc(max(0.0, min(now - since, LONGEST_WAIT).total_seconds()))
