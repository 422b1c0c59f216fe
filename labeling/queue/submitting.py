"""Accept or refuse the answers and skips of one request, each on its own."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction

from labeling.models import Annotation, Batch, Project, Removal, User
from labeling.queue import assignments, storing
from labeling.queue.answer import Answer, Outcome, Refusal
from labeling.queue.assignments import TasksChanged
from labeling.queue.task_rows import Place, TaskOfUser, tasks_of_user
from labeling.storage.db.statements import Columns, marks, rows, several_write, stored

KNOWN = Columns(Annotation, "n", only=("id", "task_id", "user_id", "undone_at"))

ENDED_EARLY = "The batch ended before this answer arrived."
TAKEN_OUT = "The item was removed before this answer arrived."


def submit(*, project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """Accept or refuse each of the user's answers and skips. An answer sent twice is stored once and accepted twice.

    A user can answer the tasks that the user has held. An answer after the end of the lease counts if the task is
    still free, so that no work is lost without need.
    """
    # In the usual case the answers are judged before the transaction, because other writers wait for its end; else
    # under its locks. An id that another request stores for another task at the same moment makes the second try fail,
    # too: the third one reads it.
    for locked in (False, True):
        with suppress(IntegrityError, TasksChanged):
            return _submit(project, user, answers, locked=locked)
    return _submit(project, user, answers, locked=True)


def _submit(project: Project, user: User, answers: Sequence[Answer], *, locked: bool) -> Outcome:
    """Judge and store the answers. `locked`: judge them while their tasks are locked.

    Raises `TasksChanged` or `IntegrityError`, and writes nothing, if the rows have changed since they were read, or if
    unlocked answers are not the usual case.
    """
    judged = None if locked else _accept_held(project, user, answers)
    with transaction.atomic():
        _lock_tasks({answer.task for answer in answers})
        # After the locks: if two requests send the same answer at once, the second reads the first one's annotation.
        judged = judged or _judge(project, user, answers)
        assignments.answer(judged.held, judged.ended, user)
        judged.outcome.batch_completed = storing.store(project, judged.answers, user)
    return judged.outcome


@dataclass(frozen=True, slots=True)
class _Judged:
    """The outcome, the answers to store by batch and task id, and these tasks by the user's assignment."""

    outcome: Outcome = field(default_factory=Outcome)
    answers: dict[Batch, dict[int, Answer]] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)


def _accept_held(project: Project, user: User, answers: Sequence[Answer]) -> _Judged:
    """Accept the answers in the usual case, in one query: to different tasks, all of which the user holds, in an open
    batch. Raises `TasksChanged` in any other case. An id that is stored already raises `IntegrityError` when written.
    """
    tasks = tasks_of_user(project, {answer.task for answer in answers}, user)
    is_usual = all(place == Place.HELD and task.batch.state == Batch.State.OPEN for task, place in tasks.values())
    if len(tasks) < len(answers) or not is_usual:
        raise TasksChanged
    judged = _Judged(held=list(tasks))
    for answer in answers:
        judged.answers.setdefault(tasks[answer.task].task.batch, {})[answer.task] = answer
        judged.outcome.accepted.append(answer.id)
    return judged


def _judge(project: Project, user: User, answers: Sequence[Answer]) -> _Judged:
    """Accept or refuse each answer by the rows as they are. Changes nothing."""
    judged = _Judged()
    tasks = tasks_of_user(project, {answer.task for answer in answers}, user)
    known = _known([answer.id for answer in answers])
    lacking = [answer.task for answer in answers if answer.task not in tasks]
    # An early end deletes the tasks it drops, so an answer to an unknown task may just be late.
    ended_early = bool(lacking) and project.batches.filter(dropped__gt=0).exists()
    removed = _removed(project, {*lacking, *(pk for pk, (task, _) in tasks.items() if not task.outstanding)})
    fresh = set[int]()
    for answer in answers:
        refusal = _refusal(answer, known, tasks, user, ended_early=ended_early, removed=removed)
        if refusal is None and answer.id not in known:
            task, place = tasks[answer.task]
            if task.pk in fresh:
                refusal = Refusal(answer.id, "taken", "This request has another answer to the same task.")
            elif place is None:
                detail = "This task is not assigned to you. Claim tasks first."
                refusal = Refusal(answer.id, "not_assigned", detail)
            elif place == Place.ANSWERED or (place == Place.ENDED and not task.free):
                detail = "This task was already answered, by you or by another person."
                refusal = Refusal(answer.id, "taken", detail)
            else:
                (judged.held if place == Place.HELD else judged.ended).append(task.pk)
                judged.answers.setdefault(task.batch, {})[task.pk] = answer
            fresh.add(task.pk)
        if refusal is None:
            judged.outcome.accepted.append(answer.id)
        else:
            judged.outcome.rejected.append(refusal)
    return judged


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
    tasks: Mapping[int, TaskOfUser],
    user: User,
    *,
    ended_early: bool,
    removed: Collection[int],
) -> Refusal | None:
    """Return the reason to refuse this answer, judged by the rows that were read; None without one."""
    task = tasks[answer.task].task if answer.task in tasks else None
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
