"""The annotators' requests to claim, undo and release tasks; `submitting` takes the answers.

`assignments` decides who may take which task.
"""

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, Sum, When
from django.utils import timezone

from labeling.labels import counting, item_labels
from labeling.loop import batches
from labeling.models import Annotation, Assignment, Batch, Copy, Item, Job, Project, Task, User
from labeling.models.refusals import Refused
from labeling.queue import assignments, grids, rechecking, sharing
from labeling.queue.assignments import TasksChanged
from labeling.queue.parts import ALL
from labeling.queue.person import MAX_HELD, MIN_HELD, DailyLimit, Person, daily_limit_now, lock_person, person_in
from labeling.queue.task_rows import BATCH, tasks_with_items
from labeling.storage.db.statements import rows

MAX_CLAIM = MAX_HELD


@dataclass(frozen=True, slots=True)
class Claim:
    """The tasks that an annotator got by one claim, or the `reason` why there are no tasks.

    `batch` is the batch of the first task; tasks of the next batch may follow.
    """

    batch: Batch | None
    tasks: list[Task]
    lease_expires_at: datetime.datetime | None = None
    claimed_at: datetime.datetime | None = None
    remaining: int = 0
    reason: str = ""
    open_batches: Sequence[int] = ()
    limit: DailyLimit | None = None


ON_HOLD = Claim(batch=None, tasks=[], reason="on_hold")
"""The claim of an annotator whose work is paused."""


class QueueError(Refused):
    """The queue refuses the request."""


def claim(
    *, project: Project, user: User, count: int, daily_limit: int | None = None, same_class: bool = False
) -> Claim:
    """Give `user` up to `count` tasks: the user's unanswered tasks first, then free tasks (`assignments.pick`).

    If too few tasks are free, the claim frees tasks whose lease has run out, then takes tasks of the next batch if it
    was picked ahead. A user who would still get no task takes some from an annotator who does not answer, or who holds
    more than a fair share near the batch's end (`sharing`).

    With `same_class`, in a project with grids, all new tasks have one class (`grids.tasks_of_one_class`); if no free
    task has a class, the user gets a few tasks by rank. The user may then hold the tasks of two grids.

    With a `daily_limit`, the user holds at most the answers left today. At the limit, the user's tasks are released.
    """
    limit = None
    if daily_limit is not None:
        limit = daily_limit_now(project=project, user=user, answers=daily_limit, now=timezone.now())
        if not limit.left:
            release(project=project, user=user)
            return Claim(batch=None, tasks=[], reason="limit_reached", limit=limit)
        count = min(count, limit.left)
    in_grids = same_class and project.grids
    try:
        return _claim(project, user, count, in_grids=in_grids)
    except (IntegrityError, TasksChanged):
        # A late answer of the same user took the same task at the same moment. The second try reads it.
        return _claim(project, user, count, in_grids=in_grids)


def _claim(project: Project, user: User, count: int, *, in_grids: bool) -> Claim:
    resting = project.loop == Project.Loop.PAUSED or project.archived_at or project.deleted_at
    on_offer = [] if resting else _on_offer(project)
    if not on_offer:
        return Claim(batch=None, tasks=[], reason=_why_nothing(project))
    # Read as much as possible before the transaction: other writers wait for its end, and it repeats these checks.
    people = [
        person_in(project=project, user=user, batch=batch, for_now=for_now, in_grids=in_grids)
        for batch, for_now in on_offer
    ]
    own = [assignments.own(person) for person in people]
    room = count - sum(map(len, own))
    # Other annotators may take some of these tasks first, so read twice as many.
    alike = [grids.tasks_of_one_class(project, each, 2 * room) if in_grids else None for each in people]
    held = _assign(project, people, own, count, alike)
    tasks = tasks_with_items([each.task for each in held])
    last = people[-1].batch
    by_id = {person.batch.pk: person.batch for person in people}
    for task in tasks:
        task.batch = by_id[task.batch_id]
    if _is_nearly_over(project, last, tasks):
        batches.pick_ahead(project=project, batch=last)
    return Claim(
        batch=tasks[0].batch if tasks else last,
        tasks=tasks,
        lease_expires_at=min((each.until for each in held), default=None),
        claimed_at=people[0].now if held else None,
        remaining=rechecking.remaining_shown(tasks[0].batch if tasks else last),
        reason="" if held else "all_taken" if all(person.spans == ALL for person in people) else "kept_for_others",
        open_batches=[person.batch.number for person in people],
    )


