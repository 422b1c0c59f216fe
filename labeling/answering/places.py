"""Places on tasks: who may take one, until when it is theirs, and when it goes to somebody else.

A task has `overlap` places, and one more for each answer that is asked for beyond them (`rechecking`). Taking one is a
conditional update of the task's `free` count together with an `Assignment` row; the database's constraints, not this
code's care, make it impossible to take one place twice.

Rows are locked in one order everywhere (the person, tasks, assignments, the batch), so that no two requests can lock
each other out. Whatever another request has locked is passed over where places change hands, never waited for.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import F
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from labeling.answering.parts import Span
from labeling.answering.person import Person
from labeling.models import Annotation, Assignment, Project, Task, User
from labeling.models.answers import AssignmentQuerySet
from labeling.statements import Columns, change, later, lock, marks, rows, stored

PLACE = Columns(Assignment, "a", only=("id", "task_id", "lease_expires_at"))
HELD = Columns(Assignment, "labeling_assignment", only=("task_id", "lease_expires_at"))
# Of a gold task: that a person has not been asked about its item in another task. They would know it again. This task
# itself does not count: a gold task that is given back comes again, as others do.
NEW_TO_THEM = """
            AND (NOT t.is_gold OR NOT EXISTS (
                SELECT 1 FROM labeling_task o
                WHERE (o.repeats_id = t.repeats_id OR o.item_id = t.repeats_id) AND o.id <> t.id
                AND EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.task_id = o.id AND a.user_id = %s)
            ))"""


class PlacesMoved(Exception):
    """Another request changed the same places meanwhile: the transaction is to be rolled back and tried again."""

    def __str__(self) -> str:
        return "Somebody else changed these tasks at the same moment. Try again."


class Held(NamedTuple):
    """A task's id, and until when its place is kept."""

    task: int
    until: datetime.datetime


def own(person: Person) -> list[Assignment]:
    """The places that the person holds in the batch, in the order in which they were given."""
    # Few places, each with its task looked up: as a join, either database would rather walk through the batch.
    held = rows(
        f"""
        SELECT (SELECT t.batch_id FROM labeling_task t WHERE t.id = a.task_id), {PLACE.sql}
        FROM labeling_assignment a WHERE a.user_id = %s AND a.answered_at IS NULL AND a.ended_at IS NULL
        """,
        [person.user.pk],
    )
    own_places = [PLACE.read(row[1:]) for row in held if row[0] == person.batch.pk]
    return sorted(own_places, key=attrgetter("pk"))


def held_in(project: Project, user: User) -> list[int]:
    """The keys of the places that the user holds in the project, in whichever batch."""
    held = rows(
        """
        SELECT a.id FROM labeling_assignment a WHERE a.user_id = %s AND a.answered_at IS NULL AND a.ended_at IS NULL
        AND (
            SELECT b.project_id FROM labeling_task t JOIN labeling_batch b ON b.id = t.batch_id WHERE t.id = a.task_id
        ) = %s
        """,
        [user.pk, project.pk],
    )
    return [row[0] for row in held]


def any_for(person: Person) -> bool:
    """Whether a task of the batch is free, or its lease has run out. It may still not be for this person: whoever has
    answered a task is not given it again.
    """
    tasks = rows(
        """
        SELECT 1 WHERE EXISTS (SELECT 1 FROM labeling_task t WHERE t.batch_id = %s AND t.free > 0) OR EXISTS (
            SELECT 1 FROM labeling_assignment a
            WHERE a.answered_at IS NULL AND a.ended_at IS NULL AND a.lease_expires_at <= %s
            AND (SELECT t.batch_id FROM labeling_task t WHERE t.id = a.task_id) = %s
        )
        """,
        [person.batch.pk, _time(person.now), person.batch.pk],
    )
    return bool(tasks)


def keep(person: Person, places: Sequence[Assignment]) -> list[Held]:
    """Note that the person has claimed these places again, where the person still holds them. Renew the leases if the
    person answers.
    """
    if not places:
        return []
    now = _time(person.now)
    end, values = _renewed("held_since", person)
    lease, values = (f", lease_expires_at = {end}", values) if person.answers else ("", [])
    kept = rows(
        f"""
        UPDATE labeling_assignment SET claimed_at = %s, held_since = COALESCE(held_since, %s){lease}
        WHERE answered_at IS NULL AND ended_at IS NULL AND id IN ({marks(len(places))}) RETURNING {HELD.sql}
        """,
        [now, now, *values, *(each.pk for each in places)],
    )
    ends = {place.task_id: place.lease_expires_at for place in map(HELD.read, kept)}
    return [Held(each.task_id, ends[each.task_id]) for each in places if each.task_id in ends]


