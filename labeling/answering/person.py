"""Who takes places in a batch, how many they may hold at once, and which of its tasks they may be given."""

from __future__ import annotations

import datetime
import math
import uuid
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from labeling.answering import parts
from labeling.answering.parts import ALL, Span
from labeling.models import Annotation, Assignment, Batch, Project, User
from labeling.statements import rows, several_write, stored

# How many unanswered tasks of a batch one person holds at most: a tenth of them, within these bounds.
MIN_HELD, MAX_HELD = 10, 200
# In grids: the one on the screen and the next.
MAX_GRID = 60
HELD_IN_GRIDS = 2 * MAX_GRID
# Of a batch that was picked ahead, as long as the model of the one before it is not there: what nobody holds by then is
# picked again. Enough to go on at once, whatever comes.
HELD_FOR_NOW = 4
HELD_FOR_NOW_IN_GRIDS = 12
# A batch is near its end once no more is left than this many people may hold: from then on each holds a fair share.
NEAR_END = 20
NO_ANNOTATION = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who takes places in a batch, at one moment.

    Parameters
    ----------
    answers: whether the person has answered within one lease.
    most: the number of unanswered tasks that the person may hold, near the batch's end at most a fair share.
    limit: the same without the fair share.
    longest: the longest time that the person may hold one task, if there is a limit.
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
    longest: datetime.timedelta | None = None
    spans: tuple[Span, ...] = ALL
    in_doubt: bool = True

    @property
    def until(self) -> datetime.datetime:
        """The end of a lease that begins now."""
        return self.now + self.lease

    @property
    def takes_lapsed(self) -> bool:
        """Whether the person may take a lapsed task again at once. All others wait for one lease: other people first.

        A person at work loses a task only to the longest time, if there is one.
        """
        return self.answers and self.longest is None


def most_held(batch: Batch, *, for_now: bool = False, in_grids: bool = False) -> int:
    """How many unanswered tasks of this batch one person may hold. `for_now`: it is about to be picked again."""
    if for_now:
        return HELD_FOR_NOW_IN_GRIDS if in_grids else HELD_FOR_NOW
    return min(MAX_HELD, max(HELD_IN_GRIDS if in_grids else MIN_HELD, math.ceil(batch.size / 10)))


def person_in(
    *,
    project: Project,
    user: User,
    batch: Batch,
    without: uuid.UUID | None = None,
    for_now: bool = False,
    in_grids: bool = False,
) -> Person:
    """The user as somebody who takes places in this batch now. `without`: an annotation that counts as no answer;
    `for_now`: what nobody holds of the batch is about to be picked again; `in_grids`: many tasks are answered at once.
    """
    now, lease = timezone.now(), project.lease
    most, left = most_held(batch, for_now=for_now, in_grids=in_grids), batch.remaining * batch.overlap
    near_end = left < most * NEAR_END
    answer = [_time(now - lease), stored(Annotation, "id", without or NO_ANNOTATION), batch.pk]
    may_ask = batch.overlap_max is not None
    [(answers, others, left_out)] = rows(
        f"SELECT {_ANSWERS}, {_OTHERS if near_end else 0}, {_LEFT_OUT if may_ask else 0}",
        [
            *(user.pk, *answer),
            *([project.pk, user.pk, _time(now), batch.pk, *answer] if near_end else []),
            *([project.pk, user.pk] if may_ask else []),
        ],
    )
    share = math.ceil(left / (others + 1)) if near_end else most
    return Person(user, batch, now, lease, answers=bool(answers), most=max(1, min(most, share)), limit=most,
                  longest=project.longest_hold, spans=parts.spans_for(batch, user), in_doubt=not left_out)  # fmt: skip


# 1 if there is an answer within a lease. The newest ones are looked at first, by their index, whatever PostgreSQL knows
# of the tables. It would join them otherwise, and read all that a busy person has answered in these minutes.
_ANSWERED = """COALESCE((
    SELECT 1 FROM labeling_annotation n
    WHERE n.user_id = {user} AND n.created_at > %s AND n.undone_at IS NULL AND n.id <> %s
    AND (SELECT t.batch_id FROM labeling_task t WHERE t.id = n.task_id) = %s
    ORDER BY n.created_at DESC LIMIT 1
), 0)"""
_ANSWERS = _ANSWERED.format(user="%s")
# How many other members are at work on the batch: they hold a place whose lease runs, or have answered within one.
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
    """Let this person's requests take places one after the other: two at once could take more than one may hold."""
    if several_write():
        rows("SELECT id FROM labeling_membership WHERE project_id = %s AND user_id = %s FOR NO KEY UPDATE",
             [project.pk, user.pk])  # fmt: skip


def _time(moment: datetime.datetime) -> Any:
    return stored(Assignment, "claimed_at", moment)
