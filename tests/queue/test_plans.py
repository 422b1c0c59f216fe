"""Test that the statements of claims, answers and export pages use indexes in a batch of 100,000 tasks."""

import datetime
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import connection
from django.db.models import F
from django.utils import timezone
from factories import make_items, make_member, make_project

from labeling.models import Annotation, Assignment, Batch, Item, Project, Task, User
from labeling.outgoing.exports.rows import pages
from labeling.projects import visible_files
from labeling.projects.people.access import find_membership
from labeling.queue import assignments, grids, queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.person import person_in

pytestmark = pytest.mark.django_db

SIZE = 100_000
ANSWERED = 40_000  # all of them by ann
LAPSED = 1_000  # held by bob, who left
LARGE = ("labeling_task", "labeling_item", "labeling_assignment", "labeling_annotation")


@pytest.fixture(scope="module")
def batch(once: Path) -> Batch:
    """Create a batch by copying one item in the database, which takes seconds instead of minutes."""
    project = make_project()
    [first] = make_items(project, 1)
    batch = Batch.objects.create(
        project=project, number=1, state="open", size=SIZE, remaining=SIZE - ANSWERED, opened_at=timezone.now()
    )
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    task = Task.objects.create(batch=batch, item=first, rank=0, free=1, outstanding=1)
    copy(first, 1, SIZE, id="{0} + n", external_id="'item-' || n", row="n")
    copy(task, 1, SIZE, id="{0} + n", item_id=f"{first.pk} + n", rank="n")
    ended = timezone.now() - datetime.timedelta(days=1)
    place = Assignment.objects.create(task=task, user=ann, lease_expires_at=ended, answered_at=ended)
    answer = Annotation.objects.create(task=task, user=ann, value=1)
    Annotation.objects.update(created_at=ended)
    copy(place, 1, ANSWERED, id="{0} + n", task_id=f"{task.pk} + n")
    copy(answer, 1, ANSWERED, id=NEW_ID[connection.vendor], task_id=f"{task.pk} + n")
    Task.objects.filter(rank__lt=ANSWERED).update(free=0, outstanding=0)
    place.pk = place.pk + SIZE
    place.task_id, place.user, place.answered_at = task.pk + ANSWERED, bob, None
    place.save(force_insert=True)
    copy(place, 1, LAPSED, id="{0} + n", task_id=f"{place.task_id} + n")
    Task.objects.filter(rank__gte=ANSWERED, rank__lt=ANSWERED + LAPSED).update(free=0)
    assert (Item.objects.count(), Task.objects.count()) == (SIZE, SIZE)
    assert (Annotation.objects.count(), Assignment.objects.count()) == (ANSWERED, ANSWERED + LAPSED)
    with connection.cursor() as cursor:
        for sql in [*connection.ops.sequence_reset_sql(no_style(), [Assignment]), "ANALYZE"]:
            cursor.execute(sql)
    return batch


NEW_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}


def copy(instance: Any, first: int, last: int, **columns: str) -> None:
    """Copy the instance's row, with these columns changed: SQL of the number `n` of the copy; {0} is the old value."""
    names = [field.column for field in instance._meta.concrete_fields]
    values = [columns[name].format(f'"{name}"') if name in columns else f'"{name}"' for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last}) "
            f'INSERT INTO "{instance._meta.db_table}" ({quoted}) SELECT {", ".join(values)} '
            f'FROM numbers, "{instance._meta.db_table}" WHERE "{instance._meta.pk.column}" = %s',
            [instance._meta.pk.get_db_prep_value(instance.pk, connection)],
        )


@contextmanager
def no_walk_through_a_table() -> Iterator[list[list[str]]]:
    """Check that every statement in the block finds rows of large tables by an index. Yield the plans."""
    asked: list[tuple[str, Any, bool]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not many and sql.lstrip().startswith(("SELECT", "UPDATE", "WITH")):
            is_prepared = type(context["cursor"].cursor).__name__ == "ServerBindingCursor"
            asked.append((sql, params, is_prepared))
        return execute(sql, params, many, context)

    plans: list[list[str]] = []
    with connection.execute_wrapper(note):
        yield plans
    assert asked
    assert any(is_prepared for *_, is_prepared in asked) or connection.vendor == "sqlite"
    for sql, params, is_prepared in asked:
        plan = plan_of(sql, params)
        for each in [plan, *([prepared_plan_of(sql)] if is_prepared else [])]:
            assert not walks(each), "\n".join([sql, *each])
            plans.append(each)
        if connection.vendor == "sqlite":  # PostgreSQL knows whose places are few
            # All that a person has ever had; of that index, only the end may be asked for.
            assert "LIMIT 1" in sql or not any("labeling_assignment_user_id" in line for line in plan), sql


def plan_of(sql: str, params: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + sql, params)
        return [str(row[-1]) for row in cursor.fetchall()]


def prepared_plan_of(sql: str) -> list[str]:
    """Return PostgreSQL's generic plan of the statement, which does not depend on the values."""
    numbers = count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql)
    nothing = ", ".join(["NULL"] * (next(numbers) - 1))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE hot AS {numbered}")
        cursor.execute(f"EXPLAIN EXECUTE hot ({nothing})" if nothing else "EXPLAIN EXECUTE hot")
        plan = [str(row[-1]) for row in cursor.fetchall()]
        cursor.execute("DEALLOCATE hot")
        cursor.execute("SET LOCAL plan_cache_mode = auto")
    return plan


