"""The loop: changes of a batch's state, and when the next batch is due.

`table.py` says what each event does to a batch, and `advance` does it, alone. Unless the project waits for the newest
model, the next batch is picked ahead, while annotators still answer the current batch. It stays `ready` until the
current batch has no free task. When the model of the current batch is trained, the next batch's tasks without an
assignment are picked again. No annotator answers a batch of items imported with labels, so it never opens.

Each function is one transaction (or joins its caller's).
"""

import datetime
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext

from labeling.loop.table import GUARDS, STEPS, TRANSITIONS, BatchEvent, Fact, Follow, State, Transition
from labeling.models import Annotation, Batch, Event, Finish, ItemImport, Job, LogKind, ModelVersion, Project
from labeling.models.batches import IMPORTED
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog

# The first batch waits this long for more items if the pool holds fewer than one batch.
SETTLE = datetime.timedelta(seconds=8)

# The number of batches before the newest that may be in training when the next batch is picked.
MOST_UNTRAINED = 1

# `pick_ahead` found no item left: it does not query the pool again for this long.
LOOK_AGAIN = datetime.timedelta(minutes=10)


class BatchError(StateConflict):
    """The batch's state does not allow the change; the message says why."""


@transaction.atomic
def advance(batch: Batch, event: BatchEvent, **values: Any) -> None:
    """Change the batch's state as the table says for this event, and do what follows from the change.

    `values`: further columns of the batch to change. A batch without a row is created. The change is one conditional
    update. Raises `BatchError`, and changes nothing, if the table has no transition from the batch's state.
    """
    move = next((each for each in TRANSITIONS if each.event == event and _change(batch, each, values)), None)
    if move is None:
        state = Batch.objects.filter(pk=batch.pk).values_list("state", flat=True).first() or State.NONE
        sentence = gettext("This is not possible while batch %(number)s is %(state)s.")
        raise BatchError(sentence % {"number": batch.number, "state": gettext(state)})
    if move.before in (State.SELECTION_FAILED, State.TRAINING_FAILED):  # a batch has one job of a kind
        batch.jobs.filter(Q(state=Job.State.FAILED) | Q(kind__in=STEPS[move.after])).delete()
    follows = any(isinstance(each, Follow) for each in move.then)
    project = lock_project(batch.project_id) if follows else batch.project
    for each in move.then:
        if isinstance(each, Follow):
            FOLLOWS[each](project)
            continue
        kind = each.kind if each.fact is None or FACTS[each.fact](batch, project) else each.otherwise
        if kind is not None:
            Job.objects.enqueue(kind, project=project, batch=None if each.of_project else batch)
    if move.announces is not None:
        Event.objects.announce(move.announces, project, number=batch.number)


def _change(batch: Batch, move: Transition, values: Mapping[str, Any]) -> bool:
    """Change the batch's row by this transition. Return False if the row has another state, or the guard fails."""
    if move.before == State.NONE:
        if batch._state.adding:
            batch.state = move.after.columns["state"]
            batch.save(force_insert=True)
            return True
        return False
    if move.project_first:
        lock_project(batch.project_id)
    rows = Batch.objects.filter(GUARDS[move.guard], pk=batch.pk, **move.before.columns)
    if move.after == State.NONE:
        return bool(rows.delete()[0])
    times = {**dict.fromkeys(move.stamps, timezone.now()), **dict.fromkeys(move.cleared)}
    return bool(rows.update(**{"reason": "", **move.after.columns, **times, **values}))


@transaction.atomic
def ensure_next(*, project: Project) -> Batch | None:
    """Create the next batch and enqueue its selection, if it is due, the loop is not stopped and an item is left.

    Repeated and concurrent calls create one batch: a database constraint allows one batch in selection per project.
    """
    # Wait for a transaction that is completing a batch: on PostgreSQL, only the lock does that.
    project = lock_project(project.pk)
    if project.loop == Project.Loop.STOPPED:
        return None
    last = project.batches.order_by("-number").first()
    is_first = last is None or (last.number == 1 and last.state == Batch.State.SELECTING)
    few = is_first and _is_less_than_a_batch(project)
    if not _should_select_next(project):
        if is_first and not few:  # the first selection was delayed until the pool holds one batch
            Job.objects.waiting().filter(project=project, kind=Job.Kind.SELECT).update(run_after=timezone.now())
        if project.nothing_left_at and is_any_left(project):
            _note_what_is_left(project, any_left=True)
        return None
    any_left = is_any_left(project)
    _note_what_is_left(project, any_left=any_left)
    if not any_left:
        return None
    if project.waits_for_predictions and not _has_newer_predictions(project, last):
        return None
    batch = Batch(project=project, number=last.number + 1 if last else 1, overlap=project.overlap)
    advance(batch, BatchEvent.DUE)
    if few:
        batch.jobs.filter(kind=Job.Kind.SELECT).update(run_after=timezone.now() + SETTLE)
    return batch


