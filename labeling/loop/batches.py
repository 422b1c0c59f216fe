"""The states of a batch, and the background steps that each change of state enqueues.

    selecting → (ready →) open → training → done        and from selecting and training: failed → (retry) → where it was

Unless the project waits for the newest model, the next batch is picked ahead, while annotators still answer the current
batch. The next batch stays `ready` until the current batch has no free task. When the model of the current batch is
trained, the next batch's tasks without an assignment are picked again.

    importing → training → done        a batch of items imported with labels: no annotator answers, so it never opens

Each function is one transaction (or joins its caller's). A change of state is a conditional update; the request whose
update changes the row enqueues the next background step in the same transaction.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import Annotation, Batch, Event, EventType, Finish, ItemImport, Job, LogKind, ModelVersion, Project
from labeling.models.batches import IMPORTED
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog

# The first batch waits this long for more items if the pool holds fewer than one batch.
SETTLE_SECONDS = 8

# The number of batches before the newest that may be in training when the next batch is picked.
MOST_UNTRAINED = 1

# `pick_ahead` found no item left: it does not query the pool again for this long.
LOOK_AGAIN = datetime.timedelta(minutes=10)


class BatchError(StateConflict):
    """The batch's state does not allow the change; the message says why."""


@transaction.atomic
def ensure_next(*, project: Project) -> Batch | None:
    """Create the next batch and enqueue its selection, if it is due, the loop is not stopped and an item is left.

    Repeated and concurrent calls create one batch: a database constraint allows one batch in selection per project.
    """
    # Wait for a transaction that is completing a batch: on PostgreSQL, only the lock does that.
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if project.loop == Project.Loop.STOPPED:
        return None
    last = project.batches.order_by("-number").first()
    is_first = last is None or (last.number == 1 and last.state == Batch.State.SELECTING)
    few = is_first and _is_less_than_a_batch(project)
    if not _is_time(project):
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
    batch = Batch.objects.create(project=project, number=last.number + 1 if last else 1, overlap=project.overlap)
    begin_picking(batch, delay_seconds=SETTLE_SECONDS if few else 0)
    return batch


def begin_picking(batch: Batch, *, by_chance: bool = False, delay_seconds: float = 0) -> None:
    """Enqueue the first step of the batch's selection: the run over the pool, or without a version or `by_chance` the
    selection, after this delay. Steps of an earlier attempt are forgotten.
    """
    batch.jobs.filter(kind__in=[Job.Kind.EMBED, Job.Kind.CLUSTER, Job.Kind.SELECT]).delete()
    if batch.project.versions.exists() and not by_chance:
        Job.objects.enqueue(Job.Kind.EMBED, project=batch.project, batch=batch)
    else:
        Job.objects.enqueue(Job.Kind.SELECT, project=batch.project, batch=batch, delay_seconds=delay_seconds)


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
    newer = Batch.objects.filter(project=OuterRef("project"), number__gt=OuterRef("number")).exclude(strategy=IMPORTED)
    return Batch.objects.exclude(project__nothing_left_at=None).exclude(Exists(coming)).exclude(Exists(newer))


def _is_time(project: Project) -> bool:
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
    if _is_followed(batch) or not _is_time(project):
        return
    if is_any_left(project):
        ensure_next(project=project)
        return
    with transaction.atomic():
        held = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        # If items have come since, their import has changed the note or created the next batch.
        if held.nothing_left_at == looked and not _is_followed(batch):
            _note_what_is_left(held, any_left=False)
    project.nothing_left_at = held.nothing_left_at


def _is_followed(batch: Batch) -> bool:
    """Return whether a batch was picked after this one."""
    newer = Batch.objects.filter(project=batch.project_id, number__gt=batch.number)
    return newer.exclude(strategy=IMPORTED).exists()


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


@transaction.atomic
def picked(*, batch: Batch) -> None:
    """Make a batch whose tasks were written `ready`, and open it if no other batch of the project is open.

    If a model version was trained during the selection, enqueue a second selection. Raises `BatchError` if the batch is
    not in selection.
    """
    # Wait for a transaction that is completing the batch before: `complete` opens the ready batch.
    project = Project.objects.select_for_update(no_key=True).get(pk=batch.project_id)
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.SELECTING).update(state=Batch.State.READY):
        raise BatchError(gettext("Batch %(number)s is not being selected.") % {"number": batch.number})
    if not project.batches.open().exists():
        open_ready(project=project)
    newest = project.versions.newest()
    if newest is not None and newest.number != batch.newest_version:  # trained during this selection
        Job.objects.enqueue(Job.Kind.REPICK, project=project)


@transaction.atomic
def open_ready(*, project: Project) -> bool:
    """Open the ready batch to annotators. Return False if no batch is ready, or another request opened it first."""
    now, hours = timezone.now(), project.deadline_hours
    batch = project.batches.filter(state=Batch.State.READY).first()
    opened = batch is not None and Batch.objects.filter(pk=batch.pk, state=Batch.State.READY).update(
        state=Batch.State.OPEN,
        opened_at=now,
        deadline_at=None if hours is None else now + datetime.timedelta(hours=hours),
        complete_share=None if hours is None else project.complete_share,
    )
    if batch is not None and opened:
        Job.objects.enqueue(Job.Kind.SURVEY, project=project, batch=batch)
        Event.objects.announce(EventType.BATCH_OPENED, project, number=batch.number)
    return bool(opened)