@transaction.atomic
def _assign(
    project: Project,
    people: Sequence[Person],
    own: Sequence[Sequence[Assignment]],
    count: int,
    alike: Sequence[Sequence[int] | None],
) -> list[assignments.Held]:
    """Return up to `count` tasks held by one user: the `own` ones first, then new ones.

    `people`, `own` and `alike` have one element for each batch on offer. `alike`: for a grid, the tasks of one class;
    None without a grid.
    """
    lock_person(project, people[0].user)
    kept: list[assignments.Held] = []
    for person, own_tasks in zip(people, own, strict=True):
        kept += assignments.renew_leases(person, own_tasks[: count - len(kept)])
    taken: list[assignments.Held] = []
    for person, own_tasks, among in zip(people, own, alike, strict=True):
        room = min(count - len(kept) - len(taken), person.most - len(own_tasks))
        if room < 1 or (person is not people[-1] and not assignments.any_for(person)):
            continue
        if person.batch.state == Batch.State.READY:
            batches.open_ready(project)
        taken += _take_new(person, room, among, held=len(own_tasks))
    if not any(own) and not taken:
        # Take tasks from an annotator who does not answer, or who holds more than a fair share.
        ways = (sharing.free_idle, sharing.free_excess)
        shared = next((person for free in ways for person in people if free(person, min(count, person.most))), None)
        taken = assignments.take_tasks(shared, count) if shared else []
    return kept + taken


def _take_new(person: Person, room: int, among: Sequence[int] | None, *, held: int) -> list[assignments.Held]:
    """Take up to `room` tasks of one batch: free tasks first, then tasks whose lease has run out.

    For a grid, take the tasks in `among`. If none of these is free, take other tasks, until the user holds
    `MIN_HELD` tasks, the `held` ones included.
    """
    if among is not None:
        if among and (of_these := assignments.pick(person, room, among=among)):
            return assignments.hold(person, of_these)
        room = min(room, MIN_HELD - held)
        if room < 1:
            return []
    picked = assignments.pick(person, room)
    if len(picked) < room and sharing.free_lapsed(person, room - len(picked)):
        picked += assignments.pick(person, room - len(picked), besides=picked)
    if len(picked) < room and person.batch.further:
        picked += assignments.pick(person, room - len(picked), known=True, besides=picked)
    return assignments.hold(person, picked)


def _is_nearly_over(project: Project, batch: Batch, tasks: Sequence[Task]) -> bool:
    """Return whether the next batch may be due after a claim of these tasks. Takes no query."""
    if project.pick_ahead is None:
        return False
    handed_out = max((task.rank + 1 for task in tasks if task.batch_id == batch.pk), default=0) if tasks else batch.size
    return max(handed_out, batch.size - batch.remaining) >= project.pick_ahead * batch.size


def _on_offer(project: Project) -> list[tuple[Batch, bool]]:
    """Return the batches that annotators get tasks of, by number, and for each whether the model of an earlier batch
    will pick its tasks again. The last batch may be ready and not open.
    """
    batch_rows = rows(
        f"SELECT {BATCH.sql} FROM labeling_batch b WHERE b.project_id = %s "
        "AND b.state IN ('open', 'ready', 'training') ORDER BY b.number",
        [project.pk],
    )
    unfinished = [BATCH.read(row) for row in batch_rows]
    # Every batch but the first stands behind a batch whose model is not trained yet.
    return [(batch, batch is not unfinished[0]) for batch in unfinished if batch.state != Batch.State.TRAINING]


def _why_nothing(project: Project) -> str:
    """Return the code of the reason why the project has no task to give. The annotator's page shows a text for each
    code.
    """
    if project.loop == Project.Loop.PAUSED or project.archived_at or project.deleted_at:
        return "paused"
    batch = project.batches.current()
    if batch is not None and batch.state != Batch.State.DONE:
        return batch.state if batch.state != Batch.State.OPEN else "all_taken"
    if project.jobs.unfinished().filter(kind__in=[Job.Kind.IMPORT, Job.Kind.ENCODE]).exists():
        return "encoding"
    if project.items.unlabeled().exists():
        return "selecting" if project.waits_for_predictions and project.loop == Project.Loop.RUNNING else "stopped"
    return "finished" if project.batches.exists() else "no_items"