def _has_newer_predictions(project: Project, last: Batch | None) -> bool:
    """Return whether a version from outside has come since the last batch was complete."""
    versions = project.versions.exclude(origin=ModelVersion.Origin.TRAINED)
    since = last and last.completed_at
    return (versions.filter(created_at__gt=since) if since else versions).exists()


def _is_less_than_a_batch(project: Project) -> bool:
    """Return whether a project without a picked batch has fewer items to pick than a batch takes.

    Other writers wait meanwhile, so it counts the items of the pool only if smaller numbers do not decide.
    """
    others = project.items.excluded().count() + project.items.filter(gold__isnull=False).count()
    if project.encoded_rows - project.purged_rows - others >= project.batch_size:
        return False
    return project.items.unlabeled().order_by()[: project.batch_size].count() < project.batch_size


def is_any_left(project: Project) -> bool:
    """Return whether the pool has an item for another batch: one to pick, or one to ask again."""
    return project.items.unlabeled().exists() or project.items.asked_again().exists()


def lock_project(pk: int) -> Project:
    """Lock the project's row, and return the project as it is now."""
    return Project.objects.select_for_update(no_key=True).get(pk=pk)


def lock(batches: QuerySet[Batch]) -> None:
    """Lock these batches, for a transaction that locks their project before it changes them.

    Every transaction locks batches in the order of their ids, then their project, as an answer does that ends a batch.
    Batches in selection or `ready` come after the project: no transaction waits for the project after it locked one.
    """
    list(batches.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))


def _note_what_is_left(project: Project, *, any_left: bool) -> None:
    """Note on the locked project whether the pool has an item for another batch.

    The note is not on the last batch, because no transaction may wait for a batch after it locked the project: see
    `lock`.
    """
    if any_left and not project.nothing_left_at:
        return
    project.nothing_left_at = None if any_left else timezone.now()
    Project.objects.filter(pk=project.pk).update(nothing_left_at=project.nothing_left_at)


def final() -> QuerySet[Batch]:
    """Return the batches after which none follows: when one last looked, no item was left, and none is being imported.

    It reads the note of `ensure_next` and `pick_ahead`, not the pool: pages ask every second.
    """
    coming = Job.objects.unfinished().filter(kind__in=[Job.Kind.IMPORT, Job.Kind.ENCODE], project=OuterRef("project"))
    newer = Batch.objects.to_people().filter(project=OuterRef("project"), number__gt=OuterRef("number"))
    return Batch.objects.exclude(project__nothing_left_at=None).exclude(Exists(coming)).exclude(Exists(newer))


def _should_select_next(project: Project) -> bool:
    """Return whether the states of the project's active batches call for the next selection."""
    active = list(project.batches.active().order_by("number"))
    if not active:
        return True
    if any(batch.strategy == IMPORTED for batch in active):  # the model trained on the import picks the next batch
        return False
    if project.pick_ahead is None or active[-1].state in (Batch.State.SELECTING, Batch.State.READY):
        return False
    if any(batch.state == Batch.State.FAILED for batch in active):
        return False
    if sum(batch.state == Batch.State.TRAINING for batch in active[:-1]) > MOST_UNTRAINED:
        return False
    return active[-1].state == Batch.State.TRAINING or is_nearly_over(active[-1], project.pick_ahead)


def is_nearly_over(batch: Batch, share: float) -> bool:
    """Return whether annotators have claimed, or answered, this share of an open batch's tasks."""
    most = share * batch.size
    if batch.size - batch.remaining >= most:
        return True
    # Annotators get tasks by rank. Tasks that were asked again of one more person are left out: they come last.
    free = batch.tasks.claimable().filter(free__gt=F("extra")).values_list("rank", flat=True).first()
    return free is None or free >= most


def pick_ahead(*, project: Project, batch: Batch) -> None:
    """Call `ensure_next` if this open batch is nearly over and no batch follows it.

    Every claim near the end of a batch calls this function, so it checks all conditions before it locks the project.
    If the pool has no item left, it skips the check for `LOOK_AGAIN`; code that adds items calls `ensure_next` itself.
    """
    looked = project.nothing_left_at
    if project.pick_ahead is None or (looked and timezone.now() - looked < LOOK_AGAIN):
        return
    if _is_followed(batch) or not _should_select_next(project):
        return
    if is_any_left(project):
        ensure_next(project=project)
        return
    with transaction.atomic():
        held = lock_project(project.pk)
        # If items have come since, their import has changed the note or created the next batch.
        if held.nothing_left_at == looked and not _is_followed(batch):
            _note_what_is_left(held, any_left=False)
    project.nothing_left_at = held.nothing_left_at


def _is_followed(batch: Batch) -> bool:
    """Return whether a batch was picked after this one."""
    newer = Batch.objects.filter(project=batch.project_id, number__gt=batch.number)
    return newer.to_people().exists()


@transaction.atomic
def set_loop(*, project: Project, loop: str) -> None:
    """Start, pause or stop the project's loop.

    A start also enqueues the encoding of unencoded items, and the next selection if no batch is active.
    """
    changed = Project.objects.filter(pk=project.pk).exclude(loop=loop).update(loop=loop)
    before, project.loop = project.loop, loop
    if loop == Project.Loop.RUNNING:
        if project.items.unencoded().exists():
            Job.objects.enqueue(Job.Kind.ENCODE, project=project)
        ensure_next(project=project)
    if changed:
        auditlog.record(LogKind.LOOP_CHANGED, project=project, before={"loop": before}, after={"loop": loop})


