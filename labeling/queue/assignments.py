"""Assignments of tasks to annotators: pick, hold, renew, answer and release them.

A task takes `overlap` assignments, and one more for each further answer that `rechecking` asks for; `Task.free` counts
those that are still to be made. To assign a task is a conditional update of this count together with an `Assignment`
row; constraints of the database prevent one assignment too many.

Every request locks rows in the same order (membership, tasks, assignments, batch), which prevents deadlocks. Code that
moves assignments from one annotator to another skips rows that another request has locked.
"""

import datetime
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from django.db.models import F
from django.utils import timezone

from labeling.models import Annotation, Assignment, Project, Task, User
from labeling.models.annotations import AssignmentQuerySet
from labeling.models.refusals import StateConflict
from labeling.queue.parts import Span
from labeling.queue.person import Person
from labeling.storage.db.statements import Columns, change, lock, marks, rows, stored_time

OWN = Columns(Assignment, "a", only=("id", "task_id", "lease_expires_at"))
HELD = Columns(Assignment, "labeling_assignment", only=("task_id", "lease_expires_at"))
# An annotator who held another task of the same item would recognise it, so a task that asks an item again, a gold task
# too, goes to other annotators first. The task itself does not count: an annotator who released it may get it again.
NEW_TO_THEM = """
            AND (t.repeats_id IS NULL OR NOT EXISTS (
                SELECT 1 FROM labeling_task o
                WHERE (o.repeats_id = t.repeats_id OR o.item_id = t.repeats_id) AND o.id <> t.id
                AND EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.task_id = o.id AND a.user_id = %s)
            ))"""


class TasksChanged(StateConflict):
    """Another request changed the same tasks: the caller rolls the transaction back and tries again."""

    def __str__(self) -> str:
        return "Another request changed these tasks at the same moment. Try again."


class Held(NamedTuple):
    """The id of a held task, and the end of the lease."""

    task: int
    until: datetime.datetime


def own(person: Person) -> list[Assignment]:
    """Return the assignments that the person holds in the batch, in the order of the claims."""
    # A subquery for each of the few assignments: for a join, both databases would scan the batch's tasks.
    held = rows(
        f"""
        SELECT (SELECT t.batch_id FROM labeling_task t WHERE t.id = a.task_id), {OWN.sql}
        FROM labeling_assignment a WHERE a.user_id = %s AND a.answered_at IS NULL AND a.ended_at IS NULL
        """,
        [person.user.pk],
    )
    in_batch = [OWN.read(row[1:]) for row in held if row[0] == person.batch.pk]
    return sorted(in_batch, key=attrgetter("pk"))


def held_in(project: Project, user: User) -> list[int]:
    """Return the primary keys of the assignments that the user holds in all batches of the project."""
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
    """Return whether a task of the batch is free, or held by a lease that has run out. The person may still get none:
    an annotator does not get a task twice.
    """
    tasks = rows(
        """
        SELECT 1 WHERE EXISTS (SELECT 1 FROM labeling_task t WHERE t.batch_id = %s AND t.free > 0) OR EXISTS (
            SELECT 1 FROM labeling_assignment a
            WHERE a.answered_at IS NULL AND a.ended_at IS NULL AND a.lease_expires_at <= %s
            AND (SELECT t.batch_id FROM labeling_task t WHERE t.id = a.task_id) = %s
        )
        """,
        [person.batch.pk, stored_time(person.now), person.batch.pk],
    )
    return bool(tasks)


def renew_leases(person: Person, assignments: Sequence[Assignment]) -> list[Held]:
    """Record a new claim on those of these assignments that the person still holds, and return them. Renew their leases
    if the person has answered within one lease.
    """
    if not assignments:
        return []
    now = stored_time(person.now)
    lease, until = (", lease_expires_at = %s", [stored_time(person.until)]) if person.answers else ("", [])
    kept = rows(
        f"""
        UPDATE labeling_assignment SET claimed_at = %s{lease}
        WHERE answered_at IS NULL AND ended_at IS NULL AND id IN ({marks(len(assignments))}) RETURNING {HELD.sql}
        """,
        [now, *until, *(each.pk for each in assignments)],
    )
    ends = {each.task_id: each.lease_expires_at for each in map(HELD.read, kept)}
    return [Held(each.task_id, ends[each.task_id]) for each in assignments if each.task_id in ends]


def take_tasks(person: Person, number: int) -> list[Held]:
    """Pick and hold up to `number` free tasks, up to the person's limit."""
    return hold(person, pick(person, number))


def pick(
    person: Person, number: int, *, known: bool = False, among: Sequence[int] = (), besides: Sequence[int] = ()
) -> list[int]:
    """Pick up to `number` free tasks, reduce their `free` count, and return their ids for `hold`.

    `among`: pick only these tasks. `besides`: tasks that the caller picked before and does not hold yet. A task that
    asks an item again goes to annotators who have not seen the item; with `known` also to others, so that the batch can
    be completed.

    Tasks are picked by rank. If tasks take several answers, the search begins behind the task that the person took
    last: otherwise each claim would scan all tasks that the person has answered and others have not.
    """
    behind = 0 if person.batch.takes_one_answer or among else _last_rank(person) + 1
    picked: list[int] = []
    for span_first, span_last in person.spans:
        for first, last in ((max(span_first, behind), span_last), (span_first, min(span_last, behind - 1))):
            of_span = (first, last)
            picked += _pick(person, number - len(picked), of_span, known, among, [*besides, *picked])
    return picked


