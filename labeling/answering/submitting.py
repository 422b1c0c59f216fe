"""Answers and skips as they come in: each accepted or refused, counted on its task, and turned into a label."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.answering import batches, comments, copies, counting, gold, labels, places, rechecking
from labeling.answering.places import BATCH, TASK, PlacesMoved
from labeling.models import Annotation, Batch, ClassProposal, Job, Project, Removal, Task, User
from labeling.models.classes import folded
from labeling.statements import Columns, insert, marks, rows, several_write, stored

KNOWN = Columns(Annotation, "n", only=("id", "task_id", "user_id", "undone_at"))
ANNOTATION = (
    "id", "task", "user", "value", "skip_reason", "seconds", "flagged", "created_at", "class_revision",
    "guidelines_version", "sampled",
)  # fmt: skip

ENDED_EARLY = "The batch ended before this answer arrived."
TAKEN_OUT = "The item was removed before this answer arrived."


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it arrives: `value` is valid for the project, or None for a skip with its reason. `same` and
    `different`: ids of the copies on the screen that get the answer too, and of those that do not.
    """

    id: uuid.UUID
    task: int
    value: Any = None
    skip_reason: str = ""
    seconds: float = 0.0
    flagged: bool = False
    guidelines_version: int = 0
    proposed_class: str = ""
    comment: str = ""
    same: Sequence[int] = ()
    different: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer was not taken: a code for programs, a sentence for people."""

    id: uuid.UUID
    code: str
    detail: str


@dataclass(slots=True)
class Outcome:
    accepted: list[uuid.UUID] = field(default_factory=list)
    rejected: list[Refusal] = field(default_factory=list)
    batch_completed: bool = False


def submit(*, project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """Take answers and skips. Each is accepted or refused on its own; one sent again is accepted again, once stored.

    Only tasks that were once the user's can be answered. An answer whose lease has run out still counts as long as its
    place is free: nobody's work is thrown away without need.
    """
    try:
        return _submit_held(project, user, answers)
    except (IntegrityError, PlacesMoved):
        pass  # it is one of the cases that are looked at one by one
    try:
        return _submit(project, user, answers)
    except (IntegrityError, PlacesMoved):
        # The same id came for another task at the same moment: now it is there to be seen, and refused.
        return _submit(project, user, answers)


def _submit_held(project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """The usual case, as short as can be for others who write: all answers are new, and to tasks that the user holds.

    In any other case nothing is written, and `PlacesMoved` or `IntegrityError` raised.
    """
    fresh = {answer.task: answer for answer in answers}
    batch = _batch_of(project, fresh)
    if batch is None or len(fresh) < len(answers):
        raise PlacesMoved
    with transaction.atomic():
        _lock_tasks(fresh)
        if not places.answer_held(list(fresh), user):
            raise PlacesMoved
        completed = _write(project, batch, fresh, user)
    return Outcome(accepted=[answer.id for answer in answers], batch_completed=completed)


def _batch_of(project: Project, ids: Collection[int]) -> Batch | None:
    """The open batch, if it has all these tasks."""
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
    tasks = _read_tasks(project, ids)
    # Read behind the locks: the same answer, sent by two requests at once, is seen by the second.
    known = _known([answer.id for answer in answers])
    fresh: dict[int, Answer] = {}
    # The tasks that an early end dropped are gone: an answer to one of them is late, not wrong.
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
    held, strange = places.answer([tasks[pk] for pk in fresh], user)
    for task_id, answer in fresh.items():
        if task_id in held:
            outcome.accepted.append(answer.id)
        elif task_id in strange:
            detail = "This task is not assigned to you. Claim tasks first."
            outcome.rejected.append(Refusal(answer.id, "not_assigned", detail))
        else:
            detail = "This task was already answered, by you or by somebody else."
            outcome.rejected.append(Refusal(answer.id, "taken", detail))
    for batch in {tasks[pk].batch_id: tasks[pk].batch for pk in sorted(held)}.values():
        of_batch = {pk: fresh[pk] for pk in held if tasks[pk].batch_id == batch.pk}
        if _write(project, batch, of_batch, user):
            outcome.batch_completed = True
    return outcome


def _lock_tasks(ids: Collection[int]) -> None:
    """Always in the same order, so that two requests over the same tasks cannot lock each other out."""
    if ids and several_write():
        rows(f"SELECT id FROM labeling_task WHERE id IN ({marks(len(ids))}) ORDER BY id FOR UPDATE", list(ids))


def _read_tasks(project: Project, ids: Collection[int]) -> dict[int, Task]:
    """Those of these tasks that are the project's, with their batches."""
    if not ids:
        return {}
    task_rows = rows(
        f"""
        SELECT {TASK.sql}, {BATCH.sql} FROM labeling_task t JOIN labeling_batch b ON b.id = t.batch_id
        WHERE t.id IN ({marks(len(ids))}) AND b.project_id = %s
        """,
        [*ids, project.pk],
    )
    tasks = {}
    for row in task_rows:
        task = TASK.read(row[: len(TASK)])
        task.batch = BATCH.read(row[len(TASK) :])
        tasks[task.pk] = task
    return tasks