@transaction.atomic
def complete(*, batch_id: int) -> bool:
    """Close the batch if no task lacks answers, enqueue its one training job, and open the next batch if it is ready.

    The transaction that writes an answer calls this function. If two transactions write the last two answers at once,
    the second waits for the row lock of the first and then reads the count that the first wrote.
    """
    closed = Batch.objects.filter(pk=batch_id, state=Batch.State.OPEN, remaining=0, size__gt=0).update(
        state=Batch.State.TRAINING, completed_at=timezone.now()
    )
    if closed:
        batch = Batch.objects.get(pk=batch_id)
        project = Project.objects.select_for_update(no_key=True).get(pk=batch.project_id)
        Job.objects.enqueue(kind_after(project), project=project, batch=batch)
        if not project.batches.open().exists():
            open_ready(project=project)
        if project.pick_ahead is not None:
            ensure_next(project=project)
        elif not is_any_left(project):
            _note_what_is_left(project, any_left=False)
    return bool(closed)


@transaction.atomic
def reopen(*, batch: Batch) -> bool:
    """Open a complete batch again, for an annotator who undoes an answer in it. Return False if its training has begun,
    or the batch ended before all answers came.
    """
    extra = batch.tasks.aggregate(n=Sum("extra", default=0))["n"]
    answers = Annotation.objects.standing().filter(task__batch=batch).count()
    if batch.dropped or answers < batch.size * batch.overlap + extra:
        return False
    due = Job.objects.waiting().filter(batch=batch, kind__in=[Job.Kind.TRAIN, Job.Kind.SETTLE], attempts=0)
    if not due.delete()[0]:
        return False
    reopened = Batch.objects.filter(pk=batch.pk, state=Batch.State.TRAINING).exclude(strategy=IMPORTED)
    return bool(reopened.update(state=Batch.State.OPEN, completed_at=None))


@transaction.atomic
def for_import(*, item_import: ItemImport) -> Batch:
    """Return the batch for the import's labeled items. The transaction that writes their tasks calls this function.

    If the import's batch is already in training, as after a late retry of a failed import, create another batch.
    """
    batch = Batch.objects.filter(imports=item_import, state=Batch.State.IMPORTING).first()
    if batch is None:
        project = Project.objects.select_for_update(no_key=True).get(pk=item_import.project_id)
        batch = Batch.objects.create(
            project=project, number=_next_number(project), state=Batch.State.IMPORTING, strategy=IMPORTED
        )
        ItemImport.objects.filter(pk=item_import.pk).update(batch=batch)
    return batch


@transaction.atomic
def arrived(*, project: Project) -> None:
    """Enqueue the training of each import's batch whose import has ended and whose items are all encoded.

    A second call changes nothing.
    """
    lock(project.batches.filter(state=Batch.State.IMPORTING))
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    ended = [ItemImport.State.DONE, ItemImport.State.REFUSED]
    waiting = project.batches.filter(state=Batch.State.IMPORTING, imports__state__in=ended).order_by("number")
    for batch in waiting:
        if project.items.unencoded().filter(task__batch=batch).exists():
            continue
        # A model version counts as trained on all batches up to its own number, so this batch moves behind newer ones.
        newer = project.batches.filter(number__gt=batch.number).exists()
        batch.number = _next_number(project) if newer else batch.number
        batch.state, batch.completed_at = Batch.State.TRAINING, timezone.now()
        batch.save(update_fields=["number", "state", "completed_at"])
        _note_what_is_left(project, any_left=is_any_left(project))
        Job.objects.enqueue(kind_after(project), project=project, batch=batch)


def kind_after(project: Project) -> str:
    """Return the kind of step that a complete batch waits for."""
    return Job.Kind.TRAIN if project.trains else Job.Kind.SETTLE


def _next_number(project: Project) -> int:
    last = project.batches.order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


@transaction.atomic
def trained(*, batch: Batch) -> None:
    """Move a batch whose training has ended from `training` to `done`, and enqueue the steps that follow.

    These are the next selection, or else the step of the project's goal; the second selection of a batch that was
    picked ahead (its tasks without an assignment); the baseline and the search for label errors.

    Raises `BatchError` if the batch is not in training.
    """
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.TRAINING).update(
        state=Batch.State.DONE, done_at=timezone.now()
    ):
        raise BatchError(gettext("Batch %(number)s is not being trained on.") % {"number": batch.number})
    following = ensure_next(project=batch.project)
    # The selection of a next batch advances the goal itself.
    if following is None and Finish.objects.filter(project=batch.project, running=True).exists():
        Job.objects.enqueue(Job.Kind.FINISH, project=batch.project)
    version_came(project=batch.project)
    if batch.project.trains:  # both train temporary models
        Job.objects.enqueue(Job.Kind.BASELINE, project=batch.project, batch=batch)
        Job.objects.enqueue(Job.Kind.MISLABELED, project=batch.project, batch=batch)
    Event.objects.announce(EventType.BATCH_DONE, batch.project, number=batch.number)


@transaction.atomic
def version_came(*, project: Project) -> None:
    """Enqueue the selection of a batch that waits for a version from outside, and the second selection of one that was
    picked before the newest version came.
    """
    if project.waits_for_predictions:
        ensure_next(project=project)
    if project.batches.on_offer().exists():
        Job.objects.enqueue(Job.Kind.REPICK, project=project)
