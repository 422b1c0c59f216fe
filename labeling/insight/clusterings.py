"""Measure how well a project's clustering still fits, and record a manager's request to rebuild it."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import Clustering, LogKind, Project
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog

# The largest share of rows that joined later: they join existing clusters and never form new ones.
MOST_JOINED = 0.25
# The least share of the original fit that the clustering must keep with the present version's embeddings.
LEAST_KEPT = 0.8


class ClusteringError(StateConflict):
    """A rebuild is not possible now; the message says why."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The reasons for rebuilding the clustering: the share of rows that joined later, and the share of the fit kept,
    None if it has not been measured.
    """

    joined: float
    kept: float | None

    @property
    def many_joined(self) -> bool:
        return self.joined > MOST_JOINED

    @property
    def fits_badly(self) -> bool:
        return self.kept is not None and self.kept < LEAST_KEPT

    @property
    def far(self) -> bool:
        """Whether the clustering should be rebuilt."""
        return self.many_joined or self.fits_badly


def clustering_of(project: Project) -> Clustering | None:
    """Return the project's clustering with its model versions, or None. Takes one query."""
    clusterings = Clustering.objects.filter(project=project).select_related("embedded_by", "measured_by")
    return clusterings.first()


def drift_of(clustering: Clustering) -> Drift:
    return Drift(clustering.joined_share, clustering.kept_share)


@transaction.atomic
def ask_rebuild(*, project: Project) -> None:
    """Request a rebuild of the clustering before the next batch that is picked by clusters; a second call does nothing.
    Raises `ClusteringError` if there is no clustering.
    """
    clusterings = Clustering.objects.filter(project=project)
    if clusterings.filter(anew_at__isnull=True).update(anew_at=timezone.now()):
        auditlog.record(LogKind.CLUSTERED, project=project, after={"again": True})
    elif not clusterings.exists():
        raise ClusteringError(gettext("The pool is not clustered yet. Clustering runs before the second batch."))


@transaction.atomic
def withdraw_rebuild(*, project: Project) -> None:
    """Withdraw the request to rebuild. Does nothing without a request, or if the new clustering is already written."""
    if Clustering.objects.filter(project=project, anew_at__isnull=False).update(anew_at=None):
        auditlog.record(LogKind.CLUSTERED, project=project, after={"again": False})
