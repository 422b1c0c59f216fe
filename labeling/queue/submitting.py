"""Accept or refuse the answers and skips of one request, each on its own."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from django.db import IntegrityError, transaction

from labeling.models import Annotation, Batch, Project, Removal, Task, User
from labeling.queue import assignments, storing
from labeling.queue.answer import Answer, Outcome, Refusal
from labeling.queue.assignments import TasksChanged
from labeling.queue.task_rows import BATCH, tasks_with_batches
from labeling.storage.db.statements import Columns, marks, rows, several_write, stored

KNOWN = Columns(Annotation, "n", only=("id", "task_id", "user_id", "undone_at"))

ENDED_EARLY = "The batch ended before this answer arrived."
TAKEN_OUT = "The item was removed before this answer arrived."


def submit(*, project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """Accept or refuse each of the user's answers and skips. An answer sent twice is stored once and accepted twice.

    A user can answer the tasks that the user has held. An answer after the end of the lease counts if the task is
    still free, so that no work is lost without need.
    """
    try:
        return _submit_held(project, user, answers)
    except (IntegrityError, TasksChanged):
        pass  # not the usual case: `_submit` examines each answer
    try:
        return _submit(project, user, answers)
    except (IntegrityError, TasksChanged):
        # Another request stored the same id for another task at the same moment. The second try reads it and refuses.
        return _submit(project, user, answers)


def _submit_held(project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """Store the answers in the usual case: all are new, and the user holds all tasks. The write transaction is short.

    Raises `TasksChanged` or `IntegrityError`, and writes nothing, in any other case.
    """
    fresh = {answer.task: answer for answer in answers}
    batch = _batch_of(project, fresh)
    if batch is None or len(fresh) < len(answers):
        raise TasksChanged
    with transaction.atomic():
        _lock_tasks(fresh)
        if not assignments.mark_answered(list(fresh), user):
            raise TasksChanged
        completed = storing.store(project, {batch: fresh}, user)
    return Outcome(accepted=[answer.id for answer in answers], batch_completed=completed)


def _batch_of(project: Project, ids: Collection[int]) -> Batch | None:
    """Return the open batch that has all these tasks; None without one."""
    if not ids:
        return None
    batches_open = rows(
        f"""
        SELECT {BATCH.sql} FROM labeling_batch b WHERE b.project_id = %s AND b.state = 'open' AND %s = (
            SELECT COUNT(*) FROM labeling_task t WHERE t.batch_id = b.id AND t.id IN ({marks(len(ids))})
        )
        """,
        [project.pk, len(ids), *ids],
    )
    return BATCH.read(batches_open[0]) if batches_open else None


@transaction.atomic
def _submit(project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    outcome = Outcome()
    ids = {answer.task for answer in answers}
    _lock_tasks(ids)
    tasks = tasks_with_batches(project, ids)
    # Read after the locks: if two requests send the same answer at once, the second reads the first one's annotation.
    known = _known([answer.id for answer in answers])
    fresh: dict[int, Answer] = {}
    # An early end deletes the tasks it drops, so an answer to an unknown task may just be late.
    missing = any(answer.task not in tasks for answer in answers)
    ended_early = missing and project.batches.filter(dropped__gt=0).exists()
    removed = _removed(project, {pk for pk in ids if pk not in tasks or not tasks[pk].outstanding})
    for answer in answers:
        refusal = _refusal(answer, known, tasks, user, ended_early=ended_early, removed=removed)
        if refusal is None and answer.id not in known and answer.task in fresh:
            refusal = Refusal(answer.id, "taken", "This request has another answer to the same task.")
        if refusal:
            outcome.rejected.append(refusal)
        elif answer.id in known:
            outcome.accepted.append(answer.id)
        else:
            fresh[answer.task] = answer
    held, strange = assignments.answer([tasks[pk] for pk in fresh], user)
    for task_id, answer in fresh.items():
        if task_id in held:
            outcome.accepted.append(answer.id)
        elif task_id in strange:
            detail = "This task is not assigned to you. Claim tasks first."
            outcome.rejected.append(Refusal(answer.id, "not_assigned", detail))
        else:
            detail = "This task was already answered, by you or by another person."
            outcome.rejected.append(Refusal(answer.id, "taken", detail))
    by_batch: dict[Batch, dict[int, Answer]] = {}
    for pk in sorted(held):
        by_batch.setdefault(tasks[pk].batch, {})[pk] = fresh[pk]
    outcome.batch_completed = storing.store(project, by_batch, user)
    return outcome


def _lock_tasks(ids: Collection[int]) -> None:
    """Lock these tasks in the order of their ids, so that two requests for the same tasks cannot deadlock."""
    if ids and several_write():
        rows(f"SELECT id FROM labeling_task WHERE id IN ({marks(len(ids))}) ORDER BY id FOR NO KEY UPDATE", list(ids))


def _removed(project: Project, ids: Collection[int]) -> set[int]:
    """Return the ids of the tasks that were closed, dropped or not, because their item was excluded or deleted."""
    if not ids:
        return set()
    removals = Removal.objects.filter(item__project=project, closed_task__in=ids)
    return {task for task in removals.values_list("closed_task", flat=True) if task is not None}


def _known(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Annotation]:
    """Return the stored annotations with these ids."""
    if not ids:
        return {}
    annotation_rows = rows(
        f"SELECT {KNOWN.sql} FROM labeling_annotation n WHERE n.id IN ({marks(len(ids))})",
        [stored(Annotation, "id", each) for each in ids],
    )
    return {annotation.pk: annotation for annotation in map(KNOWN.read, annotation_rows)}


def _refusal(
    answer: Answer,
    known: dict[uuid.UUID, Annotation],
    tasks: dict[int, Task],
    user: User,
    *,
    ended_early: bool,
    removed: Collection[int],
) -> Refusal | None:
    """Return the reason to refuse this answer, judged by the rows that were read; None without one."""
    task = tasks.get(answer.task)
    if answer.task in removed and answer.id not in known:
        return Refusal(answer.id, "item_removed", TAKEN_OUT)
    if task is None or task.batch.opened_at is None:  # a task of an unopened batch has not been handed out
        if ended_early:
            return Refusal(answer.id, "batch_closed", ENDED_EARLY)
        return Refusal(answer.id, "unknown_task", f"This project has no task {answer.task}.")
    before = known.get(answer.id)
    if before is not None:
        if before.user_id != user.pk or before.task_id != task.pk:
            return Refusal(answer.id, "id_in_use", "This id belongs to another annotation. Use a new id.")
        if before.undone_at is not None:
            return Refusal(answer.id, "undone", "This annotation was undone. Send a new answer with a new id.")
        return None
    if task.batch.state != Batch.State.OPEN:
        completed = "The batch is already complete."
        return Refusal(answer.id, "batch_closed", ENDED_EARLY if task.outstanding else completed)
    return None
