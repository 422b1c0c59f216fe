"""The ways out of a failed batch. Pages show a button for each way that applies, and the API takes its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from labeling.loop import batches
from labeling.loop.batches import BatchError
from labeling.models import Batch, Clustering, Job, LogKind
from labeling.models.batches import SEED
from labeling.observing import auditlog


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """A way out of a batch that failed in `state`. `applies`: whether it can help; `begin`: enqueue the step."""

    name: str
    state: str
    title: Promise
    meaning: Promise
    begin: Callable[[Batch], None]
    applies: Callable[[Batch], bool] = lambda batch: True


def _enqueue_training(batch: Batch) -> None:
    Job.objects.enqueue(batches.kind_after(batch.project), project=batch.project, batch=batch)


def _enqueue_settling(batch: Batch) -> None:
    Job.objects.enqueue(Job.Kind.SETTLE, project=batch.project, batch=batch)


def _cluster_again(batch: Batch) -> None:
    Clustering.objects.filter(project=batch.project, anew_at=None).update(anew_at=timezone.now())
    batches.begin_picking(batch)


def _draw_at_random(batch: Batch) -> None:
    """Clear what a model's selection stored on the batch, and enqueue a draw by chance."""
    newest = batch.project.versions.newest()
    Batch.objects.filter(pk=batch.pk).update(
        selected_by=None,
        choice=None,
        strategy=SEED,
        pool_rows=None,
        features_hash="",
        margins_hash="",
        newest_version=newest and newest.number,  # or that version would pick the batch again at once
    )
    batches.begin_picking(batch, by_chance=True)


def _is_clustered(batch: Batch) -> bool:
    return Clustering.objects.filter(project=batch.project).exists()


WAYS = (
    WayOut(
        name="again",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Retry"),
        meaning=gettext_lazy("Picks the batch from the beginning, by the version that is in use now."),
        begin=batches.begin_picking,
    ),
    WayOut(
        name="cluster",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Cluster again and retry"),
        meaning=gettext_lazy("The same, with new clusters. It helps if clustering failed."),
        begin=_cluster_again,
        applies=_is_clustered,
    ),
    WayOut(
        name="draw",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Draw this batch at random"),
        meaning=gettext_lazy("Needs no model, predictions or clusters. It helps if nothing else does."),
        begin=_draw_at_random,
    ),
    WayOut(
        name="again",
        state=Batch.State.TRAINING,
        title=gettext_lazy("Retry"),
        meaning=gettext_lazy("Trains on the batch again, with the present settings."),
        begin=_enqueue_training,
    ),
    WayOut(
        name="skip",
        state=Batch.State.TRAINING,
        title=gettext_lazy("Go on without this training"),
        meaning=gettext_lazy("The labels stay, and the training after the next batch learns from them."),
        begin=_enqueue_settling,
        applies=lambda batch: batch.project.trains,
    ),
)
NAMES = tuple(dict.fromkeys(way.name for way in WAYS))


def ways_out(batch: Batch) -> list[WayOut]:
    """Return the ways out of the batch, the most likely first; none unless it has failed."""
    if batch.state != Batch.State.FAILED:
        return []
    return [way for way in WAYS if way.state == _failed_in(batch) and way.applies(batch)]


@transaction.atomic
def retry(*, batch: Batch, way: str = "again") -> None:
    """Take a way out of a failed batch, by its name. Raises `BatchError` if the batch has not failed, or if the way
    does not apply to it.
    """
    batch = Batch.objects.select_related("project").get(pk=batch.pk)
    state = _failed_in(batch)
    if batch.state != Batch.State.FAILED:
        raise _not_failed(batch)
    chosen = next((each for each in ways_out(batch) if each.name == way), None)
    if chosen is None:
        raise BatchError(gettext("Batch %(number)s cannot be continued this way.") % {"number": batch.number})
    failed = Batch.objects.filter(pk=batch.pk, state=Batch.State.FAILED, failed_in=batch.failed_in)
    if not failed.update(state=state, failed_in="", reason=""):
        raise _not_failed(Batch.objects.get(pk=batch.pk))
    batch.jobs.filter(state=Job.State.FAILED).delete()  # a batch has one job of a kind
    chosen.begin(batch)
    auditlog.record(
        LogKind.BATCH_RETRIED, project=batch.project, subject=f"batch {batch.number}", after={"way": chosen.name}
    )


def _failed_in(batch: Batch) -> str:
    return batch.failed_in or Batch.State.SELECTING


def _not_failed(batch: Batch) -> BatchError:
    values = {"number": batch.number, "state": gettext(batch.state)}
    return BatchError(gettext("Batch %(number)s has not failed: it is %(state)s.") % values)