def _removed(project: Project, ids: Collection[int]) -> set[int]:
    """Those of these tasks that were closed, dropped or not, because their item was taken out of the pool."""
    if not ids:
        return set()
    removals = Removal.objects.filter(item__project=project, closed_task__in=ids)
    return {task for task in removals.values_list("closed_task", flat=True) if task is not None}


def _known(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Annotation]:
    """The annotations that there are already under these ids."""
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
    """Why this answer cannot be taken, as far as what was read tells."""
    task = tasks.get(answer.task)
    if answer.task in removed and answer.id not in known:
        return Refusal(answer.id, "item_removed", TAKEN_OUT)
    if task is None or task.batch.opened_at is None:  # one that is just being written is nobody's yet
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


def _write(project: Project, batch: Batch, answers: Mapping[int, Answer], user: User) -> bool:
    """Store the answers to these tasks of one batch and count them. Returns whether that completed the batch."""
    now, revision, drawn = timezone.now(), project.class_revision, _drawn_for_review(project)
    insert(
        Annotation,
        ANNOTATION,
        [
            (
                answer.id,
                pk,
                user.pk,
                answer.value,
                answer.skip_reason,
                answer.seconds,
                answer.flagged or bool(answer.comment),
                now,
                revision,
                answer.guidelines_version,
                answer.value is not None and drawn(answer.id),
            )
            for pk, answer in answers.items()
        ],
    )
    if proposals := [each for each in answers.values() if each.proposed_class]:
        insert(
            ClassProposal,
            ("project", "annotation", "name", "key"),
            [(project.pk, each.id, each.proposed_class, folded(each.proposed_class)) for each in proposals],
        )
    skips = sum(answer.value is None for answer in answers.values())
    seconds = sum(answer.seconds for answer in answers.values())
    counting.add(batch, user, now, answers=len(answers) - skips, skips=skips, seconds=seconds)
    counted = rows(
        f"""
        UPDATE labeling_task SET outstanding = outstanding - 1 WHERE id IN ({marks(len(answers))})
        AND EXISTS (SELECT 1 FROM labeling_batch b WHERE b.id = labeling_task.batch_id AND b.state = 'open')
        RETURNING id, item_id, repeats_id, is_gold, outstanding
        """,
        list(answers),
    )
    if len(counted) < len(answers):
        raise PlacesMoved  # the batch was ended early since it was read
    shown = {pk: picked or repeated for pk, picked, repeated, *_ in counted}
    comments.write_all(user, [(shown[pk], each.id, each.comment) for pk, each in answers.items() if each.comment])
    copies.store(
        copies.Word(shown[pk], each.id, each.same, each.different)
        for pk, each in answers.items()
        if each.value is not None
    )
    if any(is_gold for *_, is_gold, _ in counted):
        gold.look_at(project, user)
    finished = [row for row in counted if not row[-1]]
    if finished and batch.overlap_max is not None:
        doubted = rechecking.ask_again(project, batch, [pk for pk, *_ in finished])
        finished = [row for row in finished if row[0] not in doubted]
    if not finished:
        return False
    picked = {pk: item for pk, item, *_ in finished if item is not None}
    again = {pk: item for pk, _, item, is_gold, _ in finished if item is not None and not is_gold}
    tasks = [*picked, *again]
    values = {pk: [answers[pk].value] for pk in tasks} if batch.takes_one_answer else labels.answers_to(tasks)
    labeled = labels.write(project, picked, again, values)
    # Last of all, because others who answer wait for this row until the transaction ends.
    left = rows(
        "UPDATE labeling_batch SET remaining = remaining - %s, labeled = labeled + %s "
        "WHERE id = %s AND state = 'open' RETURNING remaining",
        [len(finished), labeled, batch.pk],
    )
    if not left:
        raise PlacesMoved  # it was ended early since the tasks were read
    if left[0][0] == 0:
        return batches.complete(batch_id=batch.pk)
    if labeled < len(picked) and project.replace_skips:
        Job.objects.enqueue(Job.Kind.REPLACE, project=project)
    return False


def _drawn_for_review(project: Project) -> Callable[[uuid.UUID], bool]:
    """Whether an annotation is among those that chance, keyed by the project's secret, draws for the reviewers. Its
    author makes the id, and cannot know.
    """
    if not project.review_share:
        return lambda key: False
    keyed, limit = project.keyed_by("review"), project.review_share * 2**64
    return lambda key: int.from_bytes(keyed(key)[:8], "big") < limit