def walks(plan: list[str]) -> bool:
    """Return whether a plan scans a large table, or all tasks of the batch."""
    if connection.vendor == "postgresql":
        text = "\n".join(plan)
        whole_batch = re.search(
            r"using (?!task_claimable)\w+ on labeling_task.*\n\s+Index Cond: \(batch_id = (?:\d+|\$\d+)\)$", text, re.M
        )
        return whole_batch is not None or any(f"Seq Scan on {table}" in text for table in LARGE)
    # A table is named by its alias: of one letter, or Django's.
    tables = [*LARGE, *"tiaenh", *DJANGOS]
    return any(
        (line.startswith("SCAN ") and line.split()[1] in tables)
        or ("(batch_id=?)" in line and "task_claimable" not in line)
        for line in plan
    )


DJANGOS = [f"{letter}{number}" for letter in "TUVW" for number in range(8)]


def test_a_claim_for_a_grid(batch: Batch) -> None:
    """The claim reads the first free tasks, and takes those of one class by their keys."""
    Project.objects.update(question="verify", grids=True)
    Item.objects.update(proposed=F("row") % 40)
    project = Project.objects.get()
    for overlap in (1, 2):
        Batch.objects.update(overlap=overlap)
        user = make_member(project, f"cid-{overlap}")
        with no_walk_through_a_table():
            tasks = queue.claim(project=project, user=user, count=120, same_class=True).tasks
        assert len(tasks) >= grids.WINDOW // 40
        assert len({task.shown.proposed for task in tasks}) == 1


def test_the_file_of_an_item(batch: Batch) -> None:
    """The person has answered 40,000 items; the item is the person's or not, and many items were asked again."""
    again = Task.objects.filter(rank__gte=SIZE - 10_000)
    again.update(repeats=F("item"), item=None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "sqlite":  # this connection still takes the new index of such tasks for a bad one
            cursor.execute("PRAGMA writable_schema = RESET")
    for name in ("ann", "bob"):
        membership = find_membership(User.objects.get(username=name), batch.project.slug)
        assert membership is not None
        for rank in (0, ANSWERED, SIZE - 1):
            key = Task.objects.get(rank=rank).item_key
            with no_walk_through_a_table():
                visible_files.file_name(membership, key)


def test_claims_answers_and_a_page_of_an_export(batch: Batch) -> None:
    project = batch.project
    ann, cid = User.objects.get(username="ann"), make_member(project, "cid")
    for user in (ann, cid):
        with no_walk_through_a_table():
            tasks = queue.claim(project=project, user=user, count=10).tasks
        assert len(tasks) == 10
        with no_walk_through_a_table():
            queue.claim(project=project, user=user, count=10)
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
        with no_walk_through_a_table():
            assert len(submitting.submit(project=project, user=user, answers=answers[:9]).accepted) == 9
        with no_walk_through_a_table():  # one by one, because nine have come already
            assert len(submitting.submit(project=project, user=user, answers=answers).accepted) == 10
        with no_walk_through_a_table():
            queue.undo(project=project, user=user, annotation_id=answers[3].id)
        with no_walk_through_a_table():
            assert queue.release(project=project, user=user) == 1

    Item.objects.filter(row__lt=1000).update(label=1)  # since the statistics were made: they know of none
    exported = pages(project, size=500)
    assert len(next(exported)) == 500
    with no_walk_through_a_table() as plans:
        assert len(next(exported)) == 500
    assert not any("item_labeled" in line for plan in plans for line in plan), "all that has ever been labeled"

    # Two answers a task: of the first 40,000 ann's are there, and all can be taken by anybody else.
    Batch.objects.update(overlap=2)
    Task.objects.filter(outstanding=0).update(outstanding=1)
    Task.objects.update(free=1)
    batch = Batch.objects.get()
    person = person_in(project=project, user=ann, batch=batch)
    with no_walk_through_a_table():
        assert assignments._last_rank(person) >= ANSWERED
    with no_walk_through_a_table():
        tasks = queue.claim(project=project, user=ann, count=10).tasks
    assert min(task.rank for task in tasks) > ANSWERED

    if connection.vendor == "postgresql":
        return  # what follows is rare, and PostgreSQL may join for it, as its statistics have it
    # Where nothing is free, what bob let lapse is found among all that is held.
    Task.objects.update(free=0)
    dan = make_member(project, "dan")
    with no_walk_through_a_table():
        assert len(queue.claim(project=project, user=dan, count=10).tasks) == 10
