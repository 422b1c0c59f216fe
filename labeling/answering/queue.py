"""claim · submit · skip · undo · release: the hot path. Who may have which place stands in `places`."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from labeling.answering import batches, places
from labeling.answering.places import PlacesMoved
from labeling.models import Annotation, Assignment, Batch, Correction, Item, Job, Project, Task, User

MAX_CLAIM = 100

ENDED_EARLY = "The batch was ended before this answer came."


@dataclass(frozen=True, slots=True)
class Claim:
    """What an annotator was given. `reason` says why there are no tasks, if there are none."""

    batch: Batch | None
    tasks: list[Task]
    lease_expires_at: datetime.datetime | None = None
    claimed_at: datetime.datetime | None = None
    remaining: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it arrives: `value` is valid for the project, or None for a skip with its reason."""

    id: uuid.UUID
    task: int
    value: Any = None
    skip_reason: str = ""
    seconds: float = 0.0
    flagged: bool = False


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


class QueueError(Exception):
    """The request cannot be carried out; `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def claim(*, project: Project, user: User, count: int) -> Claim:
    """Give `user` up to `count` tasks of the open batch: own unanswered ones first, then free ones in rank order.

    Where too few are free, places whose lease has run out are freed; whoever would get nothing at all shares with
    somebody who does not answer.
    """
    try:
        return _claim(project, user, count)
    except (IntegrityError, PlacesMoved):
        # A late answer of the same person took the same place at the same moment: now it is there to be seen.
        return _claim(project, user, count)


@transaction.atomic
def _claim(project: Project, user: User, count: int) -> Claim:
    batch = project.batches.open().first()
    if batch is None or project.loop == Project.Loop.PAUSED:
        return Claim(batch=None, tasks=[], reason=_why_nothing(project))
    person = places.lock_person(project=project, user=user, batch=batch)
    own = places.own(person)
    held = places.keep(person, own[:count])
    room = min(count - len(held), places.most_held(batch) - len(own))
    if room > 0:
        held += _take(person, room, alone=not own)
    return Claim(
        batch=batch,
        tasks=[each.task for each in held],
        lease_expires_at=min((each.until for each in held), default=None),
        claimed_at=person.now if held else None,
        remaining=batch.remaining,
        reason="" if held else "all_taken",
    )


def _take(person: places.Person, room: int, *, alone: bool) -> list[places.Held]:
    """Up to `room` more tasks for this person, who may have none yet."""
    taken = places.take(person, room)
    if len(taken) < room and places.free_lapsed(person, room - len(taken)):
        taken += places.take(person, room - len(taken))
    if alone and not taken and places.free_idle(person, room):
        taken = places.take(person, room)
    return taken


def _why_nothing(project: Project) -> str:
    """The code that tells an annotator's page what is happening instead of work."""
    batch = project.batches.active().first()
    if project.loop == Project.Loop.PAUSED:
        return "paused"
    if batch is not None:
        return batch.state if batch.state != Batch.State.OPEN else "all_taken"
    if project.jobs.unfinished().filter(kind__in=[Job.Kind.IMPORT, Job.Kind.ENCODE]).exists():
        return "encoding"
    if project.items.unlabeled().exists():
        return "stopped"
    return "finished" if project.batches.exists() else "no_items"


