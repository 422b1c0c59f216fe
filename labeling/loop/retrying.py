"""The ways out of a failed batch. Pages show a button for each way that applies, and the API takes its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from labeling.loop import batches
from labeling.loop.batches import BatchError
from labeling.loop.table import BatchEvent
from labeling.models import Batch, Clustering, LogKind
from labeling.models.batches import SEED
from labeling.observing import auditlog


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """A way out of a batch that failed in `state`.

    Parameters
    ----------
    event: the event that it is in the table of the loop.
    applies: whether it can help.
    prepare: called before the event; it returns columns of the batch that change with it.
    """

    name: str
    state: str
    title: Promise
    meaning: Promise
    event: BatchEvent = BatchEvent.RETRIED
    applies: Callable[[Batch], bool] = lambda batch: True
    prepare: Callable[[Batch], dict[str, Any]] = lambda batch: {}


def _cluster_again(batch: Batch) -> dict[str, Any]:
    Clustering.objects.filter(project=batch.project, anew_at=None).update(anew_at=timezone.now())
    return {}


def _forget_selection(batch: Batch) -> dict[str, Any]:
    newest = batch.project.versions.newest()
    return {
        "selected_by": None,
        "choice": None,
        "strategy": SEED,
        "pool_rows": None,
        "features_hash": "",
        "margins_hash": "",
        "newest_version": newest and newest.number,  # or that version would pick the batch again at once
    }


WAYS = (
    WayOut(
        name="again",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Try again"),
        meaning=gettext_lazy("Picks the batch again from the start, with the model version in use."),
    ),
    WayOut(
        name="cluster",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Cluster again, then try again"),
        meaning=gettext_lazy("Also builds new clusters. Use this if clustering failed."),
        prepare=_cluster_again,
        applies=lambda batch: Clustering.objects.filter(project=batch.project).exists(),
    ),
    WayOut(
        name="draw",
        state=Batch.State.SELECTING,
        title=gettext_lazy("Draw this batch at random"),
        meaning=gettext_lazy("Needs no model, predictions or clusters. Use this if nothing else works."),
        event=BatchEvent.DRAWN,
        prepare=_forget_selection,
    ),
    WayOut(
        name="again",
        state=Batch.State.TRAINING,
        title=gettext_lazy("Try again"),
        meaning=gettext_lazy("Trains on the batch again, with the current settings."),
    ),
    WayOut(
        name="skip",
        state=Batch.State.TRAINING,
        title=gettext_lazy("Continue without this training"),
        meaning=gettext_lazy("The labels stay. The training after the next batch uses them."),
        event=BatchEvent.SKIPPED,
        applies=lambda batch: batch.project.trains,
    ),
)
NAMES = tuple(dict.fromkeys(way.name for way in WAYS))


def ways_out(batch: Batch) -> list[WayOut]:
    """Return the ways out of the batch, the most likely first; none unless it has failed."""
    if batch.state != Batch.State.FAILED:
        return []
    return [way for way in WAYS if way.state == batch.failed_in and way.applies(batch)]


@transaction.atomic
def retry(*, batch: Batch, way: str = "again") -> None:
    """Take a way out of a failed batch, by its name. Raises `BatchError` if it has not failed or has no such way."""
    batch = Batch.objects.select_related("project").get(pk=batch.pk)
    values = {"number": batch.number, "state": gettext(batch.state)}
    if batch.state != Batch.State.FAILED:
        raise BatchError(gettext("Batch %(number)s has not failed: it is %(state)s.") % values)
    chosen = next((each for each in ways_out(batch) if each.name == way), None)
    if chosen is None:
        raise BatchError(gettext("Batch %(number)s cannot be continued this way.") % values)
    batches.advance(batch, chosen.event, **chosen.prepare(batch))
    auditlog.record(
        LogKind.BATCH_RETRIED, project=batch.project, subject=f"batch {batch.number}", after={"way": chosen.name}
    )