def _last_rank(person: Person) -> int:
    """Return the rank of the task that the person took last, if it is in this batch; -1 if there is none."""
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

    One statement, because all other writers wait for it. With subqueries, both databases read tasks by rank and stop at
    `number`; for joins, they would read the whole batch.
    """
    first, last = span
    if number < 1 or last < first:
        return []
    lapsed = "" if person.answers else " OR (e.lease_expires_at > %s AND e.lease_expires_at <= %s)"
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
            *([] if person.answers else [stored_time(person.now - person.lease), stored_time(person.now)]),
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
    """Store an assignment of the person for each of these picked tasks. If the person released a task and takes it
    again within its lease, the lease goes on as before. Raises `TasksChanged` if the person answered
    one of the tasks meanwhile.

    The tasks are sorted by id, which is random: `pick` returns tasks of known items last, and their order would
    identify them.
    """
    if not picked:
        return []
    ids = sorted(picked)
    until, now = stored_time(person.until), stored_time(person.now)
    old = "labeling_assignment.lease_expires_at"
    again = "excluded.lease_expires_at" if person.answers else old
    held = rows(
        f"""
        INSERT INTO labeling_assignment (task_id, user_id, lease_expires_at, claimed_at)
        VALUES {", ".join([f"({marks(4)})"] * len(ids))}
        ON CONFLICT (task_id, user_id) DO UPDATE SET ended_at = NULL, claimed_at = excluded.claimed_at,
            lease_expires_at = CASE WHEN {old} > %s THEN {again} ELSE excluded.lease_expires_at END
        WHERE labeling_assignment.ended_at IS NOT NULL RETURNING {HELD.sql}
        """,
        [*(value for pk in ids for value in (pk, person.user.pk, until, now)), now],
    )
    if len(held) != len(ids):  # the person has answered one of these tasks since `pick`
        raise TasksChanged
    ends = {each.task_id: each.lease_expires_at for each in map(HELD.read, held)}
    return [Held(pk, ends[pk]) for pk in ids]


def free_surplus(person: Person, *, keeping: Task) -> None:
    """Release the newest assignments that the person would hold beyond the limit together with the task `keeping`."""
    held = [each.pk for each in own(person) if each.task_id != keeping.pk]
    surplus = len(held) + 1 - person.limit  # not `most`: an undo near the batch's end costs no fair share
    if surplus > 0:
        give_back(Assignment.objects.pending().filter(pk__in=held[-surplus:]))


def reopen(person: Person, task: Task) -> None:
    """Give the person back the task whose answer the person undoes.

    The lease is renewed if the person has other answers, or undoes an answer to this task for the first time. So a
    person who answers and undoes the same task again and again loses it when the lease runs out.
    """
    undone_before = Annotation.objects.filter(user=person.user, task=task, undone_at__isnull=False)
    renew = person.answers or not undone_before.exists()
    lease = {"lease_expires_at": person.until} if renew else {}
    Assignment.objects.filter(user=person.user, task=task).update(answered_at=None, **lease)


def give_back(pending: AssignmentQuerySet, *, most: int | None = None) -> int:
    """Release these pending assignments, at most the first `most`. Return the number of released ones."""
    chosen = dict(pending.values_list("pk", "task_id")[:most])
    if not chosen:
        return 0
    locked = Task.objects.filter(pk__in=chosen.values()).select_for_update(no_key=True, skip_locked=True).order_by("pk")
    rows = list(
        # Filter again after the lock: an assignment whose lease was renewed meanwhile no longer matches.
        pending.filter(pk__in=chosen, task__in=list(locked.values_list("pk", flat=True)))
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .values_list("pk", "task_id")
    )
    Assignment.objects.filter(pk__in=[pk for pk, _ in rows]).update(ended_at=timezone.now())
    # A task may lose several assignments at once: one update for each number of them.
    freed = Counter(task_id for _, task_id in rows)
    for number in set(freed.values()):
        ids = [task_id for task_id, n in freed.items() if n == number]
        Task.objects.filter(pk__in=ids).update(free=F("free") + number)
    return len(rows)


def answer(held: Sequence[int], ended: Sequence[int], user: User) -> None:
    """Mark the user's assignments of these locked tasks as answered: the `held` ones, and `ended` ones of free tasks.

    Raises `TasksChanged` if another request changed the assignments or the tasks.
    """
    if held:
        marked = change(
            "UPDATE labeling_assignment SET answered_at = %s WHERE user_id = %s AND answered_at IS NULL "
            f"AND ended_at IS NULL AND task_id IN ({marks(len(held))})",
            [stored_time(timezone.now()), user.pk, *held],
        )
        if marked != len(held):
            raise TasksChanged
    if ended:
        _answer_again(ended, user)


def _answer_again(ids: Sequence[int], user: User) -> None:
    """Mark ended assignments as answered, and count each on its task. Raises `TasksChanged` if a task is not free."""
    taken = Task.objects.filter(pk__in=ids, free__gt=0).update(free=F("free") - 1)
    now = timezone.now()
    ended = Assignment.objects.ended().filter(user=user, task__in=ids)
    again = ended.update(answered_at=now, ended_at=None)
    if (taken, again) != (len(ids), len(ids)):
        raise TasksChanged