def submit(*, project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    """Take answers and skips. Each is accepted or refused on its own; one sent again is accepted again, once stored.

    Only tasks that were once the user's can be answered. An answer whose lease has run out still counts as long as its
    place is free: nobody's work is thrown away without need.
    """
    try:
        return _submit(project, user, answers)
    except (IntegrityError, PlacesMoved):
        # The same id came for another task at the same moment: now it is there to be seen, and refused.
        return _submit(project, user, answers)


@transaction.atomic
def _submit(project: Project, user: User, answers: Sequence[Answer]) -> Outcome:
    outcome = Outcome()
    tasks = {
        task.pk: task
        for task in Task.objects.filter(pk__in={answer.task for answer in answers}, batch__project=project)
        # Always in the same order, so that two requests over the same tasks cannot lock each other out.
        .select_for_update(of=("self",))
        .select_related("batch", "item")
        .order_by("pk")
    }
    # Read behind the locks: the same answer, sent by two requests at once, is seen by the second.
    known = {a.pk: a for a in Annotation.objects.filter(pk__in=[answer.id for answer in answers])}
    fresh: dict[int, Answer] = {}
    # The tasks that an early end dropped are gone: an answer to one of them is late, not wrong.
    missing = any(answer.task not in tasks for answer in answers)
    ended_early = missing and project.batches.filter(dropped__gt=0).exists()
    for answer in answers:
        refusal = _refusal(answer, known, tasks, user, ended_early=ended_early)
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
            detail = "You were never given this task: claim tasks, and answer those."
            outcome.rejected.append(Refusal(answer.id, "not_assigned", detail))
        else:
            detail = "You, or somebody else, answered this task meanwhile."
            outcome.rejected.append(Refusal(answer.id, "taken", detail))
    outcome.batch_completed = _write(project, [tasks[pk] for pk in held], fresh, user)
    return outcome


def _refusal(
    answer: Answer,
    known: dict[uuid.UUID, Annotation],
    tasks: dict[int, Task],
    user: User,
    *,
    ended_early: bool,
) -> Refusal | None:
    """Why this answer cannot be taken, as far as what was read tells."""
    task = tasks.get(answer.task)
    if task is None or task.batch.opened_at is None:  # one that is just being written is nobody's yet
        if ended_early:
            return Refusal(answer.id, "batch_closed", ENDED_EARLY)
        return Refusal(answer.id, "unknown_task", f"This project has no task {answer.task}.")
    before = known.get(answer.id)
    if before is not None:
        if before.user_id != user.pk or before.task_id != task.pk:
            return Refusal(answer.id, "id_in_use", "This id belongs to another annotation. Make a new one.")
        if before.undone_at is not None:
            return Refusal(answer.id, "undone", "This annotation was taken back. Send a new answer under a new id.")
        return None
    if task.batch.state != Batch.State.OPEN:
        completed = "The batch was completed meanwhile."
        return Refusal(answer.id, "batch_closed", ENDED_EARLY if task.outstanding else completed)
    return None


def _write(project: Project, tasks: list[Task], answers: dict[int, Answer], user: User) -> bool:
    """Store the answers and count them on their tasks. Returns whether that completed the batch."""
    if not tasks:
        return False
    Annotation.objects.bulk_create(
        Annotation(
            pk=answers[task.pk].id,
            task=task,
            user=user,
            value=answers[task.pk].value,
            skip_reason=answers[task.pk].skip_reason,
            seconds=answers[task.pk].seconds,
            flagged=answers[task.pk].flagged,
        )
        for task in tasks
    )
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(outstanding=F("outstanding") - 1)
    return _finish_tasks(project, [task for task in tasks if task.outstanding == 1])


def _finish_tasks(project: Project, tasks: list[Task]) -> bool:
    """Resolve the labels of tasks that have all their answers; close the batch if they were its last."""
    if not tasks:
        return False
    resolve_labels(project, tasks)
    # All of one batch: only an open one takes answers, and a project has one at a time.
    batch_id = tasks[0].batch_id
    if not Batch.objects.open().filter(pk=batch_id).update(remaining=F("remaining") - len(tasks)):
        raise PlacesMoved  # it was ended early since the tasks were read
    return batches.complete(batch_id=batch_id)


def resolve_labels(project: Project, tasks: list[Task]) -> None:
    """Write what the standing answers to these locked tasks, read with their items, amount to."""
    answers: dict[int, list[Any]] = {task.pk: [] for task in tasks}
    for task_id, value in (
        Annotation.objects.answers().filter(task__in=tasks).order_by("created_at").values_list("task_id", "value")
    ):
        answers[task_id].append(value)
    now = timezone.now()
    for task in tasks:
        item = task.item
        item.label, item.agreement = project.asks.resolve(answers[task.pk])
        item.labeled_at = now if item.label is not None else None
    # A manager's word stands, whatever was answered.
    Item.objects.uncorrected().bulk_update([task.item for task in tasks], ["label", "agreement", "labeled_at"])


@transaction.atomic
def undo(*, project: Project, user: User, annotation_id: uuid.UUID) -> Task:
    """Take back one's own answer or skip while its batch is open; the place is held again, for another answer."""
    try:
        annotation = (
            Annotation.objects.select_related("task__batch", "task__item")
            .filter(task__batch__project=project, user=user)
            .get(pk=annotation_id)
        )
    except Annotation.DoesNotExist:
        raise QueueError("not_found", "You have no such annotation in this project.") from None
    person = places.lock_person(project=project, user=user, batch=annotation.task.batch, without=annotation.pk)
    task = Task.objects.select_for_update().filter(pk=annotation.task_id).first()
    if task is None:  # dropped at this moment by an early end, for the answer to it was taken back already
        raise QueueError("batch_closed", "The batch was ended before this came.")
    if Correction.objects.standing().filter(item=task.item_id).exists():
        raise QueueError("corrected", "A manager has settled this item: its label stands, and so do the answers.")
    places.free_surplus(person, keeping=task)
    places.reopen(person, task)
    # A change of the batch's row first: it waits for a submit that is just closing the batch.
    was_finished = task.outstanding == 0
    if not Batch.objects.filter(pk=task.batch_id, state=Batch.State.OPEN).update(
        remaining=F("remaining") + int(was_finished)
    ):
        raise QueueError("batch_closed", "The batch is complete: its answers have gone into training.")
    if not Annotation.objects.standing().filter(pk=annotation.pk).update(undone_at=person.now):
        raise QueueError("undone", "This annotation was already taken back.")
    Task.objects.filter(pk=task.pk).update(outstanding=F("outstanding") + 1)
    if was_finished:
        Item.objects.filter(pk=task.item_id).update(label=None, agreement=None, labeled_at=None)
    return Task.objects.select_related("item", "batch").get(pk=task.pk)


@transaction.atomic
def release(
    *,
    project: Project,
    user: User,
    task_ids: Sequence[int] | None = None,
    claimed_at: datetime.datetime | None = None,
) -> int:
    """Give back the user's unanswered tasks (all of them, or those named). Returns how many were given back.

    With `claimed_at`, tasks that were claimed again after it stay: whoever sends this knows of no later claim.
    """
    held = Assignment.objects.pending().filter(user=user, task__batch__project=project)
    if task_ids is not None:
        held = held.filter(task__in=task_ids)
    if claimed_at is not None:
        held = held.filter(claimed_at__lte=claimed_at)
    return places.give_back(held)


def progress_of(batch: Batch, user: User) -> dict[str, int]:
    """How far the batch is, and this user's part in it."""
    return (
        Annotation.objects.standing()
        .filter(user=user, task__batch=batch)
        .aggregate(
            answered=Count("pk", filter=Q(value__isnull=False)), skipped=Count("pk", filter=Q(value__isnull=True))
        )
    )
