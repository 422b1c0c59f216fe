"""How well a project's clustering still fits, and a manager's wish to have it rebuilt."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from labeling.models import Clustering, Project

# More than this part of the rows joined later: they found their places, but no clusters of their own.
MOST_JOINED = 0.25
# Less than this part of what the clustering described is left of it under the present model.
LEAST_KEPT = 0.8


class ClusteringError(Exception):
    """That cannot be asked for now; the message says why."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What speaks for rebuilding the clustering. `kept` is None where it is not measured."""

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
    """The project's clustering with the versions that it names. One query."""
    clusterings = Clustering.objects.filter(project=project).select_related("embedded_by", "measured_by")
    return clusterings.first()


def drift_of(clustering: Clustering) -> Drift:
    return Drift(clustering.joined_share, clustering.kept_share)


def ask_rebuild(*, project: Project) -> None:
    """Have the clustering rebuilt before the next batch that is picked by clusters. Asked twice, it counts once.

    Raises `ClusteringError` if there is no clustering.
    """
    clusterings = Clustering.objects.filter(project=project)
    if not clusterings.filter(anew_at__isnull=True).update(anew_at=timezone.now()) and not clusterings.exists():
        raise ClusteringError("The pool is not clustered yet: that is done before the second batch.")


def withdraw_rebuild(*, project: Project) -> None:
    """Keep the clustering after all. Does nothing where nobody asked, or the new one is already there."""
    Clustering.objects.filter(project=project).update(anew_at=None)