def _renewed(held_since: str, person: Person) -> tuple[str, list[Any]]:
    """The SQL of the end of a renewed lease, and its values: after one lease, or when the longest time is over.

    `held_since`: the column.
    """
    until = _time(person.until)
    if person.longest is None:
        return "%s", [until]
    over, longest = later(held_since, person.longest)
    over_first = f"CASE WHEN {held_since} < %s THEN {over} ELSE %s END"
    return over_first, [_time(person.until - person.longest), longest, until]


def take(person: Person, number: int) -> list[Held]:
    """Take free places on up to `number` tasks, as far as the person may hold more."""
    return hold(person, pick(person, number))


def pick(
    person: Person, number: int, *, known: bool = False, among: Sequence[int] = (), besides: Sequence[int] = ()
) -> list[int]:
    """Pick up to `number` tasks with a free place, count that place as taken, and return their ids for `hold`.

    `among`: only of these tasks. `besides`: tasks that were picked before and are not held yet. A gold task is for
    people who have not been asked about its item; with `known` for others too, so that a batch can always be completed.

    The first in the batch's order. Where tasks take several answers, the first behind those that the person took last:
    the many that somebody has answered, and others have not, would have to be passed over each time.
    """
    behind = 0 if person.batch.takes_one_answer or among else _last_rank(person) + 1
    picked: list[int] = []
    for span_first, span_last in person.spans:
        for first, last in ((max(span_first, behind), span_last), (span_first, min(span_last, behind - 1))):
            of_span = (first, last)
            picked += _pick(person, number - len(picked), of_span, known, among, [*besides, *picked])
    return picked


def _last_rank(person: Person) -> int:
    """The rank of the task that the person took last, if it is in this batch; -1 if there is none."""
    ranks = rows(
        """
        SELECT (SELECT t.rank FROM labeling_task t WHERE t.id = a.task_id AND t.batch_id = %s)
        FROM labeling_assignment a WHERE a.user_id = %s ORDER BY a.id DESC LIMIT 1
        """,
        [person.batch.pk, person.user.pk],
    )
    return -1 if not ranks or ranks[0][0] is None else int(ranks[0][0])


def _pick(
    person: Person, number: int, span: Span, known: bool, among: Sequence[int], besides: Sequence[int]
) -> list[int]:
    """Pick up to `number` tasks with ranks in the span, its ends included.

    One statement, because all others who write wait for it. Subqueries, because both databases take up each task in its
    turn then, and stop when there are enough; joins they would rather carry out for the whole batch.
    """
    first, last = span
    if number < 1 or last < first:
        return []
    lapsed = "" if person.takes_lapsed else " OR (e.lease_expires_at > %s AND e.lease_expires_at <= %s)"
    new_to_them = "" if known or not person.batch.further else NEW_TO_THEM
    of_these = f" AND t.id IN ({marks(len(among))})" if among else ""
    not_these = f" AND t.id NOT IN ({marks(len(besides))})" if besides else ""
    for_them = "" if person.in_doubt else " AND t.extra = 0"
    most = person.most - len(besides)
    picked = rows(
        f"""
        WITH picked AS MATERIALIZED (
            SELECT t.id FROM labeling_task t
            WHERE t.batch_id = %s AND t.free > 0 AND t.rank BETWEEN %s AND %s AND COALESCE((
                SELECT CASE WHEN e.ended_at IS NULL{lapsed} THEN 1 ELSE 0 END
                FROM labeling_assignment e WHERE e.task_id = t.id AND e.user_id = %s
            ), 0) = 0{new_to_them}{for_them}{of_these}{not_these}
            ORDER BY t.rank LIMIT (
                SELECT CASE WHEN n >= %s THEN 0 WHEN %s - n < %s THEN %s - n ELSE %s END FROM (
                    SELECT COUNT(*) AS n FROM labeling_assignment a
                    WHERE a.user_id = %s AND a.answered_at IS NULL AND a.ended_at IS NULL
                    AND (SELECT h.batch_id FROM labeling_task h WHERE h.id = a.task_id) = %s
                ) AS held
            ){lock("t", skip=True)}
        )
        UPDATE labeling_task SET free = free - 1 FROM picked
        WHERE labeling_task.id = picked.id RETURNING labeling_task.id
        """,
        [
            *(person.batch.pk, first, last),
            *([] if person.takes_lapsed else [_time(person.now - person.lease), _time(person.now)]),
            person.user.pk,
            *([person.user.pk] if new_to_them else []),
            *among,
            *besides,
            *(most, most, number, most, number),
            person.user.pk,
            person.batch.pk,
        ],
    )
    return [pk for (pk,) in picked]