@transaction.atomic
def undo(*, project: Project, user: User, annotation_id: uuid.UUID) -> Task:
    """Undo the user's answer or skip, and let the user hold the task again. If the skipped task was replaced, delete
    the replacement, unless an annotator has claimed it.

    A complete batch whose training has not begun opens again. Whether an answer can be undone depends on the answer and
    its batch alone, never on the kind of the task or on a correction, which stays the item's label. Gold tasks take the
    same statements as all others, so the time of a reply does not identify them. Raises `QueueError` if the annotation
    is unknown or undone, or the batch has ended.
    """
    try:
        annotation = (
            Annotation.objects.select_related("task__batch", "task__item")
            .filter(task__batch__project=project, user=user)
            .get(pk=annotation_id)
        )
    except Annotation.DoesNotExist:
        raise QueueError("not_found", "This is not an annotation of yours in this project.") from None
    lock_person(project, user)
    person = person_in(
        project=project, user=user, batch=annotation.task.batch, without=annotation.pk, in_grids=project.grids
    )
    task = Task.objects.select_for_update(no_key=True).order_by("pk").filter(pk=annotation.task_id).first()
    if task is None:  # the answer was already undone, and an early end has just dropped the task
        raise QueueError("batch_closed", "The batch had already ended.")
    was_finished = task.outstanding == 0
    replacement = _untouched_replacement(task) if annotation.value is None and was_finished else None
    assignments.free_surplus(person, keeping=task)
    assignments.reopen(person, task)
    # Lock the item, which a removal locks, and the work log, which a submit of the same user locks, before the batch.
    list(Item.objects.select_for_update(no_key=True).filter(pk=task.item_key).order_by("pk").values_list("pk"))
    counting.take_back(annotation)
    # The label of a task that asks an item again counts in the batch that picked the item, not in the task's own batch.
    # That batch comes first: all writers update batches in the order of their ids.
    if was_finished and not task.is_gold and task.repeats_id is not None:
        with counting.labels_counted([task.repeats_id]):
            _unlabel(task)
    if annotation.task.batch.state == Batch.State.TRAINING:
        batches.reopen(batch=annotation.task.batch)
    # Update the batch before the annotation: the update waits for a submit that is closing the batch.
    was_labeled = Exists(Item.objects.labeled().uncorrected().filter(pk=task.item_id or 0))
    gone = int(replacement is not None)
    if not Batch.objects.filter(pk=task.batch_id, state=Batch.State.OPEN).update(
        size=F("size") - gone,
        remaining=F("remaining") + int(was_finished) - gone,
        control_tasks=F("control_tasks") - int(replacement is not None and replacement.is_control),
        further=F("further") - int(replacement is not None and replacement.is_gold),
        labeled=F("labeled") - Case(When(was_labeled, then=1), default=0),
    ):
        raise QueueError("batch_closed", "The batch is complete: its answers have gone into training.")
    if not Annotation.objects.standing().filter(pk=annotation.pk).update(undone_at=person.now):
        raise QueueError("undone", "This annotation was already undone.")
    Task.objects.filter(pk=task.pk).update(outstanding=F("outstanding") + 1)
    if replacement is not None:
        Copy.objects.filter(of=replacement.item_key, batch=task.batch_id, answers=None).delete()
        replacement.delete()
    if was_finished and task.is_gold:
        item_labels.keep_gold_labels(project, {task.pk: task.item_key}, {task.pk: ()})
    elif was_finished and task.repeats_id is None:
        _unlabel(task)
    return Task.objects.select_related("item", "repeats", "batch").get(pk=task.pk)


def _unlabel(task: Task) -> None:
    Item.objects.uncorrected().filter(pk=task.item_key).update(label=None, agreement=None, labeled_at=None)


def _untouched_replacement(task: Task) -> Task | None:
    """Return the replacement of this skipped task, locked; None if there is none, or an annotator has claimed it."""
    replacements = Task.objects.filter(replaces=task)
    locked = replacements.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    return replacements.untouched().filter(pk__in=list(locked)).first()


@transaction.atomic
def release(
    *,
    project: Project,
    user: User,
    task_ids: Sequence[int] | None = None,
    claimed_at: datetime.datetime | None = None,
) -> int:
    """Release the user's unanswered tasks: all of them, or those in `task_ids`. Return the number of released tasks.

    With `claimed_at`, the user keeps the tasks that a later claim renewed: the client that sends the release has not
    seen that claim.
    """
    held = Assignment.objects.pending().filter(pk__in=assignments.held_in(project, user))
    if task_ids is not None:
        held = held.filter(task__in=task_ids)
    if claimed_at is not None:
        held = held.filter(claimed_at__lte=claimed_at)
    return assignments.give_back(held)


def own_progress(batch: Batch, user: User) -> dict[str, int]:
    """Return the number of the user's answers (`answered`) and skips (`skipped`) in the batch."""
    return batch.work.filter(user=user).aggregate(answered=Sum("answers", default=0), skipped=Sum("skips", default=0))