def open_ready(project: Project) -> None:
    """Open the ready batch to annotators, unless there is none or another request opens it at the same moment."""
    now, hours = timezone.now(), project.deadline_hours
    for batch in project.batches.filter(state=Batch.State.READY):
        with suppress(BatchError):
            advance(
                batch,
                BatchEvent.OPENED,
                opened_at=now,
                deadline_at=None if hours is None else now + datetime.timedelta(hours=hours),
                complete_share=None if hours is None else project.complete_share,
            )


@transaction.atomic
def reopen(*, batch: Batch) -> None:
    """Open a complete batch again, for an annotator who undoes an answer in it. Nothing happens if its training has
    begun, or if the batch ended before all answers came.
    """
    extra = batch.tasks.aggregate(n=Sum("extra", default=0))["n"]
    answers = Annotation.objects.deciding(with_skips=True).filter(task__batch=batch).count()
    if batch.strategy == IMPORTED or batch.dropped or answers < batch.size * batch.overlap + extra:
        return
    due = Job.objects.waiting().filter(batch=batch, kind__in=STEPS[State.TRAINING], attempts=0)
    if due.delete()[0]:
        advance(batch, BatchEvent.UNDONE)


@transaction.atomic
def for_import(*, item_import: ItemImport) -> Batch:
    """Return the batch for the import's labeled items. The transaction that writes their tasks calls this function.

    If the import's batch is already in training, as after a late retry of a failed import, create another batch.
    """
    batch = Batch.objects.filter(imports=item_import, state=Batch.State.IMPORTING).first()
    if batch is None:
        project = lock_project(item_import.project_id)
        batch = Batch(project=project, number=_next_number(project), strategy=IMPORTED)
        advance(batch, BatchEvent.LABELS_CAME)
        ItemImport.objects.filter(pk=item_import.pk).update(batch=batch)
    return batch


@transaction.atomic
def arrived(*, project: Project) -> None:
    """Enqueue the training of each import's batch whose import has ended and whose items are all encoded.

    A second call changes nothing.
    """
    lock(project.batches.filter(state=Batch.State.IMPORTING))
    project = lock_project(project.pk)
    ended = [ItemImport.State.DONE, ItemImport.State.REFUSED]
    waiting = project.batches.filter(state=Batch.State.IMPORTING, imports__state__in=ended).order_by("number")
    for batch in waiting:
        if project.items.unencoded().filter(task__batch=batch).exists():
            continue
        # A model version counts as trained on all batches up to its own number, so this batch moves behind newer ones.
        newer = project.batches.filter(number__gt=batch.number).exists()
        number = _next_number(project) if newer else batch.number
        advance(batch, BatchEvent.ENCODED, number=number)
        _note_what_is_left(project, any_left=is_any_left(project))


def _next_number(project: Project) -> int:
    last = project.batches.order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


@transaction.atomic
def version_came(project: Project) -> None:
    """Enqueue the selection of a batch that waits for a version from outside, and the second selection of one that was
    picked before the newest version came.
    """
    if project.waits_for_predictions:
        ensure_next(project=project)
    if project.batches.on_offer().exists():
        Job.objects.enqueue(Job.Kind.REPICK, project=project)


def _open_first(project: Project) -> None:
    if not project.batches.open().exists():
        open_ready(project)


def _select_ahead(project: Project) -> None:
    if project.pick_ahead is not None:
        ensure_next(project=project)
    elif not is_any_left(project):
        _note_what_is_left(project, any_left=False)


def _select_or_finish(project: Project) -> None:
    following = ensure_next(project=project)
    # The selection of a next batch advances the goal itself.
    if following is None and Finish.objects.filter(project=project, running=True).exists():
        Job.objects.enqueue(Job.Kind.FINISH, project=project)


def _is_outrun(batch: Batch, project: Project) -> bool:
    newest = project.versions.newest()
    return newest is not None and newest.number != batch.newest_version


FOLLOWS: dict[Follow, Callable[[Project], object]] = {
    Follow.OPEN_READY: _open_first,
    Follow.PICK_AHEAD: _select_ahead,
    Follow.PICK_NEXT: lambda project: ensure_next(project=project),
    Follow.PICK_NEXT_OR_FINISH: _select_or_finish,
    Follow.VERSION_CAME: version_came,
}
FACTS: dict[Fact, Callable[[Batch, Project], bool]] = {
    Fact.TRAINS: lambda batch, project: project.trains,
    Fact.HAS_VERSION: lambda batch, project: project.versions.exists(),
    Fact.IS_OUTRUN: _is_outrun,
    Fact.CALIBRATES: lambda batch, project: project.versions.filter(
        batch=batch, calibrating=ModelVersion.Calibrating.WAITING
    ).exists(),
}