def hold(person: Person, picked: Sequence[int]) -> list[Held]:
    """Store that the person holds these picked tasks. To give a task back and take it again makes neither the lease nor
    the longest time longer.

    In the order of their ids, which is random: not in the order of picking, where gold tasks come last.
    """
    if not picked:
        return []
    ids = sorted(picked)
    until, now = _time(person.until), _time(person.now)
    old = "labeling_assignment.lease_expires_at"
    again, renewal = _renewed("labeling_assignment.held_since", person) if person.answers else (old, [])
    held = rows(
        f"""
        INSERT INTO labeling_assignment (task_id, user_id, lease_expires_at, claimed_at, held_since)
        VALUES {", ".join([f"({marks(5)})"] * len(ids))}
        ON CONFLICT (task_id, user_id) DO UPDATE SET ended_at = NULL, claimed_at = excluded.claimed_at,
            held_since = CASE WHEN {old} > %s THEN labeling_assignment.held_since ELSE excluded.held_since END,
            lease_expires_at = CASE WHEN {old} > %s THEN {again} ELSE excluded.lease_expires_at END
        WHERE labeling_assignment.ended_at IS NOT NULL RETURNING {HELD.sql}
        """,
        [*(value for pk in ids for value in (pk, person.user.pk, until, now, now)), now, now, *renewal],
    )
    if len(held) != len(ids):  # a late answer of the person came in between
        raise PlacesMoved
    ends = {place.task_id: place.lease_expires_at for place in map(HELD.read, held)}
    return [Held(pk, ends[pk]) for pk in ids]


def free_surplus(person: Person, *, keeping: Task) -> None:
    """Free what the person would hold beyond the limit with one more task, `keeping`: the places given last."""
    held = [place.pk for place in own(person) if place.task_id != keeping.pk]
    surplus = len(held) + 1 - person.limit  # near the end too: nobody loses a share by taking back an answer
    if surplus > 0:
        give_back(Assignment.objects.pending().filter(pk__in=held[-surplus:]))


def reopen(person: Person, task: Task) -> None:
    """Hold a place again whose answer is being taken back.

    The lease is renewed if other answers come, and once without: a person who answers one task and takes the answer
    back, over and over, does not keep the task. The time since the answer does not count towards the longest time.
    """
    held_since = F("held_since") + (person.now - F("answered_at"))
    end: Any = person.until
    if person.longest is not None:
        end = Least(person.until, Coalesce(held_since + person.longest, person.until))
    place = Assignment.objects.filter(user=person.user, task=task)
    undone_before = Annotation.objects.filter(user=person.user, task=task, undone_at__isnull=False)
    renew = person.answers or not undone_before.exists()
    place.update(answered_at=None, held_since=held_since, **({"lease_expires_at": end} if renew else {}))


def give_back(places: AssignmentQuerySet, *, most: int | None = None) -> int:
    """End these pending places, the first `most` of them, and free them. Returns how many there were."""
    chosen = dict(places.values_list("pk", "task_id")[:most])
    if not chosen:
        return 0
    locked = Task.objects.filter(pk__in=chosen.values()).select_for_update(no_key=True, skip_locked=True).order_by("pk")
    rows = list(
        # Asked again behind the lock: one whose lease was renewed meanwhile is none of these any more.
        places.filter(pk__in=chosen, task__in=list(locked.values_list("pk", flat=True)))
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
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
    if not tasks:
        return [], set()
    ids = [task.pk for task in tasks]
    ended = dict(
        rows(
            "SELECT task_id, CASE WHEN ended_at IS NOT NULL THEN 1 WHEN answered_at IS NULL THEN 0 END "
            f"FROM labeling_assignment WHERE user_id = %s AND task_id IN ({marks(len(ids))})",
            [user.pk, *ids],
        )
    )
    held = [pk for pk in ids if ended.get(pk) == 0]
    free = [task.pk for task in tasks if ended.get(task.pk) == 1 and task.free > 0]
    if held and not answer_held(held, user):  # impossible while the tasks are locked
        raise PlacesMoved
    if free:
        _answer_again(free, user)
    return held + free, set(ids) - ended.keys()


def answer_held(ids: Sequence[int], user: User) -> bool:
    """Mark the user's places on these tasks as answered. False if one of them is not held any more."""
    marked = change(
        "UPDATE labeling_assignment SET answered_at = %s WHERE user_id = %s AND answered_at IS NULL "
        f"AND ended_at IS NULL AND task_id IN ({marks(len(ids))})",
        [_time(timezone.now()), user.pk, *ids],
    )
    return marked == len(ids)


def _answer_again(ids: Sequence[int], user: User) -> None:
    """Answer on places that had ended and that nobody has taken since."""
    taken = Task.objects.filter(pk__in=ids, free__gt=0).update(free=F("free") - 1)
    now = timezone.now()
    ended = Assignment.objects.ended().filter(user=user, task__in=ids)
    again = ended.update(answered_at=now, held_since=now, ended_at=None)
    if (taken, again) != (len(ids), len(ids)):
        raise PlacesMoved


def _time(moment: datetime.datetime) -> Any:
    return stored(Assignment, "claimed_at", moment)
